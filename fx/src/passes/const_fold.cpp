#include "adze/fx/passes/const_fold.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "adze/core/autograd.h"
#include "adze/core/ops.h"
#include "adze/nn/traversal.h"

namespace adze::fx {
namespace {

// Tensors that modules called by the graph may write.
std::unordered_set<const nn::Slot*> slots_of_called_modules(GraphModule& module) {
  std::unordered_set<const nn::Slot*> slots;
  for (const Node* call : module.graph().find_nodes(Opcode::call_module))
    nn::for_each_parameter(*module.submodule(*call), [&](const std::string&, nn::Parameter& p) {
      slots.insert(p.slot().get());
    });
  return slots;
}

// Evaluates the nodes that depend on nothing but fixed tensors.
class Folder {
 public:
  Folder(GraphModule& module, const ConstFoldOptions& options)
      : module_(module), options_(options), written_(slots_of_called_modules(module)) {
    const NoGrad no_grad;
    for (Node* node : module_.graph().node_list())
      if (is_fixed(*node)) values_[node] = evaluate(*node);
  }

  // Fixed tensors that something which stays uses, in the order of the graph.
  std::vector<std::pair<Node*, Tensor>> results() const {
    std::unordered_set<const Node*> stays;
    std::vector<std::pair<Node*, Tensor>> found;
    const std::vector<Node*> all = module_.graph().node_list();
    for (auto it = all.rbegin(); it != all.rend(); ++it) {
      Node& node = **it;
      const auto value = values_.find(&node);
      if (value != values_.end()) {
        const bool wanted = std::any_of(node.users().begin(), node.users().end(),
                                        [&](const Node* user) { return stays.contains(user); });
        if (!wanted) continue;
        if (node.function() && value->second.is_tensor()) {
          found.emplace_back(&node, value->second.to_tensor());
          continue;
        }
      }
      stays.insert(&node);
    }
    std::reverse(found.begin(), found.end());
    return found;
  }

  bool has_value(const Node& node) const { return values_.contains(&node); }

 private:
  bool is_fixed(const Node& node) const {
    if (node.is_get_attr()) {
      const nn::Parameter& p = module_.parameter(node);
      return (p.is_buffer() || options_.fold_parameters) && !p.slot()->is_parametrized() &&
             !written_.contains(p.slot().get());
    }
    if (!node.function() || node.function()->traits().random) return false;
    const std::vector<Node*> inputs = node.all_input_nodes();
    return !inputs.empty() && std::all_of(inputs.begin(), inputs.end(),
                                          [&](const Node* n) { return values_.contains(n); });
  }

  Value value(const Argument& argument) const {
    if (argument.is_node()) return values_.at(argument.node());
    if (argument.is_constant()) return argument.constant();
    Value::List list;
    for (const Argument& a : argument.list()) list.push_back(value(a));
    return list;
  }

  Value evaluate(const Node& node) const {
    if (node.is_get_attr()) return module_.parameter(node).value();
    std::vector<Value> args;
    for (const Argument& a : node.args()) args.push_back(value(a));
    try {
      return node.function()->call_boxed(args);
    } catch (Error& e) {
      e.enter(nn::join_path(node.meta.module_path, node.name()));
      throw;
    }
  }

  GraphModule& module_;
  const ConstFoldOptions options_;
  const std::unordered_set<const nn::Slot*> written_;
  std::unordered_map<const Node*, Value> values_;
};

std::string free_name(GraphModule& module, int& next) {
  std::string name;
  do {
    name = "_folded_" + std::to_string(next++);
  } while (module.find_parameter(name) || module.find_child(name));
  return name;
}

}  // namespace

bool fold_constants(GraphModule& module, const ConstFoldOptions& options) {
  Graph& graph = module.graph();
  graph.lint(&module);
  const Folder folder(module, options);
  const auto results = folder.results();
  if (results.empty()) return false;

  std::vector<Node*> fixed;
  for (Node* node : graph.node_list())
    if (folder.has_value(*node)) fixed.push_back(node);
  int next = 0;
  for (const auto& [node, value] : results) {
    const std::string name = free_name(module, next);
    // A copy: results that are views would keep, and follow, the tensor they were taken from.
    module.add_parameter(name, nn::Buffer(name, value.detach().clone()));
    const auto at = graph.inserting_before(*node);
    Node& read = graph.get_attr(name);
    read.meta = node->meta;
    node->replace_all_uses_with(read);
  }
  for (auto it = fixed.rbegin(); it != fixed.rend(); ++it)
    if ((*it)->users().empty()) graph.erase_node(**it);
  module.delete_all_unused_submodules();
  return true;
}

}  // namespace adze::fx
