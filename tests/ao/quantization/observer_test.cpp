#include "adze/ao/quantization/observer.h"

#include <limits>

#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/nn/container.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/linear.h"
#include "adze/nn/traversal.h"

#include "support/catch.h"

using namespace adze;
using namespace adze::ao::quantization;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

float scale_of(const ObserverOrFakeQuant& o) {
  return o.calculate_qparams().scale.item<float>();
}
std::int64_t zero_point_of(const ObserverOrFakeQuant& o) {
  return o.calculate_qparams().zero_point.item<std::int64_t>();
}

// Collects warnings until the end of the scope.
class Warnings {
 public:
  Warnings() {
    previous_ = set_warning_handler([this](const std::string& w) { texts.push_back(w); });
  }
  ~Warnings() { set_warning_handler(previous_); }
  std::vector<std::string> texts;

 private:
  WarningHandler previous_;
};

}  // namespace

TEST_CASE("MinMaxObserver returns its input and keeps the widest range", "[ao][quantization]") {
  MinMaxObserver o;
  const Tensor x = tensor({1, -1, 3});
  CHECK(o(x).is_same(x));
  o(tensor({{0.5, 2}}));
  CHECK(o.min_val.value().sizes().empty());
  CHECK(o.min_val.value().item<float>() == -1);
  CHECK(o.max_val.value().item<float>() == 3);
  CHECK(scale_of(o) == 0.01568627543747425f);
  CHECK(zero_point_of(o) == 64);
  o(tensor({-2, 5}));
  CHECK(o.min_val.value().item<float>() == -2);
  CHECK(o.max_val.value().item<float>() == 5);
}

TEST_CASE("An empty tensor leaves an observer as it is", "[ao][quantization]") {
  for (const ObserverFactory& make :
       {default_observer, default_histogram_observer, default_per_channel_weight_observer}) {
    auto o = make();
    const Tensor x = zeros({0, 4});
    CHECK((*o)(x).is_same(x));
    CHECK_FALSE(o->has_data());
  }
}

TEST_CASE("An observer that saw nothing has no qparams", "[ao][quantization]") {
  CHECK_THROWS_WITH(MinMaxObserver().calculate_qparams(),
                    "MinMaxObserver: must run observer before calling calculate_qparams");
  CHECK_THROWS_WITH(PerChannelMinMaxObserver().calculate_qparams(),
                    "PerChannelMinMaxObserver: must run observer before calling calculate_qparams");
  CHECK_THROWS_WITH(HistogramObserver().calculate_qparams(),
                    "HistogramObserver: must run observer before calling calculate_qparams");
}

TEST_CASE("The moving average starts from the first tensor", "[ao][quantization]") {
  const auto after_two = [](double c) {
    auto o = MovingAverageMinMaxObserver::with_args({.averaging_constant = c})();
    (*o)(tensor({-1, 3}));
    (*o)(tensor({-2, 5}));
    return o;
  };
  const auto a = after_two(0.01), b = after_two(0.5), c = after_two(1);
  CHECK(a->as<MovingAverageMinMaxObserver>().min_val.value().item<float>() == -1.0099999904632568f);
  CHECK(a->as<MovingAverageMinMaxObserver>().max_val.value().item<float>() == 3.0199999809265137f);
  CHECK(scale_of(*a) == 0.015803920105099678f);
  CHECK(zero_point_of(*a) == 64);
  CHECK(scale_of(*b) == 0.021568628028035164f);
  CHECK(zero_point_of(*b) == 70);
  CHECK(scale_of(*c) == 0.027450980618596077f);
  CHECK(zero_point_of(*c) == 73);
  CHECK_FALSE(b->is_memoryless());
  CHECK(c->is_memoryless());
  CHECK(MovingAverageMinMaxObserver().averaging_constant() == 0.01);
  CHECK_FALSE(MinMaxObserver().averaging_constant().has_value());
}

