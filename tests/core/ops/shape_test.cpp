#include "adze/core/ops/shape.h"

#include <numeric>

#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/core/storage.h"
#include "adze/core/tensor_impl.h"

#include "support/catch.h"
#include "support/finite_difference.h"

using namespace adze;
using testing::check_gradients;
using testing::random_double;
using testing::random_strided;
using Ints = std::vector<int>;

namespace {

Tensor iota(const Shape& shape) {
  return arange(numel(shape)).reshape(shape);
}

bool shares_storage(const Tensor& a, const Tensor& b) {
  return a.impl().storage == b.impl().storage;
}

// qint8 of shape (2, 3), channels along axis 1 with scales 0.5, 1 and 2.
Tensor three_channels() {
  return quantize_per_channel(tensor({{1, 2, 4}, {-1, -2, -4}}), tensor({0.5, 1, 2}).to(float64),
                              tensor_of<std::int64_t>({0, 1, 2}), 1, qint8);
}

std::vector<double> scales(const Tensor& t) {
  return t.q_per_channel_scales().to_vector<double>();
}

}  // namespace

// ---- reshape, flatten ---------------------------------------------------------------------------

TEST_CASE("reshape is a view when strides allow it", "[core][shape_ops]") {
  const Tensor t = iota({2, 3, 4});
  CHECK(t.reshape({6, 4}).sizes() == Shape{6, 4});
  CHECK(shares_storage(t.reshape({4, -1}), t));
  CHECK(t.reshape({-1}).sizes() == Shape{24});
  const Tensor swapped = t.transpose(0, 1);  // strides 4, 12, 1
  CHECK(shares_storage(swapped.reshape({3, 2, 2, 2}), t));
  CHECK(swapped.reshape({3, 2, 2, 2}).equal(swapped.contiguous().reshape({3, 2, 2, 2})));
  CHECK_FALSE(shares_storage(swapped.reshape({6, 4}), t));
  CHECK(swapped.reshape({6, 4}).equal(swapped.contiguous().reshape({6, 4})));
  const Tensor spread = tensor({1, 2}).unsqueeze(1).expand({2, 6});
  CHECK(shares_storage(spread.reshape({2, 3, 2}), spread));
  CHECK(tensor({{5}}).reshape({}).dim() == 0);
}

TEST_CASE("reshape agrees with a copy for all small layouts", "[core][shape_ops]") {
  const Tensor t = iota({2, 3, 4});
  for (const Shape& order : {Shape{0, 1, 2}, Shape{0, 2, 1}, Shape{1, 0, 2}, Shape{1, 2, 0},
                             Shape{2, 0, 1}, Shape{2, 1, 0}})
    for (const Shape& to : {Shape{24}, Shape{2, 12}, Shape{12, 2}, Shape{4, 3, 2},
                            Shape{2, 2, 3, 2}, Shape{1, 24, 1}, Shape{3, 8}}) {
      const Tensor moved = t.permute(order);
      CHECK(moved.reshape(to).equal(moved.contiguous().reshape(to)));
      const Tensor part = moved.slice(2, 0, 2);
      CHECK(part.reshape({-1}).to_vector<int>() == part.to_vector<int>());
    }
}

TEST_CASE("reshape checks the number of elements", "[core][shape_ops]") {
  const Tensor t = iota({2, 3});
  CHECK_THROWS_WITH(t.reshape({4, 2}),
                    ContainsSubstring("reshape: shape (4, 2) has 8 elements, shape (2, 3) has 6"));
  CHECK_THROWS_WITH(t.reshape({-1, -1}), ContainsSubstring("at most one size may be -1"));
  CHECK_THROWS_WITH(t.reshape({-1, 4}), ContainsSubstring("the -1 in (-1, 4) cannot be chosen"));
  CHECK_THROWS_AS(t.reshape({-2, 3}), Error);
  CHECK(zeros({0, 3}).reshape({3, 0, 5}).sizes() == Shape{3, 0, 5});
  CHECK(zeros({0, 3}).reshape({-1, 3}).sizes() == Shape{0, 3});
  CHECK_THROWS_AS(zeros({0, 3}).reshape({-1, 0}), Error);
}

