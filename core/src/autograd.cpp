#include "adze/core/autograd.h"

#include <atomic>
#include <queue>
#include <unordered_map>

#include "adze/core/creation.h"
#include "adze/core/op.h"
#include "adze/core/ops.h"
#include "adze/core/tensor_impl.h"

namespace adze {
namespace {
thread_local bool grad_mode = true;
}  // namespace

bool grad_enabled() {
  return grad_mode;
}
GradMode::GradMode(bool enabled) : previous_(grad_mode) {
  grad_mode = enabled;
}
GradMode::~GradMode() {
  grad_mode = previous_;
}

namespace autograd {
namespace {

// Calls f for each tensor in an argument: the tensor itself or those of a list.
template <class F>
void visit_tensors(const Value& arg, F&& f) {
  if (arg.is_tensor()) {
    f(arg.to_tensor());
  } else if (arg.is_list()) {
    for (const Value& element : arg.to_list()) visit_tensors(element, f);
  }
}

// Versions only grow, so the sum over a list tells whether any element changed.
std::uint64_t version_of(const Value& arg) {
  std::uint64_t version = 0;
  visit_tensors(arg, [&](const Tensor& t) { version += t.defined() ? t.version() : 0; });
  return version;
}

// The same array as `t`, outside of the graph: a node that kept its own result would never go.
Tensor detached(const Tensor& t) {
  auto impl = std::make_shared<TensorImpl>(t.impl());
  impl->autograd = nullptr;
  return Tensor(std::move(impl));
}

}  // namespace

class Node {
 public:
  Node(const OpBase& node_op, std::vector<Value> node_args)
      : op(node_op), args(std::move(node_args)) {
    for (const Value& arg : args) {
      bool wanted = false;
      visit_tensors(arg, [&](const Tensor& t) { wanted = wanted || autograd::needs_grad(t); });
      needs_grad.push_back(wanted);
      arg_versions.push_back(version_of(arg));
    }
  }
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const OpBase& op;
  // Grows along every path of a graph, so that falling order is an order to go backward in.
  const std::uint64_t sequence = next_sequence.fetch_add(1, std::memory_order_relaxed);
  std::vector<Value> args;
  std::vector<Tensor> outputs;
  std::vector<bool> needs_grad;
  std::vector<std::uint64_t> arg_versions, output_versions;

 private:
  inline static std::atomic<std::uint64_t> next_sequence{0};
  // Arguments of nodes that are going on this thread; null: none are.
  inline static thread_local std::vector<Value>* going = nullptr;
};

// The last handle to an argument takes the node that made it along, and so on down the graph: the
// outermost destructor takes them one by one, so that the depth of the graph costs no stack.
Node::~Node() {
  if (going) {
    std::move(args.begin(), args.end(), std::back_inserter(*going));
    return;
  }
  std::vector<Value> todo = std::move(args);
  going = &todo;
  while (!todo.empty()) {
    const Value last = std::move(todo.back());
    todo.pop_back();
  }
  going = nullptr;
}

std::string_view node_name(const Node& node) {
  return node.op.name();
}

Tensor BackwardContext::tensor(std::size_t i) const {
  check(version_of(args[i]) == node.arg_versions[i], node_name(node), ": argument ", i, " ",
        args[i].str(),
        " was changed in place after the forward call; its derivative needs the "
        "values of that time");
  return args[i].to_tensor();
}

const Tensor& BackwardContext::output(std::size_t i) const {
  check(outputs[i].version() == node.output_versions[i], node_name(node), ": result ", i,
        " of shape ", outputs[i].sizes(),
        " was changed in place after the forward call; its derivative needs the values of that "
        "time");
  return outputs[i];
}

bool needs_grad(const Tensor& t) {
  if (!t.defined()) return false;
  const Meta* meta = t.impl().autograd.get();
  return meta && (meta->requires_grad || meta->node);
}

bool needs_grad(const TensorList& list) {
  return std::any_of(list.begin(), list.end(), [](const Tensor& t) { return needs_grad(t); });
}

void record(const OpBase& op, std::vector<Value> args, std::vector<Tensor>& outputs) {
  const auto is_argument = [&](const Tensor& output) {
    bool found = false;
    for (const Value& arg : args)
      visit_tensors(arg, [&](const Tensor& t) { found = found || t.is_same(output); });
    return found;
  };
  std::vector<std::size_t> recorded;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& output = outputs[i];
    if (output.defined() && output.is_floating_point() && !is_argument(output))
      recorded.push_back(i);
  }
  if (recorded.empty()) return;

