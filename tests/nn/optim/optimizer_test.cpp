#include "adze/nn/optim/optimizer.h"

#include <cmath>
#include <filesystem>

#include "adze/nn/linear.h"
#include "adze/nn/optim/adam.h"
#include "adze/nn/optim/sgd.h"
#include "adze/nn/parametrize.h"
#include "adze/nn/swap.h"
#include "adze/nn/traversal.h"

#include "golden.h"
#include "support/catch.h"
#include "support/modules.h"

using namespace adze;
using adze::test::error_of;
using nlohmann::json;

namespace {

nn::SlotPtr slot_of(const Tensor& t) {
  return std::make_shared<nn::Slot>(t.requires_grad_());
}

void give_gradient(const nn::SlotPtr& slot, double value) {
  slot->original().set_grad(full_like(slot->original().detach(), value));
}

// Options of a case of optim.json.
template <class Options>
Options options_of(const json& given) {
  Options options;
  Options::each(options, [&]<class T>(std::string name, T& field) {
    if (name.starts_with("betas.") && given.contains("betas"))
      field = given["betas"][name == "betas.0" ? 0 : 1].template get<T>();
    if (given.contains(name)) field = given[name].template get<T>();
  });
  return options;
}

std::unique_ptr<optim::Optimizer> optimizer_of(const json& c, const nn::SlotPtr& slot) {
  const std::vector params{slot};
  const json& options = c["options"];
  if (c["optimizer"] == "SGD")
    return std::make_unique<optim::SGD>(params, options_of<optim::SGDOptions>(options));
  if (c["optimizer"] == "Adam")
    return std::make_unique<optim::Adam>(params, options_of<optim::AdamOptions>(options));
  return std::make_unique<optim::AdamW>(params, options_of<optim::AdamWOptions>(options));
}

}  // namespace

TEST_CASE("All optimisers follow PyTorch over several steps", "[nn][optim][golden]") {
  const json& golden = test::optim_golden();
  const auto start = golden["start"].get<std::vector<double>>();
  const Shape sizes{static_cast<std::int64_t>(start.size())};
  for (const json& c : golden["optimizers"]) {
    CAPTURE(c["optimizer"], c["options"].dump());
    const auto slot = slot_of(from_vector(start, sizes));
    const auto optimizer = optimizer_of(c, slot);
    CHECK(optimizer->type() == c["optimizer"]);
    int step = 0;
    for (const json& expected : c["values"]) {
      std::vector<double> grad;
      for (std::size_t i = 0; i < start.size(); ++i)
        grad.push_back(std::sin(1.3 * step + static_cast<double>(i)) *
                       std::pow(10.0, static_cast<double>(i) - 2));
      slot->original().set_grad(from_vector(grad, sizes));
      optimizer->step();
      ++step;
      const Tensor wanted = from_vector(expected.get<std::vector<double>>(), sizes);
      CHECK(slot->original().allclose(wanted, 1e-12, 1e-14));
    }
    CHECK(step == golden["steps"]);
  }
}

TEST_CASE("Parameters without a gradient are left alone", "[nn][optim]") {
  const auto a = slot_of(ones({2})), b = slot_of(ones({2}));
  optim::SGD sgd({a, b}, {.lr = 0.5});
  give_gradient(a, 1);
  sgd.step();
  CHECK(a->original().equal(full({2}, 0.5)));
  CHECK(b->original().equal(ones({2})));
  sgd.zero_grad();
  CHECK_FALSE(a->original().grad().defined());
}

