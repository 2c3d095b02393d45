// Which grid of integers each value of a graph is on: where ops with fixed ranges, numbers and
// quantized inputs meet, and in networks of random make.
#include <set>

#include "adze/ao/ns/utils.h"
#include "adze/ao/quantization/fake_quantize.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"
#include "adze/nn/activation.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/traversal.h"

#include "support/catch.h"
#include "support/fx_golden.h"
#include "support/modules.h"
#include "support/net.h"
#include "support/random_networks.h"

using namespace adze;
using namespace adze::test;
namespace tq = ao::quantization;

namespace {

Tensor data(std::uint64_t seed, std::int64_t width = 6) {
  Generator generator(seed);
  return randn({32, width}, &generator);
}

/// All stages of a network, calibrated.
struct Stages {
  nn::ModulePtr exact;
  tq::GraphModulePtr prepared, reference, int8;
};
Stages finished(const nn::ModulePtr& net, const tq::GraphModulePtr& prepared, const Tensor& x) {
  prepared->call({x});
  prepared->eval();
  net->eval();
  return {net, prepared, tq::convert_to_reference_fx(prepared), tq::convert_fx(prepared)};
}
Stages stages(const nn::ModulePtr& net, const Tensor& x, const tq::QConfigMapping& mapping,
              const tq::PrepareCustomConfig& custom = {}) {
  net->eval();
  return finished(net, tq::prepare_fx(net, mapping, {x}, {.prepare_custom_config = custom}), x);
}
// With all 8 bits, so that what is out of range is clipped in training as in int8.
Stages trained_stages(const nn::ModulePtr& net, const Tensor& x) {
  net->train();
  return finished(net, tq::prepare_qat_fx(net, tq::get_default_qat_qconfig_mapping("onednn"), {x}),
                  x);
}
Stages stages(const std::vector<Part>& parts, const Net::One& f,
              const tq::PrepareCustomConfig& custom = {}) {
  manual_seed(11);
  return stages(nn::make<Net>(parts, f), data(1), tq::get_default_qconfig_mapping(), custom);
}

TensorList tensors(const Value& v) {
  return v.is_list() ? v.to_tensor_list() : TensorList{v.to_tensor()};
}

// The reference network computes what the int8 network computes, and that is what the network
// computes.
void check_outputs(const Stages& s, const Tensor& float_input, const Tensor& input,
                   double least_sqnr, double least_agreement) {
  const TensorList exact = tensors(s.exact->call({float_input}));
  const TensorList reference = tensors(s.reference->call({input}));
  const TensorList int8 = tensors(s.int8->call({input}));
  for (std::size_t i = 0; i < exact.size(); ++i) {
    CAPTURE(i);
    CHECK(ao::ns::compute_sqnr(exact[i], int8[i]) > least_sqnr);
    CHECK(ao::ns::compute_sqnr(reference[i], int8[i]) > least_agreement);
  }
}
constexpr double to_the_bit = 1000;  // an infinite ratio is larger

bool computes(const Stages& s, const std::string& what) {
  const Lines nodes = parts_of(s.int8)["nodes"];
  return std::any_of(nodes.begin(), nodes.end(),
                     [&](const std::string& line) { return line.find(what) != line.npos; });
}

// No value is float but those that come from outside, what is done to them before they are
// quantized, and those that are returned.
void check_no_float_between(fx::GraphModule& int8) {
  std::set<const fx::Node*> outside;
  for (const fx::Node& n : int8.graph().nodes()) {
    CAPTURE(n.str());
    const std::vector<fx::Node*> inputs = n.all_input_nodes();
    const bool from_outside = std::all_of(inputs.begin(), inputs.end(),
                                          [&](const fx::Node* i) { return outside.contains(i); });
    if (n.is_placeholder() || n.is_get_attr()) {
      outside.insert(&n);
    } else if (n.calls(ops::reshape) || n.calls(ops::size)) {
      if (from_outside) outside.insert(&n);
    } else if (n.calls(ops::quantize_per_tensor)) {
      CHECK(outside.contains(n.arg(0).node()));
    } else if (n.calls(ops::dequantize)) {
      for (const fx::Node* user : n.users()) CHECK(user->is_output());
    } else if (n.is_module_call()) {
      CHECK(typeid(*int8.submodule(n)) != typeid(nn::Linear));
    }
  }
}

}  // namespace

