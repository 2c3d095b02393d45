#include "adze/core/ops/quantize.h"

#include <cmath>
#include <limits>

#include "adze/core/autograd.h"
#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"

#include "support/catch.h"

using namespace adze;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

using Ints = std::vector<std::int64_t>;

Ints ints(const Tensor& q) {
  return q.int_repr().to_vector<std::int64_t>();
}
Ints quantized_ints(const std::vector<float>& x, double scale, std::int64_t zero_point,
                    DType dtype) {
  return ints(quantize_per_tensor(from_vector(x, {static_cast<std::int64_t>(x.size())}), scale,
                                  zero_point, dtype));
}

void check_close(const Tensor& t, const std::vector<double>& expected) {
  const std::vector<double> values = t.to_vector<double>();
  REQUIRE(values.size() == expected.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    CHECK(values[i] == Approx(expected[i]).margin(1e-6));
}

// The matrix whose per-channel results below were computed with PyTorch 2.13.
Tensor matrix() {
  return tensor({{-1.3, 0.25, 0.75}, {2.5, -0.125, 9}});
}

}  // namespace

TEST_CASE("quantize rounds half to even before the zero point is added", "[core][quantize]") {
  CHECK(quantized_ints({0.5f}, 1, 1, quint8) == Ints{1});
  CHECK(quantized_ints({.5f, 1.5f, 2.5f, 3.5f, -.5f, -1.5f, -2.5f}, 1, 0, qint8) ==
        Ints{0, 2, 2, 4, 0, -2, -2});
}

TEST_CASE("quantize multiplies by the float32 reciprocal of the scale", "[core][quantize]") {
  CHECK(quantized_ints({0.273939937f}, 0.00214854861, 0, quint8) == Ints{128});
  CHECK(quantized_ints({-1.0f}, static_cast<double>(1 / 127.5f), 0, qint8) == Ints{-127});
}

TEST_CASE("quantize saturates at the ends of each dtype", "[core][quantize]") {
  CHECK(quantized_ints({-1e9f, 1e9f}, 1, 3, quint8) == Ints{0, 255});
  CHECK(quantized_ints({-1e9f, 1e9f}, 1, 3, qint8) == Ints{-128, 127});
  CHECK(quantized_ints({3e9f, -3e9f}, 1, 0, qint32) == Ints{2147483647, -2147483648});
}

TEST_CASE("a quantized tensor carries dtype, scheme and qparams", "[core][quantize]") {
  const Tensor q = quantize_per_tensor(matrix(), 0.5, 4, quint8);
  CHECK(q.dtype() == quint8);
  CHECK(q.qscheme() == per_tensor_affine);
  CHECK(q.q_scale() == 0.5);
  CHECK(q.q_zero_point() == 4);
  CHECK(q.sizes() == Shape{2, 3});
  CHECK(ints(q) == Ints{1, 4, 6, 9, 4, 22});  // -2.6 -> -3, 0.5 -> 0, 1.5 -> 2
  CHECK(q.dequantize().to_vector<float>() == std::vector<float>{-1.5f, 0, 1, 2.5f, 0, 9});
}

TEST_CASE("quantize per channel follows the axis", "[core][quantize]") {
  const Tensor rows = quantize_per_channel(matrix(), tensor({0.1, 0.02}),
                                           tensor_of<std::int64_t>({10, -3}), 0, qint8);
  CHECK(ints(rows) == Ints{-3, 12, 18, 122, -9, 127});
  check_close(dequantize(rows), {-1.3, 0.2, 0.8, 2.5, -0.12, 2.6});
  CHECK(rows.qscheme() == per_channel_affine);
  CHECK(rows.q_per_channel_axis() == 0);

  const Tensor columns = quantize_per_channel(matrix(), tensor({0.1, 0.02, 0.5}),
                                              tensor_of<std::int32_t>({10, 3, 0}), -1, quint8);
  // 0.25 / 0.02 is a tie, 12.5: 12 + 3 here and in fake quantization, also that of PyTorch, whose
  // quantize_per_channel alone rounds 12.5 + 3.
  CHECK(ints(columns) == Ints{0, 15, 2, 35, 0, 18});
  check_close(dequantize(columns), {-1, 0.24, 1, 2.5, -0.06, 9});
  CHECK(columns.q_per_channel_axis() == 1);

  const Tensor wide = quantize_per_channel(matrix(), tensor({0.1, 0.02}),
                                           tensor_of<std::int64_t>({10, -3}), 0, qint32);
  CHECK(ints(wide) == Ints{-3, 12, 18, 122, -9, 447});
}

