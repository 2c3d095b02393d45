#pragma once

#include <cstdint>
#include <string>

#include "adze/nn/module.h"

namespace adze::nn {

/// Joins the dimensions start_dim .. end_dim into one; (N, ...) becomes (N, features) by default.
class Flatten : public ModuleOf<Flatten> {
 public:
  explicit Flatten(std::int64_t start_dim = 1, std::int64_t end_dim = -1)
      : start_dim_(start_dim), end_dim_(end_dim) {}
  std::int64_t start_dim() const { return start_dim_; }
  std::int64_t end_dim() const { return end_dim_; }
  Tensor forward(const Tensor& x);
  std::string extra_repr() const override;
  std::map<std::string, Value> config() const override {
    return {{"start_dim", start_dim_}, {"end_dim", end_dim_}};
  }

 private:
  std::int64_t start_dim_, end_dim_;
};

}  // namespace adze::nn
