#include "adze/ao/pruning/nearly_diagonal_sparsifier.h"

#include <algorithm>
#include <cstdlib>

#include "adze/core/creation.h"

namespace adze::ao::pruning {

NearlyDiagonalSparsifier::NearlyDiagonalSparsifier(NearlyDiagonalOptions options)
    : BaseSparsifier(options.name, {{"nearliness", options.nearliness}}) {}

void NearlyDiagonalSparsifier::check_group(const SparseGroup& group) const {
  const std::int64_t nearliness = group.at("nearliness").to_int();
  const Tensor mask = group.mask();
  check(!mask.defined() || mask.dim() == 2, "a diagonal needs a matrix, the tensor is ",
        mask.defined() ? mask.sizes() : Shape());
  if (nearliness <= 0) return;
  check(nearliness % 2 == 1, "nearliness can only be an odd number, got ", nearliness);
  check(!mask.defined() || nearliness / 2 < std::min(mask.size(0), mask.size(1)),
        "nearliness cannot be larger than the dimensions of tensor. (", nearliness, ", tensor ",
        mask.defined() ? mask.sizes() : Shape(), ")");
}

Tensor NearlyDiagonalSparsifier::update_mask(const SparseGroup& group, const Tensor& value) {
  const std::int64_t nearliness = group.at("nearliness").to_int();
  Tensor mask = zeros(value.sizes());
  if (nearliness <= 0) return mask;
  const std::int64_t rows = value.size(0), cols = value.size(1), reach = nearliness / 2;
  float* m = mask.mutable_data<float>();
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = std::max<std::int64_t>(0, r - reach); c <= std::min(cols - 1, r + reach);
         ++c)
      m[r * cols + c] = 1;
  return mask;
}

}  // namespace adze::ao::pruning