TEST_CASE("float zero points are added before rounding", "[core][quantize]") {
  const Tensor q = quantize_per_channel(tensor({{-1, 2}}), tensor({0.1}), tensor({0.5}), 0, quint8);
  CHECK(q.qscheme() == per_channel_affine_float_qparams);
  CHECK(ints(q) == Ints{0, 20});
  check_close(dequantize(q), {-0.05, 1.95});
}

TEST_CASE("quantize reads strided inputs in row-major order", "[core][quantize]") {
  const Tensor x = matrix().t();
  CHECK(ints(quantize_per_tensor(x, 0.5, 4, qint8)) == Ints{1, 9, 4, 4, 6, 22});
  const Tensor scales = tensor({0.1, 0.02}), zero_points = tensor_of<std::int64_t>({10, -3});
  const Tensor q = quantize_per_channel(x, scales, zero_points, 1, qint8);
  CHECK(ints(q) == Ints{-3, 122, 12, -9, 18, 127});
  const Tensor every_other = quantize_per_tensor(matrix().slice(1, 0, {}, 2), 0.5, 4, quint8);
  CHECK(ints(every_other) == Ints{1, 6, 9, 22});
  // The same values as of the whole tensor, from a view of the integers.
  const Tensor whole = quantize_per_tensor(matrix(), 0.5, 4, quint8);
  CHECK(dequantize(whole.t()).equal(dequantize(whole).t().contiguous()));
  CHECK(dequantize(q.t()).equal(
      dequantize(quantize_per_channel(matrix(), scales, zero_points, 0, qint8))));
}

TEST_CASE("tensors without elements and without dimensions are quantized", "[core][quantize]") {
  const Tensor none = quantize_per_tensor(zeros({0, 3}), 0.1, 0, quint8);
  CHECK(none.sizes() == Shape{0, 3});
  CHECK(dequantize(none).sizes() == Shape{0, 3});
  const Tensor one = quantize_per_tensor(tensor(0.5), 0.25, 7, quint8);
  CHECK(ints(one) == Ints{9});
  CHECK(one.item() == 0.5);
  CHECK(quantize_per_channel(zeros({2, 0}), ones({2}), zeros({2}, int64), 0, qint8).numel() == 0);
}

TEST_CASE("quantize refuses elements that are not finite, and says where", "[core][quantize]") {
  const Tensor x = from_vector<float>({1, nan_value, 3, inf}, {2, 2});
  CHECK_THROWS_WITH(quantize_per_tensor(x, 0.1, 0, quint8),
                    "quantize_per_tensor: the input must be finite, but 2 of its 4 elements are "
                    "not; the first is nan at index (0, 1)");
  CHECK_THROWS_WITH(
      quantize_per_channel(x.select(1, 1).unsqueeze(0), tensor({1}), zeros({1}, int64), 0, qint8),
      ContainsSubstring("but 2 of its 2 elements"));
  CHECK_THROWS_WITH(quantize_per_tensor_dynamic(tensor(-inf), quint8),
                    ContainsSubstring("the first is -inf at index ()"));
}

TEST_CASE("quantize refuses wrong dtypes", "[core][quantize]") {
  const Tensor x = matrix();
  CHECK_THROWS_WITH(quantize_per_tensor(x.to(float64), 0.1, 0, quint8),
                    "quantize_per_tensor: a float32 tensor expected, got float64; convert it with "
                    "to(float32)");
  CHECK_THROWS_WITH(quantize_per_tensor(x, 0.1, 0, int8),
                    "quantize_per_tensor: the dtype must be qint8, quint8 or qint32, got int8");
  const Tensor q = quantize_per_tensor(x, 0.1, 0, quint8);
  CHECK_THROWS_WITH(quantize_per_tensor(q, 0.1, 0, quint8),
                    "quantize_per_tensor: the input is quantized already (quint8, shape (2, 3)); "
                    "use requantize() to change its grid");
  CHECK_THROWS_WITH(quantize_per_tensor_dynamic(x, qint32), ContainsSubstring("qint8 or quint8"));
  CHECK_THROWS_WITH(dequantize(tensor_of<std::int8_t>({1})),
                    "dequantize: a quantized or a float tensor expected, got int8");
  CHECK_THROWS_WITH(requantize(x, 0.1, 0), ContainsSubstring("a quantized tensor expected"));
}

