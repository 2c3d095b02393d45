#include "adze/ao/quantization/equalize_fx.h"

#include <cmath>

#include "adze/ao/module_types.h"
#include "adze/ao/ns/utils.h"
#include "adze/ao/pruning/weight_norm_sparsifier.h"
#include "adze/ao/quantization/quantize_fx.h"
#include "adze/nn/container.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/traversal.h"

#include "ao/graph_network.h"
#include "support/catch.h"
#include "support/folder.h"
#include "support/modules.h"

using namespace adze;
using namespace adze::test;
namespace tq = ao::quantization;

namespace {

const std::vector<Value> example{Value(ones({2, 8}))};
using Mapping = tq::EqualizationMapping;

Mapping all() {
  return Mapping().set_global(tq::default_equalization_qconfig);
}

// a then b, as in the golden network.
nn::ModulePtr two_layers() {
  manual_seed(5);
  auto net = nn::make<Net>(std::vector<Part>{fc("a", 8, 8), fc("b", 8, 4)},
                           [](Net& n, const Tensor& x) { return n("b", n("a", x)); });
  net->eval();
  return net;
}

// Channel j of the data is 10^(j/2) times as large as channel 0, the weights the other way round.
Tensor channel_factors() {
  std::vector<float> f;
  for (int j = 0; j < 8; ++j) f.push_back(std::pow(10.0f, static_cast<float>(j) / 2));
  return from_vector(f, {8});
}
nn::ModulePtr badly_scaled() {
  const auto net = two_layers();
  auto& weight = *nn::find_parameter(*net, "a.weight");
  weight.set(weight.value() / channel_factors());
  auto& next = *nn::find_parameter(*net, "b.weight");
  next.set(next.value() * channel_factors());
  auto& rows = *nn::find_parameter(*net, "a.weight");
  rows.set(rows.value() / channel_factors().unsqueeze(1));
  return net;
}
Tensor badly_scaled_data() {
  return rows_of_8(64) * channel_factors();
}

tq::GraphModulePtr prepared_with(const nn::ModulePtr& net, const Mapping& mapping,
                                 const tq::QConfigMapping& q = default_mapping()) {
  return tq::prepare_fx(net, q, example, {.equalization_config = mapping});
}
tq::GraphModulePtr int8_of(const nn::ModulePtr& net, const Mapping& mapping, const Tensor& x,
                           const tq::QConfigMapping& q = default_mapping()) {
  const auto observed = prepared_with(net, mapping, q);
  (*observed)(x);
  return tq::convert_fx(observed);
}
tq::QConfigMapping minmax() {
  return tq::QConfigMapping().set_global(tq::default_qconfig);
}
std::vector<std::string> targets(const tq::GraphModulePtr& net) {
  std::vector<std::string> names;
  for (const fx::Node& n : net->graph().nodes()) names.push_back(n.name());
  return names;
}
double loss(const nn::ModulePtr& net, const tq::GraphModulePtr& q, const Tensor& x) {
  const NoGrad guard;
  return ao::ns::compute_sqnr((*net)(x), (*q)(x));
}

}  // namespace

TEST_CASE("Equalization has PyTorch's nodes at each stage", "[ao][quantization][fx][equalize]") {
  using Names = std::vector<std::string>;
  const auto observed = prepared_with(two_layers(), all(), minmax());
  CHECK(targets(observed) ==
        Names{"x", "activation_post_process_0", "activation_post_process_0_equalization_process_0",
              "a", "activation_post_process_1", "activation_post_process_1_equalization_process_0",
              "b", "activation_post_process_2", "output"});
  (*observed)(rows_of_8());
  const auto reference = tq::convert_to_reference_fx(observed);
  CHECK(targets(reference) == Names{"x", "x_equalization_scale0", "mul", "_scale_0",
                                    "_zero_point_0", "quantize_per_tensor", "dequantize", "a",
                                    "a_scale_0", "a_zero_point_0", "quantize_per_tensor_1",
                                    "dequantize_1", "b", "b_scale_0", "b_zero_point_0",
                                    "quantize_per_tensor_2", "dequantize_2", "output"});
  CHECK(targets(tq::convert_fx(observed)) == Names{"x", "x_equalization_scale0", "mul", "_scale_0",
                                                   "_zero_point_0", "quantize_per_tensor", "a", "b",
                                                   "dequantize_2", "output"});
}

