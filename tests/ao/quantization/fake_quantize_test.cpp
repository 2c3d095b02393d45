#include "adze/ao/quantization/fake_quantize.h"

#include <limits>

#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"
#include "adze/nn/container.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/linear.h"

#include "support/catch.h"

using namespace adze;
using namespace adze::ao::quantization;

namespace {

FakeQuantizeOptions moving_average(ObserverOptions options) {
  return {MovingAverageMinMaxObserver::with_args(options)};
}

std::vector<float> floats(const Tensor& t) {
  return t.to_vector<float>();
}

}  // namespace

TEST_CASE("A fake-quantize rounds to the grid of what it observed", "[ao][quantization]") {
  FakeQuantize f(moving_average({.reduce_range = true, .quant_min = 0, .quant_max = 255}));
  CHECK(f.quant_max() == 127);
  CHECK(floats(f(tensor({-1, 3}))) == std::vector<float>{-1.0078740119934082f, 2.992125988006592f});
  CHECK(floats(f(tensor({-2, 5}))) == std::vector<float>{-1.0154329538345337f, 3.014566659927368f});
  CHECK(f.scale.value().item<float>() == 0.03173227980732918f);
  CHECK(f.zero_point.value().item<int>() == 32);
}

TEST_CASE("A fake-quantize follows its moving average", "[ao][quantization]") {
  const Tensor first = tensor({-1, 3}), second = tensor({-2, 5});
  const auto two_steps = [&](const FakeQuantizeOptions& options) {
    auto f = nn::make<FakeQuantize>(options);
    (*f)(first);
    (*f)(second);
    return f;
  };
  const auto weight = two_steps(moving_average(
      {.dtype = qint8, .qscheme = per_tensor_symmetric, .quant_min = -128, .quant_max = 127}));
  CHECK(weight->scale.value().item<float>() == 0.023686274886131287f);
  CHECK(weight->zero_point.value().item<int>() == 0);
  const auto act = two_steps(moving_average({.quant_min = 0, .quant_max = 255}));
  CHECK(act->scale.value().item<float>() == 0.015803920105099678f);
  CHECK(act->zero_point.value().item<int>() == 64);
  CHECK(act->calculate_qparams().scale.equal(act->scale.value()));
}

TEST_CASE("Gradients pass a fake-quantize inside its range only", "[ao][quantization]") {
  FakeQuantize f(moving_average({.quant_min = 0, .quant_max = 255}));
  f.disable_observer();
  f.scale.set(tensor({0.1}));
  f.zero_point.set(tensor_of<std::int32_t>({10}));
  const Tensor x = tensor({-2, -1, 0.04, 0.26, 24.5, 30});
  x.requires_grad_();
  const Tensor y = f(x);
  y.sum().backward();
  const std::vector<float> expected{-1, -1, 0, 0.3f, 24.5, 24.5};
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(floats(y)[i] == Approx(expected[i]));
  CHECK(floats(x.grad()) == std::vector<float>{0, 1, 1, 1, 1, 0});
  CHECK_FALSE(f.scale.value().requires_grad());
}

TEST_CASE("Observing leaves no trace in the autograd graph", "[ao][quantization]") {
  for (const ObserverFactory& make :
       {default_fake_quant, default_per_channel_weight_fake_quant, default_histogram_fake_quant}) {
    CAPTURE(make);
    auto f = make();
    const Tensor x = randn({4, 8});
    x.requires_grad_();
    (*f)(x * 2).sum().backward();
    CHECK(x.grad().defined());
    CHECK(x.grad().max().item<float>() == 2);
    for (const auto& [name, t] : nn::state_dict(*f).tensors) CHECK_FALSE(t.requires_grad());
  }
}

