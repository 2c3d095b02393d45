#include "adze/core/ops/quantized.h"

#include "adze/core/creation.h"
#include "adze/core/indexing.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"
#include "adze/core/tensor_impl.h"
#include "adze/kernels/isa.h"

#include "kernels/kernel_test_support.h"
#include "support/catch.h"

using namespace adze;
using kernels::testing::for_each_isa;

namespace {

using Ints = std::vector<std::int64_t>;

Ints ints(const Tensor& q) {
  return q.int_repr().to_vector<std::int64_t>();
}

// The operands of the printed numbers of PyTorch.
Tensor first() {
  return quantize_per_tensor(tensor({1, 2, 3, -4}), .1, 128, quint8);
}
Tensor second() {
  return quantize_per_tensor(tensor({.5, 2.25, -3, 4}), .05, 100, quint8);
}

// Any integers of the dtype, with the shape and a grid.
Tensor random_quantized(const Shape& shape, DType dtype, double scale, std::int64_t zero_point,
                        Generator& g) {
  const QRange range = qrange(dtype);
  const Tensor values = randint(range.min, range.max + 1, shape, &g);
  return make_per_tensor_quantized_tensor(values.to(underlying(dtype)), scale, zero_point);
}

// All 256 integers of the dtype in their order.
Tensor every_integer(DType dtype, double scale, std::int64_t zero_point) {
  const QRange range = qrange(dtype);
  return make_per_tensor_quantized_tensor(arange(range.min, range.max + 1).to(underlying(dtype)),
                                          scale, zero_point);
}

struct BinaryCase {
  const char* name;
  Tensor (*op)(const Tensor&, const Tensor&, double, std::int64_t);
  Tensor (*real)(const Tensor&, const Tensor&);
};
const std::vector<BinaryCase> binary_cases{
    {"add", quantized::add, [](const Tensor& a, const Tensor& b) { return a + b; }},
    {"mul", quantized::mul, [](const Tensor& a, const Tensor& b) { return a * b; }},
    {"add_relu", quantized::add_relu, [](const Tensor& a, const Tensor& b) { return relu(a + b); }},
    {"mul_relu", quantized::mul_relu, [](const Tensor& a, const Tensor& b) { return relu(a * b); }},
};

void check_binary(const BinaryCase& c, const Tensor& a, const Tensor& b, double scale,
                  std::int64_t zero_point) {
  INFO(c.name << " " << a.sizes() << " " << b.sizes() << " " << a.dtype());
  const Tensor expected =
      quantize_per_tensor(c.real(a.dequantize(), b.dequantize()), scale, zero_point, a.dtype());
  CHECK(c.op(a, b, scale, zero_point).equal(expected));
}

}  // namespace

// ---- two tensors --------------------------------------------------------------------------------

TEST_CASE("quantized add and mul give PyTorch's integers", "[core][quantized]") {
  CHECK(ints(quantized::add(first(), second(), .13, 60)) == Ints{72, 93, 60, 60});
  CHECK(ints(quantized::mul(first(), second(), .13, 60)) == Ints{64, 95, 0, 0});
  CHECK(ints(quantized::add_relu(first(), second(), .13, 60)) == Ints{72, 93, 60, 60});
  CHECK(ints(quantized::mul_relu(first(), second(), .13, 60)) == Ints{64, 95, 60, 60});
  const Tensor sum = quantized::add(first(), second(), .13, 60);
  CHECK(sum.dtype() == quint8);
  CHECK(sum.q_scale() == .13);
  CHECK(sum.q_zero_point() == 60);
}

