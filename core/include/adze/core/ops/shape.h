#pragma once

#include <optional>

#include "adze/core/op.h"

namespace adze {

// Views share storage with their argument; all work on quantized tensors, which keep their qparams
// (per channel: the axis follows; reshaping across it throws).

/// One size may be -1. A view when the strides allow it, else a copy.
Tensor reshape(const Tensor& a, const Shape& shape);
Tensor flatten(const Tensor& a, std::int64_t start_dim = 0, std::int64_t end_dim = -1);
Tensor permute(const Tensor& a, const Shape& dims);
Tensor transpose(const Tensor& a, std::int64_t dim0, std::int64_t dim1);
/// -1 keeps a size; new dimensions go in front.
Tensor expand(const Tensor& a, const Shape& shape);
Tensor squeeze(const Tensor& a, std::optional<std::int64_t> dim = {});
Tensor unsqueeze(const Tensor& a, std::int64_t dim);
Tensor select(const Tensor& a, std::int64_t dim, std::int64_t index);
/// Elements start, start + step, ... below end along `dim`; ends are clamped to the size.
Tensor slice(const Tensor& a, std::int64_t dim, std::optional<std::int64_t> start = {},
             std::optional<std::int64_t> end = {}, std::int64_t step = 1);
/// `a` itself when its elements lie in row-major order without gaps, else a copy.
Tensor contiguous(const Tensor& a);
/// Same data, outside of the autograd graph.
Tensor detach(const Tensor& a);

/// Joins along an existing (cat) or a new (stack) dimension. Dtypes promote; quantized tensors are
/// requantized with the qparams of the first.
Tensor cat(const TensorList& tensors, std::int64_t dim = 0);
Tensor stack(const TensorList& tensors, std::int64_t dim = 0);
/// Views of `sections` sizes along `dim`.
TensorList split(const Tensor& a, const Shape& sections, std::int64_t dim = 0);
/// At most `chunks` equal views (the last may be smaller).
TensorList chunk(const Tensor& a, std::int64_t chunks, std::int64_t dim = 0);
/// Rows of `a` along `dim`; `index` is an int64 vector.
Tensor index_select(const Tensor& a, std::int64_t dim, const Tensor& index);
/// out[i][j] = a[index[i][j]][j] for dim = 0, and so on.
Tensor gather(const Tensor& a, std::int64_t dim, const Tensor& index);
/// The elements where `mask` (boolean, same shape) holds, one-dimensional.
Tensor masked_select(const Tensor& a, const Tensor& mask);

namespace ops {
extern const Op<Tensor(const Tensor&, const Shape&)> reshape, permute, expand;
extern const Op<Tensor(const Tensor&, std::int64_t, std::int64_t)> flatten, transpose, select;
extern const Op<Tensor(const Tensor&, std::optional<std::int64_t>)> squeeze;
extern const Op<Tensor(const Tensor&, std::int64_t)> unsqueeze;
extern const Op<Tensor(const Tensor&, std::int64_t, std::optional<std::int64_t>,
                       std::optional<std::int64_t>, std::int64_t)>
    slice;
extern const Op<Tensor(const Tensor&)> contiguous, detach;
extern const Op<Tensor(const TensorList&, std::int64_t)> cat, stack;
extern const Op<TensorList(const Tensor&, const Shape&, std::int64_t)> split;
extern const Op<TensorList(const Tensor&, std::int64_t, std::int64_t)> chunk;
extern const Op<Tensor(const Tensor&, std::int64_t, const Tensor&)> index_select, gather;
extern const Op<Tensor(const Tensor&, const Tensor&)> masked_select;
/// `a.size(dim)` as a step of a graph.
extern const Op<std::int64_t(const Tensor&, std::int64_t)> size;
/// One element of a list, such as the results of `split`.
extern const Op<Value(const Value::List&, std::int64_t)> getitem;
}  // namespace ops

}  // namespace adze
