#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "adze/fx/subgraph_matcher.h"
#include "adze/fx/tracer.h"

namespace adze::fx {

/// A lambda or function object with one call operator, whose arguments and result Value can hold.
template <class F>
concept TraceableFunction = std::copy_constructible<F> && requires {
  &F::operator();
};

namespace detail {
std::shared_ptr<GraphModule> trace_function(std::function<Value(std::span<const Value>)> function,
                                            std::vector<nn::ForwardArg> args,
                                            const TraceOptions& options);
template <class F>
struct Forward {
  F forward;
  std::vector<nn::ForwardArg> args;
  const std::vector<nn::ForwardArg>& forward_args() const { return args; }
};
}  // namespace detail

/// The graph of a function over tensors. Inputs are named "x", "y", "z", "arg3", ...; tensors that
/// the function holds become buffers. Throws as `Tracer::trace` does.
///
///     trace_function([](Tensor x, Tensor y) { return relu(x + y); })
template <TraceableFunction F>
std::shared_ptr<GraphModule> trace_function(F function, const TraceOptions& options = {}) {
  using Signature = nn::detail::Signature<decltype(&F::operator())>;
  detail::Forward<F> forward{std::move(function), Signature::arguments({})};
  std::vector<nn::ForwardArg> args = forward.args;
  return detail::trace_function(
      [f = std::move(forward)](std::span<const Value> values) mutable {
        return Signature::call(f, values);
      },
      std::move(args), options);
}

/// A function, which is traced, or a graph module, which must outlive the pattern unless it is
/// shared.
class Pattern {
 public:
  Pattern(GraphModule& module) : module_(&module, [](GraphModule*) {}) {}
  /// Throws for nullptr.
  Pattern(std::shared_ptr<GraphModule> module);
  template <TraceableFunction F>
  Pattern(F function) : Pattern(trace_function(std::move(function))) {}

  GraphModule& module() const { return *module_; }

 private:
  std::shared_ptr<GraphModule> module_;
};

/// What stands in the graph where a match was.
struct ReplacedPattern {
  /// What gives the outputs now, in their order; nullptr for those that nobody uses.
  std::vector<Node*> outputs;
  /// Nodes that were added, in the order of the graph.
  std::vector<Node*> added;
};

/// Puts the replacement in place of each match of the pattern; see `find_matches` for what matches.
/// Returns one entry for each, in the order of their anchors; nodes in it are of the graph after. A
/// match that, once others are replaced, would depend on its own result is left as it is.
///
///     replace_pattern(net, [](Tensor x, Tensor y) { return relu(x) + relu(y); },
///                          [](Tensor x, Tensor y) { return relu(x + y); });
///
/// Inputs and outputs correspond by position. What was added is not matched again. Modules and
/// tensors of the replacement are shared, by all matches, under their paths, or below
/// "replacement", "replacement_1", ... where a path is taken. New nodes count as calls of the
/// module that held the match. Then nodes and members that are not used any more are removed;
/// without a match nothing changes.
///
/// Throws, and changes nothing, when pattern and replacement differ in the number of inputs or
/// outputs, when the replacement returns something else than nodes or uses an input that the
/// pattern does not use, when it is `module` itself, and for what `find_matches` throws.
std::vector<ReplacedPattern> replace_pattern(GraphModule& module, const Pattern& pattern,
                                             const Pattern& replacement,
                                             const MatchOptions& options = {});

}  // namespace adze::fx