TEST_CASE("scales must be finite and positive, also in float32", "[core][quantize]") {
  const Tensor x = matrix();
  for (const double scale : {0.0, -1.0, HUGE_VAL, -HUGE_VAL, std::nan("")}) {
    CAPTURE(scale);
    CHECK_THROWS_WITH(quantize_per_tensor(x, scale, 0, quint8),
                      ContainsSubstring("the scale must be finite and > 0"));
    CHECK_THROWS_WITH(quantize_per_channel(x, tensor({1, scale}), zeros({2}, int64), 0, qint8),
                      ContainsSubstring("the scale must be finite and > 0"));
    CHECK_THROWS_WITH(fake_quantize_per_tensor_affine(x, scale, 0, 0, 255),
                      ContainsSubstring("the scale must be finite and > 0"));
    CHECK_THROWS_WITH(make_per_tensor_quantized_tensor(zeros({1}, int8), scale, 0),
                      ContainsSubstring("the scale must be finite and > 0"));
  }
  for (const double scale : {1e-60, 1e-40, 1e60}) {
    CAPTURE(scale);
    CHECK_THROWS_WITH(quantize_per_tensor(x, scale, 0, quint8),
                      ContainsSubstring("quantize_per_tensor: the scale must be finite and > 0, "
                                        "and so must its reciprocal in float32"));
  }
}

TEST_CASE("zero points must lie in the range of the dtype", "[core][quantize]") {
  const Tensor x = matrix();
  CHECK_THROWS_WITH(quantize_per_tensor(x, 1, 300, quint8), ContainsSubstring("from 0 to 255"));
  CHECK_THROWS_WITH(quantize_per_tensor(x, 1, -1, quint8), ContainsSubstring("got -1"));
  CHECK_THROWS_WITH(quantize_per_tensor(x, 1, 128, qint8), ContainsSubstring("-128 to 127"));
  CHECK_THROWS_WITH(
      quantize_per_channel(x, ones({2}), tensor_of<std::int64_t>({0, -129}), 0, qint8),
      ContainsSubstring("got -129"));
  CHECK(ints(quantize_per_tensor(zeros({1}), 1, -2147483648LL, qint32)) == Ints{-2147483648LL});
}

TEST_CASE("quantize per channel checks axis, lengths and dtypes of its qparams",
          "[core][quantize]") {
  const Tensor x = matrix(), two = zeros({2}, int64);
  CHECK_THROWS_WITH(quantize_per_channel(x, ones({2}), two, 2, qint8),
                    ContainsSubstring("quantize_per_channel"));
  CHECK_THROWS_WITH(quantize_per_channel(x, ones({2}), two, 1, qint8),
                    "quantize_per_channel: one scale and one zero point for each channel of axis "
                    "1 of shape (2, 3) expected, (3,); got scales (2,) and zero points (2,)");
  CHECK_THROWS_WITH(quantize_per_channel(x, ones({2}), zeros({3}, int64), 0, qint8),
                    ContainsSubstring("got scales (2,) and zero points (3,)"));
  CHECK_THROWS_WITH(quantize_per_channel(x, ones({2}, int64), two, 0, qint8),
                    ContainsSubstring("the scales must be floats, got int64"));
  CHECK_THROWS_WITH(quantize_per_channel(x, ones({2}), zeros({2}, boolean), 0, qint8),
                    ContainsSubstring("the zero points must be integers or floats, got bool"));
  CHECK_THROWS_AS(quantize_per_channel(tensor(1), ones({1}), zeros({1}, int64), 0, qint8), Error);
  CHECK_THROWS_WITH(
      quantize_per_channel(x, ones({2}), from_vector<float>({0, inf}, {2}), 0, quint8),
      ContainsSubstring("the zero points must be finite, got inf"));
}