TEST_CASE("Per-channel fake-quantizes have a scale for each channel", "[ao][quantization]") {
  FakeQuantize f({MovingAveragePerChannelMinMaxObserver::with_args(
      {.dtype = qint8, .qscheme = per_channel_symmetric})});
  const Tensor x = from_vector(std::vector<float>{-1, 3, 0.5, 0.2f}, {2, 2});
  const Tensor y = f(x);
  CHECK(f.is_per_channel());
  CHECK(f.ch_axis() == 0);
  CHECK(floats(y) == std::vector<float>{-0.9882352948188782f, 2.9882352352142334f,
                                        0.49803924560546875f, 0.20000001788139343f});
  CHECK(f.scale.value().sizes() == Shape{2});
  CHECK(f.zero_point.value().to_vector<int>() == std::vector<int>{0, 0});
  const Tensor second = from_vector(std::vector<float>{-2, 5, -0.7f, 0.7f}, {2, 2});
  f(second);
  CHECK(floats(f.scale.value())[0] == 0.023686274886131287f);
}

TEST_CASE("Observing and rounding are switched apart", "[ao][quantization]") {
  FakeQuantize f(moving_average({}));
  f.disable_fake_quant();
  const Tensor x = tensor({-1, 0.123, 3});
  CHECK(f(x).is_same(x));
  CHECK(f.scale.value().item<float>() == 0.01568627543747425f);
  f.enable_fake_quant();
  f.disable_observer();
  f(tensor({-100, 100}));
  CHECK(f.scale.value().item<float>() == 0.01568627543747425f);
  CHECK_FALSE(f.observer_is_enabled());
  f.enable_observer();
  f(tensor({-100, 100}));
  CHECK(f.scale.value().item<float>() > 0.0157f);
}

TEST_CASE("All fake-quantizes of a network are switched at once", "[ao][quantization]") {
  auto net = nn::make<nn::Sequential>(nn::Linear(2, 2), nn::Linear(2, 2));
  net->add_module("activation_post_process", default_fake_quant());
  net->list().modules[0]->ptr()->add_module("weight_fake_quant", default_weight_fake_quant());
  auto& outer = net->find_child("activation_post_process")->as<FakeQuantizeBase>();
  auto& inner =
      net->list().modules[0]->ptr()->find_child("weight_fake_quant")->as<FakeQuantizeBase>();
  disable_fake_quant(*net);
  disable_observer(*net);
  for (const auto* f : {&outer, &inner}) {
    CHECK_FALSE(f->fake_quant_is_enabled());
    CHECK_FALSE(f->observer_is_enabled());
  }
  enable_fake_quant(*net);
  CHECK(inner.fake_quant_is_enabled());
  CHECK_FALSE(outer.observer_is_enabled());
  enable_observer(*net);
  CHECK(outer.observer_is_enabled());
}

TEST_CASE("Fixed qparams do not follow what passes", "[ao][quantization]") {
  auto f = default_fixed_qparams_range_0to1_fake_quant();
  CHECK(floats((*f)(tensor({-1, 0, .5, .999, 1, 3}))) ==
        std::vector<float>{0, 0, 0.5, 0.99609375f, 0.99609375f, 0.99609375f});
  CHECK(f->calculate_qparams().scale.item<float>() == 1.0f / 256);
  CHECK(f->has_data());
  auto tanh = default_fixed_qparams_range_neg1to1_fake_quant();
  CHECK(floats((*tanh)(tensor({-3, -1, 0, 0.5, 3}))) ==
        std::vector<float>{-1, -1, 0, 0.5, 0.9921875f});
  CHECK_THROWS_WITH(FixedQParamsFakeQuantize(FakeQuantizeOptions{}),
                    "FixedQParamsFakeQuantize: the observer must be a FixedQParamsObserver, got "
                    "MovingAverageMinMaxObserver");
}

