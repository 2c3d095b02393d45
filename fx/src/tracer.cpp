#include "adze/fx/tracer.h"

#include <algorithm>

#include "adze/core/autograd.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"
#include "adze/core/tensor_impl.h"
#include "adze/fx/hook_point.h"
#include "adze/fx/interpreter.h"
#include "adze/nn/container.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/traversal.h"

#include "batch_size.h"

namespace adze::fx {

// Symbols may outlive the tracer; then `tracer` is null.
struct Tracer::Link : Interceptor {
  Tracer* tracer = nullptr;
  Value record(const OpBase& op, std::vector<Value> args) override {
    if (!tracer)
      throw TraceError(detail::concat(op.name(), ": got a tensor of a trace that has ended"));
    return tracer->record(op, std::move(args));
  }
};

struct Tracer::NodeSymbol : Symbol {
  std::shared_ptr<Link> link;
  Node* node = nullptr;
  std::optional<Value> example;
};

// The state of one pass over the network.
struct Tracer::Run {
  nn::ModulePtr root, example_root;  // example_root: a copy that example inputs go through
  Graph graph;
  std::shared_ptr<Link> link = std::make_shared<Link>();
  std::unordered_map<const nn::Module*, std::string> module_paths;
  std::unordered_map<const nn::Parameter*, std::string> parameter_paths;
  std::unordered_map<const nn::Slot*, std::string> slot_paths;
  std::unordered_map<std::string, Tensor> attributes;  // symbols of parameters, by path
  std::vector<std::pair<Node*, Tensor>> constants;
  bool draws_numbers = false;                               // forward took random numbers
  std::map<std::string, nn::ModulePtr> hook_points;         // by path
  std::vector<std::pair<std::string, std::string>> scopes;  // path and type, innermost last
  std::vector<Node*> elements;  // getitem nodes, made whether or not somebody uses them

  ~Run() { link->tracer = nullptr; }

  void note(Node& node) const {
    if (scopes.empty()) return;
    node.meta.module_path = scopes.back().first;
    node.meta.module_type = scopes.back().second;
  }
};

namespace {

// Takes back, at the end of the scope, the random numbers that were drawn in it.
class KeepRandomNumbers {
 public:
  KeepRandomNumbers() = default;
  ~KeepRandomNumbers() { default_generator().set_offset(offset_); }
  KeepRandomNumbers(const KeepRandomNumbers&) = delete;
  KeepRandomNumbers& operator=(const KeepRandomNumbers&) = delete;

  bool drawn() const { return default_generator().offset() != offset_; }

 private:
  std::uint64_t offset_ = default_generator().offset();
};

// Ops and modules run on example inputs: not traced, not differentiated, and without taking numbers
// from the stream that the network would have used.
class RunExamples {
 public:
  RunExamples() = default;
  ~RunExamples() { nn::CallInterceptor::set_active(previous_); }
  RunExamples(const RunExamples&) = delete;
  RunExamples& operator=(const RunExamples&) = delete;

 private:
  nn::CallInterceptor* previous_ = nn::CallInterceptor::set_active(nullptr);
  NoGrad no_grad_;
  KeepRandomNumbers random_;
};

// Restores what the thread had at the end of the scope.
class Active {
 public:
  explicit Active(nn::CallInterceptor* tracer)
      : previous_(nn::CallInterceptor::set_active(tracer)) {}
  ~Active() { nn::CallInterceptor::set_active(previous_); }
  Active(const Active&) = delete;
  Active& operator=(const Active&) = delete;

