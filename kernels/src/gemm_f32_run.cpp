#include "gemm_f32_run.h"

#include <cstring>

#include "isa_state.h"
#include "scratch.h"

namespace adze::kernels {

namespace {

// A panel of b (k_block × width) stays in L1 or close to it, a block of a in L2, of b in L3.
constexpr std::int64_t panel_values = 8192;
constexpr std::int64_t a_block_rows = 144;
constexpr std::int64_t b_block_columns = 2048;
// The same for a row-major b that meets only one block of a: long pieces of rows are read faster.
constexpr std::int64_t b_block_columns_once = 256;
// With up to so many rows a large row-major b is read where it is: packing costs more than it
// gains.
constexpr std::int64_t few_rows = 48;
// Rows a multiple of 8 KiB apart meet in few sets of the L2 cache, and leave it before the next
// tile reads them.
constexpr std::int64_t clashing_step = 2048;
constexpr std::int64_t few_rows_clashing = 12;
// Up to 64 × 64 × 64 there are no blocks.
constexpr std::int64_t small_size = 64;
constexpr std::int64_t small_b = 64 * 1024;  // values that stay in L2
// How many k are done at a time for the rows of one tile.
constexpr std::int64_t few_rows_k = 16;
constexpr std::int64_t few_rows_k_small_b = 256;
// With up to so many columns, or values of a, a is read where it is.
constexpr std::int64_t few_columns = 64;
constexpr std::int64_t small_a = 64 * 1024;

thread_local Scratch a_scratch;
thread_local Scratch b_scratch;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

std::int64_t round_up(std::int64_t size, std::int64_t unit) {
  return ceil_div(size, unit) * unit;
}

/// Part i of a range cut into `parts` as evenly as multiples of `unit` allow.
std::int64_t cut(std::int64_t size, std::int64_t parts, std::int64_t unit, std::int64_t i) {
  return std::min(size, ceil_div(size, unit) * i / parts * unit);
}

bool b_is_small(const F32Product& x) {
  return x.k * x.n <= small_b;
}

/// True if b is best read where it is.
bool reads_in_place(const F32Kernel& kernel, const F32Product& x) {
  if (x.in_groups()) return true;
  if (x.b_column != 1) return false;
  if (b_is_small(x)) return x.m <= kernel.in_place_rows;
  return x.m <= (x.b_step % clashing_step == 0 ? few_rows_clashing : few_rows);
}

/// The columns of the panel that begins `left` columns before the end: `width`, or what F32Kernel
/// asks of smaller tiles.
std::int64_t panel_columns(const F32Kernel& kernel, std::int64_t width, std::int64_t left) {
  if (left >= width) return width;
  while (width > kernel.unit && width >= left + kernel.unit) width /= 2;
  return std::min(width, left);
}

/// Copies k × n values of b from (p, j) on to out, in groups of 16 columns.
void pack_b(const F32Kernel& kernel, const F32Product& x, std::int64_t p, std::int64_t j,
            std::int64_t k, std::int64_t n, float* out) {
  const float* b = x.b + p * x.b_step + j * x.b_column;
  // Few rows at a time, so that they are read from front to back.
  const std::int64_t rows = x.b_column == 1 ? 8 : k;
  const auto pack = x.b_column == 1 ? kernel.copy : kernel.transpose;
  const std::int64_t ld = x.b_column == 1 ? x.b_step : x.b_column;
  for (std::int64_t q = 0; q < k; q += rows) {
    for (std::int64_t c = 0; c < n; c += 16) {
      pack(b + q * x.b_step + c * x.b_column, ld, std::min<std::int64_t>(16, n - c),
           std::min(rows, k - q), out + c * k + q * 16);
    }
  }
}

/// A block of a: `rows` × k values from (i, p) on, and how its tiles read it.
class BlockOfA {
 public:
  BlockOfA(const F32Product& x, std::int64_t i, std::int64_t p, std::int64_t rows, std::int64_t k,
           std::int64_t tiles, bool pack)
      : a_(x.a + i * x.a_row + p * x.a_step),
        row_(x.a_row),
        step_(x.a_step),
        rows_(rows),
        k_(k),
        tiles_(tiles),
        packed_(pack) {
    if (!pack) return;
    float* out = a_scratch.get<float>(static_cast<std::size_t>(rows * k));
    if (step_ == 1) {
      for (std::int64_t r = 0; r < rows; ++r) {
        std::memcpy(out + r * k, a_ + r * row_, static_cast<std::size_t>(k) * sizeof(float));
      }
      row_ = k;
    } else {
      for (std::int64_t t = 0; t < tiles; ++t) {
        const std::int64_t first = start(t), count = start(t + 1) - first;
        for (std::int64_t q = 0; q < k; ++q) {
          const float* from = a_ + first + q * step_;
          float* to = out + first * k + q * count;
          for (std::int64_t r = 0; r < count; ++r) to[r] = from[r];
        }
      }
    }
    a_ = out;
  }

