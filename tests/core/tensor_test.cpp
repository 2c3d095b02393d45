#include "adze/core/tensor.h"

#include <cmath>

#include "adze/core/autograd.h"
#include "adze/core/creation.h"
#include "adze/core/op.h"
#include "adze/core/ops.h"
#include "adze/core/tensor_impl.h"

#include "support/catch.h"

using namespace adze;
using Floats = std::vector<float>;
using Ints = std::vector<std::int64_t>;

namespace {

Tensor symbol_without_shape() {
  return make_symbolic(std::make_shared<Symbol>(), std::nullopt);
}

Tensor per_channel() {
  return quantize_per_channel(tensor({{1, 2}, {3, 4}}), tensor({0.5, 0.25}).to(float64),
                              zeros({2}, int64), 0, qint8);
}

}  // namespace

// ---- properties ---------------------------------------------------------------------------------

TEST_CASE("copying a tensor shares it, clone copies it", "[core][tensor]") {
  const Tensor a = tensor({1, 2});
  const Tensor b = a;
  const Tensor c = a.clone();
  CHECK(b.is_same(a));
  CHECK_FALSE(c.is_same(a));
  a.fill_(7);
  CHECK(b.to_vector<float>() == Floats{7, 7});
  CHECK(c.to_vector<float>() == Floats{1, 2});
}

TEST_CASE("a tensor knows its shape, strides and dtype", "[core][tensor]") {
  const Tensor t = zeros({2, 3, 4}, int32);
  CHECK(t.sizes() == Shape{2, 3, 4});
  CHECK(t.strides() == Shape{12, 4, 1});
  CHECK(t.dim() == 3);
  CHECK(t.numel() == 24);
  CHECK(t.size(-1) == 4);
  CHECK(t.dtype() == int32);
  CHECK(t.is_contiguous());
  CHECK_FALSE(t.transpose(0, 1).is_contiguous());
  CHECK(t.select(0, 1).storage_offset() == 12);
  CHECK_THROWS_WITH(t.size(3), ContainsSubstring("Tensor::size: dimension 3 is out of range"));
}

TEST_CASE("strides of sizes of one do not matter for contiguity", "[core][tensor]") {
  CHECK(zeros({3, 1, 4}).transpose(0, 1).is_contiguous());
  CHECK(zeros({4, 3}).slice(0, 1, 2).is_contiguous());
  CHECK(zeros({0, 3}).t().is_contiguous());
}

TEST_CASE("an undefined tensor says so", "[core][tensor]") {
  const Tensor none;
  CHECK_FALSE(none.defined());
  CHECK_FALSE(none.is_symbolic());
  CHECK_THROWS_WITH(none.sizes(), ContainsSubstring("this tensor is undefined"));
  CHECK_THROWS_WITH(none.data<float>(), ContainsSubstring("this tensor is undefined"));
  CHECK_THROWS_WITH(none.requires_grad(), ContainsSubstring("this tensor is undefined"));
}

// ---- data ---------------------------------------------------------------------------------------

TEST_CASE("data is typed", "[core][tensor]") {
  const Tensor t = tensor({1, 2, 3});
  CHECK(t.data<float>()[2] == 3);
  t.mutable_data<float>()[0] = 9;
  CHECK(t.span<float>()[0] == 9);
  CHECK_THROWS_WITH(
      t.data<double>(),
      ContainsSubstring("dtype float64 were asked for, the tensor has dtype float32"));
  CHECK_THROWS_WITH(zeros({2, 2}).t().span<float>(), ContainsSubstring("contiguous()"));
  const Tensor q = quantize_per_tensor(t, 1, 0, quint8);
  CHECK(q.data<std::uint8_t>()[1] == 2);
  CHECK_THROWS_AS(q.data<std::int8_t>(), Error);
}

TEST_CASE("to_vector reads any layout in row-major order and converts", "[core][tensor]") {
  const Tensor t = tensor({{1, 2, 3}, {4, 5, 6}});
  CHECK(t.t().to_vector<int>() == std::vector<int>{1, 4, 2, 5, 3, 6});
  CHECK(t.slice(1, 0, 3, 2).to_vector<double>() == std::vector<double>{1, 3, 4, 6});
  CHECK(tensor({0, 0.5, -1}).to_vector<bool>() == std::vector<bool>{false, true, true});
  CHECK(tensor({1}).expand({3}).to_vector<float>() == Floats{1, 1, 1});
  CHECK(tensor({2.7, -2.7, 1e30, -1e30, NAN}).to_vector<std::int8_t>() ==
        std::vector<std::int8_t>{2, -2, 127, -128, 0});
}

