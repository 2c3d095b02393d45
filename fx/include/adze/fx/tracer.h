#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "adze/fx/graph_module.h"

namespace adze::fx {

struct TraceOptions {
  /// Values of arguments of forward that are fixed in the graph, by name.
  std::map<std::string, Value> concrete_args = {};
  /// Arguments that forward may be called with. With them, shapes and dtypes are known while
  /// tracing; the numbers in them do not matter. Leaf modules and ops run on copies.
  std::vector<Value> example_inputs = {};
  /// Traces a second time with one more row in the example inputs, and writes sizes that follow the
  /// first dimension of the inputs as steps of the graph, so that it computes batches of any size.
  bool any_batch_size = true;
};

/// Runs the forward of a network on symbols and writes down, as a graph, what it calls: ops, leaf
/// modules, parameters. Modules that are not leaves are traced through. Derive from it to change
/// what is a leaf.
///
/// Arguments of forward that have a default keep it, unless an example input or concrete_args says
/// otherwise. Tensors that forward makes itself become buffers "_tensor_constant0", ... of the
/// graph module.
class Tracer : private nn::CallInterceptor {
 public:
  Tracer();
  ~Tracer() override;

  /// The graph of `root`, with the members it uses: slots and modules are shared with `root`.
  ///
  /// Throws `TraceError` where forward asks a symbol for its value or an unknown shape, calls a
  /// module that no fields() lists, or an argument is neither a tensor nor concrete; `Error` for
  /// example inputs or concrete_args that do not fit. `root` is left as it was.
  std::shared_ptr<GraphModule> trace(const nn::ModulePtr& root, const TraceOptions& options = {});

 protected:
  /// Whether calls of that module become one node. Default: all classes of the library but
  /// Sequential, ModuleList and ModuleDict; graph modules are traced through.
  virtual bool is_leaf_module(nn::Module& module, const std::string& qualified_name) const;
  /// What is written down: forward of the network, called with symbols.
  virtual Value run_root(nn::Module& root, std::span<const Value> inputs);

 private:
  struct Run;
  struct Link;
  struct NodeSymbol;
  class ScopedInterpreter;

  Value record(const OpBase& op, std::vector<Value> args);
  std::optional<Value> call_module(nn::Module& module, std::span<const Value> args) override;
  std::optional<Tensor> read_parameter(const nn::Parameter& parameter) override;

  std::unique_ptr<Run> trace_once(const nn::ModulePtr& root, const TraceOptions& options);
  std::vector<Value> make_inputs(const std::vector<nn::ForwardArg>& args,
                                 const TraceOptions& options);
  Value input(const nn::ForwardArg& arg, const Value* example, const Value* concrete);
  Value forward_of(nn::Module& module, std::span<const Value> args);
  Value trace_through(nn::Module& module, const std::string& path, std::vector<Value> args);
  Node& call_node(const std::string& path, std::span<const Value> args);
  Tensor symbol(Node& node, const std::optional<Value>& example);
  Value symbols(Node& node, const std::optional<Value>& example, OpResults results);
  Argument argument(const Value& value);
  Argument constant(const Tensor& value);
  std::shared_ptr<GraphModule> assemble(Run& run) const;

  std::unique_ptr<Run> run_;
};

/// `Tracer().trace(root, options)`.
std::shared_ptr<GraphModule> symbolic_trace(const nn::ModulePtr& root,
                                            const TraceOptions& options = {});

}  // namespace adze::fx
