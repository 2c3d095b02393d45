#pragma once

#include <functional>
#include <vector>

#include "adze/ao/pruning/base_scheduler.h"

namespace adze::ao::pruning {

/// base_sl times what a function of the step gives; one function, or one per group.
class LambdaSL final : public BaseScheduler {
 public:
  using Function = std::function<double(std::int64_t epoch)>;
  LambdaSL(BaseSparsifier& sparsifier, Function sl_lambda, std::int64_t last_epoch = -1);
  LambdaSL(BaseSparsifier& sparsifier, std::vector<Function> sl_lambdas,
           std::int64_t last_epoch = -1);
  std::string type() const override { return "LambdaSL"; }
  double sl_at(std::int64_t epoch, std::size_t group) const override;

 private:
  std::vector<Function> functions_;
};

}  // namespace adze::ao::pruning
