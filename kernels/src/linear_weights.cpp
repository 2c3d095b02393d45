#include "adze/kernels/linear_weights.h"

#include <array>
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

namespace adze::kernels {

namespace {

std::string to_string(BlockShape block) {
  return std::to_string(block.rows) + "x" + std::to_string(block.cols);
}

/// Calls with few and with many rows of activations may want different layouts; each kind is
/// judged by one number of rows.
constexpr std::array<std::int64_t, 2> typical_rows = {1, 64};
std::size_t kind_of(std::int64_t m) {
  return m < 8 ? 0 : 1;
}

/// The weights in one layout; the other one is empty.
struct Form {
  PackedWeights dense;
  SparseWeights sparse;
};

}  // namespace

struct detail::LinearWeightsData {
  LinearWeightsData(const std::int8_t* w, std::int64_t n_, std::int64_t k_, std::int64_t ldw,
                    WeightLayout layout_)
      : n(n_), k(k_), layout(layout_) {
    for (std::size_t kind = 0; kind < choices_.size(); ++kind) {
      choices_[kind] = choose(w, ldw, typical_rows[kind]);
    }
    make(0, w, ldw);
    if (same_layout()) ready_[1].store(forms_[0].get(), std::memory_order_release);
  }

  const std::int64_t n, k;
  const WeightLayout layout;

  const LayoutChoice& choice(std::int64_t m) const { return choices_[kind_of(m)]; }

  /// The form for m rows; made now if this is the first call of its kind.
  const Form& form(std::int64_t m) const {
    const std::size_t kind = kind_of(m);
    if (const Form* ready = ready_[kind].load(std::memory_order_acquire)) return *ready;
    const std::lock_guard lock(mutex_);
    if (!forms_[kind]) {
      std::vector<std::int8_t> w(static_cast<std::size_t>(n * k));
      unpack(w.data(), k);
      make(kind, w.data(), k);
    }
    return *forms_[kind];
  }

  void unpack(std::int8_t* w, std::int64_t ldw) const {
    if (choices_[0].sparse) {
      forms_[0]->sparse.unpack(w, ldw);
    } else {
      forms_[0]->dense.unpack(w, ldw);
    }
  }

  std::int64_t bytes() const {
    const std::lock_guard lock(mutex_);
    std::int64_t sum = 0;
    for (std::size_t kind = 0; kind < forms_.size(); ++kind) {
      if (!forms_[kind]) continue;
      sum += choices_[kind].sparse ? forms_[kind]->sparse.bytes() : forms_[kind]->dense.bytes();
    }
    return sum;
  }

 private:
  bool same_layout() const {
    return choices_[0].sparse == choices_[1].sparse &&
           (!choices_[0].sparse || choices_[0].block == choices_[1].block);
  }

  LayoutChoice choose(const std::int8_t* w, std::int64_t ldw, std::int64_t m) const {
    switch (layout.kind) {
      case WeightLayout::Kind::automatic:
        return choose_layout(w, n, k, ldw, m);
      case WeightLayout::Kind::dense:
        return {.sparse = false, .block = {}, .why = "dense, as asked for"};
      case WeightLayout::Kind::sparse:
        return {.sparse = true,
                .block = layout.block,
                .why = "blocks of " + to_string(layout.block) + ", as asked for"};
    }
    return {};
  }

  void make(std::size_t kind, const std::int8_t* w, std::int64_t ldw) const {
    auto form = std::make_unique<Form>();
    if (choices_[kind].sparse) {
      form->sparse = SparseWeights(w, n, k, ldw, choices_[kind].block);
    } else {
      form->dense = PackedWeights(w, n, k, ldw);
    }
    ready_[kind].store(form.get(), std::memory_order_release);
    forms_[kind] = std::move(form);
  }

  std::array<LayoutChoice, 2> choices_;
  mutable std::mutex mutex_;
  mutable std::array<std::unique_ptr<const Form>, 2> forms_;
  mutable std::array<std::atomic<const Form*>, 2> ready_{};
};

std::string to_string(const WeightLayout& layout) {
  switch (layout.kind) {
    case WeightLayout::Kind::automatic:
      return "automatic";
    case WeightLayout::Kind::dense:
      return "dense";
    case WeightLayout::Kind::sparse:
      return to_string(layout.block);
  }
  return "?";
}

WeightLayout weight_layout_from(std::string_view text) {
  if (text == "automatic") return {};
  if (text == "dense") return WeightLayout::dense();
  std::string known = "automatic, dense";
  for (const BlockShape& block : sparse_block_shapes()) {
    if (text == to_string(block)) return WeightLayout::blocks(block.rows, block.cols);
    known += ", " + to_string(block);
  }
  throw std::runtime_error("unknown layout of weights '" + std::string(text) + "', known are " +
                           known);
}

LinearWeights::LinearWeights() : LinearWeights(nullptr, 0, 0, 0) {}

LinearWeights::LinearWeights(const std::int8_t* w, std::int64_t n, std::int64_t k, std::int64_t ldw,
                             WeightLayout layout) {
  data_ = std::make_shared<const detail::LinearWeightsData>(w, n, k, ldw, layout);
}

std::int64_t LinearWeights::n() const {
  return data_->n;
}
std::int64_t LinearWeights::k() const {
  return data_->k;
}
WeightLayout LinearWeights::layout() const {
  return data_->layout;
}
LayoutChoice LinearWeights::choice(std::int64_t m) const {
  return data_->choice(m);
}
std::int64_t LinearWeights::bytes() const {
  return data_->bytes();
}
void LinearWeights::unpack(std::int8_t* w, std::int64_t ldw) const {
  data_->unpack(w, ldw);
}

std::string LinearWeights::kernel(std::int64_t m, std::int32_t max_activation) const {
  const LayoutChoice& choice = data_->choice(m);
  const Form& form = data_->form(m);
  const auto kernels =
      choice.sparse ? sparse_u8s8_kernels({m, choice.block})
                    : gemm_u8s8_kernels({m, n(), k(), max_activation, form.dense.typical_weight()});
  for (const KernelInfo& kernel : kernels) {
    if (kernel.reason == nullptr) return kernel.name;
  }
  return "";
}

void gemm_u8s8(const std::uint8_t* a, std::int64_t lda, std::int64_t m,
               const LinearWeights& weights, const OutputStage& stage, void* out,
               std::int64_t ldo) {
  const Form& form = weights.data().form(m);
  if (weights.data().choice(m).sparse) {
    gemm_u8s8(a, lda, m, form.sparse, stage, out, ldo);
  } else {
    gemm_u8s8(a, lda, m, form.dense, stage, out, ldo);
  }
}

void gemm_f32s8(const float* a, std::int64_t lda, std::int64_t m, const Affine& a_params,
                const LinearWeights& weights, const OutputStage& stage, void* out,
                std::int64_t ldo) {
  const Form& form = weights.data().form(m);
  if (weights.data().choice(m).sparse) {
    gemm_f32s8(a, lda, m, a_params, form.sparse, stage, out, ldo);
  } else {
    gemm_f32s8(a, lda, m, a_params, form.dense, stage, out, ldo);
  }
}

}  // namespace adze::kernels
