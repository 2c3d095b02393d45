#pragma once

#include "adze/fx/graph_module.h"

namespace adze::fx {

struct ConstFoldOptions {
  /// Also folds what depends on trained parameters; they are not trained any more where they were
  /// folded.
  bool fold_parameters = false;
};

/// Computes once what does not depend on the inputs: each largest group of op calls that starts
/// from buffers only becomes one buffer "_folded_0", "_folded_1", ...; members that no node uses
/// any more are removed. Returns whether the graph changed.
///
/// Tensors with a parametrization (a mask, say) stay live, and so do buffers that belong to a
/// module which the graph calls too: it may update them. Random ops are not folded; calls of
/// modules are not either. When an op fails nothing is changed.
bool fold_constants(GraphModule& module, const ConstFoldOptions& options = {});

}  // namespace adze::fx
