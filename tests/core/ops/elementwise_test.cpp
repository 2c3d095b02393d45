#include "adze/core/ops/elementwise.h"

#include <cmath>
#include <limits>

#include "adze/core/creation.h"
#include "adze/core/ops.h"

#include "support/finite_difference.h"

using namespace adze;
using adze::testing::check_gradients;
using adze::testing::random_double;
using adze::testing::random_strided;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();
using Unary = Tensor (*)(const Tensor&);
using Binary = Tensor (*)(const Operand&, const Operand&);

std::vector<double> values(const Tensor& t) {
  return t.to_vector<double>();
}
std::vector<bool> truth(const Tensor& t) {
  return t.to_vector<bool>();
}

// Away from 0, where logarithms and reciprocals bend too much for differences.
Tensor positive(const Tensor& t) {
  return square(t) + 0.5;
}

// The bits, so that NaN equals NaN and -0 differs from 0.
bool same_bits(const Tensor& a, const Tensor& b) {
  const auto x = a.to_vector<float>(), y = b.to_vector<float>();
  return a.sizes() == b.sizes() && std::equal(x.begin(), x.end(), y.begin(), [](float p, float q) {
           return std::bit_cast<std::uint32_t>(p) == std::bit_cast<std::uint32_t>(q);
         });
}

}  // namespace

// ---- arithmetic
// -----------------------------------------------------------------------------------

TEST_CASE("arithmetic works element by element and with numbers", "[core][elementwise]") {
  const Tensor a = tensor({1, 2, -3}), b = tensor({4, -5, 6});
  CHECK((a + b).equal(tensor({5, -3, 3})));
  CHECK((a - b).equal(tensor({-3, 7, -9})));
  CHECK((a * b).equal(tensor({4, -10, -18})));
  CHECK((a / b).equal(tensor({0.25, -0.4, -0.5})));
  CHECK((a + 1).equal(tensor({2, 3, -2})));
  CHECK((1 - a).equal(tensor({0, -1, 4})));
  CHECK((a * 0.5).equal(tensor({0.5, 1, -1.5})));
  CHECK((6 / a).equal(tensor({6, 3, -2})));
  CHECK((-a).equal(tensor({-1, -2, 3})));
  CHECK(maximum(a, b).equal(tensor({4, 2, 6})));
  CHECK(minimum(a, -1).equal(tensor({-1, -1, -3})));
}

TEST_CASE("operands broadcast in every layout with the same results", "[core][elementwise]") {
  const Tensor base = rand({2, 3, 4, 5});
  for (const Shape& other : {Shape{}, Shape{5}, Shape{1, 5}, Shape{3, 1, 1}, Shape{2, 3, 4, 1},
                             Shape{4, 5}, Shape{2, 1, 4, 1}, Shape{2, 3, 4, 5}}) {
    const Tensor small = rand(other) + 0.5;
    CAPTURE(other);
    const Tensor full = small.expand({2, 3, 4, 5}).clone();
    CHECK((base + small).equal(base + full));
    CHECK((small - base).equal(full - base));
    CHECK((base * small).equal(base * full));
    CHECK((small / base).equal(full / base));
    CHECK((base / small).equal(base / full));
    CHECK(maximum(base, small).equal(maximum(base, full)));
    // The double precision loops agree with the kernels up to rounding.
    CHECK((base.to(float64) / small.to(float64)).allclose((base / small).to(float64), 1e-6));
  }
}

TEST_CASE("strided operands give the bits of contiguous ones", "[core][elementwise]") {
  const Tensor a = rand({6, 8}).t(), b = rand({8, 12}).slice(1, 0, 12, 2);
  CHECK_FALSE(a.is_contiguous());
  CHECK((a + b).equal(a.clone() + b.clone()));
  CHECK((a / b).is_contiguous());
  for (const Unary f :
       {Unary(exp), Unary(log), Unary(sqrt), Unary(sigmoid), Unary(tanh), Unary(relu), Unary(neg),
        Unary(abs), Unary(round), Unary(floor), Unary(square)}) {
    CHECK(same_bits(f(a), f(a.clone())));
    CHECK(f(a).is_contiguous());
  }
}

