#include "packed_weights.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "adze/kernels/gemm_u8s8.h"
#include "adze/kernels/parallel.h"

#include "gemm_u8s8_kernel.h"
#include "u8s8_pack.h"
#include "u8s8_rows.h"

namespace adze::kernels {

namespace detail {

PackedBytes::PackedBytes(std::int64_t bytes) : data_(aligned_memory(bytes + 64)), bytes_(bytes) {
  std::memset(as<char>() + bytes, 0, 64);
}

namespace {

PackedBytes bytes_for(std::int64_t count, std::size_t size) {
  return PackedBytes(count * static_cast<std::int64_t>(size));
}

/// The plain groups of tile `t`; returns how many channels it has.
void pack_tile(const U8S8Weights& view, const std::int8_t* w, std::int64_t ldw, std::int64_t t,
               std::int8_t* out, std::int32_t* sums) {
  const std::int64_t channel = t * u8s8_columns;
  const auto columns = static_cast<int>(std::min<std::int64_t>(u8s8_columns, view.n - channel));
  pack_plain_tile(w + channel * ldw, ldw, columns, view.k, out, sums);
}

/// f(first tile, end) on several threads, each with 256 KB of weights or more.
template <class F>
void for_tiles(const U8S8Weights& view, F&& f) {
  const std::int64_t tile_bytes = std::max<std::int64_t>(1, view.groups) * u8s8_group_bytes;
  parallel_for(0, view.tiles, std::max<std::int64_t>(1, (1 << 18) / tile_bytes), f);
}

void pack_plain(const std::int8_t* w, std::int64_t ldw, std::int32_t* sums, PackedOrder* p) {
  const U8S8Weights& view = p->view;
  p->weights = PackedBytes(view.tiles * view.groups * u8s8_group_bytes);
  auto* const to = p->weights.as<std::int8_t>();
  for_tiles(view, [&](std::int64_t first, std::int64_t end) {
    for (std::int64_t t = first; t < end; ++t) {
      pack_tile(view, w, ldw, t, to + t * view.groups * u8s8_group_bytes, sums + t * u8s8_columns);
    }
  });
}

#if defined(__x86_64__)
/// Memory for the windows of one tile.
struct WindowMemory {
  explicit WindowMemory(std::int64_t groups)
      : plain(groups * u8s8_group_bytes),
        window(static_cast<std::size_t>(groups)),
        depth(window.size()),
        place(window.size()) {}