TEST_CASE("The fused fake-quantize trains with what is converted", "[ao][quantization]") {
  // Where the field's fused kernel and its observer differ: symmetric ranges, channels that are
  // positive throughout, the second tensor of an average.
  const Tensor first = from_vector(std::vector<float>{-1, 3, 0.128f, 0.5f}, {2, 2}),
               second = from_vector(std::vector<float>{-2, 5, 0.2f, 1}, {2, 2});
  for (const ObserverFactory& make :
       {default_fused_act_fake_quant, default_fused_wt_fake_quant,
        default_fused_per_channel_wt_fake_quant, fused_wt_fake_quant_range_neg_127_to_127,
        fused_per_channel_wt_fake_quant_range_neg_127_to_127,
        FusedMovingAvgObsFakeQuantize::with_args(
            {MovingAverageMinMaxObserver::with_args({.qscheme = per_tensor_symmetric})})}) {
    CAPTURE(make);
    auto f = make();
    for (const Tensor& x : {first, second}) {
      const Tensor trained = (*f)(x);
      const TensorQParams q = f->calculate_qparams();
      const auto& fused = f->as<FusedMovingAvgObsFakeQuantize>();
      CHECK(q.scale.equal(fused.scale.value()));
      CHECK(q.zero_point.equal(fused.zero_point.value()));
      const Tensor converted =
          f->is_per_channel()
              ? quantize_per_channel(x, q.scale, q.zero_point, f->ch_axis(), f->dtype())
              : quantize_per_tensor(x, q.scale.item<double>(), q.zero_point.item<std::int64_t>(),
                                    f->dtype());
      CHECK(trained.equal(converted.dequantize()));
    }
  }
  FusedMovingAvgObsFakeQuantize symmetric(
      {MovingAverageMinMaxObserver::with_args({.dtype = qint8, .qscheme = per_tensor_symmetric})});
  symmetric(first);
  CHECK(symmetric.scale.value().item<float>() == 0.0235294122248888f);
}

TEST_CASE("Weight fake-quantizes use the range of the current weight", "[ao][quantization]") {
  for (const ObserverFactory& make :
       {default_weight_fake_quant, default_per_channel_weight_fake_quant,
        default_fused_wt_fake_quant, default_fused_per_channel_wt_fake_quant,
        fused_wt_fake_quant_range_neg_127_to_127,
        fused_per_channel_wt_fake_quant_range_neg_127_to_127}) {
    CAPTURE(make);
    auto trained = make(), fresh = make();
    CHECK(trained->is_memoryless());
    (*trained)(randn({4, 8}) * 100);
    const Tensor weight = randn({4, 8});
    CHECK((*trained)(weight).equal((*fresh)(weight)));
    CHECK(trained->calculate_qparams().scale.equal(fresh->calculate_qparams().scale));
  }
  CHECK(default_dynamic_fake_quant()->is_memoryless());
  CHECK(default_dynamic_fake_quant()->is_dynamic());
  CHECK_FALSE(default_fake_quant()->is_memoryless());
}

TEST_CASE("Weights are rounded as in the field's qat layers", "[ao][quantization]") {
  const Tensor weight = tensor({{.5, -1, .25}, {.1, .2, -.3}});
  const auto check_rounded = [&](const ObserverFactory& make, const std::vector<float>& expected) {
    CAPTURE(make);
    const std::vector<float> rounded = floats((*make())(weight));
    for (std::size_t i = 0; i < expected.size(); ++i)
      CHECK(rounded[i] == Approx(expected[i]).epsilon(1e-7));
  };
  check_rounded(default_weight_fake_quant,
                {.50196081f, -.99607849f, .25098041f, .10196079f, .19607845f, -.29803923f});
  check_rounded(default_per_channel_weight_fake_quant,
                {.50196081f, -.99607849f, .25098041f, .09882353f, .2f, -.29882354f});
}

