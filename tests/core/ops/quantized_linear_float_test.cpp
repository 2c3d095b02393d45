// quantized::linear with float32 on one side.
#include <limits>

#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"

#include "support/catch.h"
#include "support/modules.h"

using namespace adze;
using test::error_of;

TEST_CASE("Quantized linear takes and gives floats as if they were converted beside it",
          "[core][quantized][linear]") {
  Generator g(31);
  struct Size {
    Shape x;
    std::int64_t n;
  };
  const std::int64_t k = 24;
  const DType dtype = GENERATE(quint8, qint8);
  const bool relu = GENERATE(false, true);
  const std::int64_t middle = dtype == quint8 ? 128 : 0;
  for (const Size& size :
       {Size{{k}, 5}, Size{{1, k}, 16}, Size{{3, 7, k}, 33}, Size{{300, k}, 40}, Size{{0, k}, 4}}) {
    const Tensor weight = quantize_per_channel(randn({size.n, k}, &g), full({size.n}, 0.02),
                                               zeros({size.n}, int64), 0, qint8);
    const Tensor turned = randn({k, 6}, &g).t();
    for (const Tensor& bias : {Tensor(), randn({size.n}, &g)}) {
      for (const Tensor& x : {randn(size.x, &g) * 3, turned}) {
        INFO("x " << x.sizes() << ", n " << size.n << ", " << dtype << ", relu " << relu);
        const Tensor q = quantize_per_tensor(x, 0.04, middle + 3, dtype);
        const auto linear = relu ? quantized::linear_relu : quantized::linear;
        for (const DType out : {quint8, qint8}) {
          const std::int64_t zero_point = out == quint8 ? 100 : -28;
          const Tensor y = linear(q, weight, bias, 0.05, zero_point, out);
          const Tensor from = quantized::linear_from_float(x, 0.04, middle + 3, dtype, weight, bias,
                                                           0.05, zero_point, out, relu);
          CHECK(from.dtype() == out);
          CHECK(from.equal(y));
          const Tensor to =
              quantized::linear_to_float(q, weight, bias, 0.05, zero_point, out, relu);
          CHECK(to.dtype() == float32);
          CHECK(to.equal(dequantize(y)));
        }
      }
    }
  }
}

TEST_CASE("The result of quantized linear has the dtype of its input unless another is named",
          "[core][quantized][linear]") {
  const Tensor w = quantize_per_tensor(ones({2, 3}), 0.01, 0, qint8), f = ones({1, 3});
  for (const DType dtype : {quint8, qint8}) {
    CHECK(quantized::linear_from_float(f, 0.1, 0, dtype, w, {}, 0.1, 7).dtype() == dtype);
    const Tensor q = quantize_per_tensor(f, 0.1, 0, dtype);
    CHECK(quantized::linear_to_float(q, w, {}, 0.1, 7)
              .equal(dequantize(quantized::linear(q, w, {}, 0.1, 7))));
  }
}

TEST_CASE("Quantized linear between floats names what does not fit", "[core][quantized][errors]") {
  const Tensor w = quantize_per_tensor(ones({2, 3}), 0.01, 0, qint8), f = ones({1, 3});
  const auto from = [&](const Tensor& x, double scale, DType dtype) {
    return error_of([&] { quantized::linear_from_float(x, scale, 0, dtype, w, {}, 0.1, 0); });
  };
  CHECK(from(quantize_per_tensor(f, 0.1, 0, quint8), 0.1, quint8) ==
        "quantized::linear_from_float: expected a float32 input, got quint8");
  CHECK(from(f, 0.1, qint32) ==
        "quantized::linear_from_float: the input must become quint8 or qint8, got qint32");
  CHECK(from(f, -1, quint8) == error_of([&] { quantize_per_tensor(f, -1, 0, quint8); }));
  CHECK_THAT(from(full({1, 3}, std::numeric_limits<float>::infinity()), 0.1, quint8),
             ContainsSubstring("quantized::linear_from_float: ") && ContainsSubstring("inf"));
  CHECK_THAT(from(ones({1, 4}), 0.1, quint8),
             ContainsSubstring("quantized::linear_from_float: weight expects 3 input features"));
  CHECK_THAT(error_of([&] { quantized::linear_to_float(f, w, {}, 0.1, 0); }),
             ContainsSubstring("quantized::linear_to_float: "));
  const Tensor q = quantize_per_tensor(f, 0.1, 0, quint8);
  CHECK(error_of([&] { quantized::linear_to_float(q, w, {}, 0.1, 0, qint32); }) ==
        "quantized::linear_to_float: the result must be quint8 or qint8, got qint32");
}