 private:
  nn::CallInterceptor* previous_;
};

nn::ModulePtr copy_for_examples(const nn::ModulePtr& root) {
  const nn::ModulePtr copy = nn::deepcopy(root);
  nn::for_each_module(*copy, [](const std::string&, nn::Module& m) {
    for (const auto& h : m.user_pre_hooks()) h->alive = false;
    for (const auto& h : m.user_forward_hooks()) h->alive = false;
  });
  return copy;
}

// A parameter is read right before its first use, in the order of the arguments: C++ leaves open in
// which order operands are evaluated.
void put_reads_before_users(Graph& graph) {
  std::unordered_set<const Node*> placed;
  for (Node* user : graph.node_list())
    for (Node* input : user->all_input_nodes())
      if (input->is_get_attr() && placed.insert(input).second) user->prepend(*input);
}

// A parameter of a module that stays one step belongs to that module, which may be exchanged: the
// graph reads it, by the same slot, under a name of its own.
void add_read_parameter(GraphModule& module, Node& node, const nn::Parameter& parameter) {
  const auto& nodes = module.graph().nodes();
  const bool inside = std::any_of(nodes.begin(), nodes.end(), [&](const Node& n) {
    return n.is_module_call() && node.target().starts_with(n.target() + ".");
  });
  if (!inside) {
    module.add_parameter(node.target(), parameter);
    return;
  }
  std::string name = node.target();
  std::replace(name.begin(), name.end(), '.', '_');
  while (module.find_child(name) || module.find_parameter(name)) name += '_';
  nn::Parameter own =
      parameter.is_buffer() ? nn::Buffer(name, Tensor()) : nn::Parameter(name, Tensor());
  own.rebind(parameter.slot());
  module.add_parameter(name, own);
  node.set_target(name);
}

bool contains_node(const Argument& a) {
  bool found = false;
  for_each_node(a, [&](Node*) { found = true; });
  return found;
}

}  // namespace

Tracer::Tracer() = default;
Tracer::~Tracer() = default;

bool Tracer::is_leaf_module(nn::Module& module, const std::string&) const {
  const std::string type = module.qualified_type();
  for (const char* container : {"Sequential", "ModuleList", "ModuleDict"})
    if (type == std::string("adze::nn::") + container) return false;
  return type.starts_with("adze::nn::") || type.starts_with("adze::ao::") ||
         type == "adze::fx::HookPoint";
}

// A graph is gone through node by node: what is written down stays in the scope of the module whose
// forward made it.
class Tracer::ScopedInterpreter : public Interpreter {
 public:
  ScopedInterpreter(GraphModule& module, Run& run)
      : Interpreter(module), run_(run), at_(run.scopes.back().first) {}

 protected:
  Value run_node(Node& node) override {
    if (node.function())
      run_.scopes.back() = {nn::join_path(at_, node.meta.module_path), node.meta.module_type};
    return Interpreter::run_node(node);
  }