TEST_CASE("Values with fixed ranges are joined with others without clipping these",
          "[ao][quantization][fx]") {
  const bool fixed_first = GENERATE(true, false);
  const auto s = stages({fc("a", 6, 4), fc("b", 10, 4)}, [=](Net& n, const Tensor& x) {
    const Tensor big = n("a", x) * n("a", x), unit = sigmoid(x);
    return n("b", fixed_first ? cat({unit, big}, 1) : cat({big, unit}, 1));
  });
  CHECK(computes(s, "quantized::cat("));
  check_outputs(s, data(1), data(1), 25, to_the_bit);
  check_no_float_between(*s.int8);
}

TEST_CASE("Values with the same fixed range are joined on it", "[ao][quantization][fx]") {
  const auto s = stages({fc("a", 12, 4)}, [](Net& n, const Tensor& x) {
    return n("a", cat({sigmoid(x), softmax(x, 1)}, 1));
  });
  CHECK(computes(s, " = cat("));
  CHECK(parts_of(s.prepared)["shared"].empty() == false);
  check_outputs(s, data(1), data(1), 25, to_the_bit);
}

TEST_CASE("Values with different fixed ranges are joined on the grid of what is observed",
          "[ao][quantization][fx]") {
  const auto s = stages({fc("a", 12, 4)}, [](Net& n, const Tensor& x) {
    return n("a", cat({sigmoid(x), tanh(x)}, 1));
  });
  CHECK(computes(s, "quantized::cat("));
  check_outputs(s, data(1), data(1), 25, to_the_bit);
  check_no_float_between(*s.int8);
}

TEST_CASE("The result of an op with a number has a grid that follows from the input's",
          "[ao][quantization][fx]") {
  const double c = GENERATE(-3.0, -0.65, 0.1, 4.0);
  CAPTURE(c);
  const auto s = stages({fc("a", 6, 4)}, [=](Net& n, const Tensor& x) {
    return n("a", (sigmoid(x) * c).reshape({-1, 6}));
  });
  check_outputs(s, data(1), data(1), 25, to_the_bit);
  check_no_float_between(*s.int8);
}

TEST_CASE("The result of an op with a number is joined with others on a grid that holds both",
          "[ao][quantization][fx]") {
  const auto s = stages({fc("a", 12, 4)}, [](Net& n, const Tensor& x) {
    const Tensor y = sigmoid(x);
    return n("a", cat({y * -2.0, y}, 1));
  });
  check_outputs(s, data(1), data(1), 25, to_the_bit);
  check_no_float_between(*s.int8);
}

TEST_CASE("Ops with a number and a ReLU are one step in both networks", "[ao][quantization][fx]") {
  const auto s =
      stages({fc("a", 6, 4)}, [](Net& n, const Tensor& x) { return n("a", relu(tanh(x) * -2.0)); });
  CHECK(computes(s, "quantized::mul_scalar_relu("));
  check_outputs(s, data(1), data(1), 25, to_the_bit);
}

TEST_CASE("What is done to a quantized input stays int8, on the grid that was observed",
          "[ao][quantization][fx]") {
  const int what = GENERATE(0, 1, 2, 3, 4, 5);
  CAPTURE(what);
  tq::PrepareCustomConfig custom;
  custom.set_input_quantized_indexes({0});
  const auto s = stages(
      {fc("a", 6, 4), fc("b", 3, 4), fc("c", 10, 4), module<nn::ReLU>("relu")},
      [=](Net& n, const Tensor& x) {
        if (what == 0) return n("a", relu(x));
        if (what == 1) return n("b", x.reshape({-1, 3}));
        if (what == 2) return n("b", chunk(x, 2, 1)[1]);
        if (what == 3) return n("c", cat({x, n("a", x)}, 1));
        if (what == 4) return n("a", x * 2);
        return n("a", n("relu", x));
      },
      custom);
  const Tensor x = data(1);
  check_outputs(s, x, quantize_per_tensor(x, 0.05, 64, quint8), 20, to_the_bit);
  check_no_float_between(*s.int8);
  CHECK_FALSE(computes(s, "quantize_per_tensor("));
}

