#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <adze/kernels/gemm_u8s8.h>

#include "bench/aligned.h"
#include "bench/options.h"

namespace adze::bench {

/// Some rows of the reference's result, computed when they are first needed: all of a small
/// problem, about a second of work for a large one.
class ReferenceRows {
 public:
  /// `row` writes a row of the result, which has so many bytes.
  using RowFunction = std::function<void(std::int64_t row, void* to)>;
  ReferenceRows(const Problem& problem, std::size_t row_bytes, RowFunction row);

  /// "equal to the reference, bit for bit, in 5 of 5 rows"; throws std::runtime_error at the first
  /// row of `result`, whose rows lie without gaps, that differs.
  std::string compare(const void* result);

 private:
  Problem problem_;
  std::size_t row_bytes_;
  RowFunction row_;
  std::vector<std::int64_t> rows_;
  std::vector<unsigned char> expected_;
};

/// int8 weights, n × k: "normal", of which the largest of a channel is 127, "uniform" over all
/// values, or "extreme", the largest and the smallest value only.
AlignedVector<std::int8_t> make_weights(const std::string& kind, std::int64_t n, std::int64_t k);

/// Activations, weights, output stage and result of an int8 product.
class U8S8Data {
 public:
  U8S8Data(const Problem& p, AlignedVector<std::int8_t> weights, std::int32_t max_activation,
           kernels::OutputType type);
  U8S8Data(const U8S8Data&) = delete;
  U8S8Data& operator=(const U8S8Data&) = delete;

  const Problem& problem() const { return problem_; }
  const std::uint8_t* a() const { return a_.data(); }
  const std::int8_t* weights() const { return w_.data(); }
  const kernels::OutputStage& stage() const { return stage_; }
  void* out() { return out_.data(); }
  std::size_t out_bytes() const { return out_.size(); }
  /// What `out` holds, compared with the reference: see ReferenceRows.
  std::string compare() { return reference_.compare(out_.data()); }
  /// The part of another result that differs from `out`: by more than 1 if it was rounded to
  /// integers, by more than rounding explains if it is float32.
  double wrong(const void* other) const;

 private:
  Problem problem_;
  AlignedVector<std::uint8_t> a_;
  AlignedVector<std::int8_t> w_;
  std::vector<float> multipliers_, bias_;
  kernels::OutputStage stage_;
  std::size_t element_ = 1;
  AlignedVector<unsigned char> out_;
  ReferenceRows reference_;
};

}  // namespace adze::bench
