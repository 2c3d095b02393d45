#include "adze/core/autograd.h"

#include <thread>

#include "adze/core/creation.h"
#include "adze/core/op.h"
#include "adze/core/ops.h"
#include "adze/core/tensor_impl.h"

#include "support/finite_difference.h"

using namespace adze;

namespace {

Tensor leaf(const Tensor& t) {
  t.requires_grad_();
  return t;
}

// Two results, of which callers may use one only; the second is twice the first.
const Op<std::tuple<Tensor, Tensor>(const Tensor&)> twofold{
    {.name = "twofold",
     .forward = [](const Tensor& a) { return std::tuple(a * 3, a * 6); },
     .derivative = [](const autograd::BackwardContext& c) -> autograd::Gradients {
       return {c.grads[0] * 3 + c.grads[1] * 6};
     }}};

}  // namespace

TEST_CASE("gradients flow back along a chain and meet where paths join", "[core][autograd]") {
  const Tensor x = leaf(tensor({1, 2, 3}));
  const Tensor y = x * x;
  (y * 2 + y).sum().backward();
  CHECK(x.grad().equal(tensor({6, 12, 18})));
  CHECK_FALSE(x.grad().requires_grad());
}

TEST_CASE("gradients add up in a leaf over several calls", "[core][autograd]") {
  const Tensor x = leaf(tensor({1, 2}));
  (x * 2).sum().backward();
  const Tensor first = x.grad();
  (x * 3).sum().backward();
  CHECK(x.grad().equal(tensor({5, 5})));
  CHECK(first.equal(tensor({2, 2})));
}

TEST_CASE("one graph may be run backward twice", "[core][autograd]") {
  const Tensor x = leaf(tensor({1, 2}));
  const Tensor y = exp(x).sum();
  y.backward();
  const Tensor once = x.grad();
  y.backward();
  CHECK(x.grad().equal(once + once));
}

TEST_CASE("nothing is remembered without grad mode", "[core][autograd]") {
  const Tensor x = leaf(tensor({1, 2}));
  {
    const NoGrad guard;
    CHECK_FALSE(grad_enabled());
    CHECK((x * 2).is_leaf());
    {
      const EnableGrad inner;
      CHECK_FALSE((x * 2).is_leaf());
    }
    CHECK_FALSE(grad_enabled());
  }
  CHECK(grad_enabled());
  CHECK((x * 2).requires_grad());
  CHECK_FALSE((x.detach() * 2).requires_grad());
}

TEST_CASE("a result that nobody used counts with gradient zero", "[core][autograd]") {
  const Tensor x = leaf(tensor({1, 2}));
  const auto [a, b] = twofold(x);
  a.sum().backward();
  CHECK(x.grad().equal(tensor({3, 3})));
  (a + b).sum().backward();
  CHECK(x.grad().equal(tensor({12, 12})));
}

TEST_CASE("integer results stay outside of the graph", "[core][autograd]") {
  const Tensor x = leaf(tensor({1, 3, 2}));
  const auto [values, indices] = topk(x, 2);
  CHECK(values.requires_grad());
  CHECK_FALSE(indices.requires_grad());
  (values * tensor({10, 1})).sum().backward();
  CHECK(x.grad().equal(tensor({0, 10, 1})));
}

TEST_CASE("an op that returns its argument leaves it as it is", "[core][autograd]") {
  const Tensor x = leaf(tensor({1, 2}));
  CHECK(contiguous(x).is_same(x));
  CHECK(x.to(float32).is_leaf());
  const Tensor y = x * 2;
  const auto node = y.grad_fn();
  CHECK(contiguous(y).grad_fn() == node);
  contiguous(y).sum().backward();
  CHECK(x.grad().equal(tensor({2, 2})));
}

TEST_CASE("the name of the node is that of the op", "[core][autograd]") {
  const Tensor x = leaf(tensor({1, 2}));
  CHECK(autograd::node_name(*sqrt(x).grad_fn()) == "sqrt");
  CHECK(x.grad_fn() == nullptr);
}

TEST_CASE("undefined tensors are fine as arguments", "[core][autograd]") {
  const Tensor w = leaf(tensor({{1, 2}}));
  linear(tensor({{3, 4}}), w).sum().backward();
  CHECK(w.grad().equal(tensor({{3, 4}})));
}