TEST_CASE("choose_qparams gives the values of the field", "[core][quantize]") {
  struct Row {
    float min, max;
    double scale;
    std::int64_t zero_point;
    double reduced_scale;
    std::int64_t reduced_zero_point;
  };
  // PyTorch 2.13, quantize_per_tensor_dynamic.
  const Row rows[] = {{-1, 3, 0.01568627450980392, 64, 0.031496062992125984, 32},
                      {0, 0, 0.1, 0, 0.1, 0},
                      {1, 3, 0.011764705882352941, 0, 0.023622047244094488, 0},
                      {-3, -1, 0.011764705882352941, 255, 0.023622047244094488, 127},
                      {0, 1e-6f, 6.0999998822808266e-05, 0, 6.0999998822808266e-05, 0},
                      {-1e-6f, 3e-6f, 6.0999998822808266e-05, 64, 6.0999998822808266e-05, 32},
                      {-.5f, .5f, 0.00392156862745098, 128, 0.007874015748031496, 64},
                      {-10, 1, 0.043137254901960784, 232, 0.08661417322834646, 115},
                      {-5, 5.1f, 0.039607842763264976, 126, 0.07952755830419345, 63}};
  for (const Row& row : rows) {
    CAPTURE(row.min, row.max);
    CHECK(choose_qparams(row.min, row.max, 0, 255) == QParams{row.scale, row.zero_point});
    CHECK(choose_qparams(row.min, row.max, 0, 255, true) ==
          QParams{row.reduced_scale, row.reduced_zero_point});
  }
  CHECK(choose_qparams(-10, 1, -128, 127) == QParams{0.043137254901960784, 104});
  CHECK(choose_qparams(-10, 1, -128, 127, true) == QParams{0.08661417322834646, 51});
  CHECK(choose_qparams(0, 0, -128, 127) == QParams{0.1, 127});
  CHECK(choose_qparams(1, 3, -128, 127, true) == QParams{0.023622047244094488, -64});
}

TEST_CASE("choose_qparams with preserve_sparsity puts zero in the middle", "[core][quantize]") {
  struct Row {
    double min, max, scale;
  };
  // PyTorch 2.13, fused_moving_avg_obs_fake_quant with symmetric_quant.
  for (const Row& row : {Row{-1, 3, 0.0236220472}, Row{-.5, .5, 0.00393700786},
                         Row{-10, 1, 0.078125}, Row{-1e-6, 3e-6, 6.09999988e-05}}) {
    CAPTURE(row.min, row.max);
    const QParams q = choose_qparams(row.min, row.max, -128, 127, false, true);
    CHECK(q.scale == Approx(row.scale).epsilon(1e-8));
    CHECK(q.zero_point == 0);
    CHECK(choose_qparams(row.min, row.max, 0, 255, false, true) == QParams{q.scale, 128});
  }
  CHECK(choose_qparams(1, 3, -128, 127, false, true).zero_point == -128);
  CHECK(choose_qparams(1, 3, 0, 255, false, true).zero_point == 0);
}

TEST_CASE("choose_qparams stays finite at the ends of float32", "[core][quantize]") {
  const QParams q = choose_qparams(-3.4e38, 3.4e38, -128, 127, false, true);
  CHECK(std::isfinite(q.scale));
  CHECK(q.zero_point == 0);
  const QParams tiny = choose_qparams(-1e-45, 1e-45, 0, 255);
  CHECK(tiny.scale > 0);
}

TEST_CASE("choose_qparams refuses ranges that are none", "[core][quantize]") {
  CHECK_THROWS_WITH(choose_qparams(3, 1, 0, 255),
                    "choose_qparams: expected a finite range with min <= max, got [3, 1]");
  CHECK_THROWS_AS(choose_qparams(-HUGE_VAL, 1, 0, 255), Error);
  CHECK_THROWS_AS(choose_qparams(0, std::nan(""), 0, 255), Error);
  CHECK_THROWS_AS(choose_qparams(0, 1e300, 0, 255), Error);
  CHECK_THROWS_WITH(choose_qparams(0, 1, 255, 0), ContainsSubstring("got [255, 0]"));
  CHECK_THROWS_WITH(choose_qparams(0, 1, 0, 3, true), ContainsSubstring("in half of [qmin, qmax]"));
}