 private:
  Run& run_;
  std::string at_;  // path of the module
};

Value Tracer::run_root(nn::Module& root, std::span<const Value> inputs) {
  return forward_of(root, inputs);
}

Value Tracer::forward_of(nn::Module& module, std::span<const Value> args) {
  if (auto* graph = dynamic_cast<GraphModule*>(&module))
    return ScopedInterpreter(*graph, *run_).run(args);
  return module.call_forward(args);
}

// ---- values and symbols -------------------------------------------------------------------------

Tensor Tracer::symbol(Node& node, const std::optional<Value>& example) {
  auto s = std::make_shared<NodeSymbol>();
  s->link = run_->link;
  s->interceptor = s->link.get();
  s->node = &node;
  s->example = example;
  if (!example || !example->is_tensor()) return make_symbolic(std::move(s), std::nullopt);
  const Tensor t = example->to_tensor();
  node.meta.tensor = TensorMetadata{t.sizes(), t.dtype(), false, t.quantizer()};
  return make_symbolic(std::move(s), t.sizes(), t.dtype(), t.quantizer());
}

Value Tracer::symbols(Node& node, const std::optional<Value>& example, OpResults results) {
  // A number that a step computes is a symbol too: it may be another at the next run.
  const auto is_number = [](const Value& v) { return v.is_bool() || v.is_int() || v.is_double(); };
  if (example && !example->is_list() && !example->is_tensor() && !is_number(*example))
    return *example;
  const bool packed = example ? example->is_list() : results.packed;
  if (!packed) return symbol(node, example);
  const std::size_t count = example ? example->to_list().size() : results.count;
  if (count == 0 && !example)
    throw TraceError(
        detail::concat(node.target(),
                       ": how many results it gives is not known while tracing; trace with example "
                       "inputs, or make the module that calls it a leaf of the tracer"));
  Value::List list;
  for (std::size_t i = 0; i < count; ++i) {
    const std::optional<Value> element =
        example ? std::optional(example->to_list()[i]) : std::nullopt;
    if (element && !element->is_tensor()) {
      list.push_back(*element);
      continue;
    }
    Node& item = run_->graph.call_function(ops::getitem, {node, static_cast<std::int64_t>(i)});
    run_->note(item);
    run_->elements.push_back(&item);
    list.push_back(symbol(item, element));
  }
  return list;
}

Argument Tracer::constant(const Tensor& value) {
  for (const auto& [node, known] : run_->constants)
    if (known.is_same(value)) return node;
  std::string name;
  std::size_t n = run_->constants.size();
  do {
    name = "_tensor_constant" + std::to_string(n++);
  } while (run_->root->find_parameter(name) || run_->root->find_child(name));
  if (value.requires_grad())
    warn(
        "trace: a tensor that requires a gradient, but is no Parameter that fields() lists, "
        "becomes ",
        "the constant '", name, "' of the graph");
  Node& node = run_->graph.get_attr(name);
  run_->note(node);
  node.meta.tensor = TensorMetadata{value.sizes(), value.dtype(), false, value.quantizer()};
  run_->constants.emplace_back(&node, value);
  return node;
}

Argument Tracer::argument(const Value& value) {
  if (value.is_tensor()) {
    const Tensor t = value.to_tensor();
    if (!t.defined()) return {};
    if (!t.is_symbolic()) return constant(t);
    const auto* s = dynamic_cast<const NodeSymbol*>(t.symbol());
    if (!s || s->link != run_->link)
      throw TraceError("trace: got a symbolic tensor of another trace");
    return s->node;
  }
  if (!value.is_list()) return value;
  Argument::List list;
  for (const Value& v : value.to_list()) list.push_back(argument(v));
  Argument a(std::move(list));
  return contains_node(a) ? a : Argument(value);
}

namespace {
// The value with each symbol replaced by `example_of(tensor)`; nothing when one has none.
template <class F>
std::optional<Value> with_examples(const Value& value, F&& example_of) {
  if (value.is_tensor() && value.to_tensor().is_symbolic()) return example_of(value.to_tensor());
  if (!value.is_list()) return value;
  Value::List list;
  for (const Value& v : value.to_list()) {
    std::optional<Value> e = with_examples(v, example_of);
    if (!e) return std::nullopt;
    list.push_back(std::move(*e));
  }
  return list;
}

template <class Symbol>
std::optional<std::vector<Value>> examples_of(std::span<const Value> values) {
  std::optional<Value> list =
      with_examples(Value(Value::List(values.begin(), values.end())), [](const Tensor& t) {
        const auto* s = dynamic_cast<const Symbol*>(t.symbol());
        return s ? s->example : std::nullopt;
      });
  if (!list) return std::nullopt;
  return list->to_list();
}
}  // namespace

// ---- what the network calls ---------------------------------------------------------------------

Value Tracer::record(const OpBase& op, std::vector<Value> args) {
  std::optional<Value> example;
  if (const auto values = examples_of<NodeSymbol>(args)) {
    RunExamples guard;
    example = op.call_boxed(*values);
  }
  std::vector<Argument> arguments;
  for (const Value& v : args) arguments.push_back(argument(v));
  Node& node = run_->graph.call_function(op, std::move(arguments));
  run_->note(node);
  return symbols(node, example, op.results(args));
}

Node& Tracer::call_node(const std::string& path, std::span<const Value> args) {
  std::vector<Argument> arguments;
  for (const Value& v : args) arguments.push_back(argument(v));
  Node& node = run_->graph.call_module(path, std::move(arguments));
  run_->note(node);
  return node;
}

std::optional<Value> Tracer::call_module(nn::Module& module, std::span<const Value> args) {
  if (&module == run_->root.get()) return std::nullopt;
  const auto at = run_->module_paths.find(&module);
  if (at == run_->module_paths.end())
    throw TraceError(detail::concat("trace: a ", module.type(),
                                    " is called that is no submodule of the network; list it in "
                                    "fields() of the module that calls it"));
  const std::string& path = at->second;
  if (!is_leaf_module(module, path)) {
    if (module.has_internal_hook()) return std::nullopt;
    return trace_through(module, path, {args.begin(), args.end()});
  }
  std::optional<Value> example;
  if (const auto values = examples_of<NodeSymbol>(args); values && run_->example_root) {
    RunExamples guard;
    example = nn::find_module(*run_->example_root, path)->call_forward(*values);
  }
  return symbols(call_node(path, args), example, {});
}

Value Tracer::trace_through(nn::Module& module, const std::string& path, std::vector<Value> args) {
  const auto add_hook_point = [&](HookPoint::When when, const char* name) {
    const std::string at = nn::join_path(path, name);
    if (!run_->hook_points.contains(at)) run_->hook_points[at] = nn::make<HookPoint>(module, when);
    return at;
  };
  if (!module.user_pre_hooks().empty()) {
    Node& node =
        call_node(add_hook_point(HookPoint::When::before_forward, "forward_pre_hooks"), args);
    const auto examples = examples_of<NodeSymbol>(args);
    if (args.size() == 1) {
      args[0] = symbol(node, examples ? std::optional((*examples)[0]) : std::nullopt);
    } else {
      args = symbols(node, examples ? std::optional(Value(*examples)) : std::nullopt,
                     {.packed = true, .count = args.size()})
                 .to_list();
    }
  }
  run_->scopes.emplace_back(path, module.type());
  Value output = forward_of(module, args);
  run_->scopes.pop_back();
  if (module.user_forward_hooks().empty()) return output;

  args.push_back(output);
  Node& node = call_node(add_hook_point(HookPoint::When::after_forward, "forward_hooks"), args);
  const auto examples = examples_of<NodeSymbol>(args);
  const OpResults results{output.is_list(), output.is_list() ? output.to_list().size() : 1};
  return symbols(node, examples ? std::optional(examples->back()) : std::nullopt, results);
}

std::optional<Tensor> Tracer::read_parameter(const nn::Parameter& parameter) {
  if (!parameter.defined()) return std::nullopt;
  std::string path;
  if (const auto at = run_->parameter_paths.find(&parameter); at != run_->parameter_paths.end())
    path = at->second;
  else if (const auto slot = run_->slot_paths.find(parameter.slot().get());
           slot != run_->slot_paths.end())
    path = slot->second;
  else
    throw TraceError(detail::concat("trace: the parameter '", parameter.name(),
                                    "' is read, but fields() of no module lists it"));
  Tensor& known = run_->attributes[path];
  if (!known.defined()) {
    Node& node = run_->graph.get_attr(path);
    run_->note(node);
    known = symbol(node, parameter.slot()->value().detach());
  }
  return known;
}

// ---- inputs -------------------------------------------------------------------------------------

Value Tracer::input(const nn::ForwardArg& arg, const Value* example, const Value* concrete) {
  Graph& graph = run_->graph;
  if (example && (example->is_tensor() || example->is_list()) && !example->is_none()) {
    check(!concrete, "trace: '", arg.name, "' is both an example input and a concrete argument");
    Node& node = graph.placeholder(arg.name);
    return symbols(node, *example, {});
  }
  const Value* fixed = concrete ? concrete : example;
  if (!fixed && arg.default_value) fixed = &*arg.default_value;
  if (fixed) {
    check(!fixed->is_tensor() || !fixed->to_tensor().defined(), "trace: the concrete argument '",
          arg.name, "' is a tensor; give it as an example input");
    graph.placeholder(arg.name, {*fixed, true});
    return *fixed;
  }
  if (arg.kind == nn::ForwardArg::Kind::tensor) return symbol(graph.placeholder(arg.name), {});
  const char* what = arg.kind == nn::ForwardArg::Kind::other ? "is not a tensor" : "is a list";
  const char* way_out = arg.kind == nn::ForwardArg::Kind::other ? "give its value in concrete_args"
                                                                : "give an example input";
  throw TraceError(
      detail::concat("trace: the argument '", arg.name, "' of forward ", what, "; ", way_out));
}

std::vector<Value> Tracer::make_inputs(const std::vector<nn::ForwardArg>& args,
                                       const TraceOptions& options) {
  std::string names;
  for (const nn::ForwardArg& a : args) names += (names.empty() ? "" : ", ") + a.name;
  check(options.example_inputs.size() <= args.size(), "trace: forward takes ", args.size(),
        " arguments (", names, "), got ", options.example_inputs.size(), " example inputs");
  for (const auto& [name, value] : options.concrete_args)
    check(std::any_of(args.begin(), args.end(),
                      [&n = name](const nn::ForwardArg& a) { return a.name == n; }),
          "trace: forward has no argument '", name, "', it takes (", names, ")");
  std::vector<Value> inputs;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const auto concrete = options.concrete_args.find(args[i].name);
    inputs.push_back(input(args[i],
                           i < options.example_inputs.size() ? &options.example_inputs[i] : nullptr,
                           concrete == options.concrete_args.end() ? nullptr : &concrete->second));
  }
  return inputs;
}