  const auto node = std::make_shared<Node>(op, std::move(args));
  for (const Tensor& output : outputs) {
    node->outputs.push_back(output.defined() ? detached(output) : Tensor());
    node->output_versions.push_back(output.defined() ? output.version() : 0);
  }
  for (const std::size_t i : recorded) {
    // A handle that belongs to a graph already keeps its place there.
    if (outputs[i].impl().autograd) outputs[i] = detached(outputs[i]);
    const auto meta = std::make_shared<Meta>();
    meta->node = node;
    meta->output_index = i;
    outputs[i].impl().autograd = meta;
  }
}

Tensor sum_to(const Tensor& grad, const Shape& shape) {
  const Shape& from = grad.sizes();
  if (from == shape) return grad;
  check(broadcast_shapes(from, shape, "sum_to") == from, "sum_to: cannot reduce shape ", from,
        " to ", shape);
  const std::size_t added = from.size() - shape.size();
  Shape dims;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (i < added || (shape[i - added] == 1 && from[i] != 1)) {
      dims.push_back(static_cast<std::int64_t>(i));
    }
  }
  return reshape(dims.empty() ? grad : sum(grad, dims), shape);
}

namespace {

// A sum of gradients.
struct Slot {
  Tensor sum;
  bool ours = false;  // nobody else sees the memory

  void add(const Tensor& gradient) {
    if (!sum.defined()) {
      sum = gradient;
    } else if (ours) {
      sum.add_(gradient);
    } else {
      sum = adze::add(sum, gradient);
      ours = true;
    }
  }
  // The sum, in memory of its own.
  Tensor take() {
    const bool alone = ours || (sum.impl_ptr().use_count() == 1 &&
                                sum.impl().storage.use_count() == 1 && sum.is_contiguous());
    return alone ? std::move(sum) : detached(clone(sum));
  }
};

// One walk backward.
class Engine {
 public:
  explicit Engine(std::string_view where) : where_(where) {}

  // Starts with d loss / d outputs.
  void seed(const TensorList& outputs, const TensorList& gradients) {
    check(gradients.empty() || gradients.size() == outputs.size(), where_, ": ", outputs.size(),
          " outputs need as many gradients, got ", gradients.size());
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const Tensor& output = outputs[i];
      check(output.defined(), where_, ": output ", i, " is undefined");
      check(needs_grad(output), where_, ": output ", i, " of shape ", output.sizes(),
            " does not require grad and was not computed from a tensor that does");
      Tensor gradient = gradients.empty() ? Tensor() : gradients[i];
      if (gradient.defined()) {
        check(gradient.sizes() == output.sizes(), where_, ": gradient ", i, " has shape ",
              gradient.sizes(), ", its output has shape ", output.sizes());
      } else {
        check(output.numel() == 1, where_, ": output ", i, " has shape ", output.sizes(),
              "; only a one-element output may go without a gradient");
        gradient = ones(output.sizes(), output.dtype());
      }
      send(output, gradient);
    }
  }

  // Keeps the gradient of a result; `gradient_of` gives it after the run.
  void watch(const Tensor& result) { watched_[result.impl().autograd->node.get()]; }

  void run() {
    while (!ready_.empty()) {
      const std::shared_ptr<Node> node = ready_.top();
      ready_.pop();
      step(*node);
    }
  }

  // Undefined when nothing reached it.
  Tensor gradient_of(const Tensor& input) {
    const Meta* meta = input.impl().autograd.get();
    if (meta->node) {
      const std::vector<Tensor>& grads = watched_[meta->node.get()];
      return grads.empty() ? Tensor() : grads[meta->output_index];
    }
    const auto found = leaves_.find(meta);
    return found == leaves_.end() ? Tensor() : found->second.slot.sum;
  }