TEST_CASE("quantized add and mul are dequantize, op, quantize for all layouts",
          "[core][quantized]") {
  Generator g(17);
  const std::vector<std::array<Shape, 2>> shapes{
      {Shape{}, Shape{}},        {Shape{1}, Shape{}},           {Shape{7}, Shape{7}},
      {Shape{3, 5}, Shape{5}},   {Shape{3, 1, 4}, Shape{2, 1}}, {Shape{1, 1}, Shape{4, 33}},
      {Shape{0, 3}, Shape{3}},   {Shape{2, 0}, Shape{1}},       {Shape{33}, Shape{2, 1}},
      {Shape{1025}, Shape{1025}}};
  struct Grids {
    double a, b, out;
  };
  for (const DType dtype : {quint8, qint8}) {
    const QRange r = qrange(dtype);
    for (const BinaryCase& c : binary_cases) {
      for (const Grids& s : {Grids{.02, .3, .5}, Grids{1.5, .004, .1}, Grids{1e-3, 1e-3, 1e-5}}) {
        for (const auto& [a, b] : shapes) {
          check_binary(c, random_quantized(a, dtype, s.a, r.min + 100, g),
                       random_quantized(b, dtype, s.b, r.max, g), s.out, r.min + 7);
        }
      }
      const Tensor wide = random_quantized({6, 4, 10}, dtype, .1, r.min, g);
      const Tensor strided = wide.slice(2, 1, {}, 3).permute({2, 0, 1});  // (3, 6, 4)
      check_binary(c, strided, random_quantized({4}, dtype, .2, 0, g), .3, r.min + 30);
      check_binary(c, random_quantized({6, 1}, dtype, .2, 0, g), strided, .3, r.min + 30);
      check_binary(c, wide.select(1, 2), wide.select(1, 2), .3, r.min + 30);
    }
  }
}

TEST_CASE("quantized add and mul have the same bits on every instruction set and thread count",
          "[core][quantized]") {
  Generator g(5);
  const Tensor a = random_quantized({70001}, quint8, .07, 99, g);
  const Tensor b = random_quantized({70001}, quint8, .011, 3, g);
  for (const BinaryCase& c : binary_cases) {
    for_each_isa([&](kernels::Isa isa) {
      INFO(kernels::name(isa));
      for (const int threads : {1, 3}) {
        kernels::set_num_threads(threads);
        check_binary(c, a, b, .09, 120);
      }
    });
  }
}

// ---- a tensor and a number ----------------------------------------------------------------------

TEST_CASE("adding a number moves the zero point, and the scale only where it must",
          "[core][quantized]") {
  const Tensor near = quantized::add_scalar(first(), .55);
  CHECK(ints(near) == ints(first()));
  CHECK(near.q_scale() == .1);
  CHECK(near.q_zero_point() == 122);
  const Tensor far = quantized::add_scalar(first(), 100);
  CHECK(far.q_scale() == Approx(.441960784).epsilon(1e-8));
  CHECK(far.q_zero_point() == 0);
  CHECK(ints(far) == Ints{229, 231, 233, 217});
  const Tensor below = quantized::add_scalar(first(), -100);
  CHECK(below.q_scale() == Approx(.1 * 1128 / 255));
  CHECK(below.q_zero_point() == 255);
  CHECK(ints(below) == Ints{31, 33, 36, 20});
}

TEST_CASE("adding a number follows its rule for all integers", "[core][quantized]") {
  for (const DType dtype : {quint8, qint8}) {
    const QRange r = qrange(dtype);
    for (const std::int64_t zero_point : {r.min, r.min + 100, r.max}) {
      for (const double c : {0., .04, .06, -.05, 3., -7.7, 25.5, 1e3, -1e3, 1e9, -1e30}) {
        INFO(dtype << " " << zero_point << " " << c);
        const Tensor a = every_integer(dtype, .1, zero_point);
        const Tensor y = quantized::add_scalar(a, c);
        const double steps = std::nearbyint(c / .1);
        const double moved = static_cast<double>(zero_point) - steps;
        const auto lowest = static_cast<double>(r.min), highest = static_cast<double>(r.max);
        Ints expected = ints(a);
        if (moved >= lowest && moved <= highest) {
          CHECK(y.q_scale() == .1);
          CHECK(static_cast<double>(y.q_zero_point()) == moved);
        } else {
          const std::int64_t end = moved < lowest ? r.min : r.max;
          const double scale = (moved < lowest ? highest - moved : moved - lowest) / 255 * .1;
          CHECK(y.q_scale() == scale);
          CHECK(y.q_zero_point() == end);
          for (std::int64_t& q : expected) {
            const auto distance = static_cast<float>(static_cast<double>(q) - moved);
            q = end + static_cast<std::int64_t>(
                          std::nearbyint(distance * static_cast<float>(.1 / scale)));
            q = std::clamp(q, r.min, r.max);
          }
        }
        CHECK(ints(y) == expected);
        CHECK(quantized::add_scalar_relu(a, c).equal(relu(y)));
      }
    }
  }
}