TEST_CASE("shapes that do not broadcast are named", "[core][elementwise]") {
  CHECK_THROWS_WITH(zeros({2, 3}) + zeros({4}), ContainsSubstring("add") &&
                                                    ContainsSubstring("(2, 3)") &&
                                                    ContainsSubstring("(4,)"));
  CHECK_THROWS_AS(Tensor() + zeros({1}), Error);
}

TEST_CASE("empty tensors stay empty", "[core][elementwise]") {
  CHECK((zeros({0, 3}) + zeros({3})).sizes() == Shape{0, 3});
  CHECK((zeros({2, 1}) * zeros({2, 0})).sizes() == Shape{2, 0});
  CHECK(exp(zeros({0})).numel() == 0);
}

TEST_CASE("dtypes meet as in the field", "[core][elementwise]") {
  const auto meet = [](const Operand& a, const Operand& b) { return add(a, b).dtype(); };
  CHECK(meet(ones({2}, int64), full({}, 1.5)) == float32);
  CHECK(meet(ones({2}, float16), full({}, 1.5, float64)) == float16);
  CHECK(meet(ones({2}, boolean), 3) == int64);
  CHECK(meet(ones({2}, uint8), 2.5) == float32);
  CHECK(meet(ones({2}, uint8), 2) == uint8);
  CHECK(meet(ones({}, int32), ones({1}, int8)) == int8);
  CHECK(meet(ones({}, boolean), ones({}, int64)) == int64);
  CHECK(meet(ones({}, float64), 2.5) == float64);
  CHECK(meet(ones({2}, uint8), ones({2}, int8)) == int16);
  CHECK(meet(ones({2}, int64), ones({2}, float32)) == float32);
  CHECK(meet(2, 3) == int64);
  CHECK(add(2, 3).item<int>() == 5);
}

TEST_CASE("integers wrap around and divide as floats", "[core][elementwise]") {
  const Tensor a = tensor_of<std::int8_t>({127, -128, 100});
  CHECK(values(a + 1) == std::vector<double>{-128, -127, 101});
  CHECK(values(-a) == std::vector<double>{-127, -128, -100});
  CHECK(values(abs(a)) == std::vector<double>{127, -128, 100});
  CHECK(values(a * a) == std::vector<double>{1, 0, 16});
  const Tensor i = tensor_of<std::int64_t>({7, -7, 0});
  CHECK((i / 2).equal(tensor({3.5, -3.5, 0})));
  CHECK(values(i / tensor_of<std::int64_t>({0, 0, 1})) == std::vector<double>{inf, -inf, 0});
}

TEST_CASE("booleans add as or, multiply as and, and do not subtract", "[core][elementwise]") {
  const Tensor a = tensor_of<std::int64_t>({1, 1, 0, 0}).to(boolean),
               b = tensor_of<std::int64_t>({1, 0, 1, 0}).to(boolean);
  CHECK(truth(a + b) == std::vector<bool>{true, true, true, false});
  CHECK(truth(a * b) == std::vector<bool>{true, false, false, false});
  CHECK_THROWS_WITH(a - b, "sub: booleans have no difference; use ne or logical_not");
  CHECK_THROWS_WITH(-a, "neg: not defined for booleans; use logical_not");
}

TEST_CASE("16-bit floats compute in float32 and round once", "[core][elementwise]") {
  const Tensor a = tensor({1, 2049, 0.1}).to(float16), b = tensor({0.0004883, 1, 0.2}).to(float16);
  const Tensor sum = a + b;
  CHECK(sum.dtype() == float16);
  CHECK(values(sum) == values((a.to(float32) + b.to(float32)).to(float16)));
  CHECK(exp(a.slice(0, 0, 1).to(bfloat16)).item<double>() == 2.71875);
}

TEST_CASE("powers of floats and of integers", "[core][elementwise]") {
  CHECK(pow(tensor({0, -2, 3}), tensor({0, 3, -1})).allclose(tensor({1, -8, 1.0 / 3})));
  CHECK(values(pow(tensor_of<std::int64_t>({2, -3}), 3)) == std::vector<double>{8, -27});
  CHECK(pow(tensor_of<std::int64_t>({2, 9}), 0.5).allclose(tensor({std::sqrt(2.0), 3})));
  CHECK(values(pow(2, tensor_of<std::int64_t>({0, 1, 10}))) == std::vector<double>{1, 2, 1024});
  CHECK_THROWS_WITH(pow(tensor_of<std::int64_t>({2}), -1),
                    "pow: integers have no negative powers (exponent -1); convert the base to a "
                    "floating dtype");
}

