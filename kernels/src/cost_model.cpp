#include "adze/kernels/cost_model.h"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "cost_model_table.h"
#include "sparse_weights.h"

namespace adze::kernels {

namespace {

/// The last row of the table for an instruction set that `isa` includes.
template <class Row, std::size_t size, class Matches>
const Row* find(const Row (&rows)[size], Isa isa, Matches matches) {
  const Row* found = nullptr;
  for (const Row& row : rows) {
    if (includes(isa, row.isa) && matches(row)) found = &row;
  }
  return found;
}

/// The costs of a job when so many rows are left, as the kernels choose it.
const JobCost& job_for(const JobCost (&jobs)[4], bool panel, std::int64_t left) {
  const JobCost* chosen = &jobs[0];
  for (const JobCost& job : jobs) {
    if (job.rows == 0) break;
    if (panel) {
      chosen = &job;
      if (job.rows >= left) break;
    } else if (job.rows <= left) {
      chosen = &job;
    }
  }
  return *chosen;
}

std::string text(double us) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, us < 10.0 ? "%.2f" : us < 100.0 ? "%.1f" : "%.0f", us);
  return buffer;
}

std::string text(BlockShape block) {
  return std::to_string(block.rows) + " x " + std::to_string(block.cols);
}

}  // namespace

double dense_u8s8_us(Isa isa, std::int64_t m, std::int64_t n, std::int64_t k) {
  const DenseCost& cost = *find(dense_costs, isa, [](const DenseCost&) { return true; });
  const auto at = [&](const DenseCost::Knot& knot) {
    return (static_cast<double>(knot.ns_per_weight) * static_cast<double>(k) +
            static_cast<double>(knot.ns_per_channel)) *
           static_cast<double>(n) * 1e-3;
  };
  // A straight line between the numbers of rows that were measured, and beyond the last one.
  const DenseCost::Knot *low = &cost.knots[0], *high = low;
  for (const DenseCost::Knot& knot : cost.knots) {
    if (knot.m == 0) break;
    low = high;
    high = &knot;
    if (knot.m >= m) break;
  }
  if (low == high || m <= low->m) return call_us + at(*low);
  const double step = (at(*high) - at(*low)) / (high->m - low->m);
  return call_us + at(*low) + step * static_cast<double>(m - low->m);
}

double sparse_u8s8_us(Isa isa, std::int64_t m, std::int64_t n, std::int64_t k, BlockShape block,
                      std::int64_t nonzero_blocks) {
  detail::check_block_shape("sparse_u8s8_us", block, sparse_block_shapes());
  const SparseCost& cost = *find(sparse_costs, isa, [&](const SparseCost& row) {
    return row.block_rows == block.rows && row.block_cols == block.cols;
  });
  const bool few = m <= cost.few_rows;
  double ns = 0.0;
  for (std::int64_t left = m; left > 0;) {
    const JobCost& job =
        few ? job_for(cost.few, false, left) : job_for(cost.jobs, cost.panel, left);
    const double once =
        static_cast<double>(job.ns_per_block) * static_cast<double>(nonzero_blocks) +
        static_cast<double>(job.ns_per_channel) * static_cast<double>(n) +
        static_cast<double>(job.ns_per_input) * static_cast<double>(k);
    // All jobs of the largest kind at once.
    const std::int64_t times = std::max<std::int64_t>(1, left / job.rows);
    ns += once * static_cast<double>(times);
    left -= times * job.rows;
  }
  return call_us + ns * 1e-3;
}

LayoutChoice choose_layout(const std::int8_t* w, std::int64_t n, std::int64_t k, std::int64_t ldw,
                           std::int64_t m) {
  LayoutChoice choice;
  choice.dense_us = dense_u8s8_us(active(), m, n, k);
  double kept = 0.0;
  bool first = true;
  for (const BlockShape& block : sparse_block_shapes()) {
    const std::int64_t nonzero = count_nonzero_blocks(w, n, k, ldw, block);
    const double us = sparse_u8s8_us(active(), m, n, k, block, nonzero);
    if (!first && us >= choice.sparse_us) continue;
    const std::int64_t blocks =
        ((n + block.rows - 1) / block.rows) * ((k + block.cols - 1) / block.cols);
    first = false;
    choice.block = block;
    choice.sparse_us = us;
    kept = blocks == 0 ? 0.0 : 100.0 * static_cast<double>(nonzero) / static_cast<double>(blocks);
  }
  choice.sparse = choice.sparse_us < choice.dense_us;
  char share[16];
  std::snprintf(share, sizeof share, "%.0f%%", kept);
  const std::string blocks = text(choice.block) + " blocks, of which " + share + " are not zero";
  choice.why = choice.sparse
                   ? "sparse with " + blocks + ": about " + text(choice.sparse_us) + " us for " +
                         std::to_string(m) + " rows, dense about " + text(choice.dense_us) + " us"
                   : "dense: about " + text(choice.dense_us) + " us for " + std::to_string(m) +
                         " rows, the best sparse layout (" + blocks + ") about " +
                         text(choice.sparse_us) + " us";
  return choice;
}

}  // namespace adze::kernels