TEST_CASE("item needs one element", "[core][tensor]") {
  CHECK(tensor({{5}}).item() == 5);
  CHECK(tensor_of<std::int64_t>({(std::int64_t{1} << 62) + 1}).item<std::int64_t>() ==
        (std::int64_t{1} << 62) + 1);
  CHECK(full({}, 0.5, float16).item<float>() == 0.5f);
  CHECK_THROWS_WITH(tensor({1, 2}).item(),
                    ContainsSubstring("needs a tensor with one element, got shape (2,)"));
}

TEST_CASE("views share storage and its version", "[core][tensor]") {
  const Tensor t = zeros({2, 3});
  const Tensor row = t[1], column = t.select(1, 0);
  const auto before = t.version();
  row.fill_(4);
  CHECK(t.version() > before);
  CHECK(column.version() == t.version());
  CHECK(column.to_vector<float>() == Floats{0, 4});
}

TEST_CASE("a view cannot reach outside of its storage", "[core][tensor]") {
  const Tensor t = zeros({4});
  CHECK_THROWS_WITH(make_view(t, {2, 2}, {2, 2}, 0), ContainsSubstring("reaches outside"));
  CHECK_THROWS_AS(make_view(t, {2}, {1}, 3), Error);
  CHECK_THROWS_AS(make_view(t, {2}, {1}, -1), Error);
  CHECK_THROWS_AS(make_view(t, {2}, {1, 1}, 0), Error);
  CHECK(make_view(t, {2}, {-1}, 3).to_vector<float>() == Floats{0, 0});
  CHECK(make_view(t, {0}, {1}, 4).numel() == 0);
}

TEST_CASE("equal compares shape, dtype, values and quantizer", "[core][tensor]") {
  const Tensor t = tensor({{1, 2}, {3, 4}});
  CHECK(t.equal(t.t().contiguous().t()));
  CHECK_FALSE(t.equal(t.t()));
  CHECK_FALSE(t.equal(t.to(float64)));
  CHECK_FALSE(t.equal(t.flatten()));
  CHECK_FALSE(tensor({NAN}).equal(tensor({NAN})));
  const Tensor q = quantize_per_tensor(t, 1, 0, quint8);
  CHECK(q.equal(quantize_per_tensor(t, 1, 0, quint8)));
  CHECK_FALSE(q.equal(make_per_tensor_quantized_tensor(q.int_repr(), 2, 0)));
}

TEST_CASE("allclose takes a relative and an absolute tolerance", "[core][tensor]") {
  const Tensor a = tensor({1, 100});
  CHECK(a.allclose(tensor({1.000001, 100.0001})));
  CHECK_FALSE(a.allclose(tensor({1.0001, 100})));
  CHECK(a.allclose(tensor({1.5, 100}), 0, 0.5));
  CHECK(tensor({INFINITY}).allclose(tensor({INFINITY})));
  CHECK_FALSE(tensor({INFINITY}).allclose(tensor({1})));
  CHECK_FALSE(tensor({1}).allclose(tensor({INFINITY})));
  CHECK_FALSE(tensor({NAN}).allclose(tensor({NAN})));
  CHECK(full({2, 2}, 3).allclose(tensor(3.0)));
}

// ---- quantization -------------------------------------------------------------------------------

TEST_CASE("quantized tensors give their qparams", "[core][tensor][quantize]") {
  const Tensor q = quantize_per_tensor(tensor({1, 2}), 0.5, 3, quint8);
  CHECK(q.is_quantized());
  CHECK(q.qscheme() == per_tensor_affine);
  CHECK(q.q_scale() == 0.5);
  CHECK(q.q_zero_point() == 3);
  CHECK(q.int_repr().dtype() == uint8);
  CHECK(q.int_repr().to_vector<int>() == std::vector<int>{5, 7});
  CHECK(q.to_vector<float>() == Floats{1, 2});
  CHECK(q[1].item() == 2);
  CHECK_THROWS_WITH(q.q_per_channel_scales(), ContainsSubstring("use q_scale()"));
  CHECK_THROWS_WITH(tensor({1}).q_scale(), ContainsSubstring("needs a quantized tensor, got dtype "
                                                             "float32"));
  CHECK_THROWS_AS(tensor({1}).int_repr(), Error);
}

