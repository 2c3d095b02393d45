#include "adze/fx/subgraph_rewriter.h"

#include <algorithm>
#include <map>
#include <string>
#include <unordered_set>

#include "adze/nn/traversal.h"

#include "matching.h"

namespace adze::fx {
namespace {

class Function final : public nn::Module {
 public:
  using Call = std::function<Value(std::span<const Value>)>;
  Function(Call call, std::vector<nn::ForwardArg> args)
      : call_(std::move(call)), args_(std::move(args)) {}

  std::string qualified_type() const override { return "adze::fx::Function"; }
  std::vector<nn::ForwardArg> forward_args() const override { return args_; }

 protected:
  Tensor forward_tensor(const Tensor& x) override {
    const Value arg(x);
    return call_(std::span(&arg, 1)).to_tensor();
  }
  Value forward_values(std::span<const Value> args) override { return call_(args); }
  nn::ModulePtr shallow_copy() const override { return std::make_shared<Function>(*this); }

 private:
  Call call_;
  std::vector<nn::ForwardArg> args_;
};

// ---- members of the replacement -----------------------------------------------------------------

bool is_scope(nn::Module& module) {
  return dynamic_cast<Scope*>(&module) && !dynamic_cast<GraphModule*>(&module);
}

// Whether nothing is at that path, and members can be put on the way to it.
bool is_free(GraphModule& module, const std::string& path) {
  if (nn::find_submodule(module, path) || nn::find_parameter(module, path)) return false;
  for (std::size_t dot = path.find('.'); dot != path.npos; dot = path.find('.', dot + 1)) {
    const std::string above = path.substr(0, dot);
    if (nn::find_parameter(module, above)) return false;
    const nn::Submodule* at = nn::find_submodule(module, above);
    if (at && !is_scope(*at->ptr())) return false;
  }
  return true;
}

// The path at which `module` has the member that `node` of the replacement uses; it is put there
// unless it is there already.
std::string share_member(GraphModule& module, GraphModule& replacement, const Node& node) {
  for (int n = -1;; ++n) {
    const std::string scope = n < 0    ? ""
                              : n == 0 ? "replacement"
                                       : "replacement_" + std::to_string(n);
    const std::string path = nn::join_path(scope, node.target());
    if (node.is_module_call()) {
      const nn::ModulePtr member = replacement.submodule(node).ptr();
      const nn::Submodule* at = nn::find_submodule(module, path);
      if (at && at->ptr() == member) return path;
      if (!is_free(module, path)) continue;
      module.add_submodule(path, member);
    } else {
      const nn::Parameter& member = replacement.parameter(node);
      const nn::Parameter* at = nn::find_parameter(module, path);
      if (at && at->slot() == member.slot()) return path;
      if (!is_free(module, path)) continue;
      module.add_parameter(path, member);
    }
    return path;
  }
}

// ---- one match ----------------------------------------------------------------------------------

class Rewriter {
 public:
  Rewriter(GraphModule& module, GraphModule& replacement)
      : module_(module),
        replacement_(replacement),
        inputs_(replacement.graph().placeholders()),
        outputs_(returned_nodes(replacement.graph(), "replace_pattern: the replacement")) {}

  // Leaves the match as it is when, after others were replaced, it depends on its own result.
  void replace(const Match& match) {
    const std::vector<Node*> nodes =
        in_order(module_.graph(), {match.nodes.begin(), match.nodes.end()});
    for (Node* input : match.inputs)
      if (std::find(nodes.begin(), nodes.end(), current(input)) != nodes.end()) return;
    const std::optional<std::vector<Node*>> dependents = dependents_within(nodes);
    if (!dependents) return;
    Node* behind = nodes.back();
    for (Node* n : *dependents) {
      behind->append(*n);
      behind = n;
    }
    ReplacedPattern done;
    std::unordered_map<const Node*, Node*> map = copy_behind(*nodes.back(), match, done.added);
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      Node* now = map.at(outputs_[i]);
      match.outputs[i]->replace_all_uses_with(*now);
      replaced_[match.outputs[i]] = now;
      done.outputs.push_back(now);
    }
    obsolete_.insert(match.nodes.begin(), match.nodes.end());
    done_.push_back(std::move(done));
  }

