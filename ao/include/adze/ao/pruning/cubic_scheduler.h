#pragma once

#include <cstdint>
#include <vector>

#include "adze/ao/pruning/base_scheduler.h"

namespace adze::ao::pruning {

struct CubicOptions {
  PerGroup<double> init_sl = 0.0;       // level at the start
  PerGroup<std::int64_t> init_t = 0;    // step at which it starts
  PerGroup<std::int64_t> delta_t = 10;  // the way takes delta_t · total_t steps
  PerGroup<std::int64_t> total_t = 100;
  PerGroup<bool> initially_zero = false;  // level 0, not init_sl, before init_t
  std::int64_t last_epoch = -1;
};

/// From init_sl to base_sl along a cubic curve, steep first (Zhu & Gupta 2017, "To prune, or not to
/// prune"): at step t
///
///     base_sl + (init_sl - base_sl) · (1 - (t - init_t) / (delta_t · total_t))³
///
/// limited to the range between the two, which may lie in either order.
class CubicSL final : public BaseScheduler {
 public:
  /// Throws unless delta_t and total_t are positive.
  explicit CubicSL(BaseSparsifier& sparsifier, const CubicOptions& options = {});
  std::string type() const override { return "CubicSL"; }
  double sl_at(std::int64_t epoch, std::size_t group) const override;

 protected:
  SparseValues settings() const override;
  void load_settings(const SparseValues& settings) override;

 private:
  struct Curve {
    double init_sl;
    std::int64_t init_t, delta_t, total_t;
    bool initially_zero;
  };
  std::vector<Curve> curves_;
};

}  // namespace adze::ao::pruning