TEST_CASE("writing into a tensor that a derivative needs is an error", "[core][autograd]") {
  const Tensor x = leaf(tensor({1, 2})), w = tensor({3, 4});
  const Tensor y = (x * w).sum();
  w.fill_(0);
  CHECK_THROWS_WITH(y.backward(), ContainsSubstring("mul: argument 1 Tensor(2,) was changed in "
                                                    "place after the forward call"));
  CHECK_FALSE(x.grad().defined());

  const Tensor e = exp(x);
  e.detach().zero_();
  CHECK_THROWS_WITH(e.sum().backward(), ContainsSubstring("exp: result 0 of shape (2,) was changed "
                                                          "in place after the forward call"));
}

TEST_CASE("writing into a tensor that no derivative needs is fine", "[core][autograd]") {
  const Tensor x = leaf(tensor({1, 2})), b = tensor({3, 4});
  const Tensor y = (x + b).sum();
  b.fill_(0);
  y.backward();
  CHECK(x.grad().equal(tensor({1, 1})));
}

TEST_CASE("a graph goes with its last result", "[core][autograd]") {
  const Tensor x = leaf(tensor({1, 2}));
  std::weak_ptr<TensorImpl> middle;
  std::weak_ptr<Storage> result;
  {
    Tensor y = exp(x);
    middle = y.impl_ptr();
    const Tensor z = exp(y);
    y = Tensor();
    result = z.impl().storage;
    z.sum().backward();
    CHECK_FALSE(middle.expired());
  }
  CHECK(middle.expired());
  CHECK(result.expired());
}

TEST_CASE("long chains overflow no stack, neither backward nor when they go",
          "[core][autograd][slow]") {
  const Tensor x = leaf(tensor({1}));
  Tensor y = x;
  for (int i = 0; i < 1'000'000; ++i) y = neg(y);
  y.backward();
  CHECK(x.grad().item() == 1);
  y = Tensor();
  CHECK(x.grad().item() == 1);
}