TEST_CASE("multiplying by a number changes the scale and mirrors for negative numbers",
          "[core][quantized]") {
  const Tensor y = quantized::mul_scalar(first(), -2);
  CHECK(y.q_scale() == .2);
  CHECK(y.q_zero_point() == 127);
  CHECK(ints(y) == Ints{117, 107, 97, 167});
  for (const DType dtype : {quint8, qint8}) {
    const Tensor a = every_integer(dtype, .25, qrange(dtype).min + 77);
    for (const double c : {1., .5, -.5, -1., 3., -1e-6, 4096.}) {
      INFO(dtype << " " << c);
      const Tensor product = quantized::mul_scalar(a, c);
      CHECK(product.q_scale() == .25 * std::fabs(c));
      CHECK(product.dequantize().allclose(a.dequantize() * c, 1e-6, 0));
      CHECK(quantized::mul_scalar_relu(a, c).equal(relu(product)));
    }
    for (const double zero : {0., -0.}) {
      const Tensor none = quantized::mul_scalar(a, zero);
      CHECK(none.equal(make_per_tensor_quantized_tensor(zeros({256}, underlying(dtype)), 1, 0)));
      CHECK(quantized::mul_scalar_relu(a, zero).equal(none));
    }
  }
}

TEST_CASE("ops with numbers take any layout and do not write to their argument",
          "[core][quantized]") {
  Generator g(3);
  const Tensor wide = random_quantized({5, 8}, qint8, .1, -3, g);
  const Tensor strided = wide.slice(1, 1, {}, 2).t();
  const Tensor packed = strided.contiguous(), before = wide.clone();
  for (const auto op : {quantized::add_scalar, quantized::mul_scalar}) {
    const Tensor y = op(strided, -9.);
    CHECK(y.equal(op(packed, -9.)));
    y.int_repr().fill_(1);
    CHECK(wide.equal(before));
    CHECK(op(random_quantized({}, qint8, .1, 0, g), 2.).sizes() == Shape{});
    CHECK(op(random_quantized({0, 3}, qint8, .1, 0, g), 2.).sizes() == Shape{0, 3});
  }
  const Tensor same = quantized::mul_scalar(wide, 1);
  same.int_repr().fill_(1);
  CHECK(wide.equal(before));
}

// ---- cat, softmax -------------------------------------------------------------------------------

TEST_CASE("quantized cat puts every part on the grid of the result", "[core][quantized]") {
  CHECK(ints(quantized::cat({first(), second()}, 0, .2, 30)) ==
        Ints{35, 40, 45, 10, 32, 41, 15, 50});
  Generator g(8);
  for (const DType dtype : {quint8, qint8}) {
    const Tensor a = random_quantized({2, 3, 4}, dtype, .1, 5, g);
    const Tensor b = random_quantized({4, 3, 2}, dtype, .03, 100, g).permute({2, 1, 0});
    const Tensor c = random_quantized({2, 3, 0}, dtype, 1, 0, g);
    const Tensor same = random_quantized({2, 3, 1}, dtype, .2, 30, g);
    CHECK(quantized::cat({a, b, c, same}, -1, .2, 30)
              .equal(quantize_per_tensor(
                  cat({a.dequantize(), b.dequantize(), same.dequantize()}, 2), .2, 30, dtype)));
  }
}