TEST_CASE("A fake-quantize refuses what it cannot work with", "[ao][quantization]") {
  CHECK_THROWS_WITH(FusedMovingAvgObsFakeQuantize({default_observer}),
                    ContainsSubstring("FusedMovingAvgObsFakeQuantize: the observer must be a "
                                      "MovingAverageMinMaxObserver or a"));
  CHECK_THROWS_WITH(FakeQuantize(FakeQuantizeOptions{default_placeholder_observer}),
                    ContainsSubstring("FakeQuantize: the observer's dtype must be"));
  CHECK_THROWS_WITH(FakeQuantize(FakeQuantizeOptions{default_fake_quant}),
                    ContainsSubstring("is not an observer"));
  CHECK_THROWS_WITH(FakeQuantize(FakeQuantizeOptions{ObserverFactory{}}),
                    "FakeQuantize: needs an observer");
  CHECK_THROWS_WITH(FakeQuantize(moving_average({.quant_min = 0, .quant_max = 300})),
                    ContainsSubstring("0..300 does not lie inside that of quint8"));
  CHECK_THROWS_WITH(default_fake_quant()->calculate_qparams(),
                    "MovingAverageMinMaxObserver: must run observer before calling "
                    "calculate_qparams");
}

TEST_CASE("An empty tensor passes a fake-quantize", "[ao][quantization]") {
  for (const ObserverFactory& make : {default_fake_quant, default_per_channel_weight_fake_quant}) {
    auto f = make();
    CHECK((*f)(zeros({0, 3})).sizes() == Shape{0, 3});
    CHECK_FALSE(f->has_data());
  }
}

TEST_CASE("A fake-quantize saves and copies its state", "[ao][quantization]") {
  auto f = default_per_channel_weight_fake_quant();
  (*f)(randn({3, 5}));
  f->as<FakeQuantize>().disable_observer();
  std::string keys;
  for (const auto& [name, t] : nn::state_dict(*f).tensors) keys += name + " ";
  CHECK(keys ==
        "fake_quant_enabled observer_enabled scale zero_point activation_post_process.eps "
        "activation_post_process.min_val activation_post_process.max_val ");
  auto loaded = default_per_channel_weight_fake_quant();
  nn::load_state_dict(*loaded, nn::state_dict(*f));
  auto copy = nn::deepcopy(f);
  const Tensor x = randn({3, 5}), y = (*f)(x);
  CHECK_FALSE(loaded->as<FakeQuantize>().observer_is_enabled());
  CHECK((*loaded)(x).equal(y));
  CHECK((*copy)(x).equal(y));
  f->as<FakeQuantize>().enable_observer();
  (*f)(x * 10);
  CHECK((*copy)(x).equal(y));
  CHECK_FALSE(copy->as<FakeQuantize>().scale.value().equal(f->as<FakeQuantize>().scale.value()));

  auto fixed = default_fixed_qparams_range_0to1_fake_quant();
  auto fixed_copy = nn::deepcopy(fixed);
  auto& c = fixed_copy->as<FixedQParamsFakeQuantize>();
  CHECK(c.scale.slot() == c.observer().as<FixedQParamsObserver>().scale.slot());
  CHECK(c.scale.slot() != fixed->as<FixedQParamsFakeQuantize>().scale.slot());
}

TEST_CASE("Fake-quantizes print their settings", "[ao][quantization]") {
  CHECK(nn::to_string(*default_fake_quant()) ==
        "FakeQuantize(\n"
        "  fake_quant_enabled=tensor([1], dtype=uint8), observer_enabled=tensor([1], dtype=uint8), "
        "quant_min=0, quant_max=127, dtype=quint8, qscheme=per_tensor_affine, ch_axis=-1, "
        "scale=tensor([1.]), zero_point=tensor([0], dtype=int32)\n"
        "  (activation_post_process): MovingAverageMinMaxObserver(min_val=inf, max_val=-inf)\n"
        ")");
  CHECK_THAT(nn::to_string(*default_fused_per_channel_wt_fake_quant()),
             ContainsSubstring("dtype=qint8, quant_min=-128, quant_max=127, "
                               "qscheme=per_channel_symmetric, reduce_range=False"));
  CHECK(default_fused_act_fake_quant.str() ==
        "FusedMovingAvgObsFakeQuantize(observer=MovingAverageMinMaxObserver(quant_min=0, "
        "quant_max=255))");
}