// ---- the whole ----------------------------------------------------------------------------------

std::unique_ptr<Tracer::Run> Tracer::trace_once(const nn::ModulePtr& root,
                                                const TraceOptions& options) {
  run_ = std::make_unique<Run>();
  run_->root = root;
  run_->link->tracer = this;
  nn::for_each_module(*root, [&](const std::string& path, nn::Module& m) {
    run_->module_paths.emplace(&m, path);
    for (const nn::Parameter* p : m.list().parameters) {
      const std::string at = nn::join_path(path, p->name());
      run_->parameter_paths.emplace(p, at);
      run_->slot_paths.emplace(p->slot().get(), at);
    }
  });
  if (!options.example_inputs.empty()) run_->example_root = copy_for_examples(root);
  const NoGrad no_grad;
  const KeepRandomNumbers random;  // every trace draws the same
  const Active active(this);
  run_->scopes.emplace_back("", root->type());
  const Value result = run_root(*root, make_inputs(root->forward_args(), options));
  run_->graph.output(argument(result));
  run_->draws_numbers = random.drawn();
  for (auto it = run_->elements.rbegin(); it != run_->elements.rend(); ++it)
    if ((*it)->users().empty()) run_->graph.erase_node(**it);
  put_reads_before_users(run_->graph);
  return std::move(run_);
}

