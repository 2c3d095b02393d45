/// \file
/// The activations of an int8 product, 8-bit or float32, and how kernels get to read them.
#pragma once

#include <cstdint>

#include "adze/kernels/gemm_u8s8.h"

#include "quantize_table.h"

namespace adze::kernels {

/// What a product was given: 8-bit rows `ld` apart, or float32 ones with the way to quantize them.
struct Activations {
  const std::uint8_t* bytes = nullptr;
  const float* floats = nullptr;
  AffineRow affine{};
  std::int64_t ld = 0;
  std::int64_t rows = 0;

  static Activations of_bytes(const std::uint8_t* a, std::int64_t lda, std::int64_t m) {
    Activations x;
    x.bytes = a;
    x.ld = lda;
    x.rows = m;
    return x;
  }
  static Activations of_floats(const float* a, std::int64_t lda, std::int64_t m,
                               const Affine& params);
};

/// `stage` with what quantizing by `params` makes known of the activations.
OutputStage with_activations(const OutputStage& stage, const Affine& params);

/// Some rows of 8-bit activations, where kernels can read them.
struct ActivationBlock {
  const std::uint8_t* a;
  std::int64_t lda;
};

/// `rows` rows from `row` on, readable up to `padded` >= k inputs, zeros from k on. They stay where
/// they are if they are 8-bit and k == padded; else they are copied to memory of this thread, which
/// the next call takes again.
ActivationBlock copied_block(const Activations& a, std::int64_t row, std::int64_t rows,
                             std::int64_t k, std::int64_t padded);
inline ActivationBlock readable_block(const Activations& a, std::int64_t row, std::int64_t rows,
                                      std::int64_t k, std::int64_t padded) {
  if (a.floats == nullptr && k == padded) return {a.bytes + row * a.ld, a.ld};
  return copied_block(a, row, rows, k, padded);
}

/// The sum of each row's k activations, in memory of this thread, which the next call takes again.
const std::int32_t* row_sums(const ActivationBlock& block, std::int64_t rows, std::int64_t k);

/// Throws std::runtime_error about a promise that did not hold.
[[noreturn]] void fail_a_max(std::int32_t promised);

}  // namespace adze::kernels