TEST_CASE("maximum and minimum let NaN win", "[core][elementwise]") {
  const Tensor a = tensor({not_a_number, 1, 2}), b = tensor({1, not_a_number, 3});
  for (const auto& f : {maximum, minimum}) {
    const std::vector<double> r = values(f(a, b));
    CHECK(std::isnan(r[0]));
    CHECK(std::isnan(r[1]));
  }
}

TEST_CASE("quantized operands are refused with advice", "[core][elementwise][quantize]") {
  const Tensor q = quantize_per_tensor(tensor({1, 2}), 0.1, 0, quint8);
  for (const Binary f : {Binary(add), Binary(sub), Binary(mul), Binary(div), Binary(pow),
                         Binary(maximum), Binary(minimum)}) {
    CHECK_THROWS_WITH(f(q, q), ContainsSubstring("no arithmetic on quantized tensors, got quint8 "
                                                 "and quint8; dequantize() them"));
  }
  CHECK_THROWS_WITH(q + 1, ContainsSubstring("add: no arithmetic on quantized tensors"));
  CHECK_THROWS_WITH(exp(q), ContainsSubstring("exp: not defined for quantized tensors, got quint8 "
                                              "of shape (2,); dequantize() it"));
  CHECK_THROWS_WITH(where(q > 0, q, q), ContainsSubstring("where: no arithmetic"));
}

// ---- comparison
// -------------------------------------------------------------------------------------

TEST_CASE("comparisons are boolean, and false for NaN except in ne", "[core][elementwise]") {
  const Tensor a = tensor({1, 2, not_a_number});
  CHECK((a < 2).dtype() == boolean);
  CHECK(truth(a < 2) == std::vector<bool>{true, false, false});
  CHECK(truth(a <= 2) == std::vector<bool>{true, true, false});
  CHECK(truth(a > 1) == std::vector<bool>{false, true, false});
  CHECK(truth(a >= 2) == std::vector<bool>{false, true, false});
  CHECK(truth(a == a) == std::vector<bool>{true, true, false});
  CHECK(truth(a != a) == std::vector<bool>{false, false, true});
  CHECK(truth(a == 2) == std::vector<bool>{false, true, false});
  CHECK((zeros({3, 1}) < ones({2})).sizes() == Shape{3, 2});
}

TEST_CASE("comparing small integers with a large number does not wrap", "[core][elementwise]") {
  const Tensor a = tensor_of<std::int8_t>({44, -1});
  CHECK(truth(a == 300) == std::vector<bool>{false, false});
  CHECK(truth(a < 300) == std::vector<bool>{true, true});
  CHECK(truth(a > 1.5) == std::vector<bool>{true, false});
}

TEST_CASE("quantized tensors compare by their real values", "[core][elementwise][quantize]") {
  const Tensor q = quantize_per_tensor(tensor({-1, 0, 1}), 0.5, 10, quint8);
  CHECK(truth(q > 0) == std::vector<bool>{false, false, true});
  CHECK(truth(q == tensor({-1, 5, 1})) == std::vector<bool>{true, false, true});
  CHECK(truth(logical_not(q)) == std::vector<bool>{false, true, false});
}

TEST_CASE("logical ops take anything but zero as true", "[core][elementwise]") {
  const Tensor a = tensor({0, 0, 2, not_a_number}), b = tensor_of<std::int64_t>({0, 1, 0, 1});
  CHECK(truth(logical_and(a, b)) == std::vector<bool>{false, false, false, true});
  CHECK(truth(logical_or(a, b)) == std::vector<bool>{false, true, true, true});
  CHECK(truth(logical_not(a)) == std::vector<bool>{true, true, false, false});
}

TEST_CASE("isfinite is false for infinities and NaN", "[core][elementwise]") {
  CHECK(truth(isfinite(tensor({1, inf, -inf, not_a_number}))) ==
        std::vector<bool>{true, false, false, false});
  CHECK(truth(isfinite(tensor_of<std::int32_t>({1}))) == std::vector<bool>{true});
}

