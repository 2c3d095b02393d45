#include "u8s8_rows.h"

#include <algorithm>

namespace adze::kernels {

// Why these windows are exact for all activations. The proof is that of u8s8_windows_avx2.cpp with
// 255 in place of 128: for each 16-bit lane, 255 P <= 32767 and 255 Q <= 32768 hold if P <= 128 and
// Q <= 128. A single group may break that (127 + 127). Then the weights of the lane are split in
// two, w = w / 2 + (w - w / 2), and the group stands twice in the list; each half has P <= 128 and
// Q <= 128 as no half of a weight is above 64 or below -64.

namespace {

constexpr std::int32_t bound = 128;
constexpr int most_depth = 4;
constexpr std::size_t most_open = 24;

/// One group of a pair of channels; four lanes of two weights.
struct Group {
  std::array<std::int8_t, 2 * u8s8_group> w{};
  std::uint16_t number = 0;
};

/// P and Q of four lanes, 16 bits each.
struct Lanes {
  std::uint64_t positive = 0, negative = 0;

  static Lanes of(const Group& g) {
    Lanes sums;
    for (std::size_t lane = 0; lane < 4; ++lane) {
      std::uint64_t p = 0, q = 0;
      for (std::size_t j = 0; j < 2; ++j) {
        const int v = g.w[2 * lane + j];
        (v > 0 ? p : q) += static_cast<std::uint64_t>(v > 0 ? v : -v);
      }
      sums.positive |= p << (16 * lane);
      sums.negative |= q << (16 * lane);
    }
    return sums;
  }
};

constexpr std::uint64_t top_bits = 0x8000800080008000u;
constexpr std::uint64_t full = 0x0080008000800080u;  // the bound in each lane
static_assert((full & 0xffff) == bound);

/// True if no lane of x is above that of `room`.
bool fits(std::uint64_t x, std::uint64_t room) {
  return (((room | top_bits) - x) & top_bits) == top_bits;
}

struct Window {
  Lanes room{full, full};
  int depth = 0;
  std::array<std::uint32_t, most_depth> groups{};
};

/// The groups of a pair, heavy ones in two parts, zeros left out.
std::vector<Group> groups_of(const std::int8_t* w0, const std::int8_t* w1, std::int64_t begin,
                             std::int64_t end) {
  std::vector<Group> all;
  all.reserve(static_cast<std::size_t>((end - begin) / u8s8_group + (end - begin) / 32 + 1));
  for (std::int64_t start = begin; start < end; start += u8s8_group) {
    Group g;
    g.number = static_cast<std::uint16_t>(start / u8s8_group);
    const std::int64_t length = std::min<std::int64_t>(u8s8_group, end - start);
    std::copy_n(w0 + start, length, g.w.begin());
    if (w1 != nullptr) std::copy_n(w1 + start, length, g.w.begin() + u8s8_group);
    const Lanes sums = Lanes::of(g);
    if ((sums.positive | sums.negative) == 0) continue;
    if (!fits(sums.positive, full) || !fits(sums.negative, full)) {
      Group half;
      half.number = g.number;
      for (int lane = 0; lane < 4; ++lane) {
        const int shift = 16 * lane;
        if (std::max(sums.positive >> shift & 0xffff, sums.negative >> shift & 0xffff) <= bound) {
          continue;
        }
        for (int j = 2 * lane; j < 2 * lane + 2; ++j) {
          const auto i = static_cast<std::size_t>(j);
          half.w[i] = static_cast<std::int8_t>(g.w[i] / 2);
          g.w[i] = static_cast<std::int8_t>(g.w[i] - half.w[i]);
        }
      }
      all.push_back(half);
    }
    all.push_back(g);
  }
  return all;
}

}  // namespace

void pack_pair(const std::int8_t* w0, const std::int8_t* w1, std::int64_t begin, std::int64_t end,
               PackedPairs* to) {
  const std::vector<Group> groups = groups_of(w0, w1, begin, end);
  std::vector<Window> open;
  std::array<std::vector<Window>, most_depth + 1> done;
  const auto close = [&](std::size_t i) {
    done[static_cast<std::size_t>(open[i].depth)].push_back(open[i]);
    open.erase(open.begin() + static_cast<std::ptrdiff_t>(i));
  };
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const Lanes sums = Lanes::of(groups[g]);
    std::size_t i = 0;
    while (i < open.size() && !(fits(sums.positive, open[i].room.positive) &&
                                fits(sums.negative, open[i].room.negative))) {
      ++i;
    }
    if (i == open.size()) {
      if (i == most_open) {
        close(0);
        --i;
      }
      open.emplace_back();
    }
    Window& window = open[i];
    window.room.positive -= sums.positive;
    window.room.negative -= sums.negative;
    window.groups[static_cast<std::size_t>(window.depth++)] = static_cast<std::uint32_t>(g);
    if (window.depth == most_depth) close(i);
  }
  while (!open.empty()) close(0);

  U8S8Windows windows{static_cast<std::int64_t>(to->weights.size()),
                      static_cast<std::int64_t>(to->groups.size()),
                      {}};
  for (std::size_t d = most_depth; d > 0; --d) {
    windows.count[d] = static_cast<std::int32_t>(done[d].size());
    for (const Window& window : done[d]) {
      for (std::size_t i = 0; i < d; ++i) {
        const Group& g = groups[window.groups[i]];
        to->weights.insert(to->weights.end(), g.w.begin(), g.w.end());
        to->groups.push_back(g.number);
      }
    }
  }
  to->windows.push_back(windows);
}

}  // namespace adze::kernels
