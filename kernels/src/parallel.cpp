#include "adze/kernels/parallel.h"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>

#if defined(__SANITIZE_THREAD__)
#define ADZE_OWN_THREADS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ADZE_OWN_THREADS 1
#endif
#endif

// tests/isas builds for processors for which oneTBB is not at hand.
#ifdef ADZE_WITHOUT_TBB
#define ADZE_OWN_THREADS 1
#else
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#endif

#ifdef ADZE_OWN_THREADS
#include <exception>
#include <thread>
#include <vector>
#endif

namespace adze::kernels {

namespace {

#ifdef ADZE_OWN_THREADS
/// ThreadSanitizer does not see how the oneTBB library synchronizes and reports races that are
/// none; with threads of our own it checks our code.
template <class Run>
void run_pieces(std::int64_t pieces, const Run& run) {
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(pieces));
  const auto guarded = [&](std::int64_t piece) {
    try {
      run(piece);
    } catch (...) {
      errors[static_cast<std::size_t>(piece)] = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  for (std::int64_t piece = 1; piece < pieces; ++piece) threads.emplace_back(guarded, piece);
  guarded(0);
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}
#else
/// Isolated: a thread that waits here takes no other task, which might use the same scratch memory.
template <class Run>
void run_pieces(std::int64_t pieces, const Run& run) {
  tbb::this_task_arena::isolate(
      [&] { tbb::parallel_for(std::int64_t{0}, pieces, run, tbb::simple_partitioner()); });
}
#endif

std::atomic<int> chosen_threads{0};
thread_local bool inside_loop = false;

}  // namespace

void set_num_threads(int count) {
  if (count < 0) {
    throw std::runtime_error("set_num_threads: expected 0 or more, got " + std::to_string(count));
  }
  chosen_threads.store(count, std::memory_order_relaxed);
}

int get_num_threads() {
  const int count = chosen_threads.load(std::memory_order_relaxed);
  if (count > 0) return count;
#ifdef ADZE_WITHOUT_TBB
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
#else
  return tbb::this_task_arena::max_concurrency();
#endif
}

void detail::parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain,
                          RangeFunction body) {
  const std::int64_t size = end - begin;
  const std::int64_t most = std::max<std::int64_t>(1, size / std::max<std::int64_t>(1, grain));
  const std::int64_t pieces = inside_loop ? 1 : std::min<std::int64_t>(get_num_threads(), most);
  if (pieces <= 1) {
    body(begin, end);
    return;
  }
  const auto run = [&](std::int64_t piece) {
    struct Inside {
      Inside() { inside_loop = true; }
      ~Inside() { inside_loop = false; }
    } inside;
    body(begin + size * piece / pieces, begin + size * (piece + 1) / pieces);
  };
  run_pieces(pieces, run);
}

}  // namespace adze::kernels
