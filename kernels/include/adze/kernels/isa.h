/// \file
/// Which instruction sets the kernels can use here, and which one they do use.
#pragma once

#include <string_view>
#include <vector>

namespace adze::kernels {

/// An instruction set for which kernels exist, plainer ones first.
///
/// avx2: AVX2 and FMA. avxvnni: avx2 and the 256-bit VNNI of the VEX encoding. avx512: avx2
/// and AVX-512 F, BW, DQ and VL. avx512vnni: avx512 and AVX-512 VNNI. neon: what every AArch64
/// processor has. neondot: neon and the dot product of ARMv8.2.
enum class Isa { scalar, avx2, avxvnni, avx512, avx512vnni, neon, neondot };

/// All instruction sets that kernels are written for, plainest first.
const std::vector<Isa>& all_isas();

/// The lower-case name of `isa`, as ADZE_ISA takes it: "scalar", "avx2", "avx512vnni".
const char* name(Isa isa);

/// The instruction set called `text`. Throws std::runtime_error that lists the known names.
Isa isa_from_name(std::string_view text);

/// True if this machine runs `isa` and the library was built with it.
bool supported(Isa isa);

/// True if a machine that runs `isa` runs `part` too: a kernel for `part` may be used where `isa`
/// is active. Every instruction set includes itself and scalar.
bool includes(Isa isa, Isa part);

/// The last supported instruction set of `all_isas`.
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