std::shared_ptr<GraphModule> Tracer::assemble(Run& run) const {
  auto module = nn::make<GraphModule>(std::move(run.graph), run.root->type());
  module->train(run.root->training());
  for (const Node& n : module->graph().nodes()) {
    if (n.is_module_call()) {
      const auto hooks = run.hook_points.find(n.target());
      module->add_submodule(n.target(), hooks != run.hook_points.end()
                                            ? hooks->second
                                            : nn::find_submodule(*run.root, n.target())->ptr());
    } else if (n.is_get_attr()) {
      const auto own = std::find_if(run.constants.begin(), run.constants.end(),
                                    [&](const auto& c) { return c.first == &n; });
      if (own == run.constants.end())
        add_read_parameter(*module, *module->graph().find(n.name()),
                           *nn::find_parameter(*run.root, n.target()));
      else
        module->add_parameter(n.target(), nn::Buffer(n.target(), own->second.detach()));
    }
  }
  module->share_user_hooks(*run.root);
  module->qconfig = run.root->qconfig;
  module->recompile();
  return module;
}

std::shared_ptr<GraphModule> Tracer::trace(const nn::ModulePtr& root, const TraceOptions& options) {
  check(root != nullptr, "trace: needs a network, got none");
  const std::unique_ptr<Run> run = trace_once(root, options);
  if (run->draws_numbers)
    warn("trace: forward of ", root->type(),
         " draws random numbers that are no op of the graph; those of this trace become constants");
  for (const Node& n : run->graph.nodes())
    if (n.function() && n.function()->traits().random)
      warn("trace: '", n.target(),
           "' was traced in training mode and stays active in the graph; use "
           "a Dropout module, or trace in eval mode");
  const std::optional<std::int64_t> rows = common_rows(options.example_inputs);
  if (!options.any_batch_size || !rows) return assemble(*run);

  std::vector<std::unique_ptr<Run>> others;
  std::vector<BatchTrace> traces;
  for (const std::int64_t more : {std::int64_t{1}, *rows + 2}) {
    TraceOptions larger = options;
    larger.example_inputs = with_more_rows(options.example_inputs, *rows, more);
    try {
      others.push_back(trace_once(root, larger));
    } catch (const Error& e) {
      run_.reset();
      warn("trace: the graph of ", root->type(), " is for ", *rows,
           " rows only; with more it gives: ", e.what());
      return assemble(*run);
    }
    BatchTrace t{&others.back()->graph, *rows + more, {}};
    for (const auto& [node, value] : others.back()->constants) t.constants.push_back(value);
    traces.push_back(std::move(t));
  }
  BatchTrace first{&run->graph, *rows, {}};
  for (const auto& [node, value] : run->constants) first.constants.push_back(value);
  follow_batch_size(first, traces, options.example_inputs);
  return assemble(*run);
}

std::shared_ptr<GraphModule> symbolic_trace(const nn::ModulePtr& root,
                                            const TraceOptions& options) {
  return Tracer().trace(root, options);
}

}  // namespace adze::fx
