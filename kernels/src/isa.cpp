#include "adze/kernels/isa.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "isa_state.h"

namespace adze::kernels {

namespace {

thread_local const char* last_kernel_name = "";

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
  static const std::vector<Isa> isas{Isa::scalar, Isa::avx2};
  return isas;
}

const char* name(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return "scalar";
    case Isa::avx2:
      return "avx2";
  }
  return "?";
}

Isa isa_from_name(std::string_view text) {
  for (Isa isa : all_isas()) {
    if (text == name(isa)) return isa;
  }
  throw std::runtime_error("unknown instruction set '" + std::string(text) + "', known are " +
                           join(all_isas()));
}

bool supported(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return true;
    case Isa::avx2:
#if defined(__x86_64__)
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
      return false;
#endif
  }
  return false;
}

Isa best() {
  return supported(Isa::avx2) ? Isa::avx2 : Isa::scalar;
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
