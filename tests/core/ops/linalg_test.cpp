#include "adze/core/ops/linalg.h"

#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"
#include "adze/kernels/parallel.h"

#include "support/finite_difference.h"

using namespace adze;
using adze::testing::check_gradients;
using adze::testing::random_double;
using adze::testing::random_strided;

namespace {

// Row i, column j of a product of matrices, by the definition.
Tensor product(const Tensor& a, const Tensor& b) {
  const std::vector<double> x = a.to_vector<double>(), y = b.to_vector<double>();
  const std::int64_t m = a.size(0), k = a.size(1), n = b.size(1);
  std::vector<double> out(static_cast<std::size_t>(m * n));
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < n; ++j)
      for (std::int64_t p = 0; p < k; ++p)
        out[static_cast<std::size_t>(i * n + j)] +=
            x[static_cast<std::size_t>(i * k + p)] * y[static_cast<std::size_t>(p * n + j)];
  return from_vector(out, {m, n});
}

}  // namespace

TEST_CASE("matmul of matrices, vectors and both", "[core][linalg]") {
  const Tensor a = tensor({{1, 2, 3}, {4, 5, 6}}), v = tensor({1, 0, -1}), w = tensor({1, 2});
  CHECK(matmul(a, a.t()).equal(tensor({{14, 32}, {32, 77}})));
  CHECK(matmul(a, v).equal(tensor({-2, -2})));
  CHECK(matmul(w, a).equal(tensor({9, 12, 15})));
  CHECK(matmul(v, v).equal(full({}, 2)));
}

TEST_CASE("matmul reads any layout without changing a bit", "[core][linalg]") {
  const Tensor a = rand({7, 9}), b = rand({9, 5});
  const Tensor expected = matmul(a, b);
  CHECK(expected.to(float64).allclose(product(a, b), 1e-5));
  const Tensor a_columns = a.t().clone().t(), b_columns = b.t().clone().t();
  const Tensor wide = zeros({7, 18});
  wide.slice(1, 0, 18, 2).copy_(a);
  CHECK(matmul(a_columns, b).equal(expected));
  CHECK(matmul(a, b_columns).equal(expected));
  CHECK(matmul(a_columns, b_columns).equal(expected));
  CHECK(matmul(wide.slice(1, 0, 18, 2), b).equal(expected));
  CHECK(matmul(rand({1, 9}).expand({7, 9}), b).sizes() == Shape{7, 5});
}

TEST_CASE("matmul broadcasts batches", "[core][linalg]") {
  const Tensor a = rand({2, 1, 3, 4}), b = rand({5, 4, 6});
  const Tensor out = matmul(a, b);
  CHECK(out.sizes() == Shape{2, 5, 3, 6});
  for (std::int64_t i = 0; i < 2; ++i)
    for (std::int64_t j = 0; j < 5; ++j) CHECK(out[i][j].equal(matmul(a[i][0], b[j])));
  CHECK(matmul(b, rand({6})).sizes() == Shape{5, 4});
  CHECK(matmul(rand({4}), b).sizes() == Shape{5, 6});
  const Tensor m = rand({6, 2});
  const Tensor flat = matmul(b, m);
  for (std::int64_t j = 0; j < 5; ++j) CHECK(flat[j].equal(matmul(b[j], m)));
  CHECK(matmul(b.transpose(0, 1), rand({6, 2})).sizes() == Shape{4, 5, 2});
}

TEST_CASE("matmul of empty tensors", "[core][linalg]") {
  CHECK(matmul(zeros({2, 0}), zeros({0, 3})).equal(zeros({2, 3})));
  CHECK(matmul(zeros({0, 2}), zeros({2, 3})).sizes() == Shape{0, 3});
  CHECK(matmul(zeros({0, 2, 2}), zeros({2, 2})).sizes() == Shape{0, 2, 2});
  CHECK(matmul(zeros({0}), zeros({0})).item() == 0);
  CHECK(matmul(zeros({2, 0}).to(float64), zeros({0, 3}).to(float64)).equal(zeros({2, 3}, float64)));
}

