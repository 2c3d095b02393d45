#include "adze/ao/pruning/lambda_scheduler.h"

namespace adze::ao::pruning {

LambdaSL::LambdaSL(BaseSparsifier& sparsifier, Function sl_lambda, std::int64_t last_epoch)
    : LambdaSL(sparsifier, std::vector<Function>(sparsifier.groups().size(), std::move(sl_lambda)),
               last_epoch) {}

LambdaSL::LambdaSL(BaseSparsifier& sparsifier, std::vector<Function> sl_lambdas,
                   std::int64_t last_epoch)
    : BaseScheduler(sparsifier, last_epoch), functions_(std::move(sl_lambdas)) {
  check(functions_.size() == groups(), "LambdaSL: Expected ", groups(), " sl_lambdas, but got ",
        functions_.size());
  for (const Function& f : functions_) check(static_cast<bool>(f), "LambdaSL: a function is empty");
  start();
}

double LambdaSL::sl_at(std::int64_t epoch, std::size_t group) const {
  return base_sl()[group] * functions_.at(group)(epoch);
}

}  // namespace adze::ao::pruning
