#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <adze/kernels/gemm_u8s8.h>

#include "bench/aligned.h"
#include "bench/options.h"

namespace adze::bench {

/// The rows of a result that are worth checking: all of a small problem, some of a large one.
std::vector<std::int64_t> sampled_rows(const Problem& problem);

/// How the sampled rows of `result`, which lie without gaps, compare with the reference, in words;
/// throws std::runtime_error at the first one that differs in a bit.
std::string compare_rows(const Problem& p, std::size_t row_bytes, const void* result,
                         const std::function<void(std::int64_t, void*)>& reference_row);

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
  /// What `out` holds, compared with the reference: see compare_rows.
  std::string compare() const;
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
};

}  // namespace adze::bench