TEST_CASE("Per-channel observers have the field's numbers along every axis", "[ao][quantization]") {
  const Tensor x = from_vector(
      std::vector<float>{1, 2, 2, 2.5, 3, 4, 4.5, 6, -4, -3, 5, 5, 6, 3, 7, 8}, {2, 2, 2, 2});
  const std::vector<std::vector<float>> mins{{1, -4}, {-4, 3}, {-4, 2}, {-4, -3}},
      maxs{{6, 8}, {5, 8}, {6, 8}, {7, 8}},
      symmetric{{.04705882f, .06274509f},
                {.03921569f, .0627451f},
                {.04705882f, .0627451f},
                {.05490196f, .0627451f}},
      affine{{.02352941f, .04705882f},
             {.03529412f, .03137255f},
             {.03921569f, .03137255f},
             {.04313726f, .04313726f}},
      floats{{.0196f, .0471f}, {.0353f, .0196f}, {.0392f, .0235f}, {.0431f, .0431f}};
  const std::vector<std::vector<int>> qint8_zero{{-128, -43}, {-15, -128}, {-26, -128}, {-35, -58}},
      quint8_zero{{0, 85}, {113, 0}, {102, 0}, {93, 70}};
  for (std::size_t axis = 0; axis < 4; ++axis) {
    CAPTURE(axis);
    const auto run = [&](DType dtype, QScheme scheme, std::int64_t ch_axis) {
      PerChannelMinMaxObserver o({.dtype = dtype, .qscheme = scheme, .ch_axis = ch_axis});
      o(x);
      CHECK(o.min_val.value().to_vector<float>() == mins[axis]);
      CHECK(o.max_val.value().to_vector<float>() == maxs[axis]);
      return o.calculate_qparams();
    };
    const auto ch = static_cast<std::int64_t>(axis);
    const auto near = [&](const Tensor& scale, const std::vector<float>& expected, float margin) {
      for (std::size_t c = 0; c < 2; ++c)
        CHECK(scale.to_vector<float>()[c] == Approx(expected[c]).margin(margin));
    };
    const auto a = run(qint8, per_channel_affine, ch);
    near(a.scale, affine[axis], 1e-8f);
    CHECK(a.zero_point.to_vector<int>() == qint8_zero[axis]);
    CHECK(run(quint8, per_channel_affine, ch - 4).zero_point.to_vector<int>() == quint8_zero[axis]);
    const auto s = run(qint8, per_channel_symmetric, ch);
    near(s.scale, symmetric[axis], 1e-8f);
    CHECK(s.zero_point.to_vector<int>() == std::vector<int>{0, 0});
    near(run(quint8, per_channel_affine_float_qparams, ch).scale, floats[axis], 1e-4f);
  }
}

TEST_CASE("A per-channel observer refuses another number of channels", "[ao][quantization]") {
  PerChannelMinMaxObserver o({.ch_axis = 1});
  o(ones({2, 3}));
  CHECK_THROWS_WITH(o(ones({2, 4})),
                    "PerChannelMinMaxObserver: has seen 3 channels, input has 4 along axis 1 "
                    "(input (2, 4))");
  CHECK(o.min_val.value().numel() == 3);
  CHECK_THROWS_WITH(o(ones({3})), ContainsSubstring("PerChannelMinMaxObserver: ch_axis"));
}

TEST_CASE("Infinite elements and NaN are left out, with a warning", "[ao][quantization]") {
  const Tensor x = tensor({{1, inf, -2}, {not_a_number, 4, -inf}});
  for (const ObserverFactory& make :
       {MinMaxObserver::with_args(), HistogramObserver::with_args()}) {
    CAPTURE(make);
    Warnings warnings;
    auto o = make();
    (*o)(x);
    REQUIRE(warnings.texts.size() == 1);
    CHECK_THAT(
        warnings.texts[0],
        ContainsSubstring("Observer: 3 of 6 elements are infinite or NaN; they are left out"));
    CHECK(o->extra_repr() == "min_val=-2.0, max_val=4.0");
    (*o)(tensor({inf}));
    CHECK(o->extra_repr() == "min_val=-2.0, max_val=4.0");
  }
  Warnings warnings;
  PerChannelMinMaxObserver o;
  o(x);
  CHECK(warnings.texts.size() == 1);
  CHECK(o.min_val.value().to_vector<float>() == std::vector<float>{-2, 4});
  CHECK(o.max_val.value().to_vector<float>() == std::vector<float>{1, 4});
}

TEST_CASE("reset_min_max_vals forgets", "[ao][quantization]") {
  MinMaxObserver o;
  o(tensor({-1, 3}));
  o.reset_min_max_vals();
  CHECK_FALSE(o.has_data());
  CHECK(o.extra_repr() == "min_val=inf, max_val=-inf");
  PerChannelMinMaxObserver p;
  p(ones({2, 3}));
  p.reset_min_max_vals();
  CHECK_FALSE(p.has_data());
  p(ones({5, 3}));
  CHECK(p.min_val.value().numel() == 5);
  CHECK_THROWS_WITH(HistogramObserver().reset_min_max_vals(),
                    "HistogramObserver: cannot reset min/max values");
}