TEST_CASE("backward says what is wrong with its arguments", "[core][autograd]") {
  const Tensor x = leaf(tensor({1, 2}));
  const Tensor y = x * 2;
  using autograd::backward;
  CHECK_THROWS_WITH(y.backward(), ContainsSubstring("(2,)"));
  CHECK_THROWS_WITH(y.backward(ones({3})), ContainsSubstring("(3,)"));
  CHECK_THROWS_WITH(ones({1}).backward(), ContainsSubstring("require"));
  CHECK_THROWS_WITH(backward({y}),
                    "backward: output 0 has shape (2,); only a one-element output "
                    "may go without a gradient");
  CHECK_THROWS_WITH(backward({y}, {ones({3})}),
                    "backward: gradient 0 has shape (3,), its output has shape (2,)");
  CHECK_THROWS_WITH(backward({ones({2})}, {ones({2})}),
                    "backward: output 0 of shape (2,) does not require grad and was not computed "
                    "from a tensor that does");
  CHECK_THROWS_WITH(backward({y, y}, {ones({2})}),
                    "backward: 2 outputs need as many gradients, got 1");
  CHECK_THROWS_WITH(backward({Tensor()}), "backward: output 0 is undefined");
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("a leaf may be an output itself", "[core][autograd]") {
  const Tensor x = leaf(tensor({1, 2}));
  x.backward(tensor({5, 7}));
  CHECK(x.grad().equal(tensor({5, 7})));
}

TEST_CASE("several outputs run in one walk", "[core][autograd]") {
  const Tensor x = leaf(tensor({1, 2}));
  autograd::backward({x.sum(), (x * x).sum()});
  CHECK(x.grad().equal(tensor({3, 5})));
}

TEST_CASE("an accumulated gradient has memory of its own", "[core][autograd]") {
  const Tensor x = leaf(tensor({1, 2})), g = tensor({1, 1});
  (x + 0).backward(g);
  g.fill_(9);
  CHECK(x.grad().equal(tensor({1, 1})));

  const Tensor a = leaf(tensor({1, 2})), b = leaf(tensor({3, 4}));
  (a + b).backward(tensor({2, 2}));
  a.grad().fill_(0);
  CHECK(b.grad().equal(tensor({2, 2})));

  const Tensor wide = leaf(zeros({2, 3}));
  wide.sum().backward();
  CHECK(wide.grad().is_contiguous());
}

TEST_CASE("grad gives gradients of leaves and of results, and touches none", "[core][autograd]") {
  const Tensor x = leaf(tensor({1, 2})), unused = leaf(tensor({1}));
  const Tensor y = x * x, z = (y * 3).sum();
  const TensorList g = autograd::grad({z}, {x, y, unused, z});
  CHECK(g[0].equal(tensor({6, 12})));
  CHECK(g[1].equal(tensor({3, 3})));
  CHECK_FALSE(g[2].defined());
  CHECK(g[3].item() == 1);
  CHECK_FALSE(x.grad().defined());

  const Tensor seed = tensor({1, 10});
  const Tensor through = autograd::grad({y}, {y}, {seed})[0];
  seed.fill_(0);
  CHECK(through.equal(tensor({1, 10})));
}

TEST_CASE("grad refuses inputs that require no gradient", "[core][autograd]") {
  const Tensor x = leaf(tensor({1}));
  CHECK_THROWS_WITH(autograd::grad({x * 2}, {ones({1})}),
                    "grad: input 0 of shape (1,) does not require grad and was not computed from "
                    "a tensor that does");
  CHECK_THROWS_WITH(autograd::grad({x * 2}, {Tensor()}), "grad: input 0 is undefined");
}

TEST_CASE("gradients have the dtype of their tensor", "[core][autograd]") {
  const Tensor x = leaf(tensor({1, 2})), y = leaf(tensor({3, 4}).to(float64));
  const Tensor z = x * y;
  CHECK(z.dtype() == float64);
  z.sum().backward();
  CHECK(x.grad().dtype() == float32);
  CHECK(y.grad().dtype() == float64);
  CHECK(x.grad().equal(tensor({3, 4})));

  const Tensor h = leaf(tensor({1, 2}).to(float16));
  h.to(float32).sum().backward();
  CHECK(h.grad().dtype() == float16);
}

TEST_CASE("gradients are summed in the same order every time", "[core][autograd]") {
  const auto run = [] {
    const Tensor x = leaf(tensor({0.1, 0.7}));
    Tensor total = zeros({2});
    for (int i = 1; i < 20; ++i) total = total + tanh(x * i) / i;
    total.sum().backward();
    return x.grad();
  };
  CHECK(run().equal(run()));
}

TEST_CASE("threads may go backward through graphs of their own", "[core][autograd]") {
  std::vector<std::thread> threads;
  std::vector<double> results(4);
  for (std::size_t i = 0; i < results.size(); ++i) {
    threads.emplace_back([&, i] {
      const Tensor x = leaf(full({16}, i + 1));
      Tensor y = x;
      for (int k = 0; k < 50; ++k) y = y + x;
      y.sum().backward();
      results[i] = x.grad().sum().item();
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(results == std::vector<double>(4, 51 * 16));
}

TEST_CASE("sum_to undoes broadcasting", "[core][autograd]") {
  const Tensor g = ones({2, 3, 4});
  CHECK(autograd::sum_to(g, {2, 3, 4}).is_same(g));
  CHECK(autograd::sum_to(g, {3, 1}).equal(full({3, 1}, 8)));
  CHECK(autograd::sum_to(g, {4}).equal(full({4}, 6)));
  CHECK(autograd::sum_to(g, {}).equal(full({}, 24)));
  CHECK(autograd::sum_to(ones({1, 1, 4}), {4}).equal(ones({4})));
  CHECK_THROWS_WITH(autograd::sum_to(ones({1}), {3}), "sum_to: cannot reduce shape (1,) to (3,)");
}

TEST_CASE("views and copies pass gradients to the tensor behind them", "[core][autograd]") {
  const Tensor x = leaf(zeros({2, 3}));
  (x.t()[1] * tensor({1, 10})).sum().backward();
  CHECK(x.grad().equal(tensor({{0, 1, 0}, {0, 10, 0}})));
}
