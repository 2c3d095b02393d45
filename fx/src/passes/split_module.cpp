#include "adze/fx/passes/split_module.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "adze/core/ops.h"

namespace adze::fx {
namespace {

bool is_call(const Node& node) {
  return node.function() || node.is_module_call();
}

void add_once(std::vector<const Node*>& list, const Node* node) {
  if (std::find(list.begin(), list.end(), node) == list.end()) list.push_back(node);
}

struct Part {
  std::string name;
  std::vector<const Node*> calls;
  std::vector<const Node*> inputs, outputs;
  std::set<int> needs;  // parts that run before this one
};

class Splitter {
 public:
  Splitter(GraphModule& module, const std::function<int(const Node&)>& partition)
      : module_(module) {
    for (const Node& node : module.graph().nodes()) {
      if (!is_call(node)) continue;
      const int k = partition(node);
      check(k >= 0, "split_module: node '", node.name(), "' is in part ", k,
            "; parts are numbered from 0");
      part_of_[&node] = k;
      if (!parts_.contains(k)) order_.push_back(k);
      parts_[k].calls.push_back(&node);
    }
    for (auto& [k, part] : parts_) part.name = "submod_" + std::to_string(k);
    for (const Node& node : module.graph().nodes()) note_uses(node);
    sort();
  }

  std::shared_ptr<GraphModule> split() {
    auto result = nn::make<GraphModule>(Graph(), module_.class_name());
    result->train(module_.training());
    Graph& graph = result->graph();
    std::unordered_map<const Node*, Node*> map;
    for (const Node* p : module_.graph().placeholders())
      map[p] = &graph.node_copy(*p, [&](Node* n) { return map.at(n); });
    for (const int k : order_) {
      const Part& part = parts_.at(k);
      result->add_submodule(part.name, make_part(part));
      call_part(graph, part, map);
    }
    const Node& output = *module_.graph().output_node();
    for (const Node* input : output.all_input_nodes()) {
      if (!input->is_get_attr()) continue;
      result->add_parameter(input->target(), module_.parameter(*input));
      map[input] = &graph.node_copy(*input, {});
    }
    graph.node_copy(output, [&](Node* n) { return map.at(n); });
    result->notes = module_.notes;
    result->qconfig = module_.qconfig;
    result->share_user_hooks(module_);
    result->recompile();
    return result;
  }

 private:
  std::optional<int> part_of(const Node& node) const {
    const auto at = part_of_.find(&node);
    return at == part_of_.end() ? std::nullopt : std::optional(at->second);
  }

  void note_uses(const Node& user) {
    const std::optional<int> here = part_of(user);
    for (const Node* input : user.all_input_nodes()) {
      const std::optional<int> there = part_of(*input);
      if (input->is_get_attr() || there == here) continue;
      if (there) add_once(parts_.at(*there).outputs, input);
      if (here) add_once(parts_.at(*here).inputs, input);
      if (there && here) parts_.at(*here).needs.insert(*there);
    }
  }

  // Parts in an order in which they can run; among those that can, the one met first.
  void sort() {
    std::vector<int> waiting = std::move(order_);
    std::set<int> done;
    order_.clear();
    while (!waiting.empty()) {
      const auto ready = std::find_if(waiting.begin(), waiting.end(), [&](int k) {
        const std::set<int>& needs = parts_.at(k).needs;
        return std::includes(done.begin(), done.end(), needs.begin(), needs.end());
      });
      if (ready == waiting.end()) fail_in_cycle(waiting, done);
      done.insert(*ready);
      order_.push_back(*ready);
      waiting.erase(ready);
    }
  }

  // Every part that waits needs another that waits: following them leads into a cycle.
  [[noreturn]] void fail_in_cycle(const std::vector<int>& waiting, const std::set<int>& done) {
    std::vector<int> way{waiting.front()};
    for (;;) {
      const std::set<int>& needs = parts_.at(way.back()).needs;
      const int next =
          *std::find_if(needs.begin(), needs.end(), [&](int k) { return !done.contains(k); });
      const auto met = std::find(way.begin(), way.end(), next);
      if (met == way.end()) {
        way.push_back(next);
        continue;
      }
      std::string cycle;
      for (auto it = met; it != way.end(); ++it) cycle += parts_.at(*it).name + " needs ";
      fail("split_module: parts need each other's results in a cycle: ", cycle,
           parts_.at(next).name);
    }
  }

  std::shared_ptr<GraphModule> make_part(const Part& part) const {
    Graph graph;
    std::unordered_map<const Node*, Node*> map;
    for (const Node* input : part.inputs) {
      map[input] = &graph.placeholder(input->name());
      map[input]->meta = input->meta;
    }
    for (const Node* call : part.calls) {
      for (const Node* input : call->all_input_nodes())
        if (input->is_get_attr() && !map.contains(input)) map[input] = &graph.node_copy(*input, {});
      map[call] = &graph.node_copy(*call, [&](Node* n) { return map.at(n); });
    }
    if (part.outputs.size() == 1) {
      graph.output(map.at(part.outputs[0]));
    } else {
      Argument::List all;
      for (const Node* output : part.outputs) all.emplace_back(map.at(output));
      graph.output(all);
    }
    return nn::make<GraphModule>(module_, std::move(graph), part.name);
  }

  static void call_part(Graph& graph, const Part& part,
                        std::unordered_map<const Node*, Node*>& map) {
    std::vector<Argument> args;
    for (const Node* input : part.inputs) args.emplace_back(map.at(input));
    Node& call = graph.call_module(part.name, std::move(args));
    if (part.outputs.size() == 1) {
      call.meta.tensor = part.outputs[0]->meta.tensor;
      map[part.outputs[0]] = &call;
      return;
    }
    for (std::size_t i = 0; i < part.outputs.size(); ++i) {
      Node& item = graph.call_function(ops::getitem, {call, i});
      item.meta.tensor = part.outputs[i]->meta.tensor;
      map[part.outputs[i]] = &item;
    }
  }

  GraphModule& module_;
  std::unordered_map<const Node*, int> part_of_;
  std::map<int, Part> parts_;
  std::vector<int> order_;
};

}  // namespace

std::shared_ptr<GraphModule> split_module(GraphModule& module,
                                          const std::function<int(const Node&)>& partition) {
  module.graph().lint(&module);
  return Splitter(module, partition).split();
}

std::shared_ptr<GraphModule> split_by(GraphModule& module,
                                      const std::function<bool(const Node&)>& predicate) {
  int part = -1;
  bool before = false;
  return split_module(module, [&](const Node& node) {
    const bool now = predicate(node);
    if (part < 0 || now != before) ++part;
    before = now;
    return part;
  });
}

}  // namespace adze::fx