TEST_CASE("matmul of other dtypes", "[core][linalg]") {
  const Tensor a = randint(-5, 5, {3, 4}), b = randint(-5, 5, {4, 2});
  CHECK(matmul(a, b).equal(product(a, b).to(int64)));
  const Tensor big = full({1, 2}, 100, int8);
  CHECK(matmul(big, big.t()).item<int>() == 20000 - 78 * 256);
  const Tensor h = tensor({{1, 2}}).to(float16);
  CHECK(matmul(h, h.t()).equal(tensor(5).reshape({1, 1}).to(float16)));
  CHECK(matmul(random_double({3, 4}, 1), random_double({4, 2}, 2))
            .allclose(product(random_double({3, 4}, 1), random_double({4, 2}, 2)), 1e-12));
}

TEST_CASE("matmul says which sizes do not fit", "[core][linalg]") {
  CHECK_THROWS_WITH(matmul(zeros({2, 3}), zeros({4, 5})),
                    "matmul: the second operand expects 4 columns, the first has 3 (shapes (2, 3) "
                    "and (4, 5))");
  CHECK_THROWS_WITH(matmul(zeros({}), zeros({1})),
                    "matmul: operands need at least one dimension, got shapes () and (1,)");
  CHECK_THROWS_WITH(matmul(zeros({2, 2}), zeros({2, 2}, float64)),
                    "matmul: both operands must have one dtype, got float32 and float64");
  CHECK_THROWS_WITH(matmul(zeros({2, 3, 4}), zeros({3, 4, 5})), ContainsSubstring("matmul"));
  CHECK_THROWS_WITH(matmul(zeros({1, 1}, boolean), zeros({1, 1}, boolean)),
                    "matmul: not defined for dtype bool");
  const Tensor q = quantize_per_tensor(ones({2, 2}), 0.1, 0, qint8);
  CHECK_THROWS_WITH(matmul(q, q), ContainsSubstring("matmul: not defined for quantized tensors"));
}

TEST_CASE("linear is input times weight transposed plus bias", "[core][linalg]") {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}}), w = tensor({{1, 0, -1}, {2, 2, 2}}),
               b = tensor({10, 20});
  CHECK(linear(x, w).equal(tensor({{-2, 12}, {-2, 30}})));
  CHECK(linear(x, w, b).equal(tensor({{8, 32}, {8, 50}})));
  CHECK(linear(x[0], w, b).equal(tensor({8, 32})));
  CHECK(linear(x.reshape({2, 1, 3}), w, b).equal(tensor({{{8, 32}}, {{8, 50}}})));
  CHECK(linear(x.t().clone().t(), w.t().clone().t(), b).equal(linear(x, w, b)));
  CHECK(linear(x.to(float64), w.to(float64), b.to(float64)).equal(linear(x, w, b).to(float64)));
  CHECK(linear(zeros({0, 3}), w, b).sizes() == Shape{0, 2});
  CHECK(linear(zeros({2, 0}), zeros({2, 0}), b).equal(tensor({{10, 20}, {10, 20}})));
}

TEST_CASE("linear says what does not fit", "[core][linalg]") {
  CHECK_THROWS_WITH(linear(zeros({8, 32}), zeros({16, 64})),
                    "linear: weight expects 64 input features, input has 32 (input (8, 32), weight "
                    "(16, 64))");
  CHECK_THROWS_WITH(linear(zeros({8, 64}), zeros({16, 64}), zeros({8})),
                    "linear: bias must have shape (16,) as weight (16, 64) asks, got (8,)");
  CHECK_THROWS_WITH(linear(zeros({8}), zeros({8})),
                    "linear: weight must be a matrix (out_features, in_features), got shape (8,)");
  CHECK_THROWS_WITH(linear(zeros({}), zeros({2, 8})),
                    "linear: input must have shape (..., 8), got ()");
  CHECK_THROWS_WITH(linear(zeros({1, 8}), zeros({2, 8}), zeros({2}, float64)),
                    "linear: bias must have the dtype of input, float32, got float64");
}