TEST_CASE("dynamic quantization takes the tensor's own range", "[core][quantize]") {
  const Tensor x = tensor({-1, 0, 3});
  const Tensor q = quantize_per_tensor_dynamic(x, quint8);
  CHECK(q.q_scale() == 0.01568627450980392);
  CHECK(q.q_zero_point() == 64);
  CHECK(ints(q) == Ints{0, 64, 255});
  CHECK(quantize_per_tensor_dynamic(x, quint8, true).q_zero_point() == 32);
  CHECK(quantize_per_tensor_dynamic(x, qint8).q_zero_point() == -64);
  CHECK_THROWS_WITH(quantize_per_tensor_dynamic(zeros({0, 4}), quint8),
                    ContainsSubstring("without elements"));
}

TEST_CASE("dequantize hands a float tensor back", "[core][quantize]") {
  const Tensor x = matrix();
  CHECK(dequantize(x).is_same(x));
  const Tensor leaf = matrix();
  leaf.requires_grad_();
  CHECK(dequantize(leaf).requires_grad());
}

TEST_CASE("quantized tensors are made of integers and share their storage", "[core][quantize]") {
  const Tensor bytes = tensor_of<std::uint8_t>({0, 10, 255});
  const Tensor q = make_per_tensor_quantized_tensor(bytes, 0.5, 10);
  CHECK(q.dtype() == quint8);
  CHECK(dequantize(q).to_vector<float>() == std::vector<float>{-5, 0, 122.5f});
  bytes.mutable_data<std::uint8_t>()[1] = 12;
  CHECK(dequantize(q).to_vector<float>()[1] == 1);
  CHECK(make_per_tensor_quantized_tensor(zeros({2}, int8), 1, 0).dtype() == qint8);
  CHECK(make_per_tensor_quantized_tensor(zeros({2}, int32), 1, 0).dtype() == qint32);
  CHECK_THROWS_WITH(make_per_tensor_quantized_tensor(zeros({2}), 1, 0),
                    ContainsSubstring("must be int8, uint8 or int32, got float32"));

  const Tensor numbers = from_vector<std::int8_t>({1, 2, 3, 4}, {2, 2});
  const Tensor rows = make_per_channel_quantized_tensor(numbers, tensor({1, 0.5}),
                                                        tensor_of<std::int64_t>({0, 4}), 0);
  CHECK(dequantize(rows).to_vector<float>() == std::vector<float>{1, 2, -0.5f, 0});
  CHECK_THROWS_WITH(make_per_channel_quantized_tensor(numbers, tensor({1}), zeros({1}, int64), 0),
                    ContainsSubstring("make_per_channel_quantized_tensor: one scale"));
  // A view keeps its strides.
  CHECK(ints(make_per_tensor_quantized_tensor(numbers.t(), 1, 0)) == Ints{1, 3, 2, 4});
}

TEST_CASE("requantize moves values to another grid", "[core][quantize]") {
  const Tensor q = quantize_per_tensor(tensor({-1, 0.25, 3}), 0.25, 8, quint8);
  const Tensor r = requantize(q, 0.5, 4);
  CHECK(r.dtype() == quint8);
  CHECK(r.q_scale() == 0.5);
  CHECK(ints(r) == Ints{2, 4, 10});  // 0.25 / 0.5 = 0.5 rounds to 0
  const Tensor rows = quantize_per_channel(matrix(), tensor({0.1, 0.02}),
                                           tensor_of<std::int64_t>({10, -3}), 0, qint8);
  CHECK(requantize(rows, 0.1, 0).qscheme() == per_tensor_affine);
  CHECK(ints(requantize(rows, 0.1, 0)) == Ints{-13, 2, 8, 25, -1, 26});
}

// ---- fake quantization --------------------------------------------------------------------------

