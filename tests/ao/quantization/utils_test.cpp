#include "adze/ao/quantization/utils.h"

#include "adze/core/creation.h"

#include "support/catch.h"

using namespace adze;
using namespace adze::ao::quantization;

namespace {

TensorQParams qparams(double min, double max, const QuantizationSpec& spec) {
  return qparams_from_min_max(tensor(min), tensor(max), spec, 0x1p-23f);
}

}  // namespace

TEST_CASE("The range of a quantized dtype is its own or the one given, halved if asked",
          "[ao][quantization]") {
  CHECK(quantization_range("t", quint8, false, {}, {}) == QRange{0, 255});
  CHECK(quantization_range("t", quint8, true, {}, {}) == QRange{0, 127});
  CHECK(quantization_range("t", qint8, false, {}, {}) == QRange{-128, 127});
  CHECK(quantization_range("t", qint8, true, {}, {}) == QRange{-64, 63});
  CHECK(quantization_range("t", qint32, true, {}, {}) == QRange{-2147483648LL, 2147483647});
  CHECK(quantization_range("t", qint8, false, -127, 127) == QRange{-127, 127});
  CHECK(quantization_range("t", qint8, true, -127, 127) == QRange{-64, 63});
  CHECK(quantization_range("t", quint8, true, 0, 255) == QRange{0, 127});
}

TEST_CASE("A quantization range that cannot be is refused", "[ao][quantization]") {
  CHECK_THROWS_WITH(
      quantization_range("MinMaxObserver", quint8, false, 0, {}),
      "MinMaxObserver: quant_min and quant_max go together, only quant_min was given");
  CHECK_THROWS_WITH(quantization_range("t", quint8, false, {}, 255),
                    ContainsSubstring("only quant_max was given"));
  CHECK_THROWS_WITH(quantization_range("t", quint8, false, 1, 200),
                    "t: the quantization range must include 0, got 1..200");
  CHECK_THROWS_WITH(quantization_range("t", quint8, false, 0, 0),
                    "t: quant_min must be less than quant_max, got 0..0");
  CHECK_THROWS_WITH(quantization_range("t", quint8, false, 0, 1000),
                    "t: the quantization range 0..1000 does not lie inside that of quint8, 0..255");
  CHECK_THROWS_WITH(quantization_range("t", qint8, false, -200, 100),
                    ContainsSubstring("does not lie inside that of qint8, -128..127"));
  CHECK_THROWS_WITH(quantization_range("t", quint8, true, 0, 1),
                    "t: reduce_range leaves nothing of the quantization range 0..1");
  CHECK_THROWS_WITH(quantization_range("t", float32, false, {}, {}),
                    "t: dtype must be qint8, quint8 or qint32, got float32");
}

TEST_CASE("qparams from a range are those of the field to the last bit", "[ao][quantization]") {
  struct Row {
    double min, max;
    DType dtype;
    QScheme scheme;
    std::int64_t quant_min, quant_max;
    float scale;
    std::int64_t zero_point;
  };
  const QScheme affine = per_tensor_affine, symmetric = per_tensor_symmetric;
  const std::int64_t low = -2147483648LL, high = 2147483647;
  const Row rows[] = {
      {-1, 3, quint8, affine, 0, 255, 0.01568627543747425f, 64},
      {1, 3, quint8, affine, 0, 255, 0.0117647061124444f, 0},
      {-3, -1, quint8, affine, 0, 255, 0.0117647061124444f, 255},
      {0, 0, quint8, affine, 0, 255, 0x1p-23f, 0},
      {2, 2, quint8, affine, 0, 255, 0.007843137718737125f, 0},
      {-.3, .1, quint8, affine, 0, 255, 0.0015686274273321033f, 191},
      {-1, 3, quint8, affine, 0, 127, 0.031496062874794006f, 32},
      {-3, -1, quint8, affine, 0, 127, 0.023622047156095505f, 127},
      {-.3, .1, quint8, affine, 0, 127, 0.0031496062874794006f, 95},
      {-1, 3, quint8, symmetric, 0, 255, 0.0235294122248888f, 128},
      {-.3, .1, quint8, symmetric, 0, 255, 0.0023529413156211376f, 128},
      {-1, 3, qint8, affine, -128, 127, 0.01568627543747425f, -64},
      {0, 0, qint8, affine, -128, 127, 0x1p-23f, -128},
      {-.3, .1, qint8, affine, -64, 63, 0.0031496062874794006f, 31},
      {-1, 3, qint8, symmetric, -128, 127, 0.0235294122248888f, 0},
      {-1, 3, qint8, symmetric, -64, 63, 0.04724409431219101f, 0},
      {-1, 3, qint8, symmetric, -127, 127, 0.023622047156095505f, 0},
      {-1, 3, qint32, affine, low, high, 0x1p-23f, -2139095040},
      {-3, -1, qint32, affine, low, high, 0x1p-23f, -2122317824},
      {-.3, .1, qint32, affine, low, high, 0x1p-23f, -2144967066},
      {-1, 3, qint32, symmetric, low, high, 0x1p-23f, 0},
  };
  for (const Row& r : rows) {
    CAPTURE(r.min, r.max, r.dtype, r.quant_min);
    const auto q = qparams(r.min, r.max, {r.dtype, r.scheme, r.quant_min, r.quant_max});
    CHECK(q.scale.sizes() == Shape{1});
    CHECK(q.scale.item<float>() == r.scale);
    CHECK(q.zero_point.dtype() == int32);
    CHECK(q.zero_point.item<std::int64_t>() == r.zero_point);
  }
}