TEST_CASE("quantized softmax is softmax of the real values on the grid of the result",
          "[core][quantized]") {
  Generator g(9);
  for (const DType dtype : {quint8, qint8}) {
    const std::int64_t zero_point = qrange(dtype).min;
    for (const Shape& shape : {Shape{7}, Shape{3, 10}, Shape{2, 3, 5}, Shape{0, 4}}) {
      const Tensor x = random_quantized(shape, dtype, .05, 20, g);
      for (const std::int64_t dim : {std::int64_t{0}, std::int64_t{-1}})
        CHECK(quantized::softmax(x, dim, 1.0 / 256, zero_point)
                  .equal(quantize_per_tensor(softmax(x.dequantize(), dim), 1.0 / 256, zero_point,
                                             dtype)));
    }
  }
}

// ---- functions of one tensor --------------------------------------------------------------------

TEST_CASE("sigmoid and tanh of quantized tensors give PyTorch's integers and fixed qparams",
          "[core][quantized]") {
  const Tensor x = tensor({-2, -1, 0, 1, 2, 7});
  const Tensor u = quantize_per_tensor(x, .1, 128, quint8),
               s = quantize_per_tensor(x, .1, 0, qint8);
  CHECK(ints(sigmoid(u)) == Ints{31, 69, 128, 187, 225, 255});
  CHECK(ints(sigmoid(s)) == Ints{-97, -59, 0, 59, 97, 127});
  CHECK(ints(tanh(u)) == Ints{5, 31, 128, 225, 251, 255});
  const auto grid = [](const Tensor& t) { return QParams{t.q_scale(), t.q_zero_point()}; };
  CHECK(grid(sigmoid(u)) == QParams{1.0 / 256, 0});
  CHECK(grid(sigmoid(s)) == QParams{1.0 / 256, -128});
  CHECK(grid(tanh(u)) == QParams{2.0 / 256, 128});
  CHECK(grid(tanh(s)) == QParams{2.0 / 256, 0});
}

TEST_CASE("sigmoid and tanh of all quantized inputs are those of the real values",
          "[core][quantized]") {
  for_each_isa([](kernels::Isa isa) {
    INFO(kernels::name(isa));
    for (const DType dtype : {quint8, qint8}) {
      const QRange r = qrange(dtype);
      for (const double scale : {1e-3, .05, 2.}) {
        for (const std::int64_t zero_point : {r.min, r.min + 128, r.max}) {
          const Tensor x = every_integer(dtype, scale, zero_point);
          const Tensor real = x.dequantize();
          CHECK(sigmoid(x).equal(quantize_per_tensor(sigmoid(real), 1.0 / 256, r.min, dtype)));
          CHECK(tanh(x).equal(quantize_per_tensor(tanh(real), 2.0 / 256, r.min + 128, dtype)));
          CHECK(sigmoid(x.reshape({16, 16}).t())
                    .equal(sigmoid(x).reshape({16, 16}).t().contiguous()));
        }
      }
    }
  });
}

