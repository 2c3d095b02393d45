#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <adze/kernels/gemm_u8s8.h>
#include <adze/kernels/isa.h>
#include <adze/kernels/quantize.h>

namespace adze::bench {

/// c = op(a) · op(b) of float32, row-major and contiguous.
struct F32Product {
  bool transpose_a, transpose_b;
  std::int64_t m, n, k;
  const float* a;
  const float* b;
};

/// stage(a · wᵀ), a m × k, w n × k, contiguous. The stage has a multiplier and a bias that is a
/// whole number for each channel, and no zero points of weights.
struct U8S8Product {
  std::int64_t m, n, k;
  const std::uint8_t* a;
  const std::int8_t* w;
  const kernels::OutputStage* stage;
};

/// Why a peer cannot do a problem.
class PeerRefuses : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct PeerSetting {
  kernels::Isa isa;
  int threads;
};

/// Functions of arrays of another library, on one thread with AVX2. What `requantize` prepares is
/// prepared once: rows × columns sums, with a stage as in U8S8Product or one multiplier and bias
/// for all.
struct ElementwisePeer {
  void (*quantize)(const float* x, std::int64_t n, const kernels::Affine& params, std::uint8_t* q);
  void (*dequantize)(const std::uint8_t* q, std::int64_t n, const kernels::Affine& params,
                     float* x);
  void (*fake_quantize)(const float* x, std::int64_t n, const kernels::Affine& params, float* y);
  kernels::MinMax (*min_max)(const float* x, std::int64_t n);
  std::function<void()> (*requantize)(const std::int32_t* sums, std::int64_t rows,
                                      std::int64_t columns, const kernels::OutputStage& stage,
                                      std::uint8_t* q);
};

/// Another library. `f32` and `u8s8` prepare what users of the library prepare once (packed
/// weights, primitives) and give what they run for each product; a peer without the function has no
/// such product. Both throw PeerRefuses. What the arguments point to must outlive the result.
struct Peer {
  const char* name;
  std::function<void()> (*f32)(const F32Product& product, const PeerSetting& setting, float* c);
  std::function<void()> (*u8s8)(const U8S8Product& product, const PeerSetting& setting, void* out);
  /// The instruction set it runs with, as it says itself.
  std::string (*isa)(const PeerSetting& setting);
  std::string (*version)();
  const ElementwisePeer* elementwise = nullptr;
};

/// Those that were compiled in.
const std::vector<const Peer*>& all_peers();
/// "eigen, openblas", those compiled in.
std::string peer_names();
/// The peer of that name. Throws UsageError if it is unknown, was not compiled in, or does not have
/// products of `op`, f32 or u8s8, or functions of arrays (elementwise).
const Peer& find_peer(const std::string& name, const std::string& op);

}  // namespace adze::bench
