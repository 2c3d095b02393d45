#include "adze/core/ops/reduction.h"

#include <cmath>
#include <limits>

#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"
#include "adze/core/tensor_impl.h"
#include "adze/kernels/parallel.h"

#include "support/finite_difference.h"

using namespace adze;
using adze::testing::check_gradients;
using adze::testing::random_double;
using adze::testing::random_strided;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();

Tensor ints(std::initializer_list<std::int64_t> v) {
  return tensor_of<std::int64_t>(v);
}

// The three rows of which the field's results are known.
Tensor rows() {
  return tensor({{1.5, -0.25, 0.75, 2.0}, {-1.0, 0.5, 3.0, 0.125}, {0.0, -2.5, 1.25, -0.5}});
}

Tensor gradient(const Tensor& x, const std::function<Tensor(const Tensor&)>& f) {
  x.requires_grad_();
  return autograd::grad({f(x)}, {x})[0];
}

}  // namespace

// ---- sums
// -----------------------------------------------------------------------------------------

TEST_CASE("sum over all, some and no dimensions", "[core][reduction]") {
  const Tensor a = tensor({{1, 2, 3}, {4, 5, 6}});
  CHECK(sum(a).equal(full({}, 21)));
  CHECK(sum(a, {0}).equal(tensor({5, 7, 9})));
  CHECK(sum(a, {1}).equal(tensor({6, 15})));
  CHECK(sum(a, {-1}, true).equal(tensor({{6}, {15}})));
  CHECK(sum(a, {0, 1}, true).equal(tensor({{21}})));
  CHECK(sum(full({}, 3)).item() == 3);
  CHECK(sum(full({}, 3), {0}).item() == 3);
  const Tensor one = ones({1});
  CHECK_FALSE(sum(one).impl().storage == one.impl().storage);
}

TEST_CASE("sum gives the same for every pattern of dimensions and layout", "[core][reduction]") {
  const Tensor a = randint(-9, 9, {2, 3, 4, 5}).to(float32);
  const std::vector<double> x = a.to_vector<double>();
  for (unsigned pattern = 1; pattern < 16; ++pattern) {
    Shape dims, kept{2, 3, 4, 5};
    for (std::size_t d = 0; d < 4; ++d) {
      if (pattern >> d & 1) {
        dims.push_back(static_cast<std::int64_t>(d));
        kept[d] = 1;
      }
    }
    CAPTURE(dims);
    const Tensor expected = zeros(kept);
    for (std::int64_t i = 0; i < a.numel(); ++i) {
      const std::int64_t index[] = {i / 60, i / 20 % 3, i / 5 % 4, i % 5};
      Tensor place = expected;
      for (std::size_t d = 0; d < 4; ++d) place = place[kept[d] == 1 ? 0 : index[d]];
      place.add_(full({}, x[static_cast<std::size_t>(i)]));
    }
    CHECK(sum(a, dims, true).equal(expected));
    CHECK(sum(a.to(float64), dims, true).equal(expected.to(float64)));
    CHECK(sum(a.to(int32), dims, true).equal(expected.to(int64)));
    const Tensor turned = a.permute({3, 1, 0, 2}).clone().permute({2, 1, 3, 0});
    CHECK(sum(turned, dims, true).equal(expected));
  }
}

TEST_CASE("sums of integers and booleans are int64, of 16-bit floats rounded once",
          "[core][reduction]") {
  CHECK(sum(full({3}, 100, int8)).equal(full({}, 300, int64)));
  CHECK(sum(ones({5}, boolean)).equal(full({}, 5, int64)));
  const Tensor h = sum(full({3000}, 1, float16));
  CHECK(h.dtype() == float16);
  CHECK(h.item() == 3000);
}

TEST_CASE("a long sum is exact to rounding and the same with any number of threads",
          "[core][reduction]") {
  const Tensor a = rand({1 << 18});
  kernels::set_num_threads(1);
  const Tensor all = sum(a), rows = sum(a.reshape({64, -1}), {1}),
               columns = sum(a.reshape({-1, 64}), {0});
  kernels::set_num_threads(4);
  CHECK(sum(a).equal(all));
  CHECK(sum(a.reshape({64, -1}), {1}).equal(rows));
  CHECK(sum(a.reshape({-1, 64}), {0}).equal(columns));
  kernels::set_num_threads(0);
  CHECK(all.item() == Approx(sum(a.to(float64)).item()).epsilon(1e-6));
}

