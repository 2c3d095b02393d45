#include <cstdio>
#include <filesystem>
#include <stdexcept>

#include <adze/kernels/elementwise.h>
#include <adze/kernels/gemm_f32.h>
#include <adze/kernels/gemm_u8s8.h>
#include <adze/kernels/isa.h>
#include <adze/kernels/quantize.h>

#include "kernel_test_support.h"
#include "support/catch.h"

using namespace adze::kernels;
using adze::kernels::testing::for_each_isa;

TEST_CASE("scalar kernels run everywhere and every name leads back to its instruction set",
          "[kernels][isa]") {
  CHECK(supported(Isa::scalar));
  CHECK(supported(best()));
  for (Isa isa : all_isas()) CHECK(isa_from_name(name(isa)) == isa);
}

TEST_CASE("instruction sets include those they extend, and no others", "[kernels][isa]") {
  for (Isa isa : all_isas()) {
    CHECK(includes(isa, isa));
    CHECK(includes(isa, Isa::scalar));
  }
  CHECK(includes(Isa::avx512vnni, Isa::avx512));
  CHECK(includes(Isa::avx512vnni, Isa::avx2));
  CHECK_FALSE(includes(Isa::avx512vnni, Isa::avxvnni));
  CHECK_FALSE(includes(Isa::avxvnni, Isa::avx512));
  CHECK_FALSE(includes(Isa::avx2, Isa::avx512));
  CHECK_FALSE(includes(Isa::neon, Isa::avx2));
  CHECK(includes(Isa::neondot, Isa::neon));
}

TEST_CASE("an unknown instruction set is an error that lists the known ones", "[kernels][isa]") {
  CHECK_THROWS_WITH(isa_from_name("sse9"),
                    "unknown instruction set 'sse9', known are scalar, avx2, avxvnni, avx512, "
                    "avx512vnni, neon, neondot");
  CHECK_THROWS_AS(isa_from_name("AVX2"), std::runtime_error);
  CHECK_THROWS_AS(isa_from_name(""), std::runtime_error);
}

namespace {

/// The instruction set at the end of the name of the kernel that ran last.
Isa isa_that_ran() {
  const std::string kernel = last_kernel();
  return isa_from_name(kernel.substr(kernel.rfind('_') + 1));
}

/// The instruction set of the first kernel of a table that can be used.
Isa first_usable(const std::vector<KernelInfo>& kernels) {
  for (const KernelInfo& kernel : kernels) {
    if (kernel.reason == nullptr) return kernel.isa;
  }
  throw std::runtime_error("no kernel can be used");
}

}  // namespace

TEST_CASE("the forced instruction set is the one that runs", "[kernels][isa]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    CHECK(active() == isa);
    // Kernels of this kind exist for scalar, AVX2, AVX-512 and NEON.
    const Isa plain = includes(isa, Isa::avx512) ? Isa::avx512
                      : includes(isa, Isa::avx2) ? Isa::avx2
                      : includes(isa, Isa::neon) ? Isa::neon
                                                 : Isa::scalar;
    const float x[4] = {1, 2, 3, 4};
    float y[4];
    add(x, x, 4, y);
    CHECK(isa_that_ran() == plain);
    std::uint8_t q[4];
    quantize(x, 4, Affine{}, q);
    CHECK(isa_that_ran() == plain);
    gemm_f32(Transpose::no, Transpose::no, 2, 2, 2, x, 2, x, 2, y, 2);
    CHECK(isa_that_ran() == first_usable(gemm_f32_kernels()));
    const std::int8_t w[4] = {1, -2, 3, -4};
    OutputStage stage;
    stage.type = OutputType::s32;
    std::int32_t sums[4];
    gemm_u8s8(q, 2, 2, PackedWeights(w, 2, 2, 2), stage, sums, 2);
    CHECK(includes(isa, isa_that_ran()));
    CHECK((isa == Isa::scalar) == (isa_that_ran() == Isa::scalar));
  });
}

TEST_CASE("tables say for each kernel why it is not used", "[kernels][isa]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    const float x[1] = {1};
    float y[1];
    gemm_f32(Transpose::no, Transpose::no, 1, 1, 1, x, 1, x, 1, y, 1);
    bool found = false;
    for (const KernelInfo& kernel : gemm_f32_kernels()) {
      if (kernel.reason == nullptr) {
        CHECK(includes(isa, kernel.isa));
        CHECK(std::string(kernel.name) == last_kernel());
        found = true;
        break;
      }
    }
    CHECK(found);
    found = false;
    for (const KernelInfo& kernel : gemm_u8s8_kernels({1, 16, 4, 255, 32})) {
      if (kernel.reason == nullptr) {
        found = true;
        CHECK(includes(isa, kernel.isa));
      } else {
        CHECK(std::string(kernel.reason) != "");
      }
    }
    CHECK(found);
  });
}

#ifdef __linux__
namespace {

/// What this program prints when it runs the test below with ADZE_ISA set to `value`.
std::string output_with(const std::string& value) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command = "ADZE_ISA=" + value + " '" + self + "' '[isa-probe]' 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::string text;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) text += static_cast<char>(c);
  pclose(pipe);
  return text;
}

}  // namespace

TEST_CASE("reports the instruction set; run by another test", "[.isa-probe]") {
  std::printf("active: %s\n", name(active()));
}

TEST_CASE("ADZE_ISA chooses the instruction set, and a wrong name is a clear error",
          "[kernels][isa]") {
  CHECK_THAT(output_with("scalar"), ContainsSubstring("active: scalar\n"));
  CHECK_THAT(output_with(name(best())), ContainsSubstring(std::string("active: ") + name(best())));
  CHECK_THAT(output_with("''"), ContainsSubstring(std::string("active: ") + name(best())));
  CHECK_THAT(
      output_with("sse9"),
      ContainsSubstring("ADZE_ISA: unknown instruction set 'sse9', known are scalar, avx2,"));
}
#endif
