#pragma once

#include "adze/core/tensor.h"

namespace adze::ao::ns {

// How far `y` is from `x`, as one number. Tensors of any dtype and of one shape; quantized ones are
// dequantized. Sums are taken in double precision. NaN when an element of either is infinite or
// NaN, or too large to be squared in double precision. Throws when the shapes differ.

/// Signal to quantization noise ratio in decibels, 20 log10(|x| / |x - y|) with Frobenius norms:
/// infinity when the two are equal (also when both are zero), -infinity when only x is zero.
double compute_sqnr(const Tensor& x, const Tensor& y);
/// |x - y| / |x|: 0 when the two are equal (also when both are zero), infinity when only x is zero.
double compute_normalized_l2_error(const Tensor& x, const Tensor& y);
/// The cosine of the angle between the two as vectors, in [-1, 1]: 1 when they are equal (also when
/// both are zero), 0 when one of them is zero.
double compute_cosine_similarity(const Tensor& x, const Tensor& y);

/// The sums from which all three follow. Several pairs of tensors count as one pair of their
/// concatenations, which need not be kept.
class Agreement {
 public:
  /// Throws, and adds nothing, when the shapes differ.
  void add(const Tensor& x, const Tensor& y);

  double sqnr() const;
  double normalized_l2_error() const;
  double cosine_similarity() const;

 private:
  double xx_ = 0, yy_ = 0, xy_ = 0;
  double error_ = 0;  // |x - y|^2
};

}  // namespace adze::ao::ns