TEST_CASE("A fixed range is of the dtype that comes in", "[ao][quantization][fx]") {
  manual_seed(11);
  const int what = GENERATE(0, 1, 2);
  const auto net =
      nn::make<Net>(std::vector<Part>{fc("a", 6, 4)}, Net::One([=](Net& n, const Tensor& x) {
                      return n("a", what == 0 ? sigmoid(x) : what == 1 ? tanh(x) : softmax(x, 1));
                    }));
  const auto s = stages(net, data(1),
                        tq::get_default_qconfig_mapping().set_global(
                            tq::default_per_channel_symmetric_qnnpack_qconfig));
  check_no_float_between(*s.int8);
  const Lines observers = parts_of(s.prepared)["observers"];
  CHECK(std::any_of(observers.begin(), observers.end(), [&](const std::string& line) {
    return line.find("FixedQParamsObserver qint8 -128..127") != line.npos &&
           line.ends_with(what == 1 ? "scale 0.0078125 zero_point 0"
                                    : "scale 0.00390625 zero_point -128");
  }));
  check_outputs(s, data(1), data(1), 25, to_the_bit);
}

TEST_CASE("Networks of random make are int8 from end to end, and compute what they should",
          "[ao][quantization][fx]") {
  enum class How { unsigned_, signed_, training };
  const How how = GENERATE(How::unsigned_, How::signed_, How::training);
  for (std::uint32_t seed = 1; seed <= 60; ++seed) {
    const RandomNetwork random = random_network(seed);
    CAPTURE(seed, static_cast<int>(how), random.recipe);
    const Tensor x = data(seed, 8);
    Warnings warnings;
    auto mapping = tq::get_default_qconfig_mapping();
    if (how == How::signed_) mapping.set_global(tq::default_per_channel_symmetric_qnnpack_qconfig);
    Stages s =
        how == How::training ? trained_stages(random.net, x) : stages(random.net, x, mapping);
    CHECK(warnings.all == Lines{});  // nothing stays float
    check_no_float_between(*s.int8);
    // After training int8 is to be what was trained.
    if (how == How::training) {
      tq::disable_observer(*s.prepared);
      s.exact = s.prepared;
    }
    // A number is added with two roundings where the zero point would leave the range.
    const bool adds = random.recipe.find("= add -") != std::string::npos ||
                      random.recipe.find("= add 0") != std::string::npos;
    check_outputs(s, x, x, 15, adds ? 25 : to_the_bit);
    const Tensor other = data(seed + 1000, 8);
    const TensorList a = tensors(s.int8->call({other}));
    const TensorList b = tensors(nn::deepcopy(s.int8)->call({other}));
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i].equal(b[i]));
  }
}

TEST_CASE("Networks of random make quantize dynamically, in half precision and weights only",
          "[ao][quantization][fx]") {
  const int what = GENERATE(0, 1, 2);
  const tq::QConfig qconfig = what == 0   ? tq::per_channel_dynamic_qconfig
                              : what == 1 ? tq::float16_dynamic_qconfig
                                          : tq::default_weight_only_qconfig;
  for (std::uint32_t seed = 1; seed <= 30; ++seed) {
    const RandomNetwork random = random_network(seed);
    CAPTURE(seed, what, random.recipe);
    const Tensor x = data(seed, 8);
    Warnings warnings;
    const Stages s = stages(random.net, x, tq::QConfigMapping().set_global(qconfig));
    CHECK(warnings.all == Lines{});
    const Lines modules = parts_of(s.int8)["modules"];
    for (const std::string& line : modules) CHECK_FALSE(line.ends_with(": Linear"));
    check_outputs(s, x, x, what == 1 ? 50 : 20, what == 0 ? 50 : 90);
  }
}
