#include "adze/fx/graph_module.h"

#include <set>
#include <utility>

#include "adze/fx/hook_point.h"
#include "adze/nn/traversal.h"

#include "plan.h"

namespace adze::fx {
namespace {

std::pair<std::string, std::string> split_last(const std::string& path) {
  const std::size_t dot = path.rfind('.');
  if (dot == path.npos) return {"", path};
  return {path.substr(0, dot), path.substr(dot + 1)};
}

}  // namespace

GraphModule::GraphModule(Graph graph, std::string class_name)
    : graph_(std::move(graph)), class_name_(std::move(class_name)) {}

GraphModule::GraphModule(nn::Module& root, Graph graph, std::string class_name)
    : GraphModule(std::move(graph), std::move(class_name)) {
  for (const Node& n : graph_.nodes()) {
    if (n.is_module_call()) {
      const nn::Submodule* at = nn::find_submodule(root, n.target());
      check(at != nullptr, "GraphModule: node '", n.name(), "' calls module '", n.target(),
            "', which ", root.type(), " does not have");
      add_submodule(n.target(), at->ptr());
    } else if (n.is_get_attr()) {
      const nn::Parameter* p = nn::find_parameter(root, n.target());
      check(p != nullptr, "GraphModule: node '", n.name(), "' reads '", n.target(), "', which ",
            root.type(), " does not have");
      add_parameter(n.target(), *p);
    }
  }
  set_training(root.training());
}

GraphModule::GraphModule(const GraphModule& other)
    : Scope(other), notes(other.notes), graph_(other.graph_), class_name_(other.class_name_) {}

GraphModule::~GraphModule() = default;

nn::ModulePtr GraphModule::shallow_copy() const {
  return std::make_shared<GraphModule>(*this);
}

void GraphModule::set_graph(Graph graph) {
  graph_ = std::move(graph);
}

// ---- members ------------------------------------------------------------------------------------

Scope& GraphModule::scope_of(const std::string& path, std::string& name) {
  check(!path.empty() && path.front() != '.' && path.back() != '.' && path.find("..") == path.npos,
        "GraphModule: '", path, "' is no path");
  Scope* at = this;
  std::string_view rest = path;
  for (std::size_t dot = rest.find('.'); dot != rest.npos; dot = rest.find('.')) {
    const std::string step(rest.substr(0, dot));
    nn::Submodule* child = at->find_child(step);
    if (!child) {
      auto scope = nn::make<Scope>();
      scope->train(training());
      at->set_child(step, scope);
      child = at->find_child(step);
    }
    Scope* below = dynamic_cast<Scope*>(child->ptr().get());
    check(below != nullptr, "GraphModule: '", path, "' cannot be added, '", step,
          "' on the way is a ", child->ptr()->type());
    at = below;
    rest.remove_prefix(dot + 1);
  }
  name = rest;
  return *at;
}

void GraphModule::add_submodule(const std::string& path, nn::ModulePtr module) {
  check(module != nullptr, "GraphModule: '", path, "' needs a module, got none");
  // Below a module that is called as a whole it is there already.
  if (nn::Submodule* at = nn::find_submodule(*this, path); at && at->ptr() == module) return;
  std::string name;
  Scope& scope = scope_of(path, name);
  scope.set_child(name, std::move(module));
  graph_.touch();
}

void GraphModule::add_parameter(const std::string& path, const nn::Parameter& parameter) {
  check(split_last(path).second == parameter.name(), "GraphModule: '", path,
        "' does not end with '", parameter.name(), "', the name of the tensor");
  // A tensor of a module that the graph calls is there already.
  if (const nn::Parameter* present = nn::find_parameter(*this, path);
      present && present->slot() == parameter.slot())
    return;
  std::string name;
  Scope& scope = scope_of(path, name);
  if (parameter.persistent()) {
    scope.set_parameter(parameter);
  } else {
    nn::Buffer kept(name, Tensor());
    kept.rebind(parameter.slot());
    scope.set_parameter(kept);
  }
  graph_.touch();
}

bool GraphModule::remove_member(const std::string& path) {
  const auto [parent, name] = split_last(path);
  auto* scope = dynamic_cast<Scope*>(nn::find_module(*this, parent));
  graph_.touch();
  return scope && scope->remove(name);
}

void GraphModule::delete_all_unused_submodules() {
  std::set<std::string> used;
  for (const Node& n : graph_.nodes()) {
    if (!n.is_module_call() && !n.is_get_attr()) continue;
    for (std::string path = n.target(); !path.empty(); path = split_last(path).first)
      used.insert(path);
  }
  std::vector<std::string> unused;
  const std::function<void(Scope&, const std::string&)> visit = [&](Scope& scope,
                                                                    const std::string& path) {
    const nn::FieldList members = scope.list();
    for (const nn::Parameter* p : members.parameters)
      if (!used.contains(nn::join_path(path, p->name())))
        unused.push_back(nn::join_path(path, p->name()));
    for (const nn::Submodule* m : members.modules) {
      const std::string below = nn::join_path(path, m->name());
      if (!used.contains(below))
        unused.push_back(below);
      else if (auto* inner = dynamic_cast<Scope*>(m->ptr().get());
               inner && !dynamic_cast<GraphModule*>(inner))
        visit(*inner, below);
    }
  };
  visit(*this, "");
  for (const std::string& path : unused) remove_member(path);
}

nn::Submodule& GraphModule::submodule(const Node& node) {
  check(node.is_module_call(), "GraphModule: '", node.name(), "' calls no module");
  nn::Submodule* at = nn::find_submodule(*this, node.target());
  check(at != nullptr, "GraphModule: node '", node.name(), "' calls module '", node.target(),
        "', which does not exist");
  return *at;
}

nn::Parameter& GraphModule::parameter(const Node& node) {
  check(node.is_get_attr(), "GraphModule: '", node.name(), "' reads no tensor");
  nn::Parameter* p = nn::find_parameter(*this, node.target());
  check(p != nullptr, "GraphModule: node '", node.name(), "' reads '", node.target(),
        "', which does not exist");
  return *p;
}

bool is_impure(nn::Module& module) {
  return dynamic_cast<HookPoint*>(&module) || module.user_hooks() > 0;
}

bool GraphModule::eliminate_dead_code() {
  return graph_.eliminate_dead_code(
      [&](const Node& n) { return n.is_module_call() && is_impure(*submodule(n)); });
}

// ---- running ------------------------------------------------------------------------------------

const Plan& GraphModule::plan() {
  const Plan* plan = current_.load(std::memory_order_acquire);
  if (plan && plan->is_current(*this)) [[likely]]
    return *plan;
  std::lock_guard lock(mutex_);
  plan = current_.load(std::memory_order_relaxed);
  if (!plan || !plan->is_current(*this)) {
    plan_ = std::make_unique<const Plan>(*this);
    current_.store(plan_.get(), std::memory_order_release);
  }
  return *plan_;
}

void GraphModule::recompile() {
  plan();
}

Tensor GraphModule::forward_tensor(const Tensor& x) {
  const Value arg(x);
  return plan().run(std::span(&arg, 1)).to_tensor();
}

Value GraphModule::forward_values(std::span<const Value> args) {
  return plan().run(args);
}

std::vector<nn::ForwardArg> GraphModule::forward_args() const {
  std::vector<nn::ForwardArg> all;
  for (const Node& n : graph_.nodes()) {
    if (!n.is_placeholder()) continue;
    nn::ForwardArg arg{n.target()};
    if (!n.args().empty()) {
      arg.default_value = n.arg(0).constant();
      if (!arg.default_value->is_none()) arg.kind = nn::ForwardArg::Kind::other;
    }
    all.push_back(std::move(arg));
  }
  return all;
}

std::map<std::string, Value> GraphModule::config() const {
  std::map<std::string, Value> all = Scope::config();
  all["graph"] = graph_.to_text();
  all["class_name"] = class_name_;
  Value::List list;
  for (const auto& [key, value] : notes) list.push_back(Value::List{key, value});
  all["notes"] = std::move(list);
  return all;
}

}  // namespace adze::fx