TEST_CASE("fake quantize gives the values of the field", "[core][quantize]") {
  CHECK(fake_quantize_per_tensor_affine(tensor({.5, 1.5, 2.5, -.5}), 1, 0, 0, 255)
            .to_vector<float>() == std::vector<float>{0, 2, 2, 0});
  check_close(fake_quantize_per_tensor_affine(tensor({-2, 30, 1}), 0.1, 10, 0, 255), {-1, 24.5, 1});
  check_close(fake_quantize_per_channel_affine(matrix(), tensor({0.1, 0.02}),
                                               tensor_of<std::int32_t>({10, -3}), 0, -128, 127),
              {-1.3, 0.2, 0.8, 2.5, -0.12, 2.6});
  check_close(fake_quantize_per_channel_affine(matrix(), tensor({0.1, 0.02}), tensor({10.25, -3.5}),
                                               0, -128, 127),
              {-1.325, 0.275, 0.775, 2.51, -0.13, 2.61});
  check_close(fake_quantize_per_channel_affine(tensor({{-1, 0, .5, 1, 2, 253, 254, 300}}),
                                               tensor({1}), tensor({1.25}), 0, 0, 255),
              {-1.25, -0.25, 0.75, 0.75, 1.75, 252.75, 253.75, 253.75});
  // A range that 8-bit kernels do not know.
  check_close(fake_quantize_per_tensor_affine(matrix(), 0.001, 1000, -2147483648LL, 2147483647),
              {-1.3, 0.25, 0.75, 2.5, -0.125, 9});
}

TEST_CASE("fake quantize equals quantize and dequantize", "[core][quantize]") {
  Generator generator(7);
  const Tensor x = randn({5, 37}, &generator) * 3;
  CHECK(fake_quantize_per_tensor_affine(x, 0.037, 100, 0, 255)
            .equal(dequantize(quantize_per_tensor(x, 0.037, 100, quint8))));
  const Tensor scales = tensor({0.1, 0.02, 0.5, 0.013, 0.07});
  const Tensor zero_points = tensor_of<std::int32_t>({0, 5, -7, 127, -128});
  CHECK(fake_quantize_per_channel_affine(x, scales, zero_points, 0, -128, 127)
            .equal(dequantize(quantize_per_channel(x, scales, zero_points, 0, qint8))));
  CHECK(fake_quantize_per_channel_affine(x.t(), scales, zero_points, 1, -128, 127)
            .equal(dequantize(quantize_per_channel(x.t(), scales, zero_points, 1, qint8))));
  const Tensor floats = zero_points.to(float32);
  CHECK(fake_quantize_per_channel_affine(x, scales, floats, 0, -128, 127)
            .equal(dequantize(quantize_per_channel(x, scales, floats, 0, qint8))));
}

TEST_CASE("the wide range of fake quantize gives the same bits as the kernel", "[core][quantize]") {
  Generator generator(8);
  const Tensor x = randn({1000}, &generator) * 3;
  const Tensor narrow = fake_quantize_per_tensor_affine(x, 0.01, 3, -4000000, 4000000);
  const Tensor wide = fake_quantize_per_tensor_affine(x, 0.01, 3, -5000000, 5000000);
  CHECK(narrow.equal(wide));
}

TEST_CASE("fake quantize saturates infinities and keeps NaN", "[core][quantize]") {
  const Tensor x = tensor({inf, -inf, nan_value, 1});
  for (const std::int64_t high : {255, 5000000}) {
    CAPTURE(high);
    const auto y = fake_quantize_per_tensor_affine(x, 0.5, 2, 0, high).to_vector<float>();
    CHECK(y[0] == static_cast<float>(high - 2) * 0.5f);
    CHECK(y[1] == -1);
    CHECK(std::isnan(y[2]));
    CHECK(y[3] == 1);
  }
}

TEST_CASE("fake quantize keeps the floating dtype", "[core][quantize]") {
  for (const DType dtype : {float64, float16, bfloat16}) {
    const Tensor y = fake_quantize_per_tensor_affine(tensor({-2, 30, 1}).to(dtype), 0.5, 2, 0, 20);
    CHECK(y.dtype() == dtype);
    CHECK(y.to_vector<float>() == std::vector<float>{-1, 9, 1});
  }
  CHECK(fake_quantize_per_tensor_affine(zeros({0, 2}), 1, 0, 0, 255).sizes() == Shape{0, 2});
}