  std::int64_t start(std::int64_t tile) const { return rows_ * tile / tiles_; }

  void fill_in(std::int64_t tile, F32Tile* t) const {
    const std::int64_t first = start(tile);
    t->rows = static_cast<int>(start(tile + 1) - first);
    t->a_row = row_;
    t->a_step = step_;
    t->a = a_ + first * row_;
    if (packed_ && step_ != 1) {
      t->a = a_ + first * k_;
      t->a_step = t->rows;
    }
  }

 private:
  const float* a_;
  std::int64_t row_, step_, rows_, k_, tiles_;
  bool packed_;
};

/// The product of few rows and a b of which the columns are contiguous.
void run_by_columns(const F32Kernel& kernel, const F32Product& x) {
  const std::int64_t width = kernel.by_columns_columns(static_cast<int>(x.m));
  F32Tile t{};
  t.k = x.k;
  t.a = x.a;
  t.a_row = x.a_row;
  t.a_step = 1;
  if (x.a_step != 1) {
    float* rows = a_scratch.get<float>(static_cast<std::size_t>(x.m * x.k));
    for (std::int64_t i = 0; i < x.m; ++i) {
      for (std::int64_t p = 0; p < x.k; ++p) rows[i * x.k + p] = x.a[i * x.a_row + p * x.a_step];
    }
    t.a = rows;
    t.a_row = x.k;
  }
  t.b_column = x.b_column;
  t.ldc = x.ldc;
  t.rows = static_cast<int>(x.m);
  t.from_zero = !x.options.accumulate;
  t.relu = x.options.relu;
  for (std::int64_t j = 0; j < x.n; j += t.columns) {
    const std::int64_t left = x.n - j;
    t.b = x.b + j * x.b_column;
    t.c = x.c + j;
    t.columns = static_cast<int>(left >= width ? width : std::min<std::int64_t>(8, left));
    t.bias = x.options.bias != nullptr ? x.options.bias + j : nullptr;
    kernel.tile_by_columns(t);
  }
}

/// The product of one row and a row-major b.
void run_row(const F32Kernel& kernel, const F32Product& x) {
  F32Tile t{};
  t.k = x.k;
  t.a = x.a;
  t.a_step = x.a_step;
  t.b = x.b;
  t.b_step = x.b_step;
  t.c = x.c;
  t.from_zero = !x.options.accumulate;
  t.bias = x.options.bias;
  t.relu = x.options.relu;
  kernel.row(t, x.n);
}

void run_by_tiles(const F32Kernel& kernel, const F32Product& x) {
  const std::int64_t tile_rows = ceil_div(x.m, ceil_div(x.m, kernel.rows));
  const std::int64_t width = kernel.columns(static_cast<int>(tile_rows));
  const bool packs_b = !reads_in_place(kernel, x);
  const bool packs_a = x.n > few_columns && x.m > kernel.rows && x.m * x.k > small_a;
  // One tile reads each value of a b in groups once. Read in place, a large b is best taken a few
  // whole rows at a time when there are few rows of a.
  std::int64_t k_most = panel_values / width;
  if (x.in_groups() && x.m <= kernel.rows) {
    k_most = std::max<std::int64_t>(1, x.k);
  } else if (!x.in_groups() && !packs_b && x.m <= kernel.rows) {
    k_most = b_is_small(x) ? few_rows_k_small_b : few_rows_k;
  }
  const std::int64_t k_blocks = std::max<std::int64_t>(1, ceil_div(x.k, k_most));
  const std::int64_t m_blocks = ceil_div(x.m, a_block_rows);
  // A panel of a transposed b that meets only one block of a is packed right before it is used.
  const bool packs_ahead = packs_b && (m_blocks > 1 || x.b_column == 1);
  const std::int64_t n_blocks = m_blocks > 1  ? ceil_div(x.n, b_block_columns)
                                : packs_ahead ? ceil_div(x.n, b_block_columns_once)
                                              : 1;
  const std::int64_t n_unit = std::max<std::int64_t>(16, width);

  for (std::int64_t nb = 0; nb < n_blocks; ++nb) {
    const std::int64_t j0 = cut(x.n, n_blocks, n_unit, nb), j1 = cut(x.n, n_blocks, n_unit, nb + 1);
    for (std::int64_t kb = 0; kb < k_blocks; ++kb) {
      const std::int64_t p0 = x.k * kb / k_blocks, k = x.k * (kb + 1) / k_blocks - p0;
      const bool last = kb + 1 == k_blocks;
      const float* ahead = nullptr;
      if (packs_ahead) {
        float* out = b_scratch.get<float>(static_cast<std::size_t>(k * round_up(j1 - j0, 16)));
        pack_b(kernel, x, p0, j0, k, j1 - j0, out);
        ahead = out;
      }
      for (std::int64_t mb = 0; mb < m_blocks; ++mb) {
        const std::int64_t i0 = cut(x.m, m_blocks, kernel.rows, mb);
        const std::int64_t rows = cut(x.m, m_blocks, kernel.rows, mb + 1) - i0;
        const std::int64_t tiles = ceil_div(rows, kernel.rows);
        const BlockOfA a(x, i0, p0, rows, k, tiles, packs_a);
        F32Tile t{};
        t.k = k;
        t.ldc = x.ldc;
        t.from_zero = kb == 0 && !x.options.accumulate;
        t.relu = last && x.options.relu;
        for (std::int64_t j = j0; j < j1; j += t.columns) {
          t.columns = static_cast<int>(panel_columns(kernel, width, j1 - j));
          t.bias = last && x.options.bias != nullptr ? x.options.bias + j : nullptr;
          t.b_step = 16;
          t.b_group = 16 * k;
          if (x.in_groups()) {
            t.b_group = x.b_group;
            t.b = x.b + j / 16 * x.b_group + p0 * 16 + j % 16;
          } else if (packs_ahead) {
            t.b = ahead + (j - j0) / 16 * t.b_group + (j - j0) % 16;
          } else if (packs_b || t.columns % kernel.b_unit != 0) {
            float* panel =
                b_scratch.get<float>(static_cast<std::size_t>(k * round_up(t.columns, 16)));
            pack_b(kernel, x, p0, j, k, t.columns, panel);
            t.b = panel;
          } else {
            t.b = x.b + p0 * x.b_step + j;
            t.b_step = x.b_step;
            t.b_group = 16;
          }
          for (std::int64_t i = 0; i < tiles; ++i) {
            a.fill_in(i, &t);
            t.c = x.c + (i0 + a.start(i)) * x.ldc + j;
            kernel.tile(t);
          }
        }
      }
    }
  }
}

}  // namespace

bool run_small(const F32Kernel& kernel, const F32Product& x) {
  if (x.k > small_size || x.n > small_size || x.m > small_size) return false;
  // In 32 bits, in which the processor divides faster.
  const int m = static_cast<int>(x.m), n = static_cast<int>(x.n);
  const int tiles = m <= kernel.rows ? 1 : (m + kernel.rows - 1) / kernel.rows;
  const std::int64_t width = kernel.columns(tiles == 1 ? m : (m + tiles - 1) / tiles);
  F32Tile t;
  t.k = x.k;
  t.a_row = x.a_row;
  t.a_step = x.a_step;
  t.b_column = x.b_column;
  t.ldc = x.ldc;
  t.from_zero = !x.options.accumulate;
  t.relu = x.options.relu;
  for (int j = 0; j < n; j += t.columns) {
    t.columns = static_cast<int>(panel_columns(kernel, width, n - j));
    if (x.b_column != 1 || (t.columns & (kernel.b_unit - 1)) != 0) {
      float* panel = b_scratch.get<float>(small_size * small_size);
      pack_b(kernel, x, 0, j, x.k, t.columns, panel);
      t.b = panel;
      t.b_step = 16;
      t.b_group = 16 * x.k;
    } else {
      t.b = x.b + j;
      t.b_step = x.b_step;
      t.b_group = 16;
    }
    t.bias = x.options.bias != nullptr ? x.options.bias + j : nullptr;
    for (int i = 0, first = 0, next = m; i < tiles; ++i, first = next) {
      if (tiles > 1) next = m * (i + 1) / tiles;
      t.rows = next - first;
      t.a = x.a + first * x.a_row;
      t.c = x.c + first * x.ldc + j;
      kernel.tile(t);
    }
  }
  return true;
}

void run(const F32Kernel& kernel, const F32Product& x) {
  if (!x.in_groups() && x.b_column != 1 && x.m <= kernel.by_columns_rows) {
    run_by_columns(kernel, x);
  } else if (kernel.row != nullptr && !x.in_groups() && x.b_column == 1 && x.m == 1 && x.k > 0) {
    set_last_kernel(kernel.name);
    run_row(kernel, x);
  } else if (kernel.for_large != nullptr &&
             !(reads_in_place(kernel, x) && (b_is_small(x) || x.m <= kernel.rows))) {
    run(*kernel.for_large, x);
  } else {
    set_last_kernel(kernel.name);
    run_by_tiles(kernel, x);
  }
}

}  // namespace adze::kernels
