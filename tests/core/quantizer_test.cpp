#include "adze/core/quantizer.h"

#include <cmath>

#include "adze/core/error.h"

#include "support/catch.h"

using namespace adze;

TEST_CASE("quantized dtypes have ranges", "[core][quantizer]") {
  CHECK(qrange(qint8) == QRange{-128, 127});
  CHECK(qrange(quint8) == QRange{0, 255});
  CHECK(qrange(qint32) == QRange{-2147483648LL, 2147483647LL});
  CHECK_THROWS_WITH(qrange(int8), ContainsSubstring("expected a quantized dtype, got int8"));
}

TEST_CASE("schemes have the field's names", "[core][quantizer]") {
  CHECK(name(per_tensor_affine) == "per_tensor_affine");
  CHECK(name(per_channel_affine_float_qparams) == "per_channel_affine_float_qparams");
  CHECK(is_per_channel(per_channel_symmetric));
  CHECK_FALSE(is_per_channel(per_tensor_symmetric));
  CHECK(is_symmetric(per_channel_symmetric));
}

TEST_CASE("a quantizer is checked when it is made", "[core][quantizer]") {
  const QuantizerPtr q = make_per_tensor_quantizer(0.5, 3, quint8);
  CHECK(q->scales == std::vector<double>{0.5});
  CHECK(q->zero_points == std::vector<double>{3});
  for (double scale : {0.0, -1.0, double(INFINITY), double(NAN)})
    CHECK_THROWS_WITH(make_per_tensor_quantizer(scale, 0, qint8),
                      ContainsSubstring("the scale must be finite and > 0"));
  CHECK_THROWS_WITH(make_per_tensor_quantizer(1, 300, quint8),
                    ContainsSubstring("an integer from 0 to 255 for quint8, got 300"));
  CHECK_THROWS_AS(make_per_tensor_quantizer(1, -1, quint8), Error);
  CHECK_THROWS_AS(make_per_tensor_quantizer(1, 0, float32), Error);
}

TEST_CASE("a per-channel quantizer checks every channel", "[core][quantizer]") {
  const QuantizerPtr q = make_per_channel_quantizer({0.5, 0.25}, {0, 1}, 1, qint8);
  CHECK(q->scheme == per_channel_affine);
  CHECK(q->axis == 1);
  CHECK_THROWS_WITH(make_per_channel_quantizer({0.5}, {0, 1}, 0, qint8),
                    ContainsSubstring("got 1 scales and 2 zero points"));
  CHECK_THROWS_AS(make_per_channel_quantizer({0.5, 0.0}, {0, 0}, 0, qint8), Error);
  CHECK_THROWS_AS(make_per_channel_quantizer({0.5, 1.0}, {0, 0.5}, 0, qint8), Error);
  CHECK_THROWS_AS(make_per_channel_quantizer({0.5}, {0}, -1, qint8), Error);
}