TEST_CASE("ops that move or choose elements keep dtype and qparams", "[core][quantized]") {
  Generator g(12);
  for (const DType dtype : {quint8, qint8, qint32}) {
    const Tensor rows = tensor_of<std::int64_t>({2, 0, 2});
    const std::vector<std::pair<const char*, std::function<Tensor(const Tensor&)>>> ops{
        {"relu", [](const Tensor& t) { return relu(t); }},
        {"clamp", [](const Tensor& t) { return clamp(t, -1., 2.5); }},
        {"reshape",
         [](const Tensor& t) {
           return reshape(t, {4, -1});
         }},
        {"reshape, strided",
         [](const Tensor& t) {
           return reshape(t.permute({2, 0, 1}), {-1});
         }},
        {"flatten", [](const Tensor& t) { return flatten(t, 1); }},
        {"permute",
         [](const Tensor& t) {
           return permute(t, {2, 0, 1});
         }},
        {"transpose", [](const Tensor& t) { return transpose(t, 0, -1); }},
        {"unsqueeze", [](const Tensor& t) { return unsqueeze(t, 1); }},
        {"squeeze", [](const Tensor& t) { return squeeze(t.slice(1, 0, 1)); }},
        {"select", [](const Tensor& t) { return select(t, 1, -1); }},
        {"slice", [](const Tensor& t) { return slice(t, 2, 0, {}, 2); }},
        {"expand",
         [](const Tensor& t) {
           return expand(t.slice(0, 0, 1), {5, 3, 4});
         }},
        {"contiguous",
         [](const Tensor& t) {
           return contiguous(t.permute({1, 2, 0}));
         }},
        {"detach", [](const Tensor& t) { return detach(t); }},
        {"clone", [](const Tensor& t) { return clone(t); }},
        {"cat",
         [](const Tensor& t) {
           return cat({t, t.slice(1, 0, 2)}, 1);
         }},
        {"stack",
         [](const Tensor& t) {
           return stack({t, t}, -1);
         }},
        {"split",
         [](const Tensor& t) {
           return split(t, {1, 2}, 1)[1];
         }},
        {"chunk", [](const Tensor& t) { return chunk(t, 2, 2)[1]; }},
        {"index_select", [&](const Tensor& t) { return index_select(t, 1, rows); }},
        {"max", [](const Tensor& t) { return t.max(); }},
        {"min", [](const Tensor& t) { return t.min(); }},
        {"max_dim", [](const Tensor& t) { return std::get<0>(max(t, 1)); }},
        {"min_dim", [](const Tensor& t) { return std::get<0>(min(t, -1, true)); }},
    };
    const Tensor values = randint(-20, 20, {2, 3, 4}, &g);
    const Tensor q = quantize_per_tensor(values.to(float32) * .5, .5, 7, dtype);
    for (const auto& [name, op] : ops) {
      INFO(name << " " << dtype);
      const Tensor y = op(q), expected = op(q.dequantize());
      CHECK(y.dtype() == dtype);
      CHECK(*y.quantizer() == *q.quantizer());
      CHECK(y.dequantize().equal(expected.contiguous()));
    }
  }
}

// ---- calling by name, tracing -------------------------------------------------------------------

TEST_CASE("quantized ops are found by name and take qparams as one-element tensors",
          "[core][quantized][op]") {
  const Tensor scale = full({}, .13, float32), zero_point = full({1}, 60, int64);
  const double s = scale.item();
  const auto boxed = [](const char* name, std::vector<Value> args) {
    const OpBase* op = find_op(name);
    REQUIRE(op != nullptr);
    CHECK_FALSE(op->traits().differentiable);
    return op->call_boxed(args).to_tensor();
  };
  const Tensor a = first(), b = second();
  const Tensor x = a.reshape({2, 2}), f = x.dequantize();
  const Tensor w = quantize_per_tensor(tensor({{1, -1}, {.5, 2}, {0, 1}}), .02, 1, qint8);
  const Tensor h = w.dequantize().to(float16), bias = tensor({1, 2, 3});
  namespace q = quantized;
  CHECK(boxed("quantized::add", {a, b, scale, zero_point}).equal(q::add(a, b, s, 60)));
  CHECK(boxed("quantized::mul", {a, b, scale, zero_point}).equal(q::mul(a, b, s, 60)));
  CHECK(boxed("quantized::add_relu", {a, b, .13, 60}).equal(q::add_relu(a, b, .13, 60)));
  CHECK(boxed("quantized::mul_relu", {a, b, .13, 60}).equal(q::mul_relu(a, b, .13, 60)));
  CHECK(boxed("quantized::add_scalar", {a, 2}).equal(q::add_scalar(a, 2)));
  CHECK(boxed("quantized::mul_scalar", {a, 2}).equal(q::mul_scalar(a, 2)));
  CHECK(boxed("quantized::add_scalar_relu", {a, .5}).equal(q::add_scalar_relu(a, .5)));
  CHECK(boxed("quantized::mul_scalar_relu", {a, .5}).equal(q::mul_scalar_relu(a, .5)));
  CHECK(boxed("quantized::cat", {Value(TensorList{a, b}), 0, scale, zero_point})
            .equal(q::cat({a, b}, 0, s, 60)));
  CHECK(boxed("quantized::softmax", {x, 1, scale, zero_point}).equal(q::softmax(x, 1, s, 60)));
  CHECK(boxed("quantized::linear", {x, w, Value(), scale, zero_point, Value()})
            .equal(q::linear(x, w, {}, s, 60)));
  CHECK(boxed("quantized::linear_relu", {x, w, bias, scale, zero_point, qint8})
            .equal(q::linear_relu(x, w, bias, s, 60, qint8)));
  CHECK(boxed("quantized::linear_dynamic", {f, w, bias, true})
            .equal(q::linear_dynamic(f, w, bias, true)));
  CHECK(boxed("quantized::linear_relu_dynamic", {f, w, Value(), false})
            .equal(q::linear_relu_dynamic(f, w, {})));
  CHECK(boxed("quantized::linear_dynamic_fp16", {f, h, bias})
            .equal(q::linear_dynamic_fp16(f, h, bias)));
  CHECK(boxed("quantized::linear_relu_dynamic_fp16", {f, h, Value()})
            .equal(q::linear_relu_dynamic_fp16(f, h, {})));
}