TEST_CASE("where selects and lets nothing through from the other side", "[core][elementwise]") {
  const Tensor mask = tensor({1, 0, 1}).to(boolean);
  CHECK(where(mask, tensor({1, not_a_number, 3}), tensor({not_a_number, 5, inf}))
            .equal(tensor({1, 5, 3})));
  CHECK(where(mask, tensor({1, 2, 3}), 0).equal(tensor({1, 0, 3})));
  CHECK(where(mask, 7, tensor({1, 2, 3})).equal(tensor({7, 2, 7})));
  CHECK(where(mask, tensor({{1}, {2}}), 0).equal(tensor({{1, 0, 1}, {2, 0, 2}})));
  CHECK(where(mask, 1, 2).dtype() == int64);
  CHECK(same_bits(where(mask, -0.0f, tensor({1, 2, 3})), tensor({-0.0, 2, -0.0})));
  CHECK_THROWS_WITH(where(tensor({1}), 1, 2), "where: the condition must be boolean, got float32");
}

// ---- functions
// ----------------------------------------------------------------------------------------

TEST_CASE("functions of floats agree with the library at double precision", "[core][elementwise]") {
  const std::vector<double> x{-3.5, -1, -0.25, 0.125, 0.5, 1, 2.5, 10};
  const auto n = static_cast<std::int64_t>(x.size());
  const Tensor f64 = from_vector(x, {n}), f32 = f64.to(float32);
  const auto agree = [&](Tensor (*f)(const Tensor&), double (*reference)(double)) {
    const std::vector<double> single = values(f(f32)), full = values(f(f64));
    for (std::size_t i = 0; i < x.size(); ++i) {
      CAPTURE(x[i]);
      const double expected = reference(x[i]);
      if (std::isnan(expected)) {
        CHECK((std::isnan(single[i]) && std::isnan(full[i])));
      } else {
        CHECK(single[i] == Approx(expected).epsilon(1e-6));
        CHECK(full[i] == Approx(expected).epsilon(1e-14));
      }
    }
  };
  agree(exp, std::exp);
  agree(log, std::log);
  agree(sqrt, std::sqrt);
  agree(tanh, std::tanh);
  agree(abs, std::fabs);
  agree(floor, std::floor);
  agree(round, std::nearbyint);
  agree(sigmoid, [](double v) { return 1 / (1 + std::exp(-v)); });
  agree(square, [](double v) { return v * v; });
  agree(reciprocal, [](double v) { return 1 / v; });
  agree(sign, [](double v) { return v > 0 ? 1.0 : -1.0; });
  agree(relu, [](double v) { return v > 0 ? v : 0.0; });
}

TEST_CASE("round goes to even at ties and keeps the sign of zero", "[core][elementwise]") {
  CHECK(same_bits(round(tensor({0.5, 1.5, 2.5, -0.5, -1.5})), tensor({0, 2, 2, -0.0, -2})));
  CHECK(values(sign(tensor({-2, 0, 3}))) == std::vector<double>{-1, 0, 1});
  CHECK(std::isnan(sign(tensor({not_a_number})).item()));
}

TEST_CASE("functions of integers keep the dtype or give float32", "[core][elementwise]") {
  const Tensor i = tensor_of<std::int32_t>({-4, 0, 9});
  CHECK(round(i).equal(i));
  CHECK(sign(i).equal(tensor_of<std::int32_t>({-1, 0, 1})));
  CHECK(relu(i).equal(tensor_of<std::int32_t>({0, 0, 9})));
  CHECK(square(i).equal(tensor_of<std::int32_t>({16, 0, 81})));
  CHECK(exp(i).dtype() == float32);
  CHECK(sqrt(abs(i)).equal(tensor({2, 0, 3})));
  CHECK(reciprocal(tensor_of<std::int64_t>({4})).equal(tensor({0.25})));
}

TEST_CASE("relu keeps NaN", "[core][elementwise]") {
  CHECK(std::isnan(relu(tensor({not_a_number})).item()));
  CHECK(std::isnan(relu(tensor({not_a_number}).to(float64)).item()));
}

