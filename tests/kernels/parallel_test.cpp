#include <atomic>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include <adze/kernels/parallel.h>

#include "kernel_test_support.h"
#include "support/catch.h"

using namespace adze::kernels;
using adze::kernels::testing::Restore;

TEST_CASE("parallel_for covers a range once, in pieces of at least the grain",
          "[kernels][parallel]") {
  const Restore restore;
  for (int threads : {1, 2, 3, 8}) {
    set_num_threads(threads);
    for (std::int64_t size : {0, 1, 9, 10, 19, 20, 100, 1000}) {
      CAPTURE(threads, size);
      std::vector<std::atomic<int>> seen(static_cast<std::size_t>(size));
      std::atomic<int> pieces{0};
      std::atomic<bool> large_enough{true};
      parallel_for(0, size, 10, [&](std::int64_t first, std::int64_t end) {
        ++pieces;
        if (end - first < std::min<std::int64_t>(10, size)) large_enough = false;
        for (; first < end; ++first) ++seen[static_cast<std::size_t>(first)];
      });
      CHECK(pieces <= threads);
      CHECK(large_enough);
      bool once = true;
      for (const auto& count : seen) once = once && count == 1;
      CHECK(once);
    }
  }
}

TEST_CASE("small ranges and loops inside a loop stay on the calling thread",
          "[kernels][parallel]") {
  const Restore restore;
  set_num_threads(4);
  const auto caller = std::this_thread::get_id();
  int calls = 0;
  parallel_for(0, 10, 10, [&](std::int64_t, std::int64_t) {
    ++calls;
    CHECK(std::this_thread::get_id() == caller);
  });
  CHECK(calls == 1);

  std::atomic<bool> stayed{true};
  parallel_for(0, 4, 1, [&](std::int64_t, std::int64_t) {
    const auto outer = std::this_thread::get_id();
    int inner = 0;
    parallel_for(0, 100, 1, [&](std::int64_t, std::int64_t) {
      ++inner;
      if (std::this_thread::get_id() != outer) stayed = false;
    });
    if (inner != 1) stayed = false;
  });
  CHECK(stayed);
}

TEST_CASE("an exception in a piece reaches the caller, and the next loop runs",
          "[kernels][parallel]") {
  const Restore restore;
  set_num_threads(2);
  const auto fail = [](std::int64_t first, std::int64_t) {
    if (first == 0) throw std::runtime_error("piece failed");
  };
  CHECK_THROWS_WITH(parallel_for(0, 100, 1, fail), "piece failed");
  std::atomic<std::int64_t> sum{0};
  parallel_for(0, 100, 1, [&](std::int64_t first, std::int64_t end) { sum += end - first; });
  CHECK(sum == 100);
}

TEST_CASE("the number of threads is what was set, or what the machine has", "[kernels][parallel]") {
  const Restore restore;
  set_num_threads(3);
  CHECK(get_num_threads() == 3);
  set_num_threads(0);
  CHECK(get_num_threads() >= 1);
  CHECK_THROWS_WITH(set_num_threads(-1), "set_num_threads: expected 0 or more, got -1");
}