namespace {

class Recorder final : public Interceptor {
 public:
  Value record(const OpBase& op, std::vector<Value>) override {
    calls.emplace_back(op.name());
    return fresh();
  }
  Tensor fresh() {
    auto symbol = std::make_shared<Symbol>();
    symbol->interceptor = this;
    return make_symbolic(symbol, std::nullopt);
  }
  std::vector<std::string> calls;
};

}  // namespace

TEST_CASE("quantized ops of symbols are recorded without a look at data", "[core][quantized][op]") {
  Recorder recorder;
  Tensor x = quantized::add(recorder.fresh(), first(), .1, 0);
  x = quantized::mul_scalar_relu(quantized::add_scalar(x, 3), -1);
  x = quantized::softmax(quantized::cat({first(), x}, 0, .1, 0), 0, .1, 0);
  x = quantized::linear_relu(x, second(), {}, .1, 0);
  x = quantized::linear_dynamic_fp16(quantized::linear_dynamic(x, x, x), x, {});
  CHECK(tanh(x).is_symbolic());
  CHECK(recorder.calls == std::vector<std::string>{"quantized::add", "quantized::add_scalar",
                                                   "quantized::mul_scalar_relu", "quantized::cat",
                                                   "quantized::softmax", "quantized::linear_relu",
                                                   "quantized::linear_dynamic",
                                                   "quantized::linear_dynamic_fp16", "tanh"});
}

// ---- errors -------------------------------------------------------------------------------------

TEST_CASE("a float tensor in a quantized op is told how to get quantized",
          "[core][quantized][errors]") {
  const std::string advice =
      ": expected a quantized input, got float32; insert a QuantStub, or let prepare_fx/convert_fx "
      "quantize the network";
  const Tensor f = ones({4}), q = first();
  CHECK_THROWS_WITH(quantized::add(f, q, 1, 0), "quantized::add" + advice);
  CHECK_THROWS_WITH(quantized::mul_relu(q, f, 1, 0), "quantized::mul_relu" + advice);
  CHECK_THROWS_WITH(quantized::add_scalar(f, 1), "quantized::add_scalar" + advice);
  CHECK_THROWS_WITH(quantized::mul_scalar_relu(f, 1), "quantized::mul_scalar_relu" + advice);
  CHECK_THROWS_WITH(quantized::cat({q, f}, 0, 1, 0), "quantized::cat" + advice);
  CHECK_THROWS_WITH(quantized::softmax(f, 0, 1, 0), "quantized::softmax" + advice);
}