  // Hands the sums over to the leaves.
  void accumulate() {
    for (auto& [key, leaf] : leaves_) {
      Tensor& grad = leaf.meta->grad;
      grad = grad.defined() ? adze::add(grad, leaf.slot.sum) : leaf.slot.take();
    }
  }

 private:
  struct Later {
    bool operator()(const std::shared_ptr<Node>& a, const std::shared_ptr<Node>& b) const {
      return a->sequence < b->sequence;
    }
  };
  struct Leaf {
    std::shared_ptr<Meta> meta;
    Slot slot;
  };

  void send(const Tensor& target, const Tensor& gradient) {
    const std::shared_ptr<Meta>& meta = target.impl().autograd;
    const Tensor converted = to(gradient, target.dtype());
    if (!meta->node) {
      Leaf& leaf = leaves_[meta.get()];
      leaf.meta = meta;
      leaf.slot.add(converted);
      return;
    }
    const auto [entry, is_new] = pending_.try_emplace(meta->node.get());
    if (is_new) {
      entry->second.resize(meta->node->outputs.size());
      ready_.push(meta->node);
    }
    entry->second[meta->output_index].add(converted);
  }

  void step(const Node& node) {
    auto entry = pending_.extract(&node);
    std::vector<Tensor> grads;
    for (Slot& slot : entry.mapped()) grads.push_back(std::move(slot.sum));
    if (const auto kept = watched_.find(&node); kept != watched_.end()) kept->second = grads;
    for (std::size_t i = 0; i < grads.size(); ++i) {
      Tensor& grad = grads[i];
      const Tensor& output = node.outputs[i];
      if (!grad.defined() && output.defined()) {
        grad = zeros(output.sizes(), output.is_floating_point() ? output.dtype() : float32);
      }
    }
    const Gradients gradients =
        node.op.derivative()({node.args, node.outputs, grads, node.needs_grad, node});
    for (std::size_t i = 0; i < gradients.size() && i < node.args.size(); ++i) {
      if (node.needs_grad[i]) route(node, i, node.args[i], gradients[i]);
    }
  }

  void route(const Node& node, std::size_t i, const Value& target, const Value& gradient) {
    if (gradient.is_none()) return;
    if (target.is_list()) {
      const Value::List& targets = target.to_list();
      const Value::List& list = gradient.to_list();
      for (std::size_t j = 0; j < targets.size() && j < list.size(); ++j) {
        route(node, i, targets[j], list[j]);
      }
      return;
    }
    const Tensor tensor = target.to_tensor(), value = gradient.to_tensor();
    if (!value.defined() || !needs_grad(tensor)) return;
    check(value.sizes() == tensor.sizes(), node_name(node), ": the derivative gave shape ",
          value.sizes(), " for argument ", i, " of shape ", tensor.sizes());
    send(tensor, value);
  }

  std::string_view where_;
  std::priority_queue<std::shared_ptr<Node>, std::vector<std::shared_ptr<Node>>, Later> ready_;
  std::unordered_map<const Node*, std::vector<Slot>> pending_;
  std::unordered_map<const Meta*, Leaf> leaves_;
  std::unordered_map<const Node*, std::vector<Tensor>> watched_;
};

}  // namespace

void backward(const TensorList& outputs, const TensorList& gradients) {
  const NoGrad guard;
  Engine engine("backward");
  engine.seed(outputs, gradients);
  engine.run();
  engine.accumulate();
}

TensorList grad(const TensorList& outputs, const TensorList& inputs, const TensorList& gradients) {
  const NoGrad guard;
  Engine engine("grad");
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    check(inputs[i].defined(), "grad: input ", i, " is undefined");
    check(needs_grad(inputs[i]), "grad: input ", i, " of shape ", inputs[i].sizes(),
          " does not require grad and was not computed from a tensor that does");
    if (inputs[i].impl().autograd->node) engine.watch(inputs[i]);
  }
  engine.seed(outputs, gradients);
  engine.run();
  TensorList result;
  for (const Tensor& input : inputs) {
    const Tensor gradient = engine.gradient_of(input);
    result.push_back(gradient.defined() ? detached(clone(gradient)) : Tensor());
  }
  return result;
}

}  // namespace autograd
}  // namespace adze
