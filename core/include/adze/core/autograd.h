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

/// One remembered op.
class Node;

/// What the derivative of an op sees.
///
/// Take tensors through `tensor(i)` and `output()`: these throw, naming op and argument, when the
/// tensor was written in place since the forward call. `args` and `outputs` are not checked; they
/// serve for numbers, shapes and dtypes.
struct BackwardContext {
  const std::vector<Value>& args;       // the op's arguments, as they were given
  const std::vector<Tensor>& outputs;   // what the op returned, one or several tensors
  const std::vector<Tensor>& grads;     // d loss / d output, as many; never undefined
  const std::vector<bool>& needs_grad;  // one per argument
  const Node& node;

  Tensor tensor(std::size_t i) const;
  const Tensor& output(std::size_t i = 0) const;
  /// Shape of the i-th argument, a tensor; its values may have changed.
  Shape sizes(std::size_t i) const { return args[i].to_tensor().sizes(); }
  bool needs(std::size_t i) const { return needs_grad[i]; }
  const Tensor& grad() const { return grads[0]; }
};
/// Gradients with respect to the arguments, one per argument and of its shape: a Tensor, a list for
/// a list argument, none where nothing flows. Trailing ones may be left out.
using Gradients = std::vector<Value>;
/// The derivative of an op. It runs with gradient recording off.
using Derivative = Gradients (*)(const BackwardContext&);

/// The autograd record of a tensor.
struct Meta {
  bool requires_grad = false;  // leaves only
  Tensor grad;                 // leaves only
  std::shared_ptr<Node> node;  // the op that made the tensor; null for leaves
  std::size_t output_index = 0;
};

/// Name of the op behind a node, for printing.
std::string_view node_name(const Node& node);

/// True when `t` is a leaf that requires grad or was computed from one.
bool needs_grad(const Tensor& t);
bool needs_grad(const TensorList& list);

/// Makes `outputs` remember that `op` computed them from `args`. Outputs that are one of the
/// arguments (the op returned what it was given) or not of floating dtype stay as they are.
void record(const OpBase& op, std::vector<Value> args, std::vector<Tensor>& outputs);

/// Accumulates gradients of `outputs` (weighted by `gradients`, of their shapes; undefined: 1, for
/// one-element outputs only) into the `grad()` of the leaves, in an order that depends on the graph
/// only. The graph stays, so it may be run again; it goes when the last tensor that was computed
/// in it goes. Throws, and changes no gradient, when an output does not require grad, a gradient
/// does not fit, or a tensor that a derivative needs was written in place. Runs on the calling
/// thread; two threads must not accumulate into one leaf at a time.
void backward(const TensorList& outputs, const TensorList& gradients = {});

/// Gradients of `outputs` with respect to `inputs`, leaves or results, without touching any
/// `.grad()`. An input that does not influence the outputs gets an undefined tensor; one that does
/// not require grad throws. Otherwise as `backward`.
TensorList grad(const TensorList& outputs, const TensorList& inputs,
                const TensorList& gradients = {});

/// Sums `grad` over the dimensions that broadcasting added or expanded, back to `shape`.
Tensor sum_to(const Tensor& grad, const Shape& shape);

}  // namespace autograd
}  // namespace adze