TEST_CASE("Options that an observer cannot follow are refused", "[ao][quantization]") {
  CHECK_THROWS_WITH(MinMaxObserver({.qscheme = per_channel_affine}),
                    "MinMaxObserver: qscheme must be per tensor, got per_channel_affine");
  CHECK_THROWS_WITH(PerChannelMinMaxObserver({.qscheme = per_tensor_affine}),
                    "PerChannelMinMaxObserver: qscheme must be per channel, got per_tensor_affine");
  CHECK_THROWS_WITH(HistogramObserver({.qscheme = per_channel_symmetric}),
                    ContainsSubstring("HistogramObserver: qscheme must be per tensor"));
  CHECK_THROWS_WITH(MinMaxObserver({.dtype = float16}),
                    "MinMaxObserver: dtype must be qint8, quint8 or qint32, got float16");
  CHECK_THROWS_WITH(
      MinMaxObserver({.qscheme = per_tensor_symmetric, .reduce_range = true}),
      ContainsSubstring("MinMaxObserver: cannot reduce the range of symmetric quint8"));
  CHECK_THROWS_WITH(MinMaxObserver({.bins = 3}), "MinMaxObserver: has no option bins");
  CHECK_THROWS_WITH(MinMaxObserver({.ch_axis = 0}), "MinMaxObserver: has no option ch_axis");
  CHECK_THROWS_WITH(PerChannelMinMaxObserver({.averaging_constant = 1}),
                    "PerChannelMinMaxObserver: has no option averaging_constant");
  CHECK_THROWS_WITH(MovingAverageMinMaxObserver({.averaging_constant = 2}),
                    "MovingAverageMinMaxObserver: averaging_constant must be in (0, 1], got 2");
  CHECK_THROWS_WITH(MinMaxObserver({.eps = 0}), ContainsSubstring("eps must be > 0"));
  CHECK_THROWS_WITH(HistogramObserver({.is_dynamic = true}),
                    ContainsSubstring("HistogramObserver: cannot be dynamic"));
  CHECK_THROWS_WITH(HistogramObserver({.bins = 0}),
                    ContainsSubstring("HistogramObserver: bins must be in 1.."));
  const Tensor q = quantize_per_tensor(ones({2}), 1, 0, quint8);
  CHECK_THROWS_WITH(MinMaxObserver()(q), "MinMaxObserver: expects a float tensor, got quint8");
}

TEST_CASE("eps is the smallest scale", "[ao][quantization]") {
  MinMaxObserver o;
  o(tensor({0, 0}));
  CHECK(scale_of(o) == 0x1p-23f);
  auto w = weight_observer_range_neg_127_to_127();
  (*w)(tensor({1e-6, -1e-6}));
  CHECK(scale_of(*w) == 0x1p-12f);
}

TEST_CASE("Observers without a range pass on what they were told", "[ao][quantization]") {
  auto fixed = default_fixed_qparams_range_neg1to1_observer();
  CHECK(scale_of(*fixed) == 2.0f / 256);
  CHECK(zero_point_of(*fixed) == 128);
  CHECK(fixed->calculate_qparams().zero_point.dtype() == int32);
  CHECK(scale_of(*default_fixed_qparams_range_0to1_observer()) == 1.0f / 256);
  CHECK_THROWS_WITH(FixedQParamsObserver({.scale = 0}),
                    "FixedQParamsObserver: scale must be finite and > 0, got 0");
  CHECK_THROWS_WITH(FixedQParamsObserver({.scale = 1, .zero_point = 300}),
                    "FixedQParamsObserver: zero_point must be between quant_min and quant_max, got "
                    "300 outside 0..255");

  PlaceholderObserver placeholder({.dtype = float16});
  CHECK(placeholder.dtype() == float16);
  CHECK_THROWS_WITH(placeholder.calculate_qparams(),
                    "calculate_qparams should not be called for PlaceholderObserver");
  CHECK(default_dynamic_quant_observer()->is_dynamic());
  CHECK(default_dynamic_quant_observer()->dtype() == quint8);
  CHECK(default_placeholder_observer()->dtype() == float32);
  NoopObserver noop;
  CHECK(noop.dtype() == float16);
  CHECK_THROWS_WITH(noop.calculate_qparams(),
                    "calculate_qparams should not be called for NoopObserver");
  CHECK_THROWS_WITH(ReuseInputObserver().calculate_qparams(),
                    "calculate_qparams should not be called for ReuseInputObserver");
  const Tensor x = tensor({1, inf});
  CHECK(placeholder(x).is_same(x));
  CHECK(noop(x).is_same(x));
}