TEST_CASE("per-channel tensors give one pair for each channel", "[core][tensor][quantize]") {
  const Tensor q = per_channel();
  CHECK(q.q_per_channel_axis() == 0);
  CHECK(q.q_per_channel_scales().to_vector<double>() == std::vector<double>{0.5, 0.25});
  CHECK(q.q_per_channel_zero_points().dtype() == int64);
  CHECK(q.int_repr().to_vector<int>() == std::vector<int>{2, 4, 12, 16});
  CHECK_THROWS_WITH(q.q_scale(), ContainsSubstring("use q_per_channel_scales()"));
  CHECK_THROWS_AS(q.q_zero_point(), Error);
}

TEST_CASE("int_repr shares storage", "[core][tensor][quantize]") {
  const Tensor q = quantize_per_tensor(tensor({1, 2}), 0.5, 0, qint8);
  q.int_repr().fill_(1);
  CHECK(q.to_vector<float>() == Floats{0.5, 0.5});
}

TEST_CASE("a tensor of a quantized dtype needs a fitting quantizer", "[core][tensor][quantize]") {
  CHECK_THROWS_WITH(make_tensor({2}, quint8), ContainsSubstring("needs a quantizer"));
  CHECK_THROWS_AS(make_tensor({2}, float32, make_per_tensor_quantizer(1, 0, qint8)), Error);
  const auto q = make_per_channel_quantizer({1, 1, 1}, {0, 0, 0}, 1, qint8);
  CHECK_THROWS_WITH(make_tensor({3, 2}, qint8, q),
                    ContainsSubstring("2 scales expected for axis 1"));
  CHECK_THROWS_WITH(make_tensor({3}, qint8, q), ContainsSubstring("axis 1 is out of range"));
}

// ---- autograd -----------------------------------------------------------------------------------

TEST_CASE("requires_grad is for floating leaves", "[core][tensor][autograd]") {
  const Tensor x = ones({2});
  CHECK_FALSE(x.requires_grad());
  CHECK(x.is_leaf());
  CHECK(x.requires_grad_().is_same(x));
  CHECK(x.requires_grad());
  const Tensor y = x * 2;
  CHECK(y.requires_grad());
  CHECK_FALSE(y.is_leaf());
  CHECK(y.grad_fn() != nullptr);
  CHECK(x.grad_fn() == nullptr);
  CHECK_FALSE(y.detach().requires_grad());
  CHECK(y.detach().data<float>() == y.data<float>());
  CHECK_NOTHROW(y.requires_grad_(true));
  CHECK_THROWS_WITH(y.requires_grad_(false), ContainsSubstring("leaf tensors only"));
  CHECK_THROWS_WITH(zeros({2}, int64).requires_grad_(), ContainsSubstring("got int64"));
  x.requires_grad_(false);
  CHECK_FALSE(x.requires_grad());
}

TEST_CASE("gradients can be read, set and cleared", "[core][tensor][autograd]") {
  const Tensor x = ones({2});
  CHECK_FALSE(x.grad().defined());
  x.set_grad({});
  x.requires_grad_();
  (x * x).sum().backward();
  CHECK(x.grad().to_vector<float>() == Floats{2, 2});
  x.set_grad(zeros({2}));
  CHECK(x.grad().to_vector<float>() == Floats{0, 0});
  x.set_grad({});
  CHECK_FALSE(x.grad().defined());
  CHECK_THROWS_WITH(x.set_grad(zeros({3})), ContainsSubstring("a gradient of shape (2,)"));
  CHECK_THROWS_AS(x.set_grad(zeros({2}, float64)), Error);
}

TEST_CASE("backward says what it misses", "[core][tensor][autograd]") {
  CHECK_THROWS_WITH(ones({1}).backward(), ContainsSubstring("neither requires a gradient"));
  const Tensor x = ones({2});
  x.requires_grad_();
  const Tensor y = x * 3;
  CHECK_THROWS_WITH(y.backward(),
                    ContainsSubstring("a gradient is needed for a tensor of shape (2,)"));
  CHECK_THROWS_WITH(y.backward(ones({3})), ContainsSubstring("a gradient of shape (2,) expected"));
  y.backward(tensor({1, 2}));
  CHECK(x.grad().to_vector<float>() == Floats{3, 6});
}

