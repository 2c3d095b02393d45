#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <adze/kernels/isa.h>

#include "bench/timing.h"

namespace adze::bench {

/// The instructions that a kernel spends its time with.
enum class Mix {
  f32_fma,       ///< vfmadd231ps
  u8s8_trio,     ///< vpmaddubsw + vpmaddwd + vpaddd
  u8s8_window4,  ///< 4 vpmaddubsw and 3 vpaddw before one vpmaddwd + vpaddd
  u8s8_wide,     ///< vpmaddwd + vpaddd on values of 16 bit
  u8s8_dot,      ///< vpdpbusd
};
constexpr Mix all_mixes[] = {Mix::f32_fma, Mix::u8s8_trio, Mix::u8s8_window4, Mix::u8s8_wide,
                             Mix::u8s8_dot};

/// The instructions, as the processor's manual writes them.
const char* instructions(Mix mix);

enum class Traffic { read, copy };

/// Half the size of a data cache of level 1, 2 or 3 (at most 16 MB), or for level 4 eight times
/// that of level 3 (memory; 64 to 256 MB), in bytes.
std::int64_t working_set(int level);
/// "L1", "L2", "L3" or "memory".
const char* level_name(int level);
/// The level whose working set is the smallest that is not smaller than `bytes`.
int level_of(std::int64_t bytes);

/// A measured limit of this machine, in operations or bytes for each call, with the time of a call.
struct LimitTiming {
  double amount = 0;
  Timing timing;
  /// Operations or bytes of the best call, in 10⁹ for each second.
  double best() const { return amount / timing.best * 1e-9; }
};

/// The mix with the registers of `isa`, on so many threads; nothing where this instruction set, or
/// this tool, does not have it. Measured anew at each call.
std::optional<LimitTiming> measure_mix(Mix mix, kernels::Isa isa, int threads, double seconds);
/// Reading or copying `bytes` (read and written ones together) that lie in the caches as they do
/// when a kernel uses them again and again, shared by the threads; with the registers of `isa` that
/// are fastest.
LimitTiming measure_traffic(Traffic traffic, kernels::Isa isa, std::int64_t bytes, int threads,
                            double seconds);

/// What a kernel is held against.
struct Limit {
  std::string name;  ///< "vpdpbusd avx512vnni"
  double value = 0;  ///< GOP/s or GB/s
};

/// The limit of the instructions that the kernel uses; nothing for portable kernels. Measured once
/// in a process.
std::optional<Limit> limit_of_kernel(std::string_view kernel, kernels::Isa isa, int threads);
/// The limit of a working set. Measured once in a process.
Limit limit_of_traffic(Traffic traffic, kernels::Isa isa, std::int64_t bytes, int threads);

}  // namespace adze::bench
