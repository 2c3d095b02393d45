#include "adze/ao/pruning/cubic_scheduler.h"

#include <algorithm>
#include <cmath>

#include "state_text.h"

namespace adze::ao::pruning {

CubicSL::CubicSL(BaseSparsifier& sparsifier, const CubicOptions& options)
    : BaseScheduler(sparsifier, options.last_epoch) {
  const auto init_sl = options.init_sl.expand(groups());
  const auto init_t = options.init_t.expand(groups());
  const auto delta_t = options.delta_t.expand(groups());
  const auto total_t = options.total_t.expand(groups());
  const auto initially_zero = options.initially_zero.expand(groups());
  for (std::size_t g = 0; g < groups(); ++g) {
    check(delta_t[g] > 0 && total_t[g] > 0, "CubicSL: delta_t and total_t must be positive, got ",
          delta_t[g], " and ", total_t[g]);
    curves_.push_back({init_sl[g], init_t[g], delta_t[g], total_t[g], initially_zero[g]});
  }
  start();
}

double CubicSL::sl_at(std::int64_t epoch, std::size_t group) const {
  const Curve& c = curves_[group];
  if (c.initially_zero && epoch < c.init_t) return 0;
  const double target = base_sl()[group];
  const double way =
      static_cast<double>(epoch - c.init_t) / static_cast<double>(c.delta_t * c.total_t);
  const double level = target + (c.init_sl - target) * std::pow(1 - way, 3);
  return std::clamp(level, std::min(c.init_sl, target), std::max(c.init_sl, target));
}

SparseValues CubicSL::settings() const {
  SparseValues values;
  for (std::size_t g = 0; g < groups(); ++g) {
    const std::string at = "." + std::to_string(g);
    values["init_sl" + at] = curves_[g].init_sl;
    values["init_t" + at] = curves_[g].init_t;
    values["delta_t" + at] = curves_[g].delta_t;
    values["total_t" + at] = curves_[g].total_t;
    values["initially_zero" + at] = curves_[g].initially_zero;
  }
  return values;
}

void CubicSL::load_settings(const SparseValues& settings) {
  std::vector<Curve> curves;
  for (std::size_t g = 0; g < groups(); ++g) {
    const auto get = [&](const char* name) -> const Value& {
      return state_entry(settings, name + std::string(".") + std::to_string(g),
                         "CubicSL.load_state_dict");
    };
    const Curve& c = curves.emplace_back(Curve{get("init_sl").to_double(), get("init_t").to_int(),
                                               get("delta_t").to_int(), get("total_t").to_int(),
                                               get("initially_zero").to_bool()});
    check(c.delta_t > 0 && c.total_t > 0,
          "CubicSL.load_state_dict: delta_t and total_t must be positive, got ", c.delta_t, " and ",
          c.total_t);
  }
  curves_ = std::move(curves);
}

}  // namespace adze::ao::pruning
