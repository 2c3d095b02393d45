#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "adze/fx/graph.h"

namespace adze::fx {

/// Size of the first dimension of the tensors among the inputs; nothing unless there are some, they
/// agree, and it is at least 1.
std::optional<std::int64_t> common_rows(const std::vector<Value>& inputs);
/// The inputs with `more` rows added to those tensors that have `rows`.
std::vector<Value> with_more_rows(const std::vector<Value>& inputs, std::int64_t rows,
                                  std::int64_t more);

/// One trace of a network for inputs with that many rows.
struct BatchTrace {
  Graph* graph;
  std::int64_t rows;
  std::vector<Tensor> constants;  // the tensors that forward made
};

/// Replaces integers in the arguments of `trace` that grow with the number of rows, as the other
/// traces show, by steps that compute them from `size(input, 0)`. Warns when something else depends
/// on the number of rows: the graph then holds for this number only.
void follow_batch_size(const BatchTrace& trace, const std::vector<BatchTrace>& others,
                       const std::vector<Value>& inputs);

}  // namespace adze::fx
