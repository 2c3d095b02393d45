#pragma once

#include "adze/fx/graph_module.h"

namespace adze::fx {

/// Lets nodes that compute the same share one result: reads of one tensor, and calls of one op with
/// equal arguments, of which the first stays. Returns whether there were any.
///
/// Calls of modules stay, as they may keep state, and so do random ops. Modules are taken to leave
/// alone the tensors that the graph reads itself.
bool eliminate_common_subexpressions(GraphModule& module);

}  // namespace adze::fx