TEST_CASE("view refuses to copy", "[core][shape_ops]") {
  const Tensor t = iota({2, 3});
  CHECK(t.view({3, 2}).to_vector<int>() == Ints{0, 1, 2, 3, 4, 5});
  CHECK_THROWS_WITH(t.t().view({6}), ContainsSubstring("use reshape()"));
}

TEST_CASE("flatten joins a range of dimensions", "[core][shape_ops]") {
  const Tensor t = iota({2, 3, 4, 5});
  CHECK(t.flatten().sizes() == Shape{120});
  CHECK(t.flatten(1).sizes() == Shape{2, 60});
  CHECK(t.flatten(1, 2).sizes() == Shape{2, 12, 5});
  CHECK(t.flatten(-2).sizes() == Shape{2, 3, 20});
  CHECK(tensor(1.0).flatten().sizes() == Shape{1});
  CHECK(zeros({0, 3}).flatten().sizes() == Shape{0});
  CHECK_THROWS_WITH(t.flatten(2, 1), ContainsSubstring("must not come after the last"));
}

// ---- permute, transpose, expand, squeeze, unsqueeze
// ----------------------------------------------

TEST_CASE("permute and transpose move strides", "[core][shape_ops]") {
  const Tensor t = iota({2, 3, 4});
  const Tensor p = t.permute({2, 0, 1});
  CHECK(p.sizes() == Shape{4, 2, 3});
  CHECK(p.strides() == Shape{1, 12, 4});
  CHECK(p[1][1][2].item<int>() == 21);
  CHECK(t.permute({-1, 0, 1}).equal(p));
  CHECK(t.transpose(0, -1).sizes() == Shape{4, 3, 2});
  CHECK(t[0].t().sizes() == Shape{4, 3});
  CHECK_THROWS_WITH(t.permute({0, 1}), ContainsSubstring("3 dimensions expected"));
  CHECK_THROWS_WITH(t.permute({0, 1, 1}), ContainsSubstring("each dimension once"));
  CHECK_THROWS_WITH(t.t(), ContainsSubstring("a matrix expected, got shape (2, 3, 4)"));
  CHECK_THROWS_AS(t.transpose(0, 3), Error);
}

TEST_CASE("expand repeats with stride zero", "[core][shape_ops]") {
  const Tensor t = iota({3, 1});
  const Tensor e = t.expand({2, 3, 4});
  CHECK(e.strides() == Shape{0, 1, 0});
  CHECK(e[1][2][3].item<int>() == 2);
  CHECK(t.expand({-1, 2}).sizes() == Shape{3, 2});
  CHECK(t.expand({3, 0}).numel() == 0);
  CHECK_THROWS_WITH(t.expand({2, 4}), ContainsSubstring("size 3 is neither 1 nor 2"));
  CHECK_THROWS_WITH(t.expand({3}), ContainsSubstring("fewer dimensions"));
  CHECK_THROWS_WITH(t.expand({-1, 3, 1}), ContainsSubstring("new dimensions need a size"));
}

TEST_CASE("squeeze and unsqueeze drop and add sizes of one", "[core][shape_ops]") {
  const Tensor t = iota({1, 3, 1});
  CHECK(t.squeeze().sizes() == Shape{3});
  CHECK(t.squeeze(0).sizes() == Shape{3, 1});
  CHECK(t.squeeze(1).sizes() == Shape{1, 3, 1});
  CHECK(t.unsqueeze(-1).sizes() == Shape{1, 3, 1, 1});
  CHECK(t.unsqueeze(0).sizes() == Shape{1, 1, 3, 1});
  CHECK(iota({2, 3}).unsqueeze(1).is_contiguous());
  CHECK_THROWS_AS(t.unsqueeze(4), Error);
  CHECK_THROWS_AS(t.squeeze(3), Error);
}

// ---- select, slice ------------------------------------------------------------------------------

TEST_CASE("select picks one index", "[core][shape_ops]") {
  const Tensor t = iota({2, 3});
  CHECK(t[1].to_vector<int>() == Ints{3, 4, 5});
  CHECK(t.select(1, -1).to_vector<int>() == Ints{2, 5});
  CHECK_THROWS_WITH(t[2],
                    ContainsSubstring("index 2 is out of range for dimension 0 of shape (2, 3)"));
  CHECK_THROWS_WITH(t[0][0][0], ContainsSubstring("has no dimensions"));
}