TEST_CASE("clamp limits to its bounds, the upper one last", "[core][elementwise]") {
  const Tensor a = tensor({-2, 0.5, 7});
  CHECK(clamp(a, 0.0, 1.0).equal(tensor({0, 0.5, 1})));
  CHECK(clamp(a, 0.0).equal(tensor({0, 0.5, 7})));
  CHECK(clamp(a, {}, 1.0).equal(tensor({-2, 0.5, 1})));
  CHECK(clamp(a, 5.0, 2.0).equal(tensor({2, 2, 2})));
  CHECK(clamp(a.to(float64), 5.0, 2.0).equal(full({3}, 2, float64)));
  CHECK(std::isnan(clamp(tensor({not_a_number}), 0.0, 1.0).item()));
  CHECK(clamp(tensor_of<std::int64_t>({-5, 1, 9}), -1.5, 7.9)
            .equal(tensor_of<std::int64_t>({-1, 1, 7})));
  CHECK_THROWS_WITH(clamp(a, {}, {}), "clamp: needs a minimum or a maximum");
  CHECK_THROWS_WITH(clamp(a, not_a_number, {}), "clamp: a bound is NaN");
}

TEST_CASE("relu and clamp of quantized tensors work on their integers",
          "[core][elementwise][quantize]") {
  const Tensor q = quantize_per_tensor(tensor({-1, -0.3, 0, 0.4, 2}), 0.1, 20, quint8);
  const auto ints = [](const Tensor& t) { return t.int_repr().to_vector<std::int64_t>(); };
  CHECK(ints(q) == std::vector<std::int64_t>{10, 17, 20, 24, 40});
  CHECK(ints(relu(q)) == std::vector<std::int64_t>{20, 20, 20, 24, 40});
  CHECK(ints(clamp(q, -0.5, 1.0)) == std::vector<std::int64_t>{15, 17, 20, 24, 30});
  CHECK(ints(clamp(q, {}, 1e30)) == ints(q));
  CHECK(relu(q).quantizer() == q.quantizer());

  const Tensor w = quantize_per_channel(tensor({{-1, 1}, {-1, 1}}), tensor({0.5, 0.25}),
                                        tensor_of<std::int64_t>({0, 3}), 0, qint8);
  CHECK(ints(relu(w)) == std::vector<std::int64_t>{0, 2, 3, 7});
  CHECK(ints(relu(w.t())) == std::vector<std::int64_t>{0, 3, 2, 7});
}

TEST_CASE("to converts, and is the tensor itself when nothing changes", "[core][elementwise]") {
  const Tensor a = tensor({1.75, -1.75, 300, not_a_number});
  CHECK(to(a, float32).is_same(a));
  CHECK(values(to(a, int64)) == std::vector<double>{1, -1, 300, 0});
  CHECK(values(to(a, uint8)) == std::vector<double>{1, 0, 255, 0});
  CHECK(truth(to(a, boolean)) == std::vector<bool>{true, true, true, true});
  const Tensor q = quantize_per_tensor(tensor({1}), 0.1, 0, qint8);
  CHECK(to(q, qint8).is_same(q));
  CHECK_THROWS_WITH(to(q, float32),
                    "to: a quantized tensor (qint8) does not convert to float32; use dequantize()");
  CHECK_THROWS_WITH(to(a, qint8),
                    "to: float32 does not convert to qint8; use quantize_per_tensor "
                    "or quantize_per_channel");
}

TEST_CASE("clone copies elements, dtype and quantizer", "[core][elementwise]") {
  const Tensor a = rand({3, 4}).t();
  const Tensor b = clone(a);
  CHECK(b.equal(a));
  CHECK(b.is_contiguous());
  b.fill_(0);
  CHECK_FALSE(b.equal(a));
  const Tensor q = quantize_per_tensor(a.clone(), 0.1, 0, qint8);
  CHECK(clone(q).equal(q));
}

// ---- derivatives
// ----------------------------------------------------------------------------------------

