#pragma once

#include <cstdint>
#include <string>

#include "adze/ao/pruning/base_sparsifier.h"

namespace adze::ao::pruning {

struct NearlyDiagonalOptions {
  std::int64_t nearliness = 1;  // width of the band; odd
  std::string name = "NearlyDiagonalSparsifier";
};

/// Keeps a band around the diagonal of a matrix: element (r, c) where |r - c| <= nearliness / 2.
///
/// A nearliness of 0 or less prunes everything. Throws when it is even, when half of it reaches
/// beyond the smaller side of the matrix, and for tensors that are not matrices. Groups have the
/// setting nearliness.
class NearlyDiagonalSparsifier : public BaseSparsifier {
 public:
  explicit NearlyDiagonalSparsifier(NearlyDiagonalOptions options = {});
  std::string type() const override { return "NearlyDiagonalSparsifier"; }

 protected:
  Tensor update_mask(const SparseGroup& group, const Tensor& value) override;
  void check_group(const SparseGroup& group) const override;
};

}  // namespace adze::ao::pruning
