#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/limits.h"
#include "bench/peers.h"

namespace adze::bench {

/// One function of arrays with its data, ready to run.
class ElementwiseCase {
 public:
  virtual ~ElementwiseCase() = default;
  virtual void run() = 0;
  /// Runs, compares with the reference and says how; throws std::runtime_error if they differ.
  virtual std::string verify() = 0;
  /// The same with another library, or nothing if it has none.
  virtual std::function<void()> peer(const ElementwisePeer& /*peer*/) { return {}; }
  /// The part of the results of the last run that differs by more than a rounding.
  virtual double wrong_results() const { return 0; }
  virtual std::int64_t elements() const = 0;
};

struct ElementwiseOp {
  const char* name;
  int bytes;  ///< read and written for each element
  Traffic traffic;
  std::unique_ptr<ElementwiseCase> (*make)(std::int64_t n);
};

const std::vector<ElementwiseOp>& elementwise_ops();

}  // namespace adze::bench
