/// \file
/// Threads: one parallel loop, and how many threads may share it.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace adze::kernels {

/// Sets how many threads one kernel call may use, for the whole process; 0 restores the default.
/// Throws std::runtime_error if `count` is negative.
void set_num_threads(int count);

/// The number of threads that one kernel call may use: what `set_num_threads` chose, else as many
/// as the oneTBB arena of the calling thread has (outside any arena, one for each core).
int get_num_threads();

namespace detail {

/// A reference to a callable `void(int64_t begin, int64_t end)`; valid while the callable lives.
class RangeFunction {
 public:
  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, RangeFunction>>>
  RangeFunction(F&& f)  // NOLINT: implicit by intent
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, std::int64_t begin, std::int64_t end) {
          (*static_cast<std::remove_reference_t<F>*>(object))(begin, end);
        }) {}
  void operator()(std::int64_t begin, std::int64_t end) const { call_(object_, begin, end); }

 private:
  void* object_;
  void (*call_)(void*, std::int64_t, std::int64_t);
};

void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain, RangeFunction body);

}  // namespace detail

/// Calls `body(first, last)` for consecutive pieces that cover [begin, end), possibly at the same
/// time on several threads, and returns when all are done.
///
/// Pieces have at least `grain` elements (except when the whole range is shorter) and there are at
/// most `get_num_threads()` of them. Ranges of up to `grain` elements, and loops inside a loop, run
/// on the calling thread as one piece. Runs in the oneTBB arena of the caller, so an embedder's
/// limits hold. An exception from `body` is rethrown here.
template <class F>
void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain, F&& body) {
  if (begin >= end) return;
  if (end - begin <= grain) {
    body(begin, end);
    return;
  }
  detail::parallel_for(begin, end, grain, detail::RangeFunction(body));
}

}  // namespace adze::kernels