TEST_CASE("Groups have their own options", "[nn][optim]") {
  const auto a = slot_of(ones({1})), b = slot_of(ones({1})), c = slot_of(ones({1}));
  optim::SGD sgd({{{a}, {.lr = 0.5}}, {{b}, {.lr = 0.25}}});
  sgd.add_param_group({{c}, {.lr = 1, .weight_decay = 1}});
  REQUIRE(sgd.groups() == 3);
  for (const auto& slot : {a, b, c}) give_gradient(slot, 1);
  sgd.step();
  CHECK(a->original().item() == 0.5);
  CHECK(b->original().item() == 0.75);
  CHECK(c->original().item() == -1);
  CHECK(sgd.lr(1) == 0.25);
  sgd.set_lr(2, 1);
  CHECK(sgd.options(1).lr == 2);
  CHECK(sgd.params(2)[0] == c);
}

TEST_CASE("What is remembered of a parameter follows its slot", "[nn][optim][slot]") {
  // The same training twice; in one the stored tensor is replaced by a copy on the way.
  const auto plain = slot_of(ones({3})), replaced = slot_of(ones({3}));
  optim::SGD one({plain}, {.lr = 0.1, .momentum = 0.9});
  optim::SGD other({replaced}, {.lr = 0.1, .momentum = 0.9});
  for (int i = 0; i < 4; ++i) {
    give_gradient(plain, i + 1);
    give_gradient(replaced, i + 1);
    one.step();
    other.step();
    const Tensor before = replaced->original();
    replaced->reset(before.detach().clone().requires_grad_());
    CHECK_FALSE(before.is_same(replaced->original()));
  }
  CHECK(plain->original().equal(replaced->original()));
}

TEST_CASE("Training goes on after a mask is baked", "[nn][optim][slot]") {
  nn::Linear fc(tensor({{1, 2}, {3, 4}}));
  const Tensor mask = tensor({{1, 0}, {0, 1}});
  const auto link = std::make_shared<test::Mask>(mask);
  nn::register_parametrization(fc, "weight", link);
  optim::Adam adam(nn::parameters(fc), {.lr = 0.1});
  const auto train = [&] {
    adam.zero_grad();
    fc(tensor({{1, 1}})).sum().backward();
    adam.step();
  };
  train();
  fc.weight.slot()->bake(link.get());
  fc.weight.slot()->pin_zeros(mask);
  for (int i = 0; i < 3; ++i) train();
  // With a constant gradient, Adam moves by lr at each step.
  CHECK(fc.weight.value().allclose(tensor({{0.6, 0}, {0, 3.6}}), 1e-5));
  CHECK(fc.weight.value().equal(fc.weight.value() * mask));
}

TEST_CASE("Pinned zeros survive momentum and weight decay", "[nn][optim][slot]") {
  const auto slot = slot_of(ones({4}));
  optim::SGD sgd({slot}, {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1});
  give_gradient(slot, 1);
  sgd.step();
  slot->pin_zeros(tensor({1, 0, 1, 0}));
  for (int i = 0; i < 3; ++i) {
    give_gradient(slot, 1);
    sgd.step();
    CHECK(count_nonzero(slot->original()) == 2);
  }
}

TEST_CASE("A masked parameter trains the stored tensor under the mask", "[nn][optim][slot]") {
  nn::Linear fc(tensor({{1, 2}}));
  nn::register_parametrization(fc, "weight", std::make_shared<test::Mask>(tensor({{1, 0}})));
  optim::SGD sgd(nn::parameters(fc), {.lr = 0.5});
  fc(tensor({{1, 1}})).sum().backward();
  sgd.step();
  CHECK(fc.weight.slot()->original().equal(tensor({{0.5, 2}})));
  CHECK(fc.weight.value().equal(tensor({{0.5, 0}})));
}

TEST_CASE("A parameter of another layout is updated in place", "[nn][optim]") {
  const Tensor storage = tensor({{1, 2}, {3, 4}, {5, 6}});
  const auto slot = slot_of(storage.t());
  optim::Adam adam({slot}, {.lr = 0.5});
  give_gradient(slot, 1);
  adam.step();
  CHECK(storage.allclose(tensor({{0.5, 1.5}, {2.5, 3.5}, {4.5, 5.5}}), 1e-6));
}

