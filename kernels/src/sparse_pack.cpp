// How kept blocks become lists of units, with proofs that 16-bit sums do not overflow.
#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "sparse_weights.h"

namespace adze::kernels::detail {

namespace {

constexpr int most_height = 16;
constexpr int most_lanes = 2 * most_height;
// How many units are tried to complete a window.
constexpr int look_ahead = 48;

struct Unit {
  std::uint16_t index[4] = {};
  std::int8_t w[4 * most_height] = {};
};

/// A unit is summed in 16-bit lanes, two products in each. Whatever activations in 0..bound meet
/// the weights, a lane lies within [-bound * negative, bound * positive], and so does every sum of
/// some of its units.
class Lanes {
 public:
  Lanes(int height, std::int32_t bound) : count_(2 * height), bound_(bound) {}

  /// Adds the unit if the sums still fit int16.
  bool add(const Unit& unit) {
    if (bound_ == 0) return true;
    std::int32_t positive[most_lanes], negative[most_lanes];
    bool fits = true;
    for (int i = 0; i < count_; ++i) {
      const std::int32_t w0 = unit.w[2 * i], w1 = unit.w[2 * i + 1];
      positive[i] = positive_[i] + std::max(w0, 0) + std::max(w1, 0);
      negative[i] = negative_[i] - std::min(w0, 0) - std::min(w1, 0);
      fits &= bound_ * positive[i] <= 32767 && bound_ * negative[i] <= 32768;
    }
    if (!fits) return false;
    std::copy_n(positive, count_, positive_);
    std::copy_n(negative, count_, negative_);
    return true;
  }

 private:
  int count_;
  std::int32_t bound_;
  std::int32_t positive_[most_lanes] = {};
  std::int32_t negative_[most_lanes] = {};
};

/// Cuts lists of units into windows and puts them into a form.
class Packer {
 public:
  Packer(SparseForm& form, std::int32_t bound, int most_window, bool contiguous)
      : form_(form),
        height_(form.view.height),
        bound_(bound),
        most_window_(most_window),
        contiguous_(contiguous) {}

  /// A unit of the list. One that could overflow by itself becomes two: where a channel's four
  /// weights do not fit, w / 2 and the rest, which always fit.
  void add(const Unit& unit) {
    if (fits(&unit, 1)) {
      units_.push_back(unit);
      return;
    }
    Unit first = unit, second;
    std::copy_n(unit.index, 4, second.index);
    for (int c = 0; c < height_; ++c) {
      Unit one;
      std::copy_n(unit.w + 4 * c, 4, one.w);
      if (Lanes(1, bound_).add(one)) continue;
      for (int i = 4 * c; i < 4 * c + 4; ++i) {
        first.w[i] = static_cast<std::int8_t>(unit.w[i] / 2);
        second.w[i] = static_cast<std::int8_t>(unit.w[i] - first.w[i]);
      }
    }
    units_.push_back(first);
    units_.push_back(second);
  }

  /// A block of four units that stays together, as windows as long as possible, unless one of the
  /// units is split.
  void add_block(const Unit (&units)[4]) {
    if (fits(units, 4)) {
      quads_.insert(quads_.end(), units, units + 4);
    } else if (fits(units, 2) && fits(units + 2, 2)) {
      double_pairs_.insert(double_pairs_.end(), units, units + 4);
    } else if (fits(units, 1) && fits(units + 1, 1) && fits(units + 2, 1) && fits(units + 3, 1)) {
      quadruples_.insert(quadruples_.end(), units, units + 4);
    } else {
      for (const Unit& unit : units) add(unit);
    }
  }

  void end_list() {
    make_windows();
    SparseList list = beginning();
    list.quads = static_cast<std::uint16_t>(quads_.size() / 4);
    list.pairs = static_cast<std::uint16_t>(pairs_.size() / 2);
    list.double_pairs = static_cast<std::uint16_t>(double_pairs_.size() / 4);
    if (contiguous_) {
      list.blocks =
          static_cast<std::uint16_t>(list.quads + list.double_pairs + quadruples_.size() / 4);
    }
    form_.lists.push_back(list);
    std::int64_t in_blocks = 4 * list.blocks;
    for (std::vector<Unit>* units : {&quads_, &double_pairs_, &quadruples_, &pairs_, &singles_}) {
      for (const Unit& unit : *units) {
        if (in_blocks <= 0 || in_blocks % 4 == 0) {
          form_.index.insert(form_.index.end(), unit.index, unit.index + form_.view.index_size);
        }
        --in_blocks;
        values_.insert(values_.end(), unit.w, unit.w + 4 * height_);
        ++form_.units;
      }
      units->clear();
    }
    units_.clear();
  }

  void end() {
    if (form_.units > std::int64_t{UINT32_MAX} || form_.index.size() > UINT32_MAX) {
      throw std::runtime_error("SparseWeights: more than 2^32 units or indices");
    }
    form_.lists.push_back(beginning());
    form_.index.insert(form_.index.end(), 32, 0);  // kernels read ahead
    form_.values = aligned_zeros<std::int8_t>(static_cast<std::int64_t>(values_.size()));
    if (!values_.empty()) std::memcpy(form_.values.get(), values_.data(), values_.size());
    form_.view.lists = form_.lists.data();
    form_.view.index = form_.index.data();
    form_.view.values = form_.values.get();
  }

 private:
  /// An empty list behind all others.
  SparseList beginning() const {
    return {static_cast<std::uint32_t>(form_.units),
            static_cast<std::uint32_t>(form_.index.size()),
            0,
            0,
            0,
            0};
  }