TEST_CASE("RecordingObserver keeps copies, and a deepcopy has its own", "[ao][quantization]") {
  auto o = nn::make<RecordingObserver>();
  const Tensor x = tensor({1, 2});
  (*o)(x);
  x.fill_(7);
  (*o)(x);
  auto copy = nn::deepcopy(o);
  (*copy)(x);
  o->get_tensor_value()[1].fill_(9);
  REQUIRE(o->get_tensor_value().size() == 2);
  CHECK(o->get_tensor_value()[0].equal(tensor({1, 2})));
  auto& copied = copy->as<RecordingObserver>();
  REQUIRE(copied.get_tensor_value().size() == 3);
  CHECK(copied.get_tensor_value()[1].equal(tensor({7, 7})));
  CHECK(nn::state_dict(*o).tensors.empty());
  CHECK_THROWS_WITH(o->calculate_qparams(),
                    "calculate_qparams should not be called for RecordingObserver");
}

TEST_CASE("State of observers goes through state_dict and deepcopy", "[ao][quantization]") {
  const Tensor x = tensor({{-1, 2, 0.5}, {3, -4, 1}});
  for (const ObserverFactory& make :
       {default_observer, default_per_channel_weight_observer, default_histogram_observer,
        MovingAverageMinMaxObserver::with_args(),
        MovingAveragePerChannelMinMaxObserver::with_args()}) {
    CAPTURE(make);
    auto o = make();
    (*o)(x);
    const auto before = o->calculate_qparams();
    auto copy = nn::deepcopy(o);
    auto loaded = make();
    nn::load_state_dict(*loaded, nn::state_dict(*o));
    (*o)(x * 10);
    for (ObserverOrFakeQuant* other : {&copy->as<ObserverOrFakeQuant>(), loaded.get()}) {
      CHECK(other->calculate_qparams().scale.equal(before.scale));
      CHECK(other->calculate_qparams().zero_point.equal(before.zero_point));
      (*other)(x * 10);
      CHECK(other->calculate_qparams().scale.equal(o->calculate_qparams().scale));
    }
  }
  const auto keys = [](const ObserverFactory& make) {
    auto o = make();
    std::string all;
    for (const auto& [name, t] : nn::state_dict(*o).tensors) all += name + " ";
    return all;
  };
  CHECK(keys(default_observer) == "eps min_val max_val ");
  CHECK(keys(default_per_channel_weight_observer) == "eps min_val max_val ");
  CHECK(keys(default_histogram_observer) == "eps histogram min_val max_val ");
  CHECK(keys(default_fixed_qparams_range_0to1_observer) == "scale zero_point ");
  CHECK(keys(default_placeholder_observer).empty());
}

TEST_CASE("Observers print their range", "[ao][quantization]") {
  MinMaxObserver o;
  CHECK(nn::to_string(o) == "MinMaxObserver(min_val=inf, max_val=-inf)");
  o(tensor({-1.01, 3.02}));
  CHECK(nn::to_string(o) ==
        "MinMaxObserver(min_val=-1.0099999904632568, max_val=3.0199999809265137)");
  PerChannelMinMaxObserver p;
  CHECK(nn::to_string(p) == "PerChannelMinMaxObserver(min_val=tensor([]), max_val=tensor([]))");
  p(tensor({{1, 2}, {-3, 0}}));
  CHECK(nn::to_string(p) ==
        "PerChannelMinMaxObserver(min_val=tensor([ 1., -3.]), max_val=tensor([2., 0.]))");
  PlaceholderObserver d({.dtype = quint8, .is_dynamic = true});
  CHECK(nn::to_string(d) == "PlaceholderObserver(dtype=quint8, is_dynamic=True)");
}

