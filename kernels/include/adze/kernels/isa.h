/// \file
/// Which instruction sets the kernels can use here, and which one they do use.
#pragma once

#include <string_view>
#include <vector>

namespace adze::kernels {

/// An instruction set for which kernels exist, from the plainest to the widest.
enum class Isa { scalar, avx2 };

/// All instruction sets that kernels are written for, plainest first.
const std::vector<Isa>& all_isas();

/// The lower-case name of `isa`, as ADZE_ISA takes it: "scalar", "avx2".
const char* name(Isa isa);

/// The instruction set called `text`. Throws std::runtime_error that lists the known names.
Isa isa_from_name(std::string_view text);

/// True if this machine runs `isa` (avx2 asks for AVX2 and FMA) and the library was built with it.
bool supported(Isa isa);

/// The widest supported instruction set.
Isa best();

/// The instruction set that kernels use now: the one that `set_active` chose, else the one named by
/// the environment variable ADZE_ISA (read once), else `best()`.
/// Throws std::runtime_error if ADZE_ISA names an unknown or unsupported instruction set.
Isa active();

/// Makes all threads use `isa` from now on; for tests and measurements.
/// Throws std::runtime_error if this machine does not support it.
void set_active(Isa isa);

/// The name of the kernel that the last kernel call of this thread ran, for tests and measurements:
/// "f32_gemm_6x16_avx2". An empty string before the first call.
const char* last_kernel();

}  // namespace adze::kernels