TEST_CASE("A resumed training equals one that never stopped", "[nn][optim][state_dict]") {
  const auto train = [](optim::Optimizer& o, const nn::SlotPtr& slot, int from, int to) {
    for (int i = from; i < to; ++i) {
      slot->original().set_grad(tensor({std::sin(i), std::cos(i), 0.1 * i}));
      o.step();
    }
  };
  const auto resumed_equals = [&](auto make) {
    const auto whole = slot_of(tensor({1, 2, 3})), first = slot_of(tensor({1, 2, 3}));
    auto a = make(whole, 0.1);
    train(*a, whole, 0, 10);
    auto b = make(first, 0.1);
    train(*b, first, 0, 4);
    const nn::StateDict state = b->state_dict();
    const auto second = slot_of(first->original().detach().clone());
    auto c = make(second, 0.7);
    c->load_state_dict(state);
    train(*b, first, 4, 7);  // the state is a copy: this changes nothing
    train(*c, second, 4, 10);
    CHECK(c->lr() == 0.1);
    return second->original().equal(whole->original());
  };
  using Slot = const nn::SlotPtr&;
  CHECK(resumed_equals([](Slot s, double lr) {
    return std::make_unique<optim::SGD>(
        std::vector{s}, optim::SGDOptions{.lr = lr, .momentum = 0.9, .nesterov = true});
  }));
  CHECK(resumed_equals([](Slot s, double lr) {
    return std::make_unique<optim::Adam>(std::vector{s}, optim::AdamOptions{.lr = lr});
  }));
  CHECK(resumed_equals([](Slot s, double lr) {
    return std::make_unique<optim::AdamW>(std::vector{s},
                                          optim::AdamWOptions{.lr = lr, .amsgrad = true});
  }));
}

TEST_CASE("The state of an optimiser has the names of the field", "[nn][optim][state_dict]") {
  const auto a = slot_of(ones({2})), b = slot_of(ones({3}));
  optim::Adam adam({a, b}, {.lr = 0.1});
  give_gradient(b, 1);
  adam.step();
  adam.step();
  const nn::StateDict state = adam.state_dict();
  CHECK(state.tensors.size() == 2);
  CHECK(state.at("state.1.exp_avg").sizes() == Shape{3});
  CHECK(state.contains("state.1.exp_avg_sq"));
  CHECK(state.metadata.at("optimizer") == "Adam");
  CHECK(state.metadata.at("state.1.step") == "2");
  CHECK(state.metadata.at("param_groups.0.lr") == "0.1");
  CHECK(state.metadata.at("param_groups.0.betas.1") == "0.999");
}

TEST_CASE("The state of an optimiser goes through a file", "[nn][optim][state_dict]") {
  const auto a = slot_of(tensor({1, 2})), b = slot_of(tensor({1, 2}));
  optim::AdamW first({a}, {.lr = 0.1}), second({b}, {});
  give_gradient(a, 3);
  first.step();
  const auto path = std::filesystem::temp_directory_path() / "adze_optimizer_test.safetensors";
  nn::save_state(first.state_dict(), path.string());
  second.load_state_dict(nn::load_state(path.string()));
  std::filesystem::remove(path);
  CHECK(second.lr() == 0.1);
  b->reset(a->original().detach().clone().requires_grad_());
  for (const auto& slot : {a, b}) give_gradient(slot, -1);
  first.step();
  second.step();
  CHECK(a->original().equal(b->original()));
}