TEST_CASE("slice clamps its ends", "[core][shape_ops]") {
  const Tensor t = iota({10});
  CHECK(t.slice(0, 2, 5).to_vector<int>() == Ints{2, 3, 4});
  CHECK(t.slice(0, -3).to_vector<int>() == Ints{7, 8, 9});
  CHECK(t.slice(0, 0, 100, 4).to_vector<int>() == Ints{0, 4, 8});
  CHECK(t.slice(0, 5, 2).numel() == 0);
  CHECK(t.slice(0, -100, 2).to_vector<int>() == Ints{0, 1});
  CHECK(t.slice(0, 1, 9, 3).strides() == Shape{3});
  CHECK(t.slice(0, 3, 4, std::int64_t{1} << 62).to_vector<int>() == Ints{3});
  CHECK_THROWS_WITH(t.slice(0, 0, 5, 0), ContainsSubstring("the step must be > 0, got 0"));
  CHECK(t.narrow(0, 2, 3).to_vector<int>() == Ints{2, 3, 4});
  CHECK(t.narrow(0, -2, 2).to_vector<int>() == Ints{8, 9});
  CHECK_THROWS_WITH(t.narrow(0, 8, 3), ContainsSubstring("narrow: 3 elements from 8 on"));
}

TEST_CASE("contiguous copies only when it must", "[core][shape_ops]") {
  const Tensor t = iota({2, 3});
  CHECK(t.contiguous().is_same(t));
  const Tensor c = t.t().contiguous();
  CHECK(c.is_contiguous());
  CHECK(c.to_vector<int>() == Ints{0, 3, 1, 4, 2, 5});
}

// ---- cat, stack, split, chunk -------------------------------------------------------------------

TEST_CASE("cat joins along a dimension and promotes", "[core][shape_ops]") {
  const Tensor a = iota({2, 2}), b = iota({2, 1});
  CHECK(cat({a, b}, 1).to_vector<int>() == Ints{0, 1, 0, 2, 3, 1});
  CHECK(cat({a, a.t()}).to_vector<int>() == Ints{0, 1, 2, 3, 0, 2, 1, 3});
  CHECK(cat({a, b.to(float16)}, -1).dtype() == float16);
  CHECK(cat({zeros({0}), a.to(float32)}).sizes() == Shape{2, 2});
  CHECK(cat({zeros({0, 2}), a.to(float32)}).sizes() == Shape{2, 2});
  CHECK(cat({zeros({0}), zeros({0})}).sizes() == Shape{0});
  CHECK_THROWS_WITH(cat({}), ContainsSubstring("at least one tensor"));
  CHECK_THROWS_WITH(cat({a, b}), ContainsSubstring("shapes may differ in dimension 0 only, got "
                                                   "(2, 2) and (2, 1)"));
  CHECK_THROWS_AS(cat({a, iota({2})}), Error);
}

TEST_CASE("stack adds a dimension", "[core][shape_ops]") {
  const Tensor a = iota({3}), b = a + 3;
  CHECK(stack({a, b}).to_vector<int>() == Ints{0, 1, 2, 3, 4, 5});
  CHECK(stack({a, b}, -1).to_vector<int>() == Ints{0, 3, 1, 4, 2, 5});
  CHECK(stack({tensor(1.0), tensor(2.0)}).sizes() == Shape{2});
  CHECK_THROWS_WITH(stack({a, iota({2})}), ContainsSubstring("equal shapes expected"));
  CHECK_THROWS_AS(stack({}), Error);
}

TEST_CASE("split and chunk give views that cover the tensor", "[core][shape_ops]") {
  const Tensor t = iota({7});
  const TensorList parts = split(t, {3, 0, 4});
  REQUIRE(parts.size() == 3);
  CHECK(parts[2].to_vector<int>() == Ints{3, 4, 5, 6});
  CHECK(parts[1].numel() == 0);
  CHECK(shares_storage(parts[0], t));
  const TensorList chunks = chunk(t, 3);
  REQUIRE(chunks.size() == 3);
  CHECK(chunks[2].to_vector<int>() == Ints{6});
  CHECK(chunk(iota({5}), 4).size() == 3);
  CHECK(chunk(zeros({0, 2}), 3).size() == 3);
  CHECK_THROWS_WITH(split(t, {3, 3}), ContainsSubstring("must sum to 7"));
  CHECK_THROWS_WITH(split(t, {8, -1}), ContainsSubstring("must not be negative"));
  CHECK_THROWS_AS(chunk(t, 0), Error);
}

