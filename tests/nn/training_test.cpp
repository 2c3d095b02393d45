// Networks that learn: layers, losses, optimisers and gradients together.

#include <cmath>
#include <numbers>

#include "adze/core/autograd.h"
#include "adze/nn/activation.h"
#include "adze/nn/clip_grad.h"
#include "adze/nn/container.h"
#include "adze/nn/dropout.h"
#include "adze/nn/linear.h"
#include "adze/nn/loss.h"
#include "adze/nn/optim/adam.h"
#include "adze/nn/optim/lr_scheduler.h"
#include "adze/nn/optim/sgd.h"
#include "adze/nn/traversal.h"

#include "support/catch.h"
#include "support/finite_difference.h"
#include "support/modules.h"

using namespace adze;

namespace {

struct Samples {
  Tensor x, y;
};

// Points on two interleaved arms, `per_arm` on each.
Samples spiral(std::int64_t per_arm) {
  std::vector<float> points;
  std::vector<std::int64_t> labels;
  for (std::int64_t arm = 0; arm < 2; ++arm) {
    for (std::int64_t i = 0; i < per_arm; ++i) {
      const double t = static_cast<double>(i) / static_cast<double>(per_arm);
      const double radius = 0.1 + 0.9 * t;
      const double angle = 3 * t * std::numbers::pi + static_cast<double>(arm) * std::numbers::pi;
      points.push_back(static_cast<float>(radius * std::cos(angle)));
      points.push_back(static_cast<float>(radius * std::sin(angle)));
      labels.push_back(arm);
    }
  }
  return {from_vector(points, {2 * per_arm, 2}), from_vector(labels, {2 * per_arm})};
}

double accuracy(nn::Module& net, const Samples& samples) {
  const NoGrad guard;
  return eq(net(samples.x).argmax(1), samples.y).to(float32).mean().item();
}

// A decoder whose second half has the weight of the first, transposed: W₁ᵀ tanh(W₁ x + b₁), and
// the same matrix once more under a second handle.
class Tied : public nn::ModuleOf<Tied> {
 public:
  explicit Tied(const TensorList& values)
      : first("first", nn::Linear(values[0], values[1])), again("again", Tensor()) {
    again.rebind(first.as<nn::Linear>().weight.slot());
  }
  nn::Submodule first, act{"act", nn::Tanh()};
  nn::Parameter again;
  Tensor forward(const Tensor& x) { return act(first(x)).matmul(again); }

 protected:
  void fields(nn::FieldList& f) override { f(first, act, again); }
};

}  // namespace

TEST_CASE("A network learns XOR with SGD and momentum", "[nn][training]") {
  manual_seed(1);
  nn::Sequential net(nn::Linear(2, 8), nn::Tanh(), nn::Linear(8, 1), nn::Sigmoid());
  const Tensor x = tensor({{0, 0}, {0, 1}, {1, 0}, {1, 1}}), y = tensor({{0}, {1}, {1}, {0}});
  optim::SGD sgd(nn::parameters(net), {.lr = 0.5, .momentum = 0.9});
  nn::MSELoss loss;
  for (int i = 0; i < 400; ++i) {
    sgd.zero_grad();
    loss(net(x), y).backward();
    sgd.step();
  }
  CHECK((net(x) - y).abs().max().item() < 0.1);
}

TEST_CASE("A network learns two spirals with Adam and one cycle", "[nn][training]") {
  manual_seed(2);
  const Samples samples = spiral(100);
  nn::Sequential net(nn::Linear(2, 32), nn::ReLU(), nn::Linear(32, 32), nn::ReLU(),
                     nn::Linear(32, 2));
  CHECK(accuracy(net, samples) < 0.8);
  optim::AdamW adam(nn::parameters(net), {.lr = 0.01});
  constexpr int steps = 300;
  optim::OneCycleLR cycle(adam, 0.03, steps);
  nn::CrossEntropyLoss loss({.label_smoothing = 0.01});
  for (int i = 0; i < steps; ++i) {
    adam.zero_grad();
    loss(net(samples.x), samples.y).backward();
    nn::utils::clip_grad_norm_(nn::parameters(net), 1);
    adam.step();
    cycle.step();
  }
  CHECK(accuracy(net, samples) == 1);
}

TEST_CASE("The same seed gives the same training, dropout included", "[nn][training][random]") {
  const auto trained = [](std::uint64_t seed) {
    manual_seed(seed);
    const Samples samples = spiral(20);
    nn::Sequential net(nn::Linear(2, 16), nn::ReLU(), nn::Dropout(0.3), nn::Linear(16, 2));
    optim::SGD sgd(nn::parameters(net), {.lr = 0.1, .momentum = 0.9, .nesterov = true});
    nn::CrossEntropyLoss loss;
    for (int i = 0; i < 20; ++i) {
      sgd.zero_grad();
      loss(net(samples.x), samples.y).backward();
      sgd.step();
    }
    return net[3].as<nn::Linear>().weight.value().detach();
  };
  CHECK(trained(5).equal(trained(5)));
  CHECK_FALSE(trained(5).equal(trained(6)));
}

TEST_CASE("Gradients pass through Sequential as through its ops", "[nn][training][autograd]") {
  manual_seed(3);
  const Tensor x = randn({4, 3});
  nn::Linear a(3, 5), b(5, 2);
  nn::Sequential net(a, nn::ReLU(), b);
  net(x).sum().backward();
  const Tensor ga = a.weight.value().grad(), gb = b.bias.value().grad();
  REQUIRE(ga.defined());
  nn::zero_grad(net);
  CHECK_FALSE(a.weight.value().grad().defined());
  linear(relu(linear(x, a.weight, a.bias)), b.weight, b.bias).sum().backward();
  CHECK(a.weight.value().grad().equal(ga));
  CHECK(b.bias.value().grad().equal(gb));
}

TEST_CASE("The derivative of a whole network equals finite differences",
          "[nn][training][autograd]") {
  const Tensor x = testing::random_double({3, 4}, 1);
  const Tensor target = tensor_of<std::int64_t>({0, 2, 1});
  const auto loss = [&](const TensorList& p) {
    nn::Sequential net(nn::Linear(p[0], p[1]), nn::Tanh(), nn::Linear(p[2], p[3]), nn::Sigmoid(),
                       nn::Linear(p[4]));
    return nn::CrossEntropyLoss({.label_smoothing = 0.1})(net(x), target);
  };
  testing::check_gradients(loss, {testing::random_double({6, 4}, 2), testing::random_double({6}, 3),
                                  testing::random_double({5, 6}, 4), testing::random_double({5}, 5),
                                  testing::random_double({3, 5}, 6)});
}

TEST_CASE("The derivative of tied weights sums over all their uses", "[nn][training][autograd]") {
  const Tensor x = testing::random_double({3, 4}, 1);
  const auto f = [&](const TensorList& p) {
    Tied net(p);
    return nn::MSELoss()(net(x), x);
  };
  const TensorList values{testing::random_double({5, 4}, 2), testing::random_double({5}, 3)};
  testing::check_gradients(f, values);
  Tied net(values);
  CHECK(nn::parameters(net).size() == 2);
}