TEST_CASE("empty sums are 0, empty means NaN", "[core][reduction]") {
  CHECK(sum(zeros({0})).item() == 0);
  CHECK(sum(zeros({2, 0}), {1}).equal(zeros({2})));
  CHECK(sum(zeros({2, 0}), {0}).sizes() == Shape{0});
  CHECK(std::isnan(mean(zeros({0})).item()));
  CHECK(std::isnan(var(zeros({1})).item()));
}

TEST_CASE("mean divides by the number of elements", "[core][reduction]") {
  CHECK(mean(tensor({{1, 2}, {3, 6}})).item() == 3);
  CHECK(mean(tensor({{1, 2}, {3, 6}}), {0}).equal(tensor({2, 4})));
  CHECK_THROWS_WITH(mean(ints({1})),
                    "mean: needs a floating dtype, got int64; convert it with to(float32)");
}

TEST_CASE("reductions name dimensions that do not exist or come twice", "[core][reduction]") {
  CHECK_THROWS_WITH(sum(zeros({2, 3}), {2}), ContainsSubstring("sum"));
  CHECK_THROWS_WITH(sum(zeros({2, 3}), {1, -1}), "sum: dimension -1 was given twice");
}

TEST_CASE("var and norm equal the field's", "[core][reduction]") {
  const Tensor x = rows();
  CHECK(var(x).item() == Approx(2.11115050));
  CHECK(var(x, {1}).allclose(tensor({0.95833331, 2.84765625, 2.43229175})));
  CHECK(var(x, {0}, 0).allclose(tensor({1.05555558, 1.625, 0.93055558, 1.12847221})));
  CHECK(norm(x, 0).item() == 11);
  CHECK(norm(x, 1).item() == 13.375);
  CHECK(norm(x).item() == Approx(5.02027130));
  CHECK(norm(x, 3.5).item() == Approx(3.62452388));
  CHECK(norm(x, inf).item() == 3);
  CHECK(norm(x, inf, {1}).equal(tensor({2, 3, 2.5})));
  CHECK(norm(x, 1, {0}, true).equal(tensor({{2.5, 3.25, 5, 2.625}})));
  CHECK_THROWS_WITH(norm(x, -1), "norm: p must be >= 0, got -1");
}

// ---- extrema
// ----------------------------------------------------------------------------------------

TEST_CASE("max and min over everything; NaN wins", "[core][reduction]") {
  const Tensor a = tensor({3, -7, 5, 5});
  CHECK(max(a).equal(full({}, 5)));
  CHECK(min(a).equal(full({}, -7)));
  CHECK(std::isnan(max(tensor({1, not_a_number, 9})).item()));
  CHECK(std::isnan(min(tensor({1, not_a_number, 9}).to(float64)).item()));
  CHECK(max(ints({4, 9, -2})).equal(full({}, 9, int64)));
  CHECK(min(a.to(float16)).item() == -7);
  CHECK_THROWS_WITH(max(zeros({0, 2})), "max: no elements to choose from, shape is (0, 2)");
}

TEST_CASE("max and min along a dimension give the first of equal elements", "[core][reduction]") {
  const auto [v, i] = max(tensor({2, 5, 5, 1}), 0);
  CHECK(v.item() == 5);
  CHECK(i.item<int>() == 1);
  const Tensor a = tensor({{1, 9, 3}, {4, 2, 3}});
  const auto [high, where_high] = max(a, 0);
  CHECK(high.equal(tensor({4, 9, 3})));
  CHECK(where_high.equal(ints({1, 0, 0})));
  const auto [low, where_low] = min(a, -1, true);
  CHECK(low.equal(tensor({{1}, {2}})));
  CHECK(where_low.equal(ints({0, 1}).reshape({2, 1})));
  const auto [v2, i2] = max(tensor({1, not_a_number, 3}), 0);
  CHECK(std::isnan(v2.item()));
  CHECK(i2.item<int>() == 1);
  CHECK(std::get<0>(max(zeros({0, 2}), 1)).sizes() == Shape{0});
  CHECK_THROWS_WITH(max(zeros({2, 0}), 1),
                    "max: dimension 1 of shape (2, 0) has no elements to choose from");
}

TEST_CASE("argmax and argmin, flattened and along a dimension", "[core][reduction]") {
  const Tensor a = tensor({{1, 9, 3}, {4, 2, 9}});
  CHECK(argmax(a).item<int>() == 1);
  CHECK(argmin(a).item<int>() == 0);
  CHECK(argmax(a, 1).equal(ints({1, 2})));
  CHECK(argmax(a, 0, true).equal(ints({1, 0, 1}).reshape({1, 3})));
  CHECK(argmax(a, {}, true).sizes() == Shape{1, 1});
  CHECK(argmax(a.t()).item<int>() == 2);
  CHECK(argmax(full({}, 3)).item<int>() == 0);
  CHECK_THROWS_WITH(argmax(zeros({0})), "argmax: no elements to choose from, shape is (0,)");
}

