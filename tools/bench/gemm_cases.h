#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <adze/kernels/gemm_f32.h>

#include "bench/options.h"
#include "bench/peers.h"

namespace adze::bench {

/// What `adze-bench gemm` takes beside the common options.
struct GemmOptions {
  CommonOptions common;
  std::string op = "u8s8";
  std::vector<std::string> peers;
  std::string form = "nt";            ///< f32: n or t for each operand, or "packed"
  std::string weights = "normal";     ///< u8s8, f32s8: normal, uniform or extreme
  std::int32_t max_activation = 127;  ///< u8s8, f32s8
  std::string out = "u8";             ///< u8s8, f32s8

  bool int8() const { return op != "f32"; }
};

/// One problem with its data, ready to run.
class GemmCase {
 public:
  virtual ~GemmCase() = default;

  virtual void run() = 0;
  /// Runs, compares sampled rows with the reference bit for bit and says how many; throws
  /// std::runtime_error at the first difference.
  virtual std::string verify() = 0;
  /// The table of kernels as the library sees it for this problem now.
  virtual std::vector<kernels::KernelInfo> table() const = 0;
  /// Makes run() use that kernel of the table.
  virtual void force(const kernels::KernelInfo& kernel) = 0;
  /// Ends that: the library picks again.
  virtual void release() = 0;
  /// The peer on the same data. Throws PeerRefuses.
  virtual std::function<void()> peer(const Peer& peer, const PeerSetting& setting) = 0;
  /// The part of the results of the peer that ran last that is wrong: integers that differ from
  /// ours (by more than 1, where they were rounded), floats by more than rounding explains.
  virtual double wrong_results() const = 0;
};

std::unique_ptr<GemmCase> make_gemm_case(const Problem& problem, const GemmOptions& options);

}  // namespace adze::bench