TEST_CASE("quantized ops name what does not fit", "[core][quantized][errors]") {
  const Tensor q = first(), s = quantize_per_tensor(ones({4}), 1, 0, qint8);
  const Tensor wide = quantize_per_tensor(ones({4}), 1, 0, qint32);
  const Tensor channels = quantize_per_channel(ones({2, 4}), tensor({1, 1}),
                                               tensor_of<std::int64_t>({0, 0}), 0, quint8);
  CHECK_THROWS_WITH(quantized::add(q, s, 1, 0),
                    "quantized::add: both inputs must have the same dtype, got quint8 and qint8");
  CHECK_THROWS_WITH(quantized::add(wide, wide, 1, 0),
                    "quantized::add: the input must be quint8 or qint8, got qint32");
  CHECK_THROWS_WITH(
      quantized::mul(q, channels, 1, 0),
      "quantized::mul: the input must be quantized per tensor, got per_channel_affine");
  CHECK_THROWS_WITH(sigmoid(channels),
                    "sigmoid: the input must be quantized per tensor, got per_channel_affine");
  CHECK_THROWS_WITH(tanh(wide), "tanh: the input must be quint8 or qint8, got qint32");
  CHECK_THROWS_WITH(quantized::add(q, q.slice(0, 0, 3), 1, 0),
                    ContainsSubstring("quantized::add: ") && ContainsSubstring("(4,)"));
  CHECK_THROWS_WITH(quantized::cat({}, 0, 1, 0),
                    "quantized::cat: at least one tensor expected, got none");
  CHECK_THROWS_WITH(quantized::cat({q, s}, 0, 1, 0),
                    "quantized::cat: all inputs must have the same dtype, got quint8 and qint8");
  CHECK_THROWS_WITH(quantized::softmax(q, 1, 1, 0), ContainsSubstring("softmax: "));
}

TEST_CASE("qparams that are no grid are refused by every quantized op",
          "[core][quantized][errors]") {
  const Tensor q = first(), x = q.reshape({2, 2});
  const Tensor w = quantize_per_tensor(ones({3, 2}), .1, 0, qint8);
  const double inf = std::numeric_limits<double>::infinity();
  const std::vector<std::function<void(double, std::int64_t)>> calls{
      [&](double s, std::int64_t z) { quantized::add(q, q, s, z); },
      [&](double s, std::int64_t z) { quantized::mul_relu(q, q, s, z); },
      [&](double s, std::int64_t z) {
        quantized::cat({q, q}, 0, s, z);
      },
      [&](double s, std::int64_t z) { quantized::softmax(q, 0, s, z); },
      [&](double s, std::int64_t z) { quantized::linear(x, w, {}, s, z); }};
  for (const auto& call : calls) {
    for (const double scale : {0., -1., inf, -inf, std::nan("")})
      CHECK_THROWS_WITH(call(scale, 0),
                        ContainsSubstring("the scale must be finite and > 0, got "));
    CHECK_THROWS_WITH(call(1e-300, 0), ContainsSubstring("reciprocal in float32"));
    for (const std::int64_t zero_point : {-1, 256})
      CHECK_THROWS_WITH(
          call(1, zero_point),
          ContainsSubstring("zero point must be an integer from 0 to 255 for quint8"));
  }
  for (const double c : {inf, -inf, std::nan(""), 1e300}) {
    CHECK_THROWS_WITH(
        quantized::add_scalar(q, c),
        ContainsSubstring("quantized::add_scalar: the number must be finite in float32"));
    CHECK_THROWS_WITH(quantized::mul_scalar_relu(q, c),
                      ContainsSubstring("quantized::mul_scalar_relu: the number must be finite"));
  }
  CHECK_THROWS_WITH(quantized::mul_scalar(q, 1e-44),
                    ContainsSubstring("quantized::mul_scalar: the scale must be finite and > 0"));
}