TEST_CASE("aminmax over everything and for each channel", "[core][reduction]") {
  const Tensor a = tensor({{{1, -2}, {3, 4}}, {{-5, 6}, {0, 2}}});
  const auto [low, high] = aminmax(a);
  CHECK((low.item() == -5 && high.item() == 6));
  const auto [lows, highs] = aminmax(a, 1);
  CHECK(lows.equal(tensor({-5, 0})));
  CHECK(highs.equal(tensor({6, 4})));
  const auto [l2, h2] = aminmax(a.transpose(0, 2).to(float64), -1);
  CHECK(l2.equal(tensor({-2, -5}).to(float64)));
  CHECK(h2.equal(tensor({4, 6}).to(float64)));
  CHECK(std::get<0>(aminmax(tensor({3, 1}), 0)).equal(tensor({3, 1})));
  CHECK_THROWS_WITH(aminmax(zeros({0})), "aminmax: no elements to choose from, shape is (0,)");
}

TEST_CASE("all, any and count_nonzero", "[core][reduction]") {
  CHECK(all(tensor({1, 2})).item<bool>());
  CHECK_FALSE(all(tensor({1, 0})).item<bool>());
  CHECK(all(zeros({0})).item<bool>());
  CHECK_FALSE(any(zeros({0})).item<bool>());
  CHECK(any(tensor({0, not_a_number})).item<bool>());
  CHECK_FALSE(any(zeros({3, 2})).item<bool>());
  CHECK(all(zeros({1})).dtype() == boolean);
  CHECK(count_nonzero(tensor({{0, 1}, {-0.0, 2}})) == 2);
  CHECK(count_nonzero(ones({3, 4}).t().slice(0, 0, 4, 2)) == 6);
}

// ---- order
// --------------------------------------------------------------------------------------------

TEST_CASE("sort is stable and puts NaN at the upper end", "[core][reduction]") {
  const Tensor a = tensor({3, not_a_number, 1, 2, not_a_number, 2});
  const auto [up, up_index] = sort(a);
  CHECK(up.slice(0, 0, 4).equal(tensor({1, 2, 2, 3})));
  CHECK(up_index.equal(ints({2, 3, 5, 0, 1, 4})));
  const auto [down, down_index] = sort(a, 0, true);
  CHECK(down.slice(0, 2).equal(tensor({3, 2, 2, 1})));
  CHECK(down_index.equal(ints({1, 4, 0, 3, 5, 2})));
}

TEST_CASE("sort works along any dimension and layout", "[core][reduction]") {
  const Tensor a = tensor({{3, 1, 2}, {0, 5, 4}});
  CHECK(std::get<0>(sort(a, 0)).equal(tensor({{0, 1, 2}, {3, 5, 4}})));
  CHECK(std::get<0>(sort(a.t(), 1)).equal(tensor({{0, 3}, {1, 5}, {2, 4}})));
  CHECK(std::get<0>(sort(ints({3, -1, 2}), 0, true)).equal(ints({3, 2, -1})));
  CHECK(std::get<0>(sort(zeros({2, 0}))).sizes() == Shape{2, 0});
  CHECK_THROWS_WITH(sort(full({}, 1)),
                    "sort: needs a tensor with at least one dimension, got shape ()");
}

TEST_CASE("topk gives the k first in order, ties by lowest index", "[core][reduction]") {
  const Tensor a = tensor({3, not_a_number, 1, 2, not_a_number, 2});
  CHECK(std::get<1>(topk(a, 3)).equal(ints({1, 4, 0})));
  const auto [low, index] = topk(a, 3, -1, false);
  CHECK(low.equal(tensor({1, 2, 2})));
  CHECK(index.equal(ints({2, 3, 5})));
  const auto [v, i] = topk(tensor({{1, 5}, {7, 5}, {7, 0}}), 2, 0);
  CHECK(v.equal(tensor({{7, 5}, {7, 5}})));
  CHECK(i.equal(ints({1, 0, 2, 1}).reshape({2, 2})));
  CHECK(std::get<0>(topk(a, 0)).sizes() == Shape{0});
  CHECK_THROWS_WITH(topk(a, 7), "topk: k must lie in [0, 6] for dimension -1 of shape (6,), got 7");
}