// ---- writing in place ---------------------------------------------------------------------------

TEST_CASE("copy_ broadcasts and converts", "[core][tensor][inplace]") {
  const Tensor t = zeros({2, 3});
  CHECK(t.copy_(tensor_of<std::int64_t>({1, 2, 3})).is_same(t));
  CHECK(t.to_vector<float>() == Floats{1, 2, 3, 1, 2, 3});
  t.t().copy_(tensor({7, 8}));
  CHECK(t.to_vector<float>() == Floats{7, 7, 7, 8, 8, 8});
  const Tensor h = zeros({2}, float16);
  h.copy_(tensor({0.1, 1e6}));
  CHECK(h.to_vector<float>()[0] == 0.0999755859375f);
  CHECK(std::isinf(h.to_vector<float>()[1]));
  CHECK_THROWS_WITH(t.copy_(zeros({4})), ContainsSubstring("do not broadcast"));
  CHECK_THROWS_WITH(tensor({1}).copy_(t), ContainsSubstring("(2, 3) does not broadcast to (1,)"));
}

TEST_CASE("copy_ reads overlapping sources as they were", "[core][tensor][inplace]") {
  const Tensor t = tensor({1, 2, 3, 4});
  t.slice(0, 1).copy_(t.slice(0, 0, 3));
  CHECK(t.to_vector<float>() == Floats{1, 1, 2, 3});
  const Tensor m = tensor({{1, 2}, {3, 4}});
  m.copy_(m.t());
  CHECK(m.to_vector<float>() == Floats{1, 3, 2, 4});
  m.add_(m.t());
  CHECK(m.to_vector<float>() == Floats{2, 5, 5, 8});
  m.add_(m);
  CHECK(m.to_vector<float>() == Floats{4, 10, 10, 16});
}

TEST_CASE("add_ and mul_ keep the dtype of the destination", "[core][tensor][inplace]") {
  const Tensor f = tensor({1, 2});
  f.add_(tensor_of<std::int64_t>({10, 20}), 0.5).mul_(tensor({2})).mul_(3);
  CHECK(f.to_vector<float>() == Floats{36, 72});
  const Tensor i = tensor_of<std::int32_t>({1, -2});
  i.add_(tensor_of<std::int8_t>({5, 6}), 2).mul_(2);
  CHECK(i.to_vector<int>() == std::vector<int>{22, 20});
  const Tensor h = full({1}, 1, float16);
  h.add_(tensor({0.0001}));
  CHECK(h.item() == 1);
  const Tensor big = full({1}, 120, int8);
  big.add_(big);
  CHECK(big.item<int>() == -16);
  CHECK_THROWS_WITH(i.add_(f), ContainsSubstring("int32 and float32 cannot be kept in int32"));
  CHECK_THROWS_WITH(i.mul_(0.5), ContainsSubstring("cannot be kept in int32"));
  CHECK_THROWS_AS(i.add_(i, 0.5), Error);
  CHECK_THROWS_AS(zeros({2}, boolean).add_(i), Error);
  const Tensor q = quantize_per_tensor(f, 1, 0, quint8);
  CHECK_THROWS_WITH(q.add_(f), ContainsSubstring("quantized tensors take no part in arithmetic"));
  CHECK_THROWS_AS(f.mul_(q), Error);
}

TEST_CASE("in-place writes work on strided and empty tensors", "[core][tensor][inplace]") {
  const Tensor m = zeros({2, 3});
  m.t().slice(0, 0, 3, 2).add_(tensor({1, 2}));
  CHECK(m.to_vector<float>() == Floats{1, 0, 1, 2, 0, 2});
  m.select(1, 2).mul_(5);
  CHECK(m.to_vector<float>() == Floats{1, 0, 5, 2, 0, 10});
  zeros({0, 2}).copy_(zeros({2})).add_(ones({1})).mul_(2);
  const Tensor scalar = tensor(2.0);
  scalar.add_(scalar).mul_(scalar);
  CHECK(scalar.item() == 16);
}

TEST_CASE("expanded tensors are not written to", "[core][tensor][inplace]") {
  const Tensor t = tensor({1}).expand({3});
  CHECK_THROWS_WITH(t.fill_(2), ContainsSubstring("share memory; clone() it first"));
  CHECK_THROWS_AS(t.copy_(zeros({3})), Error);
  CHECK_THROWS_AS(t.add_(t), Error);
  CHECK_NOTHROW(tensor({1}).expand({1, 1}).fill_(2));
}

