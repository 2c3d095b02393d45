#include "bench/sparse_cases.h"

#include <list>
#include <random>

#include <adze/kernels/cost_model.h>
#include <adze/kernels/linear_weights_f32.h>
#include <adze/kernels/reference.h>

#include "bench/u8s8_data.h"

namespace adze::bench {

namespace {

using namespace kernels;  // NOLINT: this file is about nothing else

/// The weights in each shape of blocks that was asked for.
template <class Weights>
class PackedBlocks {
 public:
  template <class T>
  const Weights& get(const T* w, const Problem& p, BlockShape block) {
    for (const Weights& weights : packed_) {
      if (weights.block() == block) return weights;
    }
    return packed_.emplace_back(w, p.n, p.k, p.k, block);
  }

 private:
  std::list<Weights> packed_;
};

class U8S8Case final : public SparseCase {
 public:
  U8S8Case(const PrunedProblem& problem, std::int32_t max_activation)
      : size_(problem.size),
        data_(size_, make_pruned_weights(problem), max_activation, OutputType::u8),
        dense_(data_.weights(), size_.n, size_.k, size_.k),
        choice_(choose_layout(data_.weights(), size_.n, size_.k, size_.k, size_.m)) {}
  U8S8Case(const U8S8Case&) = delete;
  U8S8Case& operator=(const U8S8Case&) = delete;
  ~U8S8Case() override { force_sparse_u8s8_kernel(""); }

  std::string op() const override { return "u8s8"; }
  const std::vector<BlockShape>& block_shapes() const override { return sparse_block_shapes(); }
  Blocks choice() const override { return choice_.sparse ? Blocks(choice_.block) : Blocks(); }
  std::string why() const override { return "cost model: " + choice_.why; }

  void run(Blocks blocks) override {
    const Problem& p = size_;
    if (blocks) {
      gemm_u8s8(data_.a(), p.k, p.m, packed(*blocks), data_.stage(), data_.out(), p.n);
    } else {
      gemm_u8s8(data_.a(), p.k, p.m, dense_, data_.stage(), data_.out(), p.n);
    }
  }
  std::string compare() override { return data_.compare(); }
  std::vector<KernelInfo> table(Blocks blocks) const override {
    return blocks ? sparse_u8s8_kernels({size_.m, *blocks})
                  : gemm_u8s8_kernels({.m = size_.m, .n = size_.n, .k = size_.k});
  }
  void force(const std::string& kernel) override { force_sparse_u8s8_kernel(kernel.c_str()); }

  Kept kept(BlockShape shape) override {
    return {packed(shape).nonzero_blocks(), packed(shape).blocks()};
  }
  std::optional<double> estimated_us(Blocks blocks) override {
    const Problem& p = size_;
    return blocks ? sparse_u8s8_us(active(), p.m, p.n, p.k, *blocks, kept(*blocks).blocks)
                  : dense_u8s8_us(active(), p.m, p.n, p.k);
  }

 private:
  const SparseWeights& packed(BlockShape shape) {
    return packed_.get(data_.weights(), size_, shape);
  }

  Problem size_;
  U8S8Data data_;
  PackedWeights dense_;
  LayoutChoice choice_;
  PackedBlocks<SparseWeights> packed_;
};

class F32Case final : public SparseCase {
 public:
  explicit F32Case(const PrunedProblem& problem)
      : size_(problem.size),
        a_(static_cast<std::size_t>(size_.m * size_.k)),
        c_(static_cast<std::size_t>(size_.m * size_.n)),
        reference_(size_, static_cast<std::size_t>(size_.n) * sizeof(float),
                   [this](std::int64_t row, void* to) {
                     reference::gemm_f32(Transpose::no, Transpose::yes, 1, size_.n, size_.k,
                                         a_.data() + row * size_.k, size_.k, w_.data(), size_.k,
                                         static_cast<float*>(to), size_.n);
                   }) {
    for (const std::int8_t w : make_pruned_weights(problem)) {
      w_.push_back(static_cast<float>(w) * 0.01f);
    }
    std::mt19937 engine(1);
    for (float& v : a_) v = static_cast<float>(engine() >> 8) / 8388608.0f - 1.0f;
    choice_ = LinearWeightsF32(w_.data(), size_.n, size_.k, size_.k, size_.m);
    // A layer without zeros keeps packed weights for few rows.
    const std::vector<float> ones(w_.size(), 1.0f);
    if (LinearWeightsF32(ones.data(), size_.n, size_.k, size_.k, size_.m).useful()) {
      dense_ = PackedF32Weights(w_.data(), size_.n, size_.k, size_.k);
    }
  }
  F32Case(const F32Case&) = delete;
  F32Case& operator=(const F32Case&) = delete;
  ~F32Case() override { force_sparse_f32_kernel(""); }

  std::string op() const override { return "f32"; }
  const std::vector<BlockShape>& block_shapes() const override { return sparse_f32_block_shapes(); }
  Blocks choice() const override { return choice_.sparse() ? Blocks(choice_.block()) : Blocks(); }
  std::string why() const override {
    return choice_.sparse() ? "few enough blocks are kept" : "too many blocks are kept";
  }

  void run(Blocks blocks) override {
    const Problem& p = size_;
    float* const c = c_.data();
    if (blocks) {
      gemm_f32(a_.data(), p.k, p.m, packed(*blocks), nullptr, false, c, p.n);
    } else if (dense_.n() != 0) {
      gemm_f32(a_.data(), p.k, p.m, dense_, nullptr, false, c, p.n);
    } else {
      gemm_f32(Transpose::no, Transpose::yes, p.m, p.n, p.k, a_.data(), p.k, w_.data(), p.k, c,
               p.n);
    }
  }
  std::string compare() override { return reference_.compare(c_.data()); }
  std::vector<KernelInfo> table(Blocks blocks) const override {
    return blocks ? sparse_f32_kernels({size_.m, *blocks}) : gemm_f32_kernels();
  }
  void force(const std::string& kernel) override { force_sparse_f32_kernel(kernel.c_str()); }

  Kept kept(BlockShape shape) override {
    return {packed(shape).nonzero_blocks(), packed(shape).blocks()};
  }
  std::optional<double> estimated_us(Blocks) override { return std::nullopt; }

 private:
  const SparseWeightsF32& packed(BlockShape shape) { return packed_.get(w_.data(), size_, shape); }

  Problem size_;
  AlignedVector<float> a_, w_, c_;
  LinearWeightsF32 choice_;
  PackedF32Weights dense_;
  PackedBlocks<SparseWeightsF32> packed_;
  ReferenceRows reference_;
};

}  // namespace

std::unique_ptr<SparseCase> make_u8s8_sparse_case(const PrunedProblem& problem,
                                                  std::int32_t max_activation) {
  return std::make_unique<U8S8Case>(problem, max_activation);
}

std::unique_ptr<SparseCase> make_f32_sparse_case(const PrunedProblem& problem) {
  return std::make_unique<F32Case>(problem);
}

}  // namespace adze::bench
