#include "adze/kernels/isa.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <iterator>
#include <stdexcept>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "isa_state.h"

namespace adze::kernels {

namespace {

thread_local const char* last_kernel_name = "";

bool always() {
  return true;
}
[[maybe_unused]] bool never() {
  return false;
}
#if defined(__x86_64__)
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
bool has_avxvnni() {
  // Leaf 7, subleaf 1, bit 4 of eax; __builtin_cpu_supports knows it only from GCC 13 on.
  unsigned a = 0, b = 0, c = 0, d = 0;
  return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & (1u << 4)) != 0;
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
bool has_avx512vnni() {
  return has_avx512() && __builtin_cpu_supports("avx512vnni");
}
#elif defined(__aarch64__)
bool has_neondot() {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
  return false;
#endif
}
#endif

struct Row {
  Isa isa;
  const char* name;
  Isa base;  ///< the instruction set that it extends
  bool (*supported)();
};

#if !defined(__x86_64__)
constexpr auto has_avx2 = never, has_avxvnni = never, has_avx512 = never, has_avx512vnni = never;
#endif
#if defined(__aarch64__)
constexpr auto has_neon = always;
#else
constexpr auto has_neon = never, has_neondot = never;
#endif

// In the order of the enumeration.
constexpr Row rows[] = {
    {Isa::scalar, "scalar", Isa::scalar, always},
    {Isa::avx2, "avx2", Isa::scalar, has_avx2},
    {Isa::avxvnni, "avxvnni", Isa::avx2, has_avxvnni},
    {Isa::avx512, "avx512", Isa::avx2, has_avx512},
    {Isa::avx512vnni, "avx512vnni", Isa::avx512, has_avx512vnni},
    {Isa::neon, "neon", Isa::scalar, has_neon},
    {Isa::neondot, "neondot", Isa::neon, has_neondot},
};

const Row& row_of(Isa isa) {
  return rows[static_cast<std::size_t>(isa)];
}

std::string join(const std::vector<Isa>& isas) {
  std::string text;
  for (Isa isa : isas) text += (text.empty() ? "" : ", ") + std::string(name(isa));
  return text;
}

std::string supported_names() {
  std::vector<Isa> isas;
  for (Isa isa : all_isas()) {
    if (supported(isa)) isas.push_back(isa);
  }
  return join(isas);
}

Isa from_environment() {
  const char* text = std::getenv("ADZE_ISA");
  if (text == nullptr || *text == '\0') return best();
  Isa isa;
  try {
    isa = isa_from_name(text);
  } catch (const std::runtime_error& error) {
    throw std::runtime_error("ADZE_ISA: " + std::string(error.what()));
  }
  if (!supported(isa)) {
    throw std::runtime_error("ADZE_ISA: this machine does not support " + std::string(text) +
                             ", only " + supported_names());
  }
  return isa;
}

std::atomic<int>& chosen() {
  static std::atomic<int> isa(static_cast<int>(from_environment()));
  return isa;
}

}  // namespace

const std::vector<Isa>& all_isas() {
  static const std::vector<Isa> isas = [] {
    std::vector<Isa> all;
    for (const Row& row : rows) all.push_back(row.isa);
    return all;
  }();
  return isas;
}

const char* name(Isa isa) {
  return row_of(isa).name;
}

Isa isa_from_name(std::string_view text) {
  for (Isa isa : all_isas()) {
    if (text == name(isa)) return isa;
  }
  throw std::runtime_error("unknown instruction set '" + std::string(text) + "', known are " +
                           join(all_isas()));
}

bool supported(Isa isa) {
  // Asked once: the instruction behind some answers takes microseconds on virtual machines.
  static const std::array<bool, std::size(rows)> answers = [] {
    std::array<bool, std::size(rows)> all{};
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = rows[i].supported();
    return all;
  }();
  return answers[static_cast<std::size_t>(isa)];
}

namespace {

constexpr std::size_t isa_count = std::size(rows);

/// For each instruction set a bit for each one that it includes.
constexpr std::array<unsigned, isa_count> inclusions = [] {
  std::array<unsigned, isa_count> all{};
  for (std::size_t i = 0; i < isa_count; ++i) {
    all[i] = 1;
    for (std::size_t at = i; at != 0; at = static_cast<std::size_t>(rows[at].base)) {
      all[i] |= 1u << at;
    }
  }
  return all;
}();

}  // namespace

bool includes(Isa isa, Isa part) {
  return (inclusions[static_cast<std::size_t>(isa)] >> static_cast<unsigned>(part) & 1u) != 0;
}

Isa best() {
  Isa last = Isa::scalar;
  for (const Row& row : rows) {
    if (row.supported()) last = row.isa;
  }
  return last;
}

const char* why_not(Isa isa) {
  if (includes(active(), isa)) return nullptr;
  return supported(isa) ? "the instruction set in use does not include it"
                        : "this machine lacks the instruction set";
}

Isa active() {
  return static_cast<Isa>(chosen().load(std::memory_order_relaxed));
}

void set_active(Isa isa) {
  if (!supported(isa)) {
    throw std::runtime_error("set_active: this machine does not support " + std::string(name(isa)) +
                             ", only " + supported_names());
  }
  chosen().store(static_cast<int>(isa), std::memory_order_relaxed);
}

const char* last_kernel() {
  return last_kernel_name;
}

void set_last_kernel(const char* kernel) {
  last_kernel_name = kernel;
}

}  // namespace adze::kernels