TEST_CASE("Scales, weights, biases and ranges follow the formula",
          "[ao][quantization][fx][equalize]") {
  const auto net = two_layers();
  const Tensor x = rows_of_8();
  const auto observed = prepared_with(net, all(), minmax());
  (*observed)(x);
  const auto reference = tq::convert_to_reference_fx(observed);

  const NoGrad guard;
  const auto range = [](const Tensor& t) {
    const auto [low, high] = aminmax(t, 1);
    return high - low;
  };
  const Tensor wa = *nn::find_parameter(*net, "a.weight"),
               wb = *nn::find_parameter(*net, "b.weight");
  const Tensor ba = *nn::find_parameter(*net, "a.bias");
  const Tensor h = linear(x, wa, ba);
  const Tensor sa = sqrt(range(wa) / range(x)), sb = sqrt(range(wb) / range(h));
  const auto close = [](const Tensor& got, const Tensor& wanted) {
    return max(abs(got - wanted)).item() < 1e-5;
  };
  CHECK(close(*reference->find_parameter("x_equalization_scale0"), sa));
  CHECK(close(*nn::find_parameter(*reference, "a.weight"), wa / sa * sb.unsqueeze(1)));
  CHECK(close(*nn::find_parameter(*reference, "a.bias"), ba * sb));
  CHECK(close(*nn::find_parameter(*reference, "b.weight"), wb / sb));
  // The range of the scaled input, in 127 steps.
  const Tensor scaled = x * sa;
  CHECK(reference->find_parameter("_scale_0")->value().item() ==
        Approx((max(scaled).item() - min(scaled).item()) / 127));
  // The network it was made of is as it was.
  CHECK(nn::find_parameter(*net, "a.weight")->value().equal(wa));
}

TEST_CASE("A network with badly scaled channels loses far less when it is equalized",
          "[ao][quantization][fx][equalize]") {
  const auto net = badly_scaled();
  const Tensor x = badly_scaled_data();
  const double before = loss(net, int8_of(net, {}, x), x);
  const double after = loss(net, int8_of(net, all(), x), x);
  CAPTURE(before, after);
  CHECK(after > before + 10);
  CHECK(after > 25);
}

TEST_CASE("Equalization works through ReLUs, fused layers and functional layers",
          "[ao][quantization][fx][equalize]") {
  const auto net = mixed_network();
  Warnings warnings;
  const auto observed = prepared_with(net, all());
  CHECK(warnings.mention("cannot equalize 'b' because it is part of a branch"));
  (*observed)(rows_of_8());
  const auto q = tq::convert_fx(observed);
  CHECK(loss(net, q, rows_of_8()) > 25);

  manual_seed(6);
  const auto fused = nn::make<nn::Sequential>(nn::Linear(8, 8), nn::ReLU(), nn::Linear(8, 8),
                                              nn::ReLU(), nn::Linear(8, 4));
  fused->eval();
  const auto fused_int8 = int8_of(fused, all(), rows_of_8());
  CHECK(loss(fused, fused_int8, rows_of_8()) > 25);
  // One step multiplies; the other scales went into the layers.
  CHECK(fused_int8->graph().find_nodes(fx::Opcode::call_function, "mul").size() == 1);
}

TEST_CASE("Only what the mapping names is equalized", "[ao][quantization][fx][equalize]") {
  const auto processes = [](const Mapping& mapping) {
    std::string layers;
    const auto net = prepared_with(two_layers(), mapping);
    for (const fx::Node& n : net->graph().nodes())
      if (n.name().find("equalization") != std::string::npos) layers += n.users().front()->name();
    return layers;
  };
  const auto& q = tq::default_equalization_qconfig;
  CHECK(processes({}).empty());
  CHECK(processes(Mapping().set_module_name("b", q)) == "b");
  CHECK(processes(Mapping().set_global(q).set_module_name("b", std::nullopt)) == "a");
  CHECK(processes(Mapping().set_object_type(tq::ObjectType::of<nn::Linear>(), q)) == "ab");
  CHECK_THROWS_WITH(processes(Mapping().set_module_name("c", q)),
                    ContainsSubstring("names 'c', which does not exist"));
}

