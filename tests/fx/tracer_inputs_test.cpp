// What a traced network takes and gives: lists, optional tensors, fixed values, sizes that follow
// the number of rows; networks of random make.
#include <functional>
#include <tuple>

#include "adze/core/autograd.h"
#include "adze/fx/interpreter.h"
#include "adze/fx/tracer.h"
#include "adze/nn/container.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/optim/sgd.h"
#include "adze/nn/traversal.h"

#include "fx/random_module.h"
#include "support/catch.h"
#include "support/modules.h"

namespace adze {
namespace {

using fx::GraphModule;
using fx::symbolic_trace;
using test::error_of;
using test::Warnings;

std::string names(GraphModule& m) {
  std::string text;
  for (const fx::Node& n : m.graph().nodes()) text += (text.empty() ? "" : " ") + n.name();
  return text;
}

/// A network whose forward is that function.
template <class F>
class Function;
template <class R, class... A>
class Function<R(A...)> : public nn::ModuleOf<Function<R(A...)>> {
 public:
  explicit Function(std::function<R(A...)> f) : f_(std::move(f)) {}
  R forward(A... args) { return f_(args...); }

 private:
  std::function<R(A...)> f_;
};
template <class Signature, class F>
nn::ModulePtr function(F f) {
  return nn::make<Function<Signature>>(std::move(f));
}
using Unary = Tensor(const Tensor&);

// ---- kinds of inputs ----------------------------------------------------------------------------

TEST_CASE("Results of ops with several results are taken apart", "[fx][tracer]") {
  auto net = function<Unary>([](const Tensor& x) {
    const TensorList parts = split(x, {1, 3}, 1);
    const auto [values, indices] = topk(parts[1], 2);
    return values * parts[0];
  });
  auto gm = symbolic_trace(net);
  CHECK(names(*gm) == "x split getitem getitem_1 topk getitem_2 mul output");
  const Tensor x = randn({5, 4});
  CHECK((*gm)(x).equal((*net)(x)));
}

TEST_CASE("A list of tensors needs an example, and then has that many", "[fx][tracer]") {
  auto net = function<Tensor(const TensorList&)>([](const TensorList& all) {
    Tensor sum = all.at(0);
    for (std::size_t i = 1; i < all.size(); ++i) sum = sum + all[i];
    return sum;
  });
  CHECK(error_of([&] { symbolic_trace(net); }) ==
        "trace: the argument 'x' of forward is a list; give an example input");
  const TensorList three{ones({2}), ones({2}), ones({2})};
  auto gm = symbolic_trace(net, {.example_inputs = {three}});
  CHECK(names(*gm) == "x getitem getitem_1 getitem_2 add add_1 output");
  CHECK(gm->call({TensorList{tensor({1}), tensor({2}), tensor({3})}}).to_tensor().item() == 6);
  CHECK_THROWS_AS(gm->call({TensorList{tensor({1})}}), Error);
  auto again = symbolic_trace(gm);
  CHECK(again->graph().str() == gm->graph().str());
}

TEST_CASE("An optional tensor is an input, or fixed as missing", "[fx][tracer]") {
  auto net = function<Tensor(const Tensor&, const std::optional<Tensor>&)>(
      [](const Tensor& x, const std::optional<Tensor>& y) { return y ? x + *y : x * 2.0; });
  const Tensor x = randn({3}), y = randn({3});
  CHECK(symbolic_trace(net)->call({x, y}).to_tensor().equal(x + y));
  auto without = symbolic_trace(net, {.concrete_args = {{"y", Value()}}});
  CHECK((*without)(x).equal(x * 2.0));
  CHECK_THAT(error_of([&] {
               without->call({x, y});
             }),
             ContainsSubstring("traced with 'y' = None and computes nothing else"));
}

TEST_CASE("An interpreter refuses other values than those of the trace too",
          "[fx][tracer][error]") {
  auto net = function<Tensor(const Tensor&, double)>(
      [](const Tensor& x, double factor) { return x * factor; });
  auto gm = symbolic_trace(net, {.concrete_args = {{"y", 3.0}}});
  const std::vector<Value> same{tensor({2}), 3}, other{tensor({2}), 4};
  CHECK(fx::Interpreter(*gm).run(same).to_tensor().item() == 6);
  CHECK(error_of([&] { fx::Interpreter(*gm).run(other); }) == error_of([&] {
          gm->call({tensor({2}), 4});
        }));
  CHECK(error_of([&] { fx::Interpreter(*gm).run(other); }) ==
        "forward: the network was traced with 'y' = 3.0 and computes nothing else, got 4; trace it "
        "again with that value");
}

TEST_CASE("Quantized examples keep their quantizer", "[fx][tracer]") {
  auto net = function<Unary>(
      [](const Tensor& x) { return x.is_quantized() ? x.dequantize() * x.q_scale() : x; });
  const Tensor q = quantize_per_tensor(randn({2, 3}), 0.25, 3, quint8);
  CHECK((*symbolic_trace(net, {.example_inputs = {q}}))(q).equal((*net)(q)));
}

// ---- any number of rows -------------------------------------------------------------------------

void check_any_batch(std::function<Unary> f) {
  auto net = function<Unary>(f);
  const Warnings warnings;
  auto gm = symbolic_trace(net, {.example_inputs = {randn({3, 4})}});
  CHECK(warnings.all.empty());
  for (const std::int64_t rows : {1, 2, 3, 7}) {
    CAPTURE(rows);
    const Tensor x = randn({rows, 4});
    CHECK((*gm)(x).equal((*net)(x)));
  }
}

TEST_CASE("Sizes that are affine in the number of rows follow it", "[fx][tracer]") {
  check_any_batch([](const Tensor& x) { return x.reshape({x.size(0), 2, 2}); });
  check_any_batch([](const Tensor& x) { return x.reshape({x.size(0) * 2, -1}); });
  check_any_batch([](const Tensor& x) { return x.reshape({x.numel()}); });
  check_any_batch([](const Tensor& x) { return x.slice(0, x.size(0) - 1, x.size(0)); });
  check_any_batch([](const Tensor& x) { return x * static_cast<double>(x.dim()); });
  check_any_batch([](const Tensor& x) {
    return cat({x, x.slice(0, 0, 1).expand({x.size(0), 4})}, 1).reshape({2 * x.size(0), 4});
  });
}

TEST_CASE("The number of rows is read once, in front of its first use", "[fx][tracer]") {
  auto net = function<Unary>([](const Tensor& x) {
    return relu(x).reshape({x.size(0) * 2, -1}).reshape({x.size(0), 4});
  });
  const fx::TraceOptions options{.example_inputs = {randn({3, 4})}};
  CHECK(names(*symbolic_trace(net, options)) == "x relu size mul reshape reshape_1 output");
  fx::TraceOptions fixed = options;
  fixed.any_batch_size = false;
  auto gm = symbolic_trace(net, fixed);
  CHECK(names(*gm) == "x relu reshape reshape_1 output");
  CHECK(gm->graph().find("reshape_1")->arg(1) == fx::Argument(Shape{3, 4}));
}

std::string warning_of(std::function<Unary> f) {
  auto net = function<Unary>(f);
  const Warnings warnings;
  const Tensor x = randn({4, 4});
  auto gm = symbolic_trace(net, {.example_inputs = {x}});
  CHECK((*gm)(x).equal((*net)(x)));
  return warnings.all.size() == 1 ? warnings.all[0] : "not one warning";
}

TEST_CASE("What cannot follow the number of rows is warned of", "[fx][tracer]") {
  CHECK_THAT(warning_of([](const Tensor& x) { return x.size(0) % 2 == 0 ? relu(x) : neg(x); }),
             ContainsSubstring("computes other steps; the graph holds for inputs with 4 rows"));
  CHECK_THAT(warning_of([](const Tensor& x) {
               Tensor y = x;
               for (std::int64_t i = 0; i < x.size(0); ++i) y = y * 2.0;
               return y;
             }),
             ContainsSubstring("other steps"));
  CHECK_THAT(warning_of([](const Tensor& x) { return x + ones(x.sizes()); }),
             ContainsSubstring("with other constants"));
  CHECK_THAT(warning_of([](const Tensor& x) { return x * full({4}, x.size(0)); }),
             ContainsSubstring("with other constants"));
  CHECK_THAT(warning_of([](const Tensor& x) { return x * (1.0 / static_cast<double>(x.size(0))); }),
             ContainsSubstring("computes mul with other arguments"));
  CHECK_THAT(warning_of([](const Tensor& x) { return x.sum().expand({x.size(0) * x.size(0)}); }),
             ContainsSubstring("expand with other arguments"));
  CHECK_THAT(warning_of([](const Tensor& x) { return x.slice(0, 0, (x.size(0) + 1) / 2); }),
             ContainsSubstring("slice with other arguments"));
}

TEST_CASE("A network that refuses other numbers of rows is traced for one", "[fx][tracer]") {
  auto net = function<Unary>([](const Tensor& x) {
    check(x.size(0) == 3, "three rows, please");
    return x.reshape({3, 2, 2});
  });
  const Warnings warnings;
  auto gm = symbolic_trace(net, {.example_inputs = {randn({3, 4})}});
  REQUIRE(warnings.all.size() == 1);
  CHECK_THAT(warnings.all[0], ContainsSubstring("is for 3 rows only; with more it gives: "
                                                "three rows, please"));
  CHECK((*gm)(randn({3, 4})).sizes() == Shape{3, 2, 2});
  CHECK_THROWS_AS((*gm)(randn({4, 4})), Error);
}

TEST_CASE("Two inputs follow their common number of rows", "[fx][tracer]") {
  auto net = function<Tensor(const Tensor&, const Tensor&)>([](const Tensor& x, const Tensor& y) {
    const Tensor a = x.reshape({x.size(0), -1});
    return a + y.reshape({y.size(0), -1});
  });
  auto gm = symbolic_trace(net, {.example_inputs = {randn({2, 3}), randn({2, 3, 1})}});
  CHECK(names(*gm) == "x y size reshape reshape_1 add output");
  const Tensor x = randn({5, 3}), y = randn({5, 3, 1});
  CHECK(gm->call({x, y}).to_tensor().equal(net->call({x, y}).to_tensor()));
}

TEST_CASE("Graphs that compute sizes can be traced again, nested and transformed", "[fx][tracer]") {
  auto net = function<Unary>([](const Tensor& x) { return relu(x).reshape({x.size(0) * 2, -1}); });
  auto gm = symbolic_trace(net, {.example_inputs = {randn({3, 4})}});
  const std::string text = gm->graph().str();
  const Tensor x = randn({5, 4}), expected = (*gm)(x);
  CHECK(symbolic_trace(gm)->graph().str() == text);
  CHECK((*symbolic_trace(gm, {.example_inputs = {randn({2, 4})}}))(x).equal(expected));
  auto nested = symbolic_trace(nn::make<nn::Sequential>(std::vector<nn::ModulePtr>{gm}));
  CHECK((*nested)(x).equal(expected));
  CHECK(fx::Transformer(*gm).transform()->graph().str() == text);
}

// ---- networks of random make --------------------------------------------------------------------

TEST_CASE("Random networks traced with an example compute the same bits", "[fx][tracer]") {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    auto net = test::random_module(seed);
    const Warnings warnings;
    auto gm = symbolic_trace(net, {.example_inputs = {randn({3, 8})}});
    CHECK(warnings.all.empty());
    for (const std::int64_t rows : {3, 1, 6}) {
      const Tensor x = randn({rows, 8});
      CHECK((*gm)(x).equal((*net)(x)));
    }
    CHECK(fx::Graph::from_text(gm->graph().to_text()).str() == gm->graph().str());
  }
}

TEST_CASE("Random networks traced without an example, again, and transformed compute the same bits",
          "[fx][tracer]") {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    auto net = test::random_module(seed);
    auto gm = symbolic_trace(net);
    auto again = symbolic_trace(gm);
    CHECK(again->graph().str() == gm->graph().str());
    CHECK(fx::Transformer(*gm).transform()->graph().str() == gm->graph().str());
    const Tensor x = randn({3, 8});
    const std::vector<Value> args{x};
    CHECK((*gm)(x).equal((*net)(x)));
    CHECK((*again)(x).equal((*net)(x)));
    CHECK(fx::Interpreter(*gm).run(args).to_tensor().equal((*net)(x)));
    CHECK((*nn::deepcopy(gm))(x).equal((*net)(x)));
  }
}

void train(nn::Module& net, int steps) {
  optim::SGD sgd(nn::parameters(net), {.lr = 0.01, .momentum = 0.9});
  Generator random(9);
  for (int i = 0; i < steps; ++i) {
    const Tensor x = randn({6, 8}, &random), y = randn({6, 8}, &random);
    nn::zero_grad(net);
    mse_loss(net(x), y).backward();
    sgd.step();
  }
}

TEST_CASE("Training a graph gives the weights of training the network, to the bit",
          "[fx][tracer]") {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    CAPTURE(seed);
    auto net = test::random_module(seed);
    auto copy = nn::deepcopy(net);
    train(*net, 4);
    train(*symbolic_trace(copy), 4);
    for (const auto& [name, value] : nn::named_parameters(*copy)) {
      CAPTURE(name);
      CHECK(value.equal(nn::find_parameter(*net, name)->slot()->original()));
    }
  }
}

}  // namespace
}  // namespace adze
