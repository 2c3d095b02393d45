#pragma once

#include <functional>
#include <memory>

#include "adze/fx/graph_module.h"

namespace adze::fx {

/// A network of networks that computes the same: `partition` gives each call of an op or a module
/// the number k >= 0 of the part that it belongs to, and each part becomes the graph module
/// "submod_k". Parts take their inputs, and give their outputs, in the order of their first use.
///
/// Tensors that a part reads are its members, shared like its modules with the network; `module`
/// stays as it was. Throws for a negative number, and for parts that need each other's results in a
/// cycle.
std::shared_ptr<GraphModule> split_module(GraphModule& module,
                                          const std::function<int(const Node&)>& partition);

/// Splits where the answer of `predicate` changes from one call to the next: each part is a run of
/// calls with the same answer.
std::shared_ptr<GraphModule> split_by(GraphModule& module,
                                      const std::function<bool(const Node&)>& predicate);

}  // namespace adze::fx