TEST_CASE("Equalization keeps masks in force and zeros where they are",
          "[ao][quantization][fx][equalize]") {
  const auto net = two_layers();
  ao::pruning::WeightNormSparsifier sparsifier({.sparsity_level = 0.5});
  sparsifier.prepare(*net, {{.tensor_fqn = "a.weight"}, {.tensor_fqn = "b.weight"}});
  sparsifier.step();
  Warnings warnings;
  const auto q = int8_of(net, all(), rows_of_8());
  CHECK_FALSE(warnings.mention("zeros"));
  for (const char* name : {"a.weight", "b.weight"}) {
    const Tensor masked = nn::find_parameter(*net, name)->value();
    const Tensor integers = dequantize(nn::find_parameter(*q, name)->value());
    CHECK(sum(eq(masked, 0)).item() > 0);
    CHECK(sum(logical_and(eq(masked, 0), ne(integers, 0))).item() == 0);
  }
}

TEST_CASE("Layers whose input was never seen stay as they are, with a warning",
          "[ao][quantization][fx][equalize]") {
  const auto observed = prepared_with(two_layers(), all(), minmax());
  Warnings warnings;
  const auto q = tq::convert_fx(observed, {.allow_uncalibrated = true});
  CHECK(warnings.mention("the input of 'a' was never observed; it is not equalized"));
  CHECK(q->find_parameter("x_equalization_scale0") == nullptr);
}

TEST_CASE("Channels that do not match, and observers that do not fit, are errors",
          "[ao][quantization][fx][equalize][errors]") {
  const auto observed = prepared_with(two_layers(), all(), minmax());
  (*observed)(rows_of_8());
  auto& seen = observed->find_child("activation_post_process_0_equalization_process_0")
                   ->as<tq::InputEqualizationObserver>();
  seen.input_obs.as<tq::PerChannelMinMaxObserver>().reset_min_max_vals();
  seen(ones({3, 5}));
  CHECK_THROWS_WITH(tq::convert_fx(observed),
                    ContainsSubstring("must have the same number of columns, found 5 and 8"));
  const tq::EqualizationQConfig per_tensor{tq::default_observer};
  CHECK_THROWS_WITH(prepared_with(two_layers(), Mapping().set_global(per_tensor)),
                    ContainsSubstring("needs a PerChannelMinMaxObserver along axis 1"));
}

TEST_CASE("Channels without range are left alone", "[ao][quantization][fx][equalize]") {
  const auto net = two_layers();
  auto& weight = *nn::find_parameter(*net, "a.weight");
  Tensor dead = weight.value().detach().clone();
  dead.select(1, 2).fill_(0);
  weight.set(dead);
  Tensor x = rows_of_8();
  x.select(1, 4).fill_(0.5);
  const auto q = int8_of(net, all(), x);
  const auto s = q->find_parameter("x_equalization_scale0")->value().to_vector<float>();
  CHECK(s[2] == 1.0f);
  CHECK(s[4] == 1.0f);
  CHECK(s[0] != 1.0f);
  CHECK(loss(net, q, x) > 25);
}

TEST_CASE("A network that is being equalized can be saved, loaded and copied",
          "[ao][quantization][fx][equalize]") {
  const testing::Folder folder;
  const auto observed = prepared_with(two_layers(), all(), minmax());
  (*observed)(rows_of_8());
  const std::string path = folder.path("model.safetensors");
  ao::save_model(*observed, path);
  const auto loaded = ao::load_model(path);
  const Tensor wanted = (*tq::convert_fx(observed))(rows_of_8());
  CHECK((*tq::convert_fx(loaded))(rows_of_8()).equal(wanted));
  CHECK((*tq::convert_fx(nn::deepcopy(observed)))(rows_of_8()).equal(wanted));
}

TEST_CASE("The worst layers are chosen by what they lose", "[ao][quantization][fx][equalize]") {
  const auto net = badly_scaled();
  const Tensor x = badly_scaled_data();
  const auto sqnr = tq::get_layer_sqnr_dict(*net, *int8_of(net, {}, x), x);
  REQUIRE(sqnr.size() == 2);
  CHECK(sqnr[0].second <= sqnr[1].second);
  const Mapping worst = tq::get_equalization_qconfig_dict(sqnr, 1);
  REQUIRE(worst.module_names().size() == 1);
  CHECK(worst.module_names().front().first == sqnr[0].first);
  CHECK(loss(net, int8_of(net, tq::get_equalization_qconfig_dict(sqnr, 2), x), x) >
        loss(net, int8_of(net, {}, x), x) + 10);
}
