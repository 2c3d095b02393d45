#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "adze/fx/graph.h"
#include "adze/fx/scope.h"

namespace adze::fx {

class Plan;

/// A network that runs a graph. It is a module like any other: it can be trained, copied, saved,
/// hooked, and be part of another network.
///
/// It holds the members of the traced network that the graph uses, under their paths; slots and
/// modules are shared with the network they come from. The graph may be changed at any time, also
/// by its user; it is checked again before it next runs.
class GraphModule : public Scope {
 public:
  /// With the members of `root` that `graph` names. Throws when one is missing.
  GraphModule(nn::Module& root, Graph graph, std::string class_name = "GraphModule");
  /// Without members; they are to be added.
  explicit GraphModule(Graph graph, std::string class_name = "GraphModule");
  GraphModule(const GraphModule& other);
  ~GraphModule() override;

  Graph& graph() { return graph_; }
  const Graph& graph() const { return graph_; }
  void set_graph(Graph graph);
  /// Checks the graph against the members and prepares it for running; called when it is needed.
  void recompile();

  // ---- members by dotted path ------------------------------------------------------------------
  /// Puts a module at that path; what is missing on the way is made. Throws when a tensor or a
  /// module without room for it is in the way.
  void add_submodule(const std::string& path, nn::ModulePtr module);
  /// Shares a parameter or buffer at that path, which ends with its name. A buffer is saved with
  /// the graph, also when it was not persistent.
  void add_parameter(const std::string& path, const nn::Parameter& parameter);
  /// Removes the module or tensor at that path; false when there is none.
  bool remove_member(const std::string& path);
  /// Removes modules and tensors that no node of the graph uses.
  void delete_all_unused_submodules();
  /// The module that a call_module node calls, the tensor that a get_attr node reads. Throw when it
  /// is missing.
  nn::Submodule& submodule(const Node& node);
  nn::Parameter& parameter(const Node& node);

  /// Erases dead code; modules with hooks of users, and others that do more than compute, stay.
  bool eliminate_dead_code();

  std::string qualified_type() const override { return "adze::fx::GraphModule"; }
  std::map<std::string, Value> config() const override;
  std::vector<nn::ForwardArg> forward_args() const override;
  /// Name of the class the graph was made from, for people.
  const std::string& class_name() const { return class_name_; }

  /// What passes remember of the network as a whole; copied and saved with it.
  std::map<std::string, Value> notes;

 protected:
  Tensor forward_tensor(const Tensor& x) override;
  Value forward_values(std::span<const Value> args) override;
  nn::ModulePtr shallow_copy() const override;

 private:
  const Plan& plan();
  Scope& scope_of(const std::string& path, std::string& name);

  Graph graph_;
  std::string class_name_;
  std::mutex mutex_;  // held while a plan is made
  std::unique_ptr<const Plan> plan_;
  std::atomic<const Plan*> current_{nullptr};
};

/// A module whose calls are kept although nobody uses their result.
bool is_impure(nn::Module& module);

}  // namespace adze::fx