  bool fits(const Unit* units, int count) const {
    Lanes lanes(height_, bound_);
    for (int i = 0; i < count; ++i) {
      if (!lanes.add(units[i])) return false;
    }
    return true;
  }

  /// Takes units in their order; each window is filled with the next ones that fit.
  void make_windows() {
    std::vector<bool> used(units_.size());
    for (std::size_t i = 0; i < units_.size(); ++i) {
      if (used[i]) continue;
      used[i] = true;
      Lanes lanes(height_, bound_);
      lanes.add(units_[i]);
      std::size_t window[4] = {i};
      int size = 1;
      const int most = contiguous_ ? 2 : most_window_;
      for (std::size_t j = i + 1, tried = 0; j < units_.size() && size < most && tried < look_ahead;
           ++j) {
        if (used[j]) continue;
        ++tried;
        if (!lanes.add(units_[j])) continue;
        used[j] = true;
        window[size++] = j;
      }
      if (size == 3) used[window[--size]] = false;
      std::vector<Unit>& to = size == 4 ? quads_ : size == 2 ? pairs_ : singles_;
      for (int j = 0; j < size; ++j) to.push_back(units_[window[j]]);
    }
  }

  SparseForm& form_;
  int height_;
  std::int32_t bound_;
  int most_window_;
  bool contiguous_;  ///< quads are only those of add_block
  std::vector<Unit> units_, quads_, pairs_, double_pairs_, quadruples_, singles_;
  std::vector<std::int8_t> values_;
};

/// Copies the weights of `height` channels for input p to place j of the unit; true if one is not
/// zero.
bool take(const std::int8_t* w, std::int64_t n, std::int64_t k, std::int64_t ldw, std::int64_t c0,
          int height, std::int64_t p, int j, Unit* unit) {
  bool any = false;
  for (int c = 0; c < height && c0 + c < n && p < k; ++c) {
    const std::int8_t value = w[(c0 + c) * ldw + p];
    unit->w[4 * c + j] = value;
    any |= value != 0;
  }
  return any;
}

/// The inputs of a block. A panel of activations stays in L1 where kernels read one: of 64 rows
/// where sums have 32 bits, else of 32, where 1024 inputs fill it, which only pays for lists so
/// short that their ends would cost more, and with few rows. Other kernels need indices that fit 16
/// bits.
std::int64_t inputs_of_a_block(BlockShape block, std::int32_t bound, double kept) {
  if (block.cols == 1) return 65536;
  if (block.rows >= 8) return 2 * 65536;
  if (block.rows > 1) return 1024;
  if (bound == 0) return kept > 0.15 ? 512 : 1024;
  return kept > 0.3 ? 768 : 1024;
}

/// The units of the longest windows. Measured: with more operands than registers, windows of two
/// are faster than windows of four.
int most_window(BlockShape block, std::int32_t bound) {
  if (bound == 0) return 4;
  return block.rows == 4 || block.rows == 16 ? 2 : 4;
}

}  // namespace

std::int64_t SparseForm::bytes() const {
  return static_cast<std::int64_t>(lists.size() * sizeof(SparseList) +
                                   index.size() * sizeof(std::uint16_t)) +
         units * view.height * 4;
}

std::unique_ptr<SparseForm> pack_sparse(const std::int8_t* w, std::int64_t n, std::int64_t k,
                                        std::int64_t ldw, BlockShape block, std::int32_t bound,
                                        double kept) {
  auto form = std::make_unique<SparseForm>();
  SparseView& v = form->view;
  v.n = n;
  v.k = k;
  v.height = static_cast<int>(block.rows);
  v.index_size = block.cols == 1 ? 4 : 1;
  v.index_unit = index_unit(block);
  v.groups = (n + block.rows - 1) / block.rows;
  const std::int64_t most = inputs_of_a_block(block, bound, kept);
  v.k_blocks = std::max<std::int64_t>(1, (k + most - 1) / most);
  v.k_block = ((k + v.k_blocks - 1) / v.k_blocks + 15) / 16 * 16;

  const bool contiguous = block.cols == 16;
  Packer packer(*form, bound, most_window(block, bound), contiguous);
  for (std::int64_t kb = 0; kb < v.k_blocks; ++kb) {
    const std::int64_t begin = std::min(k, kb * v.k_block);
    const std::int64_t end = std::min(k, begin + v.k_block);
    for (std::int64_t g = 0; g < v.groups; ++g) {
      const std::int64_t c0 = g * v.height;
      if (block.cols == 1) {
        Unit unit;
        int filled = 0;
        for (std::int64_t p = begin; p < end; ++p) {
          if (!take(w, n, k, ldw, c0, v.height, p, filled, &unit)) continue;
          unit.index[filled] = static_cast<std::uint16_t>(p - begin);
          if (++filled < 4) continue;
          packer.add(unit);
          unit = {};
          filled = 0;
        }
        if (filled > 0) packer.add(unit);
      } else {
        for (std::int64_t p = begin; p < end; p += block.cols) {
          Unit units[4] = {};
          bool any = false;
          for (int u = 0; u < block.cols / 4; ++u) {
            units[u].index[0] = static_cast<std::uint16_t>(((p - begin) / 4 + u) * v.index_unit);
            for (int j = 0; j < 4; ++j) {
              any |= take(w, n, k, ldw, c0, v.height, p + 4 * u + j, j, &units[u]);
            }
          }
          if (!any) continue;
          if (contiguous) {
            packer.add_block(units);
          } else {
            packer.add(units[0]);
          }
        }
      }
      packer.end_list();
    }
  }
  packer.end();
  return form;
}

}  // namespace adze::kernels::detail