TEST_CASE("Factories build fresh observers, compare and print", "[ao][quantization]") {
  CHECK(default_observer() != default_observer());
  CHECK(default_observer == MinMaxObserver::with_args({.quant_min = 0, .quant_max = 127}));
  CHECK_FALSE(default_observer == MinMaxObserver::with_args());
  CHECK_FALSE(default_observer == default_histogram_observer);
  CHECK(ObserverFactory{} == ObserverFactory{});
  CHECK_FALSE(ObserverFactory{} == default_observer);
  CHECK_FALSE(static_cast<bool>(ObserverFactory{}));
  CHECK_THROWS_WITH(ObserverFactory{}(), "ObserverFactory: is empty, it builds no observer");
  CHECK(default_observer.str() == "MinMaxObserver(quant_min=0, quant_max=127)");
  CHECK(weight_observer_range_neg_127_to_127.str() ==
        "MinMaxObserver(dtype=qint8, qscheme=per_tensor_symmetric, quant_min=-127, quant_max=127, "
        "eps=0.000244140625)");
  CHECK(ObserverFactory{}.str() == "Identity");
}

TEST_CASE("The default observers have the field's settings", "[ao][quantization]") {
  const auto settings = [](const ObserverFactory& make) {
    const auto o = make();
    return adze::detail::concat(o->type(), " ", o->dtype(), " ", o->qscheme(), " ", o->quant_min(),
                                "..", o->quant_max(), " axis ", o->ch_axis());
  };
  CHECK(settings(default_observer) == "MinMaxObserver quint8 per_tensor_affine 0..127 axis -1");
  CHECK(settings(default_weight_observer) ==
        "MinMaxObserver qint8 per_tensor_symmetric -128..127 axis -1");
  CHECK(settings(default_per_channel_weight_observer) ==
        "PerChannelMinMaxObserver qint8 per_channel_symmetric -128..127 axis 0");
  CHECK(settings(default_histogram_observer) ==
        "HistogramObserver quint8 per_tensor_affine 0..127 axis -1");
  CHECK(settings(weight_observer_range_neg_127_to_127) ==
        "MinMaxObserver qint8 per_tensor_symmetric -127..127 axis -1");
  CHECK(settings(per_channel_weight_observer_range_neg_127_to_127) ==
        "PerChannelMinMaxObserver qint8 per_channel_symmetric -127..127 axis 0");
  CHECK(settings(default_float_qparams_observer) ==
        "PerChannelMinMaxObserver quint8 per_channel_affine_float_qparams 0..255 axis 0");
  CHECK(settings(default_dynamic_quant_observer) ==
        "PlaceholderObserver quint8 per_tensor_affine 0..255 axis -1");
}

TEST_CASE("The state of all observers of a network can be taken out and put back",
          "[ao][quantization]") {
  const auto build = [] {
    auto net = nn::make<nn::Sequential>(nn::Linear(2, 2), nn::Linear(2, 2));
    for (const char* name : {"0", "1"})
      nn::find_module(*net, name)->add_module("activation_post_process", default_observer());
    return net;
  };
  auto net = build(), other = build();
  for (const char* path : {"0.activation_post_process", "1.activation_post_process"})
    (*nn::find_module(*net, path))(tensor({-1, 3}));
  const nn::StateDict state = get_observer_state_dict(*net);
  CHECK(state.tensors.size() == 6);
  CHECK(state.at("0.activation_post_process.max_val").item<float>() == 3);

  nn::StateDict incomplete = state;
  incomplete.tensors.pop_back();
  CHECK_THROWS_WITH(load_observer_state_dict(*other, incomplete),
                    ContainsSubstring("missing '1.activation_post_process.max_val'"));
  nn::StateDict unknown = state;
  unknown.tensors.emplace_back("2.activation_post_process.eps", ones({1}));
  CHECK_THROWS_WITH(load_observer_state_dict(*other, unknown),
                    ContainsSubstring("unexpected '2.activation_post_process.eps'"));
  auto& observer = nn::find_module(*other, "1.activation_post_process")->as<MinMaxObserver>();
  CHECK_FALSE(observer.has_data());
  const Tensor weight = nn::find_parameter(*other, "0.weight")->value().clone();
  load_observer_state_dict(*other, state);
  CHECK(observer.extra_repr() == "min_val=-1.0, max_val=3.0");
  CHECK(nn::find_parameter(*other, "0.weight")->value().equal(weight));
}