  PackedBytes plain;  ///< the tile in the plain order
  std::vector<std::uint32_t> window;
  std::vector<std::uint8_t> depth;
  std::vector<std::int64_t> place;  ///< of the next group of each window
};

/// Writes tile `t`, of which `m` holds the plain order, in windows.
void put_in_windows(std::int64_t t, WindowMemory& m, PackedOrder* p) {
  const U8S8Weights& view = p->view;
  const std::int64_t groups = view.groups;
  const auto* plain = m.plain.as<std::int8_t>();
  const std::int64_t windows = find_windows_avx2(plain, groups, m.window.data(), m.depth.data());
  U8S8Windows& tile = p->tiles.as<U8S8Windows>()[t];
  tile = {t * groups * u8s8_group_bytes, t * groups, {}};
  std::int64_t next[u8s8_most_depth + 1] = {};
  for (std::int64_t i = 0; i < windows; ++i) ++tile.count[m.depth[static_cast<std::size_t>(i)]];
  for (int d = 5; d <= u8s8_most_depth; ++d) tile.count[0] += tile.count[d];
  for (int d = u8s8_most_depth - 1; d > 0; --d) {
    next[d] = next[d + 1] + std::int64_t{d + 1} * tile.count[d + 1];
  }
  for (std::int64_t i = 0; i < windows; ++i) {
    const int d = m.depth[static_cast<std::size_t>(i)];
    m.place[static_cast<std::size_t>(i)] = next[d];
    next[d] += d;
  }
  auto* to = p->weights.as<std::int8_t>() + tile.weights;
  auto* offsets = p->offsets.as<std::uint16_t>() + tile.offsets;
  const bool half = view.tile_columns(t) < u8s8_columns;
  for (std::int64_t g = 0; g < groups; ++g) {
    const std::int64_t at = m.place[m.window[static_cast<std::size_t>(g)]]++;
    const std::int8_t* from = plain + g * u8s8_group_bytes;
    if (half) {
      std::memcpy(to + at * u8s8_group_bytes / 2, from, u8s8_group_bytes / 2);
    } else {
      std::memcpy(to + at * u8s8_group_bytes, from, u8s8_group_bytes);
    }
    offsets[at] = static_cast<std::uint16_t>(view.group_start(g));
  }
}

void pack_windows(const std::int8_t* w, std::int64_t ldw, std::int32_t* sums, PackedOrder* p) {
  const U8S8Weights& view = p->view;
  const std::int64_t groups = view.groups, tiles = view.tiles;
  const std::int64_t last = tiles == 0 ? 0 : view.tile_columns(tiles - 1) * u8s8_group;
  p->weights =
      PackedBytes(std::max<std::int64_t>(0, tiles - 1) * groups * u8s8_group_bytes + groups * last);
  p->offsets = bytes_for(tiles * groups, sizeof(std::uint16_t));
  p->tiles = bytes_for(tiles, sizeof(U8S8Windows));
  for_tiles(view, [&](std::int64_t first, std::int64_t end) {
    WindowMemory memory(groups);
    for (std::int64_t t = first; t < end; ++t) {
      pack_tile(view, w, ldw, t, memory.plain.as<std::int8_t>(), sums + t * u8s8_columns);
      put_in_windows(t, memory, p);
    }
  });
}

void pack_rows(const std::int8_t* w, std::int64_t ldw, PackedOrder* p) {
  const U8S8Weights& view = p->view;
  PackedPairs pairs;
  const RowsBlocks blocks(view.n, view.k);
  for (std::int64_t first = 0; first < blocks.all_pairs; first += RowsBlocks::pairs) {
    for (std::int64_t block = 0; block < blocks.count; ++block) {
      const std::int64_t begin = std::min(view.k, block * blocks.size);
      const std::int64_t end = std::min(view.k, begin + blocks.size);
      for (std::int64_t pair = first; pair < std::min(blocks.all_pairs, first + RowsBlocks::pairs);
           ++pair) {
        const std::int8_t* w0 = w + 2 * pair * ldw;
        pack_pair(w0, 2 * pair + 1 < view.n ? w0 + ldw : nullptr, begin, end, &pairs);
      }
    }
  }
  const auto copy = [](const auto& from) {
    PackedBytes to = bytes_for(static_cast<std::int64_t>(from.size()), sizeof(from[0]));
    std::copy(from.begin(), from.end(), to.as<std::decay_t<decltype(from[0])>>());
    return to;
  };
  p->weights = copy(pairs.weights);
  p->offsets = copy(pairs.groups);
  p->tiles = copy(pairs.windows);
}
#endif

/// The mean magnitude of up to 64 × 64 weights.
float sampled_magnitude(const std::int8_t* w, std::int64_t n, std::int64_t k, std::int64_t ldw) {
  const std::int64_t rows = std::min<std::int64_t>(n, 64), columns = std::min<std::int64_t>(k, 64);
  if (rows <= 0 || columns <= 0) return 0;
  std::int32_t sum = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::int8_t* row = w + n * i / rows * ldw;
    for (std::int64_t j = 0; j < columns; ++j) sum += std::abs(row[k * j / columns]);
  }
  return static_cast<float>(sum) / static_cast<float>(rows * columns);
}

}  // namespace

PackedWeightsData::PackedWeightsData(const std::int8_t* w, std::int64_t n_, std::int64_t k_,
                                     std::int64_t ldw)
    : n(n_), k(k_), typical_weight(sampled_magnitude(w, n, k, ldw)) {
  sums = bytes_for((n + u8s8_columns - 1) / u8s8_columns * u8s8_columns, sizeof(std::int32_t));
  pack(w, ldw, preferred_order(n, k));
}

void PackedWeightsData::pack(const std::int8_t* w, std::int64_t ldw, U8S8Order order) const {
  auto p = std::make_unique<PackedOrder>();
  U8S8Weights& view = p->view;
  view.n = n;
  view.k = k;
  view.tiles = (n + u8s8_columns - 1) / u8s8_columns;
  view.groups = (k + u8s8_group - 1) / u8s8_group;
  // Whatever order comes first fills in the sums; the others write the same numbers elsewhere.
  const bool first = std::none_of(packed_.begin(), packed_.end(),
                                  [](const auto& other) { return other != nullptr; });
  const PackedBytes unused = first ? PackedBytes() : PackedBytes(sums.bytes());
  auto* to = first ? sums.as<std::int32_t>() : unused.as<std::int32_t>();
  switch (order) {
    case U8S8Order::plain:
      pack_plain(w, ldw, to, p.get());
      break;
#if defined(__x86_64__)
    case U8S8Order::windows:
      pack_windows(w, ldw, to, p.get());
      break;
    case U8S8Order::rows:
      pack_rows(w, ldw, p.get());
      break;
#endif
    default:
      break;
  }
  view.weights = p->weights.as<std::int8_t>();
  view.offsets = p->offsets.as<std::uint16_t>();
  view.windows = p->tiles.as<U8S8Windows>();
  view.sums = sums.as<std::int32_t>();
  view.beyond_cache = p->weights.bytes() > std::int64_t{8} << 20;
  const auto i = static_cast<std::size_t>(order);
  packed_[i] = std::move(p);
  ready_[i].store(packed_[i].get(), std::memory_order_release);
}

const U8S8Weights& PackedWeightsData::make(U8S8Order order) const {
  const auto i = static_cast<std::size_t>(order);
  std::vector<std::int8_t> w(static_cast<std::size_t>(n * k));
  unpack(w.data(), k);
  const std::lock_guard lock(mutex_);
  if (packed_[i] == nullptr) pack(w.data(), k, order);
  return packed_[i]->view;
}

std::int64_t PackedWeightsData::bytes() const {
  const std::lock_guard lock(mutex_);
  auto total = static_cast<std::int64_t>(sizeof *this) + sums.bytes();
  for (const auto& p : packed_) {
    if (p != nullptr) total += p->bytes() + static_cast<std::int64_t>(sizeof *p);
  }
  return total;
}

void PackedWeightsData::unpack(std::int8_t* w, std::int64_t ldw) const {
  const PackedOrder* windows = ready_[static_cast<std::size_t>(U8S8Order::windows)].load();
  const PackedOrder* plain = ready_[static_cast<std::size_t>(U8S8Order::plain)].load();
  if (plain == nullptr && windows == nullptr) return;
  const U8S8Weights& view = plain != nullptr ? plain->view : windows->view;
  for (std::int64_t t = 0; t < view.tiles; ++t) {
    const std::int64_t channel = t * u8s8_columns;
    const std::int64_t columns = std::min<std::int64_t>(u8s8_columns, n - channel);
    const std::int64_t width = plain != nullptr ? u8s8_columns : view.tile_columns(t);
    const std::int8_t* from =
        plain != nullptr ? view.tile(t) : view.weights + view.windows[t].weights;
    for (std::int64_t i = 0; i < view.groups; ++i, from += width * u8s8_group) {
      const std::int64_t start =
          plain != nullptr ? view.group_start(i) : view.offsets[view.windows[t].offsets + i];
      // Only the last group begins elsewhere than at a multiple of 4, behind what is not its own.
      const std::int64_t skip = (u8s8_group - start % u8s8_group) % u8s8_group;
      const std::int64_t length = std::min<std::int64_t>(u8s8_group, k - start) - skip;
      for (std::int64_t c = 0; c < columns; ++c) {
        std::copy_n(from + c * u8s8_group + skip, length, w + (channel + c) * ldw + start + skip);
      }
    }
  }
}

}  // namespace detail

PackedWeights::PackedWeights() : data_(std::make_shared<detail::PackedWeightsData>()) {}

PackedWeights::PackedWeights(const std::int8_t* w, std::int64_t n, std::int64_t k, std::int64_t ldw)
    : data_(std::make_shared<detail::PackedWeightsData>(w, n, k, ldw)) {}

std::int64_t PackedWeights::n() const {
  return data_->n;
}
std::int64_t PackedWeights::k() const {
  return data_->k;
}
std::int64_t PackedWeights::bytes() const {
  return data_->bytes();
}
const std::int32_t* PackedWeights::sums() const {
  return data_->sums.as<std::int32_t>();
}
float PackedWeights::typical_weight() const {
  return data_->typical_weight;
}
void PackedWeights::unpack(std::int8_t* w, std::int64_t ldw) const {
  data_->unpack(w, ldw);
}

}  // namespace adze::kernels
