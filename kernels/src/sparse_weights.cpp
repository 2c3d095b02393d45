#include "sparse_weights.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

namespace adze::kernels {

namespace {

template <class T>
bool any_nonzero(const T* w, std::int64_t n, std::int64_t k, std::int64_t ldw, BlockShape block,
                 std::int64_t c0, std::int64_t p0) {
  const std::int64_t c1 = std::min(n, c0 + block.rows), p1 = std::min(k, p0 + block.cols);
  for (std::int64_t c = c0; c < c1; ++c) {
    for (std::int64_t p = p0; p < p1; ++p) {
      if (w[c * ldw + p] != T{}) return true;
    }
  }
  return false;
}

template <class T>
std::int64_t count_blocks(const T* w, std::int64_t n, std::int64_t k, std::int64_t ldw,
                          BlockShape block) {
  if (block.rows < 1 || block.cols < 1) {
    throw std::runtime_error("count_nonzero_blocks: expected a block of at least 1 x 1, got " +
                             std::to_string(block.rows) + " x " + std::to_string(block.cols));
  }
  std::int64_t count = 0;
  for (std::int64_t c = 0; c < n; c += block.rows) {
    for (std::int64_t p = 0; p < k; p += block.cols) {
      count += any_nonzero(w, n, k, ldw, block, c, p);
    }
  }
  return count;
}

}  // namespace

const std::vector<BlockShape>& sparse_block_shapes() {
  static const std::vector<BlockShape> shapes{{1, 4}, {4, 4}, {8, 4}, {16, 4}, {1, 16}, {8, 1}};
  return shapes;
}

std::int64_t count_nonzero_blocks(const std::int8_t* w, std::int64_t n, std::int64_t k,
                                  std::int64_t ldw, BlockShape block) {
  return count_blocks(w, n, k, ldw, block);
}

std::int64_t count_nonzero_blocks(const float* w, std::int64_t n, std::int64_t k, std::int64_t ldw,
                                  BlockShape block) {
  return count_blocks(w, n, k, ldw, block);
}

namespace detail {

void check_block_shape(const char* what, BlockShape block, const std::vector<BlockShape>& allowed) {
  if (std::find(allowed.begin(), allowed.end(), block) != allowed.end()) return;
  std::string names;
  for (const BlockShape& shape : allowed) {
    names += (names.empty() ? "" : ", ") + std::to_string(shape.rows) + " x " +
             std::to_string(shape.cols);
  }
  throw std::runtime_error(std::string(what) + ": blocks of " + std::to_string(block.rows) + " x " +
                           std::to_string(block.cols) +
                           " (output channels x inputs) are not supported, only " + names);
}

void SparseWeightsData::set(std::int32_t bound, std::unique_ptr<SparseForm> form) {
  owned_[slot(bound)] = std::move(form);
  forms_[slot(bound)].store(owned_[slot(bound)].get(), std::memory_order_release);
}

const SparseForm& SparseWeightsData::form(std::int32_t bound) const {
  std::atomic<const SparseForm*>& wanted = forms_[slot(bound)];
  if (const SparseForm* form = wanted.load(std::memory_order_acquire)) return *form;
  const std::lock_guard lock(mutex_);
  if (const SparseForm* form = wanted.load(std::memory_order_relaxed)) return *form;
  std::vector<std::int8_t> w(static_cast<std::size_t>(n * k));
  unpack(w.data(), k);
  std::unique_ptr<SparseForm>& form = owned_[slot(bound)];
  form = pack_sparse(w.data(), n, k, k, block, bound, kept());
  wanted.store(form.get(), std::memory_order_release);
  return *form;
}

std::int64_t SparseWeightsData::bytes() const {
  const std::lock_guard lock(mutex_);
  auto total = static_cast<std::int64_t>(sums.size() * sizeof(std::int32_t));
  for (const auto& form : owned_) {
    if (form != nullptr) total += form->bytes();
  }
  return total;
}

void SparseWeightsData::unpack(std::int8_t* w, std::int64_t ldw) const {
  for (std::int64_t c = 0; c < n; ++c) std::fill_n(w + c * ldw, k, std::int8_t{0});
  const SparseForm* form = nullptr;
  for (const auto& slot : forms_) {
    if (form == nullptr) form = slot.load(std::memory_order_acquire);
  }
  if (form == nullptr) return;
  const SparseView& v = form->view;
  for (std::int64_t list = 0; list < v.groups * v.k_blocks; ++list) {
    const std::int64_t first_channel = list % v.groups * v.height;
    const std::int64_t first_input = list / v.groups * v.k_block;
    for_each_unit(v, list, [&](const std::int8_t* values, const int* inputs) {
      for (std::int64_t i = 0; i < v.height * 4; ++i) {
        if (values[i] == 0) continue;
        std::int8_t& to = w[(first_channel + i / 4) * ldw + first_input + inputs[i % 4]];
        to = static_cast<std::int8_t>(to + values[i]);
      }
    });
  }
}

}  // namespace detail

using detail::SparseWeightsData;

namespace {

/// The bound of the form that kernels for the active instruction set read.
std::int32_t usual_bound(BlockShape block) {
  return pick_sparse_u8s8({1, block}).windows ? detail::low_bound : 0;
}

}  // namespace

SparseWeights::SparseWeights() : data_(std::make_shared<SparseWeightsData>()) {}

SparseWeights::SparseWeights(const std::int8_t* w, std::int64_t n, std::int64_t k, std::int64_t ldw,
                             BlockShape block) {
  detail::check_block_shape("SparseWeights", block, sparse_block_shapes());
  auto d = std::make_shared<SparseWeightsData>();
  d->n = n;
  d->k = k;
  d->block = block;
  d->blocks = ((n + block.rows - 1) / block.rows) * ((k + block.cols - 1) / block.cols);
  d->nonzero_blocks = count_nonzero_blocks(w, n, k, ldw, block);
  d->sums.resize(static_cast<std::size_t>((n + 15) / 16 * 16));
  for (std::int64_t c = 0; c < n; ++c) {
    std::int32_t sum = 0;
    for (std::int64_t p = 0; p < k; ++p) sum += w[c * ldw + p];
    d->sums[static_cast<std::size_t>(c)] = sum;
  }
  const std::int32_t bound = usual_bound(block);
  d->set(bound, detail::pack_sparse(w, n, k, ldw, block, bound, d->kept()));
  data_ = std::move(d);
}

std::int64_t SparseWeights::n() const {
  return data_->n;
}
std::int64_t SparseWeights::k() const {
  return data_->k;
}
BlockShape SparseWeights::block() const {
  return data_->block;
}
std::int64_t SparseWeights::bytes() const {
  return data_->bytes();
}
const std::int32_t* SparseWeights::sums() const {
  return data_->sums.data();
}
std::int64_t SparseWeights::blocks() const {
  return data_->blocks;
}
std::int64_t SparseWeights::nonzero_blocks() const {
  return data_->nonzero_blocks;
}
void SparseWeights::unpack(std::int8_t* w, std::int64_t ldw) const {
  data_->unpack(w, ldw);
}

}  // namespace adze::kernels