TEST_CASE("derivatives of binary ops equal finite differences", "[core][elementwise][gradient]") {
  for (const Binary f :
       {Binary(add), Binary(sub), Binary(mul), Binary(div), Binary(maximum), Binary(minimum)}) {
    const auto g = [f](const TensorList& x) { return f(x[0], x[1]); };
    check_gradients(g, {random_double({2, 3}, 1), random_double({2, 3}, 2)});
    check_gradients(g, {random_double({2, 3}, 3), random_double({3}, 4)});
    check_gradients(g, {random_double({2, 1, 3}, 5), random_double({4, 1}, 6)});
    check_gradients(g, {random_double({}, 7), random_double({2}, 8)});
    check_gradients(g, {random_strided({3, 2}, 9), random_strided({3, 2}, 10)});
    check_gradients(g, {random_double({0, 3}, 11), random_double({3}, 12)});
    check_gradients([f](const TensorList& x) { return f(x[0], 1.5); }, {random_double({4}, 13)});
    check_gradients([f](const TensorList& x) { return f(0.75, x[0]); }, {random_double({4}, 14)});
    check_gradients([f](const TensorList& x) { return f(x[0], x[0] * x[0]); },
                    {random_double({4}, 15)});
  }
}

TEST_CASE("derivative of pow equals finite differences", "[core][elementwise][gradient]") {
  const Tensor base = positive(random_double({2, 3}, 1));
  check_gradients([](const TensorList& x) { return pow(x[0], x[1]); },
                  {base, random_double({3}, 2)});
  check_gradients([](const TensorList& x) { return pow(x[0], 3); }, {random_double({4}, 3)});
  check_gradients([](const TensorList& x) { return pow(x[0], 1.5); }, {base});
  check_gradients([](const TensorList& x) { return pow(2.5, x[0]); }, {random_double({4}, 4)});
}

TEST_CASE("derivative of pow is finite at zero where the power is", "[core][elementwise]") {
  const Tensor x = tensor({0, 0}), e = tensor({0, 2});
  x.requires_grad_();
  e.requires_grad_();
  pow(x, e).sum().backward();
  CHECK(x.grad().equal(tensor({0, 0})));
  CHECK(e.grad().equal(tensor({0, 0})));
}

TEST_CASE("equal elements share the gradient of maximum", "[core][elementwise]") {
  const Tensor a = tensor({1, 2}), b = tensor({1, 3});
  a.requires_grad_();
  b.requires_grad_();
  maximum(a, b).sum().backward();
  CHECK(a.grad().equal(tensor({0.5, 0})));
  CHECK(b.grad().equal(tensor({0.5, 1})));
}

TEST_CASE("derivatives of functions equal finite differences", "[core][elementwise][gradient]") {
  for (const Unary f : {Unary(neg), Unary(abs), Unary(sign), Unary(round), Unary(floor), Unary(exp),
                        Unary(square), Unary(relu), Unary(sigmoid), Unary(tanh), Unary(clone)}) {
    const auto g = [f](const TensorList& x) { return f(x[0]); };
    check_gradients(g, {random_double({2, 5}, 1)});
    check_gradients(g, {random_strided({3, 2, 2}, 2)});
    check_gradients(g, {random_double({}, 3)});
    check_gradients(g, {random_double({0}, 4)});
  }
  for (const Unary f : {Unary(log), Unary(sqrt), Unary(reciprocal)}) {
    check_gradients([f](const TensorList& x) { return f(x[0]); },
                    {positive(random_double({3, 3}, 5))});
  }
}

TEST_CASE("derivatives of clamp and where equal finite differences",
          "[core][elementwise][gradient]") {
  const Tensor x = random_double({3, 4}, 1);
  check_gradients([](const TensorList& a) { return clamp(a[0], -0.5, 0.7); }, {x});
  check_gradients([](const TensorList& a) { return clamp(a[0], {}, 0.1); }, {x});
  check_gradients([](const TensorList& a) { return clamp(a[0], 0.1); }, {x});
  const Tensor mask = random_double({3, 4}, 2) > 0;
  check_gradients([&](const TensorList& a) { return where(mask, a[0], a[1]); },
                  {x, random_double({4}, 3)});
  check_gradients([&](const TensorList& a) { return where(mask, a[0], 2); }, {x});
  check_gradients([&](const TensorList& a) { return where(mask, 2, a[0]); },
                  {random_double({3, 1}, 4)});
}

TEST_CASE("the float32 derivative of relu equals the double one", "[core][elementwise]") {
  const Tensor x = tensor({{-1, 0, 2}, {3, not_a_number, -0.5}});
  x.requires_grad_();
  relu(x.t()).backward(tensor({{1, 2}, {3, 4}, {5, 6}}));
  CHECK(x.grad().equal(tensor({{0, 0, 5}, {2, 0, 0}})));
}
