/// \file
/// int8 weights of a linear layer, dense or in blocks, whichever is faster.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "adze/kernels/cost_model.h"
#include "adze/kernels/gemm_sparse.h"
#include "adze/kernels/gemm_u8s8.h"

namespace adze::kernels {

/// How weights are to be kept.
struct WeightLayout {
  enum class Kind : std::uint8_t {
    automatic,  ///< what the cost model expects to be fastest, for few rows and for many
    dense,
    sparse  ///< the blocks of shape `block` that are not all zero
  };
  Kind kind = Kind::automatic;
  BlockShape block = {};

  static WeightLayout dense() { return {Kind::dense, {}}; }
  static WeightLayout blocks(std::int64_t rows, std::int64_t cols) {
    return {Kind::sparse, {rows, cols}};
  }
  friend bool operator==(const WeightLayout& a, const WeightLayout& b) {
    return a.kind == b.kind && (a.kind != Kind::sparse || a.block == b.block);
  }
};

/// "automatic", "dense", or the shape of the blocks: "4x4".
std::string to_string(const WeightLayout& layout);
/// The layout with that name. Throws std::runtime_error for any other text, and for block shapes
/// without kernels.
WeightLayout weight_layout_from(std::string_view text);

namespace detail {
struct LinearWeightsData;
}

/// int8 weights of a linear layer, n output channels × k inputs, in one layout or two.
///
/// Immutable to the caller; copies share. An automatic layout is settled, by the cost model, when
/// the first call with few rows (up to 7) or with many comes; the two may differ.
class LinearWeights {
 public:
  /// Nothing; n() and k() are 0.
  LinearWeights();
  /// Keeps `w`, n × k, row-major with rows `ldw` apart. Throws std::runtime_error for blocks
  /// without kernels.
  LinearWeights(const std::int8_t* w, std::int64_t n, std::int64_t k, std::int64_t ldw,
                WeightLayout layout = {});

  std::int64_t n() const;
  std::int64_t k() const;
  /// What was asked for.
  WeightLayout layout() const;
  /// What calls with m rows use, and why: `why` is a sentence for people.
  LayoutChoice choice(std::int64_t m) const;
  /// The name of the kernel for m rows of activations up to `max_activation`.
  std::string kernel(std::int64_t m, std::int32_t max_activation = 255) const;
  /// Bytes held now, all included.
  std::int64_t bytes() const;
  /// Writes the weights back, bit for bit, n × k with rows `ldw` apart.
  void unpack(std::int8_t* w, std::int64_t ldw) const;

  const detail::LinearWeightsData& data() const { return *data_; }

 private:
  std::shared_ptr<const detail::LinearWeightsData> data_;
};

/// out = stage(a · weightsᵀ), as `gemm_u8s8` for PackedWeights; the layout changes no bit.
void gemm_u8s8(const std::uint8_t* a, std::int64_t lda, std::int64_t m,
               const LinearWeights& weights, const OutputStage& stage, void* out, std::int64_t ldo);

/// The same for float32 activations, as `gemm_f32s8` for PackedWeights.
void gemm_f32s8(const float* a, std::int64_t lda, std::int64_t m, const Affine& a_params,
                const LinearWeights& weights, const OutputStage& stage, void* out,
                std::int64_t ldo);

}  // namespace adze::kernels
