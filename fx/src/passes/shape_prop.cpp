#include "adze/fx/passes/shape_prop.h"

#include <utility>

namespace adze::fx {

Value ShapeProp::propagate(std::vector<Value> args) {
  found_.clear();
  Value result = run(args);
  for (auto& [node, tensor] : found_) node->meta.tensor = std::move(tensor);
  found_.clear();
  return result;
}

Value ShapeProp::run_node(Node& node) {
  Value result = Interpreter::run_node(node);
  std::optional<TensorMetadata> tensor;
  if (result.is_tensor() && result.to_tensor().defined()) {
    const Tensor t = result.to_tensor();
    tensor = TensorMetadata{t.sizes(), t.dtype(), t.requires_grad(), t.quantizer()};
  }
  found_.emplace_back(&node, std::move(tensor));
  return result;
}

}  // namespace adze::fx
