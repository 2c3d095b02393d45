#include "adze/core/dtype.h"

#include <cmath>
#include <limits>

#include "adze/core/error.h"

#include "support/catch.h"

using namespace adze;

TEST_CASE("each dtype has a name and a size", "[core][dtype]") {
  CHECK(name(float32) == "float32");
  CHECK(name(boolean) == "bool");
  CHECK(name(quint8) == "quint8");
  CHECK(item_size(float64) == 8);
  CHECK(item_size(bfloat16) == 2);
  CHECK(item_size(boolean) == 1);
  CHECK(item_size(qint32) == 4);
  for (DType d : {float32, float64, float16, bfloat16, int8, int16, int32, int64, uint8, boolean,
                  qint8, quint8, qint32})
    CHECK(dtype_from_name(name(d)) == d);
  CHECK_THROWS_WITH(dtype_from_name("float8"), ContainsSubstring("no dtype named \"float8\""));
}

TEST_CASE("dtypes know their kind", "[core][dtype]") {
  CHECK(is_floating_point(bfloat16));
  CHECK_FALSE(is_floating_point(quint8));
  CHECK(is_integral(uint8));
  CHECK_FALSE(is_integral(boolean));
  CHECK_FALSE(is_integral(qint8));
  CHECK(underlying(qint8) == int8);
  CHECK(underlying(quint8) == uint8);
  CHECK(underlying(qint32) == int32);
  CHECK(underlying(float32) == float32);
}

TEST_CASE("dtypes promote to the smallest common one", "[core][dtype]") {
  CHECK(promote_types(boolean, uint8) == uint8);
  CHECK(promote_types(uint8, int8) == int16);
  CHECK(promote_types(int32, int16) == int32);
  CHECK(promote_types(int64, float16) == float16);
  CHECK(promote_types(float16, bfloat16) == float32);
  CHECK(promote_types(bfloat16, float32) == float32);
  CHECK(promote_types(float64, float32) == float64);
  CHECK(promote_types(int8, int8) == int8);
  CHECK_THROWS_WITH(promote_types(float32, quint8),
                    ContainsSubstring("quint8 does not take part in arithmetic"));
}

TEST_CASE("every half converts to float and back", "[core][dtype]") {
  for (std::uint32_t i = 0; i <= 0xffff; ++i) {
    Half h;
    h.bits = static_cast<std::uint16_t>(i);
    const auto f = static_cast<float>(h);
    if (std::isnan(f)) {
      REQUIRE(std::isnan(static_cast<float>(Half(f))));
    } else {
      REQUIRE(Half(f).bits == h.bits);
    }
  }
}

TEST_CASE("floats round to the nearest half, ties to even", "[core][dtype]") {
  CHECK(Half(1.0f).bits == 0x3c00);
  CHECK(Half(-2.0f).bits == 0xc000);
  CHECK(Half(65504.0f).bits == 0x7bff);
  CHECK(Half(65519.996f).bits == 0x7bff);
  CHECK(Half(65520.0f).bits == 0x7c00);
  CHECK(Half(INFINITY).bits == 0x7c00);
  CHECK(Half(-INFINITY).bits == 0xfc00);
  CHECK(Half(-0.0f).bits == 0x8000);
  CHECK(Half(2049.0f).bits == Half(2048.0f).bits);  // between 2048 and 2050: the even one
  CHECK(Half(2051.0f).bits == Half(2052.0f).bits);
  CHECK(Half(0x1p-24f).bits == 1);  // the smallest subnormal
  CHECK(Half(0x1p-25f).bits == 0);  // half of it: to the even 0
  CHECK(Half(0x1.8p-25f).bits == 1);
  CHECK(Half(0x1p-14f).bits == 0x0400);      // the smallest normal
  CHECK(Half(0x1.ff8p-15f).bits == 0x03ff);  // the largest subnormal
  CHECK(Half(0x1.ffcp-15f).bits == 0x0400);  // half way up: even is the normal
}

TEST_CASE("every half lies between the floats that round to it", "[core][dtype]") {
  // The midpoint of two neighbours goes to the even one, and the floats beside it apart.
  for (std::uint32_t i = 0; i < 0x7bff; ++i) {
    Half low, high;
    low.bits = static_cast<std::uint16_t>(i);
    high.bits = static_cast<std::uint16_t>(i + 1);
    const float middle = (static_cast<float>(low) + static_cast<float>(high)) / 2;
    REQUIRE(Half(middle).bits == (i % 2 == 0 ? low.bits : high.bits));
    REQUIRE(Half(std::nextafter(middle, 0.0f)).bits == low.bits);
    REQUIRE(Half(std::nextafter(middle, INFINITY)).bits == high.bits);
  }
}

TEST_CASE("floats round to the nearest bfloat16, ties to even", "[core][dtype]") {
  CHECK(BFloat16(1.0f).bits == 0x3f80);
  CHECK(static_cast<float>(BFloat16(3.14159f)) == 3.140625f);
  CHECK(BFloat16(257.0f).bits == BFloat16(256.0f).bits);
  CHECK(BFloat16(259.0f).bits == BFloat16(260.0f).bits);
  CHECK(std::isinf(static_cast<float>(BFloat16(std::numeric_limits<float>::max()))));
  CHECK(std::isnan(static_cast<float>(BFloat16(std::bit_cast<float>(0x7f800001u)))));
  CHECK(std::isnan(static_cast<float>(BFloat16(std::bit_cast<float>(0xffffffffu)))));
}