TEST_CASE("in-place writes stay out of autograd", "[core][tensor][inplace][autograd]") {
  const Tensor x = ones({2}), y = ones({2});
  x.requires_grad_();
  CHECK_THROWS_WITH(x.add_(y), ContainsSubstring("add_: writes in place are not recorded"));
  CHECK_THROWS_WITH(x.fill_(0), ContainsSubstring("NoGrad"));
  CHECK_THROWS_WITH((x * 2).mul_(y), ContainsSubstring("NoGrad"));
  CHECK_THROWS_WITH(y.copy_(x), ContainsSubstring("the operand needs a gradient"));
  CHECK(x.to_vector<float>() == Floats{1, 1});
  NoGrad guard;
  x.add_(y);
  y.copy_(x);
  CHECK(y.to_vector<float>() == Floats{2, 2});
}

TEST_CASE("copy_ quantizes with the destination's qparams", "[core][tensor][inplace][quantize]") {
  const Tensor q = quantize_per_tensor(zeros({2, 2}), 0.5, 10, quint8);
  q.copy_(tensor({1.2, -0.3}));
  CHECK(q.int_repr().to_vector<int>() == std::vector<int>{12, 9, 12, 9});
  q.select(1, 0).fill_(2);
  CHECK(q.int_repr().to_vector<int>() == std::vector<int>{14, 9, 14, 9});
  const Tensor c = per_channel();
  c.fill_(1);
  CHECK(c.int_repr().to_vector<int>() == std::vector<int>{2, 2, 4, 4});
  const Tensor f = zeros({2, 2});
  f.copy_(q);
  CHECK(f.to_vector<float>() == Floats{2, -0.5, 2, -0.5});
}

TEST_CASE("copy_ hands the quantizer of a quantized source over",
          "[core][tensor][inplace][quantize]") {
  const Tensor q = quantize_per_tensor(zeros({2, 2}), 0.5, 10, qint8);
  const Tensor source = per_channel();
  q.copy_(source);
  CHECK(q.equal(source));
  const Tensor part = quantize_per_tensor(zeros({3, 2}), 0.5, 10, qint8).slice(0, 0, 2);
  CHECK_THROWS_WITH(part.copy_(source),
                    ContainsSubstring("part of a tensor with another quantizer"));
  CHECK_THROWS_WITH(q.copy_(quantize_per_tensor(zeros({2, 2}), 1, 0, quint8)),
                    ContainsSubstring("a source of dtype qint8 expected, got quint8"));
}

// ---- symbols ------------------------------------------------------------------------------------

TEST_CASE("a symbol tells what to do instead of giving data", "[core][tensor][trace]") {
  const Tensor s = symbol_without_shape();
  CHECK(s.is_symbolic());
  CHECK_THROWS_AS(s.data<float>(), TraceError);
  CHECK_THROWS_WITH(s.item(), ContainsSubstring("Tensor::item: the value of a tensor is not known "
                                                "while tracing"));
  CHECK_THROWS_WITH(s.sizes(), ContainsSubstring("trace with example inputs"));
  CHECK_THROWS_AS(s.numel(), TraceError);
  CHECK_THROWS_AS(s.dim(), TraceError);
  CHECK_THROWS_AS(s.to_vector<float>(), TraceError);
  CHECK_THROWS_AS(s.version(), TraceError);
  CHECK_THROWS_AS(s.fill_(0), TraceError);
  CHECK_THROWS_AS(s.requires_grad_(), TraceError);
  CHECK_THROWS_AS(ones({2}).copy_(s), TraceError);
  CHECK(s.str() == "tensor(<traced>)");
}

TEST_CASE("a symbol with a shape answers for it", "[core][tensor][trace]") {
  const Tensor s = make_symbolic(std::make_shared<Symbol>(), Shape{2, 3}, float64);
  CHECK(s.sizes() == Shape{2, 3});
  CHECK(s.numel() == 6);
  CHECK(s.dtype() == float64);
  CHECK(s.is_floating_point());
  CHECK_THROWS_AS(s.data<double>(), TraceError);
  CHECK(s.str() == "tensor(<traced>, size=(2, 3), dtype=float64)");
}