// ---- index_select, gather, masked_select --------------------------------------------------------

TEST_CASE("index_select picks rows in order, repeats allowed", "[core][shape_ops]") {
  const Tensor t = iota({2, 3});
  const Tensor index = tensor_of<std::int64_t>({2, 0, 2});
  CHECK(index_select(t, 1, index).to_vector<int>() == Ints{2, 0, 2, 5, 3, 5});
  CHECK(index_select(t.t(), 0, index).to_vector<int>() == Ints{2, 5, 0, 3, 2, 5});
  CHECK(index_select(t, 0, index.slice(0, 0, 0)).sizes() == Shape{0, 3});
  CHECK_THROWS_WITH(index_select(t, 0, index), ContainsSubstring("index 2 is out of range"));
  CHECK_THROWS_WITH(index_select(t, 0, tensor({0.0})), ContainsSubstring("integer vector"));
  CHECK_THROWS_AS(index_select(t, 0, tensor_of<std::int64_t>({-1})), Error);
}

TEST_CASE("gather picks one element along a dimension for each index", "[core][shape_ops]") {
  const Tensor t = iota({2, 3});
  const Tensor index = from_vector<std::int64_t>({2, 0, 1, 1}, {2, 2});
  CHECK(gather(t, 1, index).to_vector<int>() == Ints{2, 0, 4, 4});
  CHECK(gather(t, 0, from_vector<std::int64_t>({1, 0}, {1, 2})).to_vector<int>() == Ints{3, 1});
  CHECK(gather(t.t(), 0, from_vector<std::int64_t>({1, 2}, {1, 2})).to_vector<int>() == Ints{1, 5});
  CHECK_THROWS_WITH(gather(t, 0, index), ContainsSubstring("index 2 is out of range"));
  CHECK_THROWS_WITH(gather(t, 1, zeros({3, 1}, int64)), ContainsSubstring("must not be larger"));
  CHECK_THROWS_WITH(gather(t, 1, zeros({2}, int64)), ContainsSubstring("int64 with 2 dimensions"));
  CHECK_THROWS_AS(gather(t, 1, zeros({2, 1}, int32)), Error);
}

TEST_CASE("masked_select lists the elements where the mask holds", "[core][shape_ops]") {
  const Tensor t = iota({2, 3});
  CHECK(masked_select(t, t > 2).to_vector<int>() == Ints{3, 4, 5});
  CHECK(masked_select(t.t(), t.t() > 2).to_vector<int>() == Ints{3, 4, 5});
  CHECK(masked_select(t, zeros({2, 3}, boolean)).sizes() == Shape{0});
  CHECK_THROWS_WITH(masked_select(t, zeros({3}, boolean)),
                    ContainsSubstring("a boolean mask of shape (2, 3) expected"));
  CHECK_THROWS_AS(masked_select(t, t), Error);
}

// ---- quantized ----------------------------------------------------------------------------------

TEST_CASE("views of quantized tensors keep their qparams", "[core][shape_ops][quantize]") {
  const Tensor q = quantize_per_tensor(tensor({{1, 2}, {3, 4}}), 0.5, 1, quint8);
  for (const Tensor& v :
       {q.t(), q[0], q.reshape({4}), q.unsqueeze(0), q.slice(1, 0, 1), q.expand({3, 2, 2}),
        q.t().contiguous(), chunk(q, 2)[1], index_select(q, 0, tensor_of<std::int64_t>({1})),
        masked_select(q, ones({2, 2}, boolean))}) {
    CHECK(v.q_scale() == 0.5);
    CHECK(v.q_zero_point() == 1);
  }
  CHECK(q.t().to_vector<float>() == std::vector<float>{1, 3, 2, 4});
}

