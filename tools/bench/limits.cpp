#include "bench/limits.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <tuple>

#include <adze/kernels/parallel.h>

#include "bench/limit_loops.h"

namespace adze::bench {

namespace {

using kernels::Isa;

constexpr double seconds_once = 0.06;

const LimitLoops* const all_loops[] = {
#if defined(__x86_64__)
    &limit_loops_avx512vnni, &limit_loops_avx512, &limit_loops_avxvnni, &limit_loops_avx2,
#endif
    &limit_loops_scalar,
};

/// Seconds of one call of `run` after the first one.
template <class F>
double estimate(F run) {
  run();
  return time_in_turns({{run}}, 0.002)[0].best;
}

/// Calls `body(thread)` on so many threads at the same time.
template <class F>
void on_threads(int threads, F body) {
  kernels::parallel_for(0, threads, 1, [&](std::int64_t first, std::int64_t end) {
    for (std::int64_t i = first; i < end; ++i) body(i);
  });
}

/// Sets the number of threads for a while.
class Threads {
 public:
  explicit Threads(int count) : before_(kernels::get_num_threads()) {
    kernels::set_num_threads(count);
  }
  ~Threads() { kernels::set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

struct Aligned {
  void operator()(char* p) const { std::free(p); }
};
using Buffer = std::unique_ptr<char, Aligned>;

Buffer buffer(std::int64_t bytes) {
  auto* p = static_cast<char*>(std::aligned_alloc(4096, static_cast<std::size_t>(bytes)));
  if (p == nullptr) throw std::bad_alloc();
  std::fill(p, p + bytes, '\1');
  return Buffer(p);
}

std::int64_t round_up(std::int64_t value, std::int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

/// The size that Linux tells of a data cache of this level, or 0.
std::int64_t told_cache_bytes(int level) {
  for (int index = 0; index < 8; ++index) {
    const std::string folder =
        "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
    std::int64_t size = 0;
    int found = 0;
    std::string type;
    std::ifstream(folder + "level") >> found;
    std::ifstream(folder + "type") >> type;
    std::ifstream(folder + "size") >> size;  // in units of 1024 bytes, "32768K"
    if (found == level && type != "Instruction") return size * 1024;
  }
  return 0;
}

std::int64_t cache_bytes(int level) {
  static const std::array<std::int64_t, 3> sizes = [] {
    std::array<std::int64_t, 3> all = {32 << 10, 512 << 10, 8 << 20};
    for (int i = 0; i < 3; ++i) {
      if (const std::int64_t told = told_cache_bytes(i + 1); told > 0) {
        all[static_cast<std::size_t>(i)] = told;
      }
    }
    return all;
  }();
  return sizes[static_cast<std::size_t>(level - 1)];
}

/// A long enough part of a millisecond, so that starting the threads does not count.
constexpr double seconds_of_call = 500e-6;

}  // namespace

const char* instructions(Mix mix) {
  switch (mix) {
    case Mix::f32_fma:
      return "vfmadd231ps";
    case Mix::u8s8_trio:
      return "vpmaddubsw+vpmaddwd+vpaddd";
    case Mix::u8s8_window4:
      return "windows of 4 vpmaddubsw";
    case Mix::u8s8_wide:
      return "vpmaddwd+vpaddd";
    case Mix::u8s8_dot:
      return "vpdpbusd";
  }
  return "";
}

std::int64_t working_set(int level) {
  // More than that share of a large third cache does not belong to one core.
  if (level <= 3) return std::min<std::int64_t>(cache_bytes(level) / 2, 16 << 20);
  return std::clamp<std::int64_t>(8 * cache_bytes(3), 64 << 20, 256 << 20);
}

const char* level_name(int level) {
  constexpr std::array names = {"L1", "L2", "L3", "memory"};
  return names[static_cast<std::size_t>(level - 1)];
}

int level_of(std::int64_t bytes) {
  int level = 1;
  while (level < 4 && bytes > cache_bytes(level)) ++level;
  return level;
}

std::optional<LimitTiming> measure_mix(Mix mix, Isa isa, int threads, double seconds) {
  for (const LimitLoops* loops : all_loops) {
    if (loops->isa != isa || !kernels::supported(isa)) continue;
    for (const MixLoop& loop : loops->mixes) {
      if (loop.run == nullptr || loop.mix != mix) continue;
      constexpr std::int64_t few = 2000;
      const double once = estimate([&] { loop.run(few); });
      const auto steps = static_cast<std::int64_t>(few * std::max(1.0, seconds_of_call / once));
      const Threads guard(threads);
      const auto run = [&] { on_threads(threads, [&](std::int64_t) { loop.run(steps); }); };
      return LimitTiming{loop.operations * static_cast<double>(steps) * threads,
                         time_in_turns({{run}}, seconds)[0]};
    }
  }
  return {};
}

LimitTiming measure_traffic(Traffic traffic, Isa isa, std::int64_t bytes, int threads,
                            double seconds) {
  const bool copies = traffic == Traffic::copy;
  // What one thread reads; in a copy it writes as much.
  const std::int64_t part =
      round_up(std::max<std::int64_t>(1, bytes / (copies ? 2 : 1) / threads), 1024);
  const std::int64_t stride = round_up(part, 4096) + 4096;
  const Buffer from = buffer(stride * threads), to = copies ? buffer(stride * threads) : nullptr;
  LimitTiming best;
  for (const LimitLoops* loops : all_loops) {
    if (loops->read == nullptr || !kernels::supported(loops->isa)) continue;
    if (!kernels::includes(isa, loops->isa)) continue;
    if (loops->isa == Isa::scalar && best.amount > 0) continue;
    const auto once = [&](std::int64_t thread) {
      const std::int64_t at = thread * stride;
      if (copies) {
        loops->copy(from.get() + at, part, to.get() + at);
      } else {
        loops->read(from.get() + at, part);
      }
    };
    const auto passes =
        static_cast<std::int64_t>(std::max(1.0, seconds_of_call / estimate([&] { once(0); })));
    const Threads guard(threads);
    const auto run = [&] {
      on_threads(threads, [&](std::int64_t thread) {
        for (std::int64_t i = 0; i < passes; ++i) once(thread);
      });
    };
    const LimitTiming timing = {static_cast<double>(part * passes * threads * (copies ? 2 : 1)),
                                time_in_turns({{run}}, seconds)[0]};
    // Wider registers are not always faster: far from the caches they may be slower.
    if (best.amount == 0 || timing.best() > best.best()) best = timing;
  }
  return best;
}

std::optional<Limit> limit_of_kernel(std::string_view kernel, Isa isa, int threads) {
  const auto has = [&](std::string_view part) { return kernel.find(part) != kernel.npos; };
  const bool dot = isa == Isa::avxvnni || isa == Isa::avx512vnni;
  const Mix mix = has("f32_")                                       ? Mix::f32_fma
                  : dot                                             ? Mix::u8s8_dot
                  : has("wide")                                     ? Mix::u8s8_wide
                  : has("windows") || has("rows") || has("_sparse") ? Mix::u8s8_window4
                                                                    : Mix::u8s8_trio;
  static std::map<std::tuple<Mix, Isa, int>, std::optional<Limit>> known;
  const auto [at, is_new] = known.try_emplace({mix, isa, threads});
  if (is_new) {
    if (const auto timing = measure_mix(mix, isa, threads, seconds_once)) {
      at->second = {instructions(mix) + std::string(" ") + kernels::name(isa), timing->best()};
    }
  }
  return at->second;
}

Limit limit_of_traffic(Traffic traffic, Isa isa, std::int64_t bytes, int threads) {
  static std::map<std::tuple<Traffic, Isa, std::int64_t, int>, Limit> known;
  const auto [at, is_new] = known.try_emplace({traffic, isa, bytes, threads});
  if (is_new) {
    const LimitTiming timing = measure_traffic(traffic, isa, bytes, threads, seconds_once);
    at->second = {(traffic == Traffic::copy ? "copy in " : "read from ") +
                      std::string(level_name(level_of(bytes))),
                  timing.best()};
  }
  return at->second;
}

}  // namespace adze::bench
