#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "adze/core/tensor.h"
#include "adze/core/value.h"

namespace adze {

/// True while ops on tensors that require gradients are remembered (per thread; on at start).
bool grad_enabled();

/// Turns gradient recording off (or on) for the current thread until the end of the scope.
class GradMode {
 public:
  explicit GradMode(bool enabled);
  ~GradMode();
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool previous_;
};
/// `NoGrad guard;` — no op in this scope is remembered.
struct NoGrad : GradMode {
  NoGrad() : GradMode(false) {}
};
/// `EnableGrad guard;` — ops are remembered again inside a NoGrad scope.
struct EnableGrad : GradMode {
  EnableGrad() : GradMode(true) {}
};

class OpBase;

namespace autograd {

/// What the derivative of an op sees.
struct BackwardContext {
  const std::vector<Value>& args;        // the op's arguments, as they were given
  const std::vector<Tensor>& outputs;    // what the op returned, one or several tensors
  const std::vector<Tensor>& grads;      // d loss / d output, as many; never undefined
  const std::vector<bool>& needs_grad;   // one per argument

  Tensor tensor(std::size_t i) const { return args[i].to_tensor(); }
  bool needs(std::size_t i) const { return needs_grad[i]; }
  const Tensor& grad() const { return grads[0]; }
  const Tensor& output() const { return outputs[0]; }
};
/// Gradients with respect to the arguments, one per argument and of its shape: a Tensor, a list for
/// a list argument, none where nothing flows. Trailing ones may be left out.
using Gradients = std::vector<Value>;
/// The derivative of an op. It runs with gradient recording off.
using Derivative = Gradients (*)(const BackwardContext&);

/// One remembered op.
class Node;

/// The autograd record of a tensor.
struct Meta {
  bool requires_grad = false;   // leaves only
  Tensor grad;                  // leaves only
  std::shared_ptr<Node> node;   // the op that made the tensor; null for leaves
  std::size_t output_index = 0;
};

/// Name of the op behind a node, for printing.
std::string_view node_name(const Node& node);

/// True when `t` is a leaf that requires grad or was computed from one.
bool needs_grad(const Tensor& t);
bool needs_grad(const TensorList& list);

/// Makes `outputs` remember that `op` computed them from `args`.
void record(const OpBase& op, std::vector<Value> args, std::vector<Tensor>& outputs);

/// Runs the engine: accumulates gradients of `outputs` (weighted by `gradients`) into the leaves.
void backward(const TensorList& outputs, const TensorList& gradients);

/// Gradients of `outputs` with respect to `inputs`, without touching any `.grad()`. An input that
/// does not influence the outputs gets an undefined tensor.
TensorList grad(const TensorList& outputs, const TensorList& inputs,
                const TensorList& gradients = {});

/// Sums `grad` over the dimensions that broadcasting added or expanded, back to `shape`.
Tensor sum_to(const Tensor& grad, const Shape& shape);

}  // namespace autograd
}  // namespace adze