TEST_CASE("the channel axis follows the dimensions", "[core][shape_ops][quantize]") {
  const Tensor q = three_channels();
  CHECK(q.t().q_per_channel_axis() == 0);
  CHECK(q.t().dequantize().equal(q.dequantize().t()));
  CHECK(q.permute({1, 0}).q_per_channel_axis() == 0);
  CHECK(q.unsqueeze(0).q_per_channel_axis() == 2);
  CHECK(q.unsqueeze(2).q_per_channel_axis() == 1);
  CHECK(q.unsqueeze(0).squeeze(0).q_per_channel_axis() == 1);
  CHECK(q.unsqueeze(0).squeeze().equal(q));
  CHECK(q[0].q_per_channel_axis() == 0);
  CHECK(q[0].dequantize().equal(q.dequantize()[0]));
  CHECK(q.expand({4, 2, 3}).q_per_channel_axis() == 2);
  CHECK(q.reshape({2, 1, 3, 1}).q_per_channel_axis() == 2);
  CHECK(q.t().reshape({3, 1, 2}).q_per_channel_axis() == 0);
  CHECK_THROWS_WITH(q.reshape({6}), ContainsSubstring("quantized per channel along axis 1, which "
                                                      "shape (6,) does not keep"));
  CHECK_THROWS_AS(q.reshape({3, 2}), Error);
}

TEST_CASE("channels are picked along their axis", "[core][shape_ops][quantize]") {
  const Tensor q = three_channels();
  CHECK(scales(q.slice(1, 1)) == std::vector<double>{1, 2});
  CHECK(scales(q.slice(1, 0, 3, 2)) == std::vector<double>{0.5, 2});
  CHECK(scales(q.slice(0, 1)) == std::vector<double>{0.5, 1, 2});
  const Tensor column = q.select(1, 2);
  CHECK(column.qscheme() == per_tensor_affine);
  CHECK(column.q_scale() == 2);
  CHECK(column.q_zero_point() == 2);
  CHECK(column.to_vector<float>() == std::vector<float>{4, -4});
  CHECK(scales(index_select(q, 1, tensor_of<std::int64_t>({2, 2, 0}))) ==
        std::vector<double>{2, 2, 0.5});
  CHECK(q.slice(1, 1, 2).squeeze(1).q_scale() == 1);
  CHECK(scales(q.slice(1, 2).expand({2, 4})) == std::vector<double>{2, 2, 2, 2});
  CHECK(scales(chunk(q, 3, 1)[1]) == std::vector<double>{1});
  const Tensor index = zeros({1, 2}, int64);
  CHECK(scales(gather(q, 0, index)) == std::vector<double>{0.5, 1});
  CHECK_THROWS_WITH(gather(q, 1, index), ContainsSubstring("dequantize() first"));
  CHECK_THROWS_WITH(masked_select(q, ones({2, 3}, boolean)),
                    ContainsSubstring("dequantize() first"));
}

TEST_CASE("a channel with a float zero point stays a channel", "[core][shape_ops][quantize]") {
  auto quantizer = std::make_shared<Quantizer>();
  quantizer->scheme = per_channel_affine_float_qparams;
  quantizer->scales = {1, 2};
  quantizer->zero_points = {0.5, 1.5};
  const Tensor q = make_tensor({2, 3}, quint8, quantizer);
  CHECK(q.q_per_channel_zero_points().dtype() == float32);
  CHECK(scales(q.slice(0, 1)) == std::vector<double>{2});
  CHECK_THROWS_WITH(q[0], ContainsSubstring("float zero point"));
}

TEST_CASE("cat requantizes with the qparams of the first", "[core][shape_ops][quantize]") {
  const Tensor a = quantize_per_tensor(tensor({1, 2}), 0.5, 0, quint8);
  const Tensor b = quantize_per_tensor(tensor({1.25, 3}), 0.25, 7, quint8);
  const Tensor joined = cat({a, b});
  CHECK(joined.q_scale() == 0.5);
  CHECK(joined.int_repr().to_vector<int>() == Ints{2, 4, 2, 6});
  const Tensor q = three_channels();
  CHECK(scales(cat({q, q}, 1)) == std::vector<double>{0.5, 1, 2, 0.5, 1, 2});
  CHECK(cat({q, q}, 1).dequantize().equal(cat({q.dequantize(), q.dequantize()}, 1)));
  CHECK(scales(cat({q, q})) == std::vector<double>{0.5, 1, 2});
  CHECK(stack({q, q}).q_per_channel_axis() == 2);
  CHECK_THROWS_WITH(cat({a, tensor({1})}), ContainsSubstring("got quint8 and float32"));
  CHECK_THROWS_AS(cat({q, quantize_per_tensor(zeros({2, 1}), 1, 0, qint8)}, 1), Error);
}

// ---- derivatives --------------------------------------------------------------------------------