TEST_CASE("linear gives the same bits each time a weight is used, and sees when it changes",
          "[core][linalg]") {
  manual_seed(9);
  for (const auto& [rows, in, out] : {std::tuple{1, 40, 70}, {3, 784, 10}, {17, 33, 65}}) {
    CAPTURE(rows, in, out);
    const Tensor x = randn({rows, in}), w = randn({out, in}), b = randn({out});
    const std::vector<float> first = linear(x, w, b).to_vector<float>();
    for (int use = 0; use < 3; ++use) CHECK(linear(x, w, b).to_vector<float>() == first);
    // A copy of the handle, another bias, no bias.
    const Tensor same = w;
    CHECK(linear(x, same, zeros({out})).to_vector<float>() ==
          linear(x, w, Tensor()).to_vector<float>());
    w.mutable_data<float>()[out * in - 1] += 1.0f;
    const Tensor fresh = from_vector(w.to_vector<float>(), {out, in});
    const std::vector<float> changed = linear(x, fresh, b).to_vector<float>();
    CHECK(changed != first);
    for (int use = 0; use < 3; ++use) CHECK(linear(x, w, b).to_vector<float>() == changed);
  }
}

TEST_CASE("products do not depend on the number of threads", "[core][linalg]") {
  const Tensor a = rand({6, 70, 90}), b = rand({6, 90, 50});
  kernels::set_num_threads(1);
  const Tensor one = matmul(a, b);
  kernels::set_num_threads(4);
  const Tensor four = matmul(a, b);
  kernels::set_num_threads(0);
  CHECK(one.equal(four));
}

TEST_CASE("derivatives of matmul equal finite differences", "[core][linalg][gradient]") {
  const auto f = [](const TensorList& x) { return matmul(x[0], x[1]); };
  const auto check = [&](const Shape& a, const Shape& b) {
    CAPTURE(a, b);
    check_gradients(f, {random_double(a, 1), random_double(b, 2)});
    check_gradients(f, {random_strided(a, 3), random_strided(b, 4)});
  };
  check({2, 3}, {3, 4});
  check({3}, {3});
  check({2, 3}, {3});
  check({3}, {3, 2});
  check({2, 2, 3}, {3, 2});
  check({2, 2, 3}, {2, 3, 2});
  check({2, 1, 2, 3}, {2, 3, 2});
  check({2, 3}, {2, 2, 3, 2});
  check({3}, {2, 3, 2});
  check({2, 2, 3}, {3});
  check({0, 3}, {3, 2});
}

TEST_CASE("derivatives of linear equal finite differences", "[core][linalg][gradient]") {
  const auto f = [](const TensorList& x) { return linear(x[0], x[1], x[2]); };
  const auto check = [&](const Shape& input) {
    check_gradients(f, {random_double(input, 1), random_double({4, 3}, 2), random_double({4}, 3)});
    check_gradients(f,
                    {random_strided(input, 1), random_strided({4, 3}, 2), random_strided({4}, 3)});
  };
  check({2, 3});
  check({3});
  check({2, 2, 3});
  check({0, 3});
  check_gradients([](const TensorList& x) { return linear(x[0], x[1]); },
                  {random_double({2, 3}, 4), random_double({2, 3}, 5)});
}

TEST_CASE("float32 derivatives of linear agree with double precision", "[core][linalg]") {
  const Tensor x = rand({5, 7}), w = rand({3, 7}), b = rand({3}), g = rand({5, 3});
  TensorList single{x, w, b}, full;
  for (const Tensor& t : single) {
    full.push_back(t.to(float64));
    full.back().requires_grad_();
    t.requires_grad_();
  }
  const TensorList a = autograd::grad({linear(x, w, b)}, single, {g});
  const TensorList e = autograd::grad({linear(full[0], full[1], full[2])}, full, {g.to(float64)});
  for (std::size_t i = 0; i < 3; ++i) CHECK(a[i].to(float64).allclose(e[i], 1e-5));
}