TEST_CASE("the gradient of fake quantize passes inside the range only", "[core][quantize]") {
  const Tensor x = tensor({-2, 30, 1, -1.05, -1.04, 24.54, 24.56});
  x.requires_grad_();
  const Tensor y = fake_quantize_per_tensor_affine(x, 0.1, 10, 0, 255);
  y.backward(tensor({1, 2, 3, 4, 5, 6, 7}));
  // -1.05 and 24.56 leave the range by rounding: to -10 + 10 = 0 and 246 + 10 = 256.
  CHECK(x.grad().to_vector<float>() == std::vector<float>{0, 0, 3, 4, 5, 6, 0});
}

TEST_CASE("the gradient of fake quantize per channel passes inside the range only",
          "[core][quantize]") {
  for (const Tensor& zero_points : {tensor_of<std::int32_t>({10, -3}), tensor({10.25, -3.5})}) {
    const Tensor x = matrix();
    x.requires_grad_();
    const Tensor scales = tensor({0.1, 0.02});
    const Tensor y = fake_quantize_per_channel_affine(x, scales, zero_points, 0, -128, 127);
    scales.fill_(100);  // as an observer would before the backward call
    y.backward(tensor({{1, 2, 3}, {4, 5, 6}}));
    CHECK(x.grad().to_vector<float>() == std::vector<float>{1, 2, 3, 4, 5, 0});
  }
}

TEST_CASE("the gradient of fake quantize works for strided, double and special values",
          "[core][quantize]") {
  const Tensor x = from_vector<double>({-2, 30, 1, 0, 2, 99}, {2, 3});
  x.requires_grad_();
  const Tensor y = fake_quantize_per_tensor_affine(x.t(), 0.5, 2, 0, 20);
  y.backward(from_vector<double>({1, 2, 3, 4, 5, 6}, {3, 2}));
  CHECK(x.grad().dtype() == float64);
  CHECK(x.grad().to_vector<double>() == std::vector<double>{0, 0, 5, 2, 4, 0});

  const Tensor special = tensor({inf, -inf, nan_value, 1});
  special.requires_grad_();
  fake_quantize_per_tensor_affine(special, 0.5, 2, 0, 20).backward(tensor({inf, 1, inf, 1}));
  CHECK(special.grad().to_vector<float>() == std::vector<float>{0, 0, 0, 1});
}

TEST_CASE("fake quantize refuses qparams outside of its range", "[core][quantize]") {
  const Tensor x = matrix();
  CHECK_THROWS_WITH(fake_quantize_per_tensor_affine(x, 1, 300, 0, 255),
                    "fake_quantize_per_tensor_affine: the zero point must lie in [quant_min, "
                    "quant_max] = [0, 255], got 300");
  CHECK_THROWS_WITH(fake_quantize_per_tensor_affine(x, 1, 0, 255, 0),
                    ContainsSubstring("quant_min must not exceed quant_max, got [255, 0]"));
  CHECK_THROWS_WITH(fake_quantize_per_tensor_affine(x, 1, 0, 0, 1LL << 40),
                    ContainsSubstring("32-bit"));
  CHECK_THROWS_WITH(fake_quantize_per_channel_affine(
                        x, ones({2}), tensor_of<std::int32_t>({0, -200}), 0, -128, 127),
                    ContainsSubstring("the zero point of channel 1 must lie in"));
  CHECK_THROWS_WITH(
      fake_quantize_per_channel_affine(x, ones({3}), zeros({3}, int32), 0, -128, 127),
      ContainsSubstring("fake_quantize_per_channel_affine: one scale and one zero point"));
  CHECK_THROWS_AS(fake_quantize_per_channel_affine(x, ones({3}), zeros({3}, int32), 2, -128, 127),
                  Error);
  CHECK_THROWS_WITH(fake_quantize_per_tensor_affine(zeros({2}, int64), 1, 0, 0, 255),
                    ContainsSubstring("a float tensor expected, got int64"));
}
