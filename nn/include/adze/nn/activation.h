#pragma once

#include <cstdint>
#include <string>

#include "adze/nn/module.h"

namespace adze::nn {

/// max(x, 0); a quantized input keeps its qparams.
class ReLU : public ModuleOf<ReLU> {
 public:
  Tensor forward(const Tensor& x);
};

/// 1 / (1 + exp(-x)).
class Sigmoid : public ModuleOf<Sigmoid> {
 public:
  Tensor forward(const Tensor& x);
};

/// Hyperbolic tangent.
class Tanh : public ModuleOf<Tanh> {
 public:
  Tensor forward(const Tensor& x);
};

/// exp(x) / sum(exp(x)) along `dim`.
class Softmax : public ModuleOf<Softmax> {
 public:
  explicit Softmax(std::int64_t dim) : dim_(dim) {}
  std::int64_t dim() const { return dim_; }
  Tensor forward(const Tensor& x);
  std::string extra_repr() const override;
  std::map<std::string, Value> config() const override { return {{"dim", dim_}}; }

 private:
  std::int64_t dim_;
};

/// log(Softmax) along `dim`, computed without overflow.
class LogSoftmax : public ModuleOf<LogSoftmax> {
 public:
  explicit LogSoftmax(std::int64_t dim) : dim_(dim) {}
  std::int64_t dim() const { return dim_; }
  Tensor forward(const Tensor& x);
  std::string extra_repr() const override;
  std::map<std::string, Value> config() const override { return {{"dim", dim_}}; }

 private:
  std::int64_t dim_;
};

}  // namespace adze::nn
