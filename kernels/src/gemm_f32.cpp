#include "adze/kernels/gemm_f32.h"

#include <algorithm>
#include <cstring>

#include "adze/kernels/parallel.h"

#include "gemm_f32_kernel.h"
#include "isa_state.h"
#include "scratch.h"

namespace adze::kernels {

namespace {

// Best first.
const F32Kernel* const kernels[] = {
#if defined(__x86_64__)
    &f32_gemm_6x16_avx2,
#endif
    &f32_gemm_scalar,
};

const F32Kernel& pick() {
  for (const F32Kernel* kernel : kernels) {
    if (why_not(kernel->isa) == nullptr) return *kernel;
  }
  return f32_gemm_scalar;
}

// A panel of b (k_block × 16) and a tile's rows of a stay in L1, a block of a in L2, of b in L3.
constexpr std::int64_t panel_values = 4096;
constexpr std::int64_t a_block_rows = 144;
constexpr std::int64_t b_block_columns = 2048;
// With up to so many rows a row-major b is read where it is, for packing costs more than it gains;
// the second figure holds if b is small enough to stay in L2.
constexpr std::int64_t few_rows = 12;
constexpr std::int64_t few_rows_small_b = 48;
constexpr std::int64_t small_b = 64 * 1024;  // values
// How many k are done at a time for up to 3 rows.
constexpr std::int64_t few_rows_k = 16;
constexpr std::int64_t few_rows_k_small_b = 256;
// With up to so many columns, or values of a, the same holds for a.
constexpr std::int64_t few_columns = 64;
constexpr std::int64_t small_a = 32 * 1024;
// Products that are worth a second thread: about 20 µs.
constexpr std::int64_t grain = 1 << 20;

thread_local Scratch a_scratch;
thread_local Scratch b_scratch;

/// The operands with their strides: (i, p) of a at a[i * a_row + p * a_step], (p, j) of b at
/// b[p * b_step + j * b_column].
struct Product {
  std::int64_t m, n, k;
  const float* a;
  std::int64_t a_row, a_step;
  const float* b;
  std::int64_t b_step, b_column;
  float* c;
  std::int64_t ldc;
  GemmF32Options options;

  bool b_is_small() const { return k * n <= small_b; }

