#include "adze/core/indexing.h"

#include "adze/core/creation.h"
#include "adze/core/ops/shape.h"
#include "adze/core/tensor_impl.h"

#include "strided.h"

namespace adze {

namespace {

bool is_mask(const Index& i) {
  return i.kind() == Index::Kind::tensor && i.tensor().dtype() == DType::boolean;
}

// How many dimensions of the tensor an entry stands for.
std::int64_t dims_of(const Index& i) {
  switch (i.kind()) {
    case Index::Kind::integer:
    case Index::Kind::slice:
      return 1;
    case Index::Kind::tensor:
      return is_mask(i) ? i.tensor().dim() : 1;
    default:
      return 0;
  }
}

// Row numbers of the elements that hold, the mask being read in row-major order.
Tensor rows_of(const Tensor& mask) {
  std::vector<std::int64_t> rows;
  std::int64_t at = 0;
  detail::for_each(
      mask.sizes(),
      [&](const bool& keep) {
        if (keep) rows.push_back(at);
        ++at;
      },
      detail::read<bool>(mask, mask.sizes()));
  return from_vector(rows, {static_cast<std::int64_t>(rows.size())});
}

// Row numbers counted from the front.
Tensor wrapped(const Tensor& index, std::int64_t size) {
  std::vector<std::int64_t> rows = index.to_vector<std::int64_t>();
  for (std::int64_t& row : rows) {
    check(row >= -size && row < size, "index: index ", row, " is out of range for a dimension of ",
          size, " elements");
    if (row < 0) row += size;
  }
  return from_vector(rows, {static_cast<std::int64_t>(rows.size())});
}

bool size_known(const Tensor& t) {
  return !t.is_symbolic() || t.impl().sizes_known;
}

Tensor pick_by_mask(const Tensor& a, std::int64_t dim, const Tensor& mask) {
  check(mask.dim() > 0, "index: a mask needs at least one dimension");
  if (size_known(a)) {
    const auto first = static_cast<std::size_t>(dim < 0 ? dim + a.dim() : dim);
    for (std::size_t i = 0; i < mask.sizes().size(); ++i)
      check(mask.sizes()[i] == a.sizes()[first + i], "index: the mask of shape ", mask.sizes(),
            " does not fit dimension ", first, " of shape ", a.sizes());
  }
  const Tensor flat = mask.dim() == 1 ? a : flatten(a, dim, dim + mask.dim() - 1);
  // Counted from the back, the dimension moved by those that were joined.
  return index_select(flat, dim < 0 ? dim + mask.dim() - 1 : dim, rows_of(mask));
}

Tensor pick_rows(const Tensor& a, std::int64_t dim, const Tensor& index) {
  check(is_integral(index.dtype()), "index: a tensor of integers or booleans expected, got ",
        index.dtype());
  if (index.is_symbolic() || !size_known(a)) return index_select(a, dim, index);
  const Tensor rows = index_select(a, dim, wrapped(index, a.size(dim)));
  if (index.dim() == 1) return rows;
  Shape sizes = rows.sizes();
  const auto at = static_cast<std::size_t>(dim < 0 ? dim + rows.dim() : dim);
  sizes.erase(at);
  for (std::size_t i = 0; i < index.sizes().size(); ++i) sizes.insert(at + i, index.sizes()[i]);
  return reshape(rows, sizes);
}

}  // namespace

Tensor Tensor::index(std::initializer_list<Index> indices) const {
  std::int64_t total = 0;
  int rests = 0, tensors = 0;
  for (const Index& i : indices) {
    total += dims_of(i);
    rests += i.kind() == Index::Kind::rest;
    tensors += i.kind() == Index::Kind::tensor;
  }
  check(rests <= 1, "index: at most one ellipsis is possible, got ", rests);
  check(tensors <= 1, "index: at most one tensor among the indices is possible, got ", tensors,
        "; index step by step");
  if (size_known(*this))
    check(total <= dim(), "index: ", total, " indices were given for shape ", sizes());

  // `at` counts from the front before an ellipsis and from the back behind it, where `left` more
  // dimensions are spoken for; so no shape need be known.
  Tensor out = *this;
  std::int64_t at = 0, left = total;
  bool from_back = false;
  for (const Index& i : indices) {
    const std::int64_t d = from_back ? -left : at;
    switch (i.kind()) {
      case Index::Kind::rest:
        from_back = true;
        break;
      case Index::Kind::new_axis:
        out = adze::unsqueeze(out, from_back ? -left - 1 : at);
        ++at;
        break;
      case Index::Kind::integer:
        out = adze::select(out, d, i.integer());
        break;
      case Index::Kind::slice: {
        const Slice& s = i.slice();
        if (s.start || s.end || s.step != 1) out = adze::slice(out, d, s.start, s.end, s.step);
        ++at;
        break;
      }
      case Index::Kind::tensor:
        if (is_mask(i)) {
          out = pick_by_mask(out, d, i.tensor());
          ++at;
        } else {
          out = pick_rows(out, d, i.tensor());
          at += i.tensor().is_symbolic() ? 1 : i.tensor().dim();
        }
        break;
    }
    left -= dims_of(i);
  }
  return out;
}

}  // namespace adze