TEST_CASE("derivatives of views match finite differences", "[core][shape_ops][autograd]") {
  for (const Tensor& x : {random_double({2, 3, 4}, 1), random_strided({2, 3, 4}, 2)}) {
    const auto check_op = [&](auto&& op) {
      check_gradients([&](const TensorList& a) { return op(a[0]); }, {x});
    };
    check_op([](const Tensor& a) { return a.reshape({4, 6}); });
    check_op([](const Tensor& a) { return a.flatten(1); });
    check_op([](const Tensor& a) { return a.permute({2, 0, 1}); });
    check_op([](const Tensor& a) { return a.transpose(-1, 0); });
    check_op([](const Tensor& a) { return a.unsqueeze(1).squeeze(); });
    check_op([](const Tensor& a) { return a.unsqueeze(0).expand({5, 2, 3, 4}); });
    check_op([](const Tensor& a) { return a.select(1, -1); });
    check_op([](const Tensor& a) { return a.slice(2, 1, 4, 2); });
    check_op([](const Tensor& a) { return a.contiguous(); });
    check_op([](const Tensor& a) { return a.transpose(0, 1).contiguous() * a.transpose(0, 1); });
  }
}

TEST_CASE("derivatives of joining and picking match finite differences",
          "[core][shape_ops][autograd]") {
  const Tensor x = random_double({2, 3}, 3), y = random_strided({2, 2}, 4);
  check_gradients([](const TensorList& a) { return cat({a[0], a[1], a[0]}, -1); }, {x, y});
  check_gradients([](const TensorList& a) { return stack({a[0], a[0] * a[0]}, 1); }, {y});
  check_gradients(
      [](const TensorList& a) {
        const TensorList parts = split(a[0], {1, 2}, 1);
        return parts[0] * parts[1];
      },
      {x});
  check_gradients([](const TensorList& a) { return chunk(a[0], 2, 1)[1]; }, {x});
  const Tensor rows = tensor_of<std::int64_t>({1, 1, 0});
  check_gradients([&](const TensorList& a) { return index_select(a[0], 0, rows); }, {x});
  check_gradients([&](const TensorList& a) { return index_select(a[0], 1, rows); }, {y});
  const Tensor index = from_vector<std::int64_t>({1, 1, 0, 1}, {2, 2});
  check_gradients([&](const TensorList& a) { return gather(a[0], 1, index); }, {x});
  check_gradients([&](const TensorList& a) { return gather(a[0], 0, index); }, {y});
  const Tensor mask = from_vector<bool>({true, false, true, true, false, true}, {2, 3});
  check_gradients([&](const TensorList& a) { return masked_select(a[0], mask); }, {x});
}

TEST_CASE("cat gives each argument a gradient of its dtype", "[core][shape_ops][autograd]") {
  const Tensor a = ones({2}), b = ones({3}, float64);
  a.requires_grad_();
  b.requires_grad_();
  (cat({a, zeros({1}, int64), b}) * 2).sum().backward();
  CHECK(a.grad().dtype() == float32);
  CHECK(a.grad().to_vector<int>() == Ints{2, 2});
  CHECK(b.grad().dtype() == float64);
  CHECK(b.grad().to_vector<int>() == Ints{2, 2, 2});
}

TEST_CASE("a detached tensor shares data and gets no gradient", "[core][shape_ops][autograd]") {
  const Tensor x = ones({2});
  x.requires_grad_();
  const Tensor d = (x * 3).detach();
  CHECK_FALSE(d.requires_grad());
  (x * d).sum().backward();
  CHECK(x.grad().to_vector<int>() == Ints{3, 3});
}

TEST_CASE("shape ops are found by name and work boxed", "[core][shape_ops]") {
  for (const char* op : {"reshape", "flatten", "permute", "transpose", "expand", "squeeze",
                         "unsqueeze", "select", "slice", "contiguous", "detach", "cat", "stack",
                         "split", "chunk", "index_select", "gather", "masked_select"}) {
    REQUIRE(find_op(op) != nullptr);
    CHECK(find_op(op)->traits().shape_only);
    CHECK(find_op(op)->traits().shares_qparams);
  }
  const std::vector<Value> args{iota({4}), 0, Value(), 2, 1};
  CHECK(find_op("slice")->call_boxed(args).to_tensor().to_vector<int>() == Ints{0, 1});
}