TEST_CASE("ordering ops keep the qparams of quantized tensors", "[core][reduction][quantize]") {
  const Tensor q = quantize_per_tensor(tensor({-1, -0.3, 0, 0.4, 2}), 0.1, 20, quint8);
  const auto integers = [](const Tensor& t) { return t.int_repr().to_vector<int>(); };
  CHECK(max(q).item() == Approx(2));
  CHECK(min(q).quantizer() == q.quantizer());
  CHECK(integers(std::get<0>(sort(q, 0, true))) == std::vector<int>{40, 24, 20, 17, 10});
  const auto [v, i] = topk(q, 2);
  CHECK(integers(v) == std::vector<int>{40, 24});
  CHECK(i.equal(ints({4, 3})));
  CHECK(v.quantizer() == q.quantizer());
  CHECK(integers(std::get<0>(max(q.reshape({1, 5}), 1))) == std::vector<int>{40});
  CHECK(integers(std::get<0>(aminmax(q))) == std::vector<int>{10});
  CHECK(argmin(q).item<int>() == 0);
  CHECK(count_nonzero(q) == 4);
  const Tensor w = quantize_per_channel(ones({2, 2}), tensor({0.5, 0.25}), ints({0, 3}), 0, qint8);
  CHECK_THROWS_WITH(max(w),
                    "max: the channels of this tensor have different scales; dequantize() "
                    "it first");
  CHECK(count_nonzero(w) == 4);
  CHECK_THROWS_WITH(sum(q), ContainsSubstring("sum: not defined for quantized tensors"));
}

// ---- derivatives
// ----------------------------------------------------------------------------------------

TEST_CASE("derivatives of reductions equal finite differences", "[core][reduction][gradient]") {
  const auto check = [](const adze::testing::Function& f) {
    check_gradients(f, {random_double({2, 3, 4}, 1)});
    check_gradients(f, {random_strided({2, 3, 4}, 2)});
  };
  for (const Shape& dims : {Shape{}, Shape{1}, Shape{0, 2}, Shape{-1}}) {
    for (const bool keepdim : {false, true}) {
      check([=](const TensorList& x) { return sum(x[0], dims, keepdim); });
      check([=](const TensorList& x) { return mean(x[0], dims, keepdim); });
      check([=](const TensorList& x) { return var(x[0], dims, 1, keepdim); });
      check([=](const TensorList& x) { return var(x[0], dims, 0, keepdim); });
      for (const double p : {0.0, 1.0, 2.0, 3.5, inf})
        check([=](const TensorList& x) { return norm(x[0], p, dims, keepdim); });
    }
  }
  check_gradients([](const TensorList& x) { return sum(x[0]); }, {random_double({}, 3)});
  check_gradients([](const TensorList& x) { return sum(x[0], {1}); }, {random_double({2, 0}, 4)});
  check_gradients([](const TensorList& x) { return norm(x[0]); }, {random_double({}, 5)});
}

TEST_CASE("derivatives of ordering ops equal finite differences", "[core][reduction][gradient]") {
  const auto check = [](const adze::testing::Function& f) {
    check_gradients(f, {random_double({3, 4}, 1)});
    check_gradients(f, {random_strided({3, 4}, 2)});
  };
  check([](const TensorList& x) { return max(x[0]); });
  check([](const TensorList& x) { return min(x[0]); });
  for (const std::int64_t dim : {0, 1, -2}) {
    for (const bool flag : {false, true}) {
      check([=](const TensorList& x) { return std::get<0>(max(x[0], dim, flag)); });
      check([=](const TensorList& x) { return std::get<0>(min(x[0], dim, flag)); });
      check([=](const TensorList& x) { return std::get<0>(sort(x[0], dim, flag)); });
      check([=](const TensorList& x) { return std::get<0>(topk(x[0], 2, dim, flag)); });
    }
  }
}

TEST_CASE("equal extrema share the gradient, NaN takes it", "[core][reduction]") {
  const auto of_max = [](const Tensor& x) { return max(x); };
  CHECK(gradient(tensor({1, 3, 3}), of_max).equal(tensor({0, 0.5, 0.5})));
  CHECK(gradient(tensor({1, not_a_number, -3}), of_max).equal(tensor({0, 1, 0})));
}

TEST_CASE("the norm of zeros has gradient zero", "[core][reduction]") {
  for (const double p : {1.0, 2.0, 3.0}) {
    CHECK(gradient(zeros({3}), [p](const Tensor& x) { return norm(x, p); }).equal(zeros({3})));
  }
}