  /// The part of the result from column j on.
  Product columns_from(std::int64_t j) const {
    Product part = *this;
    part.n -= j;
    part.b += j * b_column;
    part.c += j;
    if (part.options.bias != nullptr) part.options.bias += j;
    return part;
  }
};

/// Part i of a range cut into `parts` as evenly as multiples of `unit` allow.
std::int64_t cut(std::int64_t size, std::int64_t parts, std::int64_t unit, std::int64_t i) {
  const std::int64_t units = (size + unit - 1) / unit;
  return std::min(size, units * i / parts * unit);
}

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

/// Copies k × n values of b from (p, j) on to out, rows `width` apart.
void pack_b(const F32Kernel& kernel, const Product& x, std::int64_t p, std::int64_t j,
            std::int64_t k, std::int64_t n, std::int64_t width, float* out) {
  const float* b = x.b + p * x.b_step + j * x.b_column;
  if (x.b_column == 1) {
    kernel.copy(b, x.b_step, n, k, out, width);
  } else {
    kernel.transpose(b, x.b_column, n, k, out, width);
  }
}

/// A block of a: `rows` × k values from (i, p) on, and how its tiles read it.
class BlockOfA {
 public:
  BlockOfA(const Product& x, std::int64_t i, std::int64_t p, std::int64_t rows, std::int64_t k,
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

std::int64_t round_up_to_8(std::int64_t columns) {
  return (columns + 7) / 8 * 8;
}

/// The columns of the panel that begins `left` columns before the end: `width`, or what F32Kernel
/// asks of smaller tiles.
std::int64_t panel_columns(std::int64_t width, std::int64_t left) {
  while (width > round_up_to_8(left)) width /= 2;
  return std::min(width, left);
}

/// The product of few rows and a b of which the columns are contiguous, on one thread.
void run_by_columns(const F32Kernel& kernel, const Product& x) {
  const std::int64_t width = kernel.by_columns_columns(static_cast<int>(x.m));
  F32Tile t{};
  t.k = x.k;
  t.a = x.a;
  t.a_row = x.a_row;
  t.a_step = x.a_step;
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

/// The whole product on one thread.
void run(const F32Kernel& kernel, const Product& x) {
  const std::int64_t width =
      kernel.columns(static_cast<int>(std::min<std::int64_t>(x.m, kernel.rows)));
  const bool packs_b = x.b_column != 1 || x.m > (x.b_is_small() ? few_rows_small_b : few_rows);
  const bool packs_a = x.n > few_columns && x.m > kernel.rows && x.m * x.k > small_a;
  // Read in place, a large b is best taken a few whole rows at a time when there are few rows of a.
  const std::int64_t k_most = !packs_b && x.m <= 3
                                  ? (x.b_is_small() ? few_rows_k_small_b : few_rows_k)
                                  : panel_values / width;
  const std::int64_t k_blocks = std::max<std::int64_t>(1, ceil_div(x.k, k_most));
  const std::int64_t m_blocks = ceil_div(x.m, a_block_rows);
  // A panel of b that meets only one block of a is packed right before it is used.
  const bool packs_ahead = packs_b && m_blocks > 1;
  const std::int64_t n_blocks = packs_ahead ? ceil_div(x.n, b_block_columns) : 1;

  for (std::int64_t nb = 0; nb < n_blocks; ++nb) {
    const std::int64_t j0 = cut(x.n, n_blocks, width, nb), j1 = cut(x.n, n_blocks, width, nb + 1);
    for (std::int64_t kb = 0; kb < k_blocks; ++kb) {
      const std::int64_t p0 = x.k * kb / k_blocks, k = x.k * (kb + 1) / k_blocks - p0;
      const bool last = kb + 1 == k_blocks;
      float* packed = nullptr;
      if (packs_ahead) {
        packed = b_scratch.get<float>(static_cast<std::size_t>(k * round_up_to_8(j1 - j0)));
        for (std::int64_t j = j0, n; j < j1; j += n) {
          n = panel_columns(width, j1 - j);
          pack_b(kernel, x, p0, j, k, n, round_up_to_8(n), packed + (j - j0) * k);
        }
      }
      for (std::int64_t mb = 0; mb < m_blocks; ++mb) {
        const std::int64_t i0 = cut(x.m, m_blocks, kernel.rows, mb);
        const std::int64_t rows = cut(x.m, m_blocks, kernel.rows, mb + 1) - i0;
        const std::int64_t tiles = ceil_div(rows, kernel.rows);
        const BlockOfA a(x, i0, p0, rows, k, tiles, packs_a);
        F32Tile t{};
        for (std::int64_t j = j0; j < j1; j += t.columns) {
          t.k = k;
          t.ldc = x.ldc;
          t.columns = static_cast<int>(panel_columns(width, j1 - j));
          t.from_zero = kb == 0 && !x.options.accumulate;
          t.bias = last && x.options.bias != nullptr ? x.options.bias + j : nullptr;
          t.relu = last && x.options.relu;
          t.b_step = round_up_to_8(t.columns);
          if (packs_ahead) {
            t.b = packed + (j - j0) * k;
          } else if (packs_b || t.columns % 8 != 0) {  // whole vectors would read past the last row
            float* panel = b_scratch.get<float>(static_cast<std::size_t>(k * t.b_step));
            pack_b(kernel, x, p0, j, k, t.columns, t.b_step, panel);
            t.b = panel;
          } else {
            t.b = x.b + p0 * x.b_step + j;
            t.b_step = x.b_step;
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

void gemm_f32(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t k,
              const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float* c,
              std::int64_t ldc, const GemmF32Options& options) {
  const F32Kernel& kernel = pick();
  set_last_kernel(kernel.name);
  if (m <= 0 || n <= 0) return;
  const bool at = ta == Transpose::yes, bt = tb == Transpose::yes;
  const Product all{m, n,   k,      a, at ? 1 : lda, at ? lda : 1, b, bt ? 1 : ldb, bt ? ldb : 1,
                    c, ldc, options};
  // Threads share the longer side of the result, in whole tiles.
  const bool by_columns = n >= m;
  const std::int64_t unit = by_columns ? 16 : kernel.rows;
  const std::int64_t size = by_columns ? n : m;
  const std::int64_t products = std::max<std::int64_t>(1, (by_columns ? m : n) * k * unit);
  parallel_for(0, ceil_div(size, unit), ceil_div(grain, products),
               [&](std::int64_t first, std::int64_t end) {
                 const std::int64_t from = first * unit, to = std::min(size, end * unit);
                 Product part = all;
                 if (by_columns) {
                   part = all.columns_from(from);
                   part.n = to - from;
                 } else {
                   part.m = to - from;
                   part.a += from * part.a_row;
                   part.c += from * ldc;
                 }
                 if (part.b_column != 1 && part.m <= kernel.by_columns_rows && part.b_is_small()) {
                   run_by_columns(kernel, part);
                 } else {
                   run(kernel, part);
                 }
               });
}

std::vector<KernelInfo> gemm_f32_kernels() {
  std::vector<KernelInfo> infos;
  for (const F32Kernel* kernel : kernels) {
    infos.push_back({kernel->name, kernel->isa, why_not(kernel->isa)});
  }
  return infos;
}

}  // namespace adze::kernels