  std::vector<ReplacedPattern> finish() {
    if (done_.empty()) return {};
    const std::vector<Node*> all = module_.graph().node_list();
    for (auto it = all.rbegin(); it != all.rend(); ++it)
      if (obsolete_.contains(*it)) module_.graph().erase_node(**it);
    module_.eliminate_dead_code();
    module_.delete_all_unused_submodules();
    module_.recompile();

    std::unordered_set<const Node*> alive;
    for (const Node& n : module_.graph().nodes()) alive.insert(&n);
    for (ReplacedPattern& r : done_) {
      std::erase_if(r.added, [&](const Node* n) { return !alive.contains(n); });
      for (Node*& n : r.outputs) {
        n = current(n);
        if (!alive.contains(n)) n = nullptr;
      }
    }
    return std::move(done_);
  }

 private:
  // The node that gives now what `n` gave before.
  Node* current(Node* n) const {
    for (auto at = replaced_.find(n); at != replaced_.end(); at = replaced_.find(n)) n = at->second;
    return n;
  }

  std::unordered_map<const Node*, Node*> copy_behind(Node& last, const Match& match,
                                                     std::vector<Node*>& added) {
    std::unordered_map<const Node*, Node*> map;
    for (std::size_t i = 0; i < inputs_.size(); ++i) map[inputs_[i]] = current(match.inputs[i]);
    const auto at = module_.graph().inserting_after(last);
    for (const Node& n : replacement_.graph().nodes()) {
      if (n.is_placeholder() || n.is_output()) continue;
      Node& copy = module_.graph().node_copy(n, [&](Node* input) { return map.at(input); });
      if (!n.function()) copy.set_target(share_member(module_, replacement_, n));
      copy.meta.module_path = match.anchor->meta.module_path;
      copy.meta.module_type = match.anchor->meta.module_type;
      map[&n] = &copy;
      added.push_back(&copy);
    }
    return map;
  }

  GraphModule& module_;
  GraphModule& replacement_;
  const std::vector<Node*> inputs_, outputs_;  // of the replacement
  std::unordered_map<const Node*, Node*> replaced_;
  std::unordered_set<const Node*> obsolete_;  // erased at the end
  std::vector<ReplacedPattern> done_;
};

}  // namespace

std::shared_ptr<GraphModule> detail::trace_function(
    std::function<Value(std::span<const Value>)> function, std::vector<nn::ForwardArg> args,
    const TraceOptions& options) {
  return Tracer().trace(nn::make<Function>(std::move(function), std::move(args)), options);
}

Pattern::Pattern(std::shared_ptr<GraphModule> module) : module_(std::move(module)) {
  check(module_ != nullptr, "Pattern: needs a graph module, got none");
}

std::vector<ReplacedPattern> replace_pattern(GraphModule& module, const Pattern& pattern,
                                             const Pattern& replacement,
                                             const MatchOptions& options) {
  GraphModule& from = pattern.module();
  GraphModule& to = replacement.module();
  check(&to != &module, "replace_pattern: the replacement is the network itself");
  module.graph().lint(&module);
  from.graph().lint(&from);
  to.graph().lint(&to);
  const std::vector<Node*> inputs = from.graph().placeholders();
  const std::vector<Node*> new_inputs = to.graph().placeholders();
  check(inputs.size() == new_inputs.size(), "replace_pattern: the pattern has ", inputs.size(),
        " inputs, the replacement ", new_inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i)
    check(!inputs[i]->users().empty() || new_inputs[i]->users().empty(),
          "replace_pattern: the replacement uses its input '", new_inputs[i]->name(),
          "', but the pattern does not use '", inputs[i]->name(), "'");
  const std::size_t outputs = returned_nodes(from.graph(), "replace_pattern: the pattern").size();
  const std::size_t new_outputs =
      returned_nodes(to.graph(), "replace_pattern: the replacement").size();
  check(outputs == new_outputs, "replace_pattern: the pattern has ", outputs,
        " outputs, the replacement ", new_outputs);

  const std::vector<Match> matches = find_matches(module, from, options);
  Rewriter rewriter(module, to);
  for (const Match& m : matches) rewriter.replace(m);
  return rewriter.finish();
}

}  // namespace adze::fx