TEST_CASE("Symmetric quint8 in a custom range has the middle of the range as zero point",
          "[ao][quantization]") {
  const QuantizationSpec spec{
      .qscheme = per_tensor_symmetric, .quant_max = 127, .custom_range = true};
  const auto q = qparams(-1, 3, spec);
  CHECK(q.scale.item<float>() == 0.04724409431219101f);
  CHECK(q.zero_point.item<int>() == 63);
}

TEST_CASE("Float qparams keep the range as it is and a zero point that is not an integer",
          "[ao][quantization]") {
  const QuantizationSpec spec{.qscheme = per_channel_affine_float_qparams, .ch_axis = 0};
  const auto q = qparams_from_min_max(tensor({-2.5, -8, 2}), tensor({9, 5, 2}), spec, 0x1p-23f);
  CHECK(q.scale.to_vector<float>() ==
        std::vector<float>{0.045098040252923965f, 0.05098039284348488f, 1});
  CHECK(q.zero_point.dtype() == float32);
  CHECK(q.zero_point.to_vector<float>() ==
        std::vector<float>{55.43478012084961f, 156.92308044433594f, -2});
}

TEST_CASE("A range that is empty or not finite gives no qparams", "[ao][quantization]") {
  const double inf = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH(qparams(2, 1, {}), "calculate_qparams: min 2.0 should be less than max 1.0");
  CHECK_THROWS_WITH(qparams(std::nan(""), 1, {}), ContainsSubstring("min nan should be less"));
  CHECK_THROWS_WITH(qparams(0, inf, {}), "calculate_qparams: the range [0.0, inf] is not finite");
  CHECK_THROWS_WITH(qparams_from_min_max(tensor({0, 1}), tensor({1, 0.5}), {}, 1e-7f),
                    "calculate_qparams: min 1.0 should be less than max 0.5 of channel 1");
  CHECK_THROWS_WITH(qparams_from_min_max(tensor({0, 1}), tensor({1}), {}, 1e-7f),
                    "calculate_qparams: min is (2,), max is (1,)");
}

TEST_CASE("The widest range of float32 still has a finite scale", "[ao][quantization]") {
  const auto q = qparams(-3e38, 3e38, {});
  CHECK(q.scale.item<double>() == Approx(6e38 / 255));
  CHECK(q.zero_point.item<int>() == 128);
}

TEST_CASE("Numbers print as the field prints them", "[ao][quantization]") {
  CHECK(number_text(3) == "3.0");
  CHECK(number_text(-0.1) == "-0.1");
  CHECK(number_text(static_cast<double>(3.02f)) == "3.0199999809265137");
  CHECK(number_text(1e-5) == "1e-05");
  CHECK(number_text(1e16) == "1e+16");
  CHECK(number_text(std::numeric_limits<double>::infinity()) == "inf");
  CHECK(number_text(-std::numeric_limits<double>::infinity()) == "-inf");
}