TEST_CASE("A state that does not fit changes nothing", "[nn][optim][state_dict][error]") {
  const auto a = slot_of(ones({2}));
  optim::SGD source({a}, {.lr = 0.3, .momentum = 0.9});
  give_gradient(a, 1);
  source.step();
  const nn::StateDict good = source.state_dict();

  const auto b = slot_of(ones({2}));
  optim::SGD target({b}, {.lr = 0.1, .momentum = 0.5});
  const auto error = [&](auto spoil) {
    nn::StateDict bad = good;
    spoil(bad);
    return error_of([&] { target.load_state_dict(bad); });
  };
  CHECK_THAT(error([](auto& s) { s.metadata["optimizer"] = "Adam"; }),
             ContainsSubstring("the state is of Adam, this optimiser is SGD"));
  CHECK_THAT(error([](auto& s) { s.metadata["param_groups"] = "2"; }),
             ContainsSubstring("has 1 parameter groups, the state 2"));
  CHECK_THAT(error([](auto& s) { s.metadata["param_groups.0.params"] = "5"; }),
             ContainsSubstring("has 1 parameters, the state 5"));
  CHECK_THAT(error([](auto& s) { s.metadata["param_groups.0.lr"] = "fast"; }),
             ContainsSubstring("'param_groups.0.lr' must be a number, got 'fast'"));
  CHECK_THAT(error([](auto& s) { s.metadata["param_groups.0.lr"] = "nan"; }),
             ContainsSubstring("must be a number"));
  CHECK_THAT(error([](auto& s) { s.metadata["param_groups.0.lr"] = "-1"; }),
             ContainsSubstring("lr must be finite and not negative"));
  CHECK_THAT(error([](auto& s) { s.metadata.erase("param_groups.0.nesterov"); }),
             ContainsSubstring("lacks 'param_groups.0.nesterov'"));
  CHECK_THAT(error([](auto& s) { s.metadata["state.0.step"] = "0"; }),
             ContainsSubstring("must be positive"));
  CHECK_THAT(error([](auto& s) { s.tensors.clear(); }),
             ContainsSubstring("state.0.momentum_buffer"));
  CHECK_THAT(error([](auto& s) { s.tensors[0].second = ones({3}); }),
             ContainsSubstring("is float32 (3,), its parameter float32 (2,)"));
  CHECK(target.lr() == 0.1);
  CHECK(target.momentum() == 0.5);
  CHECK(target.state_dict().tensors.empty());
  target.load_state_dict(good);
  CHECK(target.lr() == 0.3);
}

TEST_CASE("Optimisers refuse what they cannot train", "[nn][optim][error]") {
  const auto a = slot_of(ones({2}));
  const auto error = [](std::vector<nn::SlotPtr> params) {
    return error_of([&] { optim::SGD(std::move(params), {}); });
  };
  CHECK_THAT(error({}), ContainsSubstring("at least one parameter"));
  CHECK_THAT(error({a, a}), ContainsSubstring("parameter 1 (2,) is already in the optimiser"));
  CHECK_THAT(error({nullptr}), ContainsSubstring("undefined"));
  CHECK_THAT(error({std::make_shared<nn::Slot>(zeros({2}, int64))}),
             ContainsSubstring("has dtype int64"));
  optim::SGD sgd({a}, {});
  CHECK_THAT(error_of([&] { sgd.add_param_group({{a}, {}}); }), ContainsSubstring("already in"));
  CHECK(sgd.groups() == 1);
  CHECK_THAT(error_of([&] { sgd.lr(1); }), ContainsSubstring("there is no parameter group 1"));
  CHECK_THAT(error_of([&] { sgd.set_lr(-1); }), ContainsSubstring("lr must not be negative"));
}

TEST_CASE("A parameter that changed its shape is an error before any update",
          "[nn][optim][error]") {
  const auto a = slot_of(ones({2})), b = slot_of(ones({2}));
  optim::SGD sgd({a, b}, {.lr = 1, .momentum = 0.9});
  give_gradient(a, 1);
  give_gradient(b, 1);
  sgd.step();
  b->reset(ones({3}).requires_grad_());
  give_gradient(a, 1);
  give_gradient(b, 1);
  const Tensor before = a->original().detach().clone();
  CHECK_THAT(error_of([&] { sgd.step(); }), ContainsSubstring("parameter 1 of group 0 became"));
  CHECK(a->original().equal(before));
}
