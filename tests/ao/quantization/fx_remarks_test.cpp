// What graph mode refuses and warns of, call by call beside PyTorch 2.x:
// golden/fx_quantization/remarks.json.
#include <functional>

#include "adze/core/ops.h"
#include "adze/core/random.h"
#include "adze/fx/tracer.h"
#include "adze/nn/activation.h"
#include "adze/nn/container.h"

#include "support/catch.h"
#include "support/fx_golden.h"
#include "support/fx_networks.h"
#include "support/modules.h"
#include "support/net.h"

using namespace adze;
using namespace adze::test;
namespace tq = ao::quantization;

namespace {

using tq::GraphModulePtr;
using tq::ObjectType;
using Mapping = tq::QConfigMapping;
using Custom = tq::PrepareCustomConfig;

const std::vector<Value> example{Value(ones({3, 6}))};

Mapping standard() {
  return fx_mapping("per_channel").prepare;
}

GraphModulePtr prepared(const std::string& network, const Mapping& mapping,
                        const Custom& custom = {}) {
  return tq::prepare_fx(fx_network(network), mapping, example, {.prepare_custom_config = custom});
}
GraphModulePtr prepared(const std::string& network, const std::string& mapping,
                        const Custom& custom = {}) {
  return prepared(network, fx_mapping(mapping).prepare, custom);
}
GraphModulePtr prepared(nn::ModulePtr net) {
  net->eval();
  return tq::prepare_fx(net, standard(), example);
}
GraphModulePtr calibrated(const std::string& network, const std::string& mapping) {
  const auto net = prepared(network, mapping);
  (*net)(example[0].to_tensor());
  return net;
}
GraphModulePtr in_training(const std::string& network) {
  const auto net = fx_network(network);
  net->train();
  return tq::prepare_fx(net, standard(), example);
}

nn::ModulePtr net(const Net::One& f) {
  return nn::make<Net>(std::vector<Part>{}, f);
}

/// One call: what its error or warning must mention; both empty: it goes well. `as_in_pytorch`: the
/// graph it makes has PyTorch's nodes.
struct Remark {
  std::string name;
  std::function<GraphModulePtr()> call;
  std::string error = {}, warning = {};
  bool as_in_pytorch = true;
};

// Networks that cannot be traced, or that PyTorch cannot trace.
std::vector<Remark> tracing() {
  return {
      {"control flow on a tensor", [] { return prepared(nn::make<Gate>()); },
       "the value of a tensor is not known while tracing"},
      {"item assignment",
       [] {
         return prepared(net([](Net&, const Tensor& x) {
           x.select(0, 0).fill_(0);
           return x;
         }));
       },
       "writing in place cannot be traced"},
      {"len of a tensor",
       [] { return prepared(net([](Net&, const Tensor& x) { return x * x.size(0); })); }, "",
       "'mul': 'size' is no tensor"},
      {"iteration over a tensor",
       [] {
         return prepared(net([](Net&, const Tensor& x) {
           TensorList rows;
           for (std::int64_t i = 0; i < x.size(1); ++i) rows.push_back(x.select(1, i));
           return stack(rows, 1);
         }));
       }},
      {"a layer that is no child",
       [] {
         const auto foreign = nn::make<nn::Linear>(6, 6);
         return prepared(net([foreign](Net&, const Tensor& x) { return (*foreign)(x); }));
       },
       "Linear"},
      {"training mode", [] { return in_training("mlp"); }},
      {"qat in eval mode",
       [] { return tq::prepare_qat_fx(fx_network("mlp"), fx_mapping("qat").prepare, example); }},
      {"no example inputs", [] { return tq::prepare_fx(fx_network("mlp"), standard(), {}); }},
      {"fuse in training mode",
       [] {
         const auto mlp = fx_network("mlp");
         mlp->train();
         return tq::fuse_fx(mlp);
       }},
  };
}

std::vector<Remark> mappings() {
  const tq::QConfig& q = tq::default_per_channel_qconfig;
  const auto linear = ObjectType::of<nn::Linear>(), relu = ObjectType::of<nn::ReLU>();
  const auto sigmoid_range = [] {
    const Mapping all = standard();
    for (const auto& [type, qconfig] : all.object_type_qconfigs())
      if (type == ObjectType(ops::sigmoid)) return qconfig;
    return Mapping::Config();
  };
  return {
      {"name that matches nothing",
       [=] { return prepared("mlp", Mapping().set_module_name("nowhere", q)); },
       "module name 'nowhere'"},
      {"type that matches nothing",
       [=] { return prepared("mlp", Mapping().set_object_type(ObjectType::of<nn::Tanh>(), q)); }},
      {"regex that matches nothing",
       [=] { return prepared("mlp", Mapping().set_module_name_regex("nowhere.*", q)); },
       "module name regex 'nowhere.*'"},
      {"broken regex", [=] { return prepared("mlp", Mapping().set_module_name_regex("(", q)); },
       "no regular expression"},
      {"order that matches nothing",
       [=] {
         return prepared("mlp", Mapping().set_module_name_object_type_order("", ops::linear, 7, q));
       },
       "call 7 of linear in module '' (it makes 0)"},
      // PyTorch wants one qconfig for Linear and ReLU; here that of Linear is the pair's.
      {"Linear without ReLU by type",
       [=] { return prepared("linear_module_relu", Mapping().set_object_type(linear, q)); }},
      {"Linear without ReLU by type, functional relu",
       [=] { return prepared("linear_functional_relu", Mapping().set_object_type(linear, q)); }},
      {"ReLU without Linear by type",
       [=] {
         return prepared("linear_module_relu", standard().set_object_type(relu, std::nullopt));
       }},
      {"Linear and ReLU differ by name",
       [=] { return prepared("mlp", standard().set_module_name("1", std::nullopt)); }},
      // Ranges of sigmoid and tanh are known; the qconfig need not say them.
      {"sigmoid with another observer", [] { return prepared("sigmoid_module", "bare_global"); }},
      {"tanh with the observer of sigmoid",
       [=] {
         return prepared("tanh_function", standard().set_object_type(ops::tanh, sigmoid_range()));
       },
       "", "", false},
      {"signed activations", [] { return prepared("mlp", "signed"); }, "", "", false},
      {"float16 activations", [] { return prepared("mlp", "float16_static"); }, "",
       "no form for activation float16, weight float16"},
      {"weights of activations' dtype",
       [] {
         return prepared(
             "mlp", standard().set_global(tq::QConfig{tq::default_observer, tq::default_observer}));
       },
       "", "no form for activation quint8, weight quint8", false},
      {"full range on fbgemm", [] { return prepared("mlp", "full_range"); }},
      {"weight-only qconfig", [] { return prepared("mlp", "weight_only"); }},
      {"mapping of nothing", [] { return prepared("mlp", "none"); }},
  };
}

std::vector<Remark> converting() {
  const auto mapping = [](const tq::QConfigMapping& m) {
    return tq::convert_fx(calibrated("mlp", "per_channel"), {.qconfig_mapping = m});
  };
  return {
      {"convert of an unprepared module", [] { return tq::convert_fx(fx_network("mlp")); },
       "needs the graph module that prepare_fx made, got a Sequential"},
      {"convert of a traced module",
       [] { return tq::convert_fx(fx::symbolic_trace(fx_network("mlp"))); },
       "not made by prepare_fx"},
      {"convert without calibration", [] { return tq::convert_fx(prepared("mlp", "per_channel")); },
       "'activation_post_process_0' (of 'input_1')"},
      {"convert twice",
       [] { return tq::convert_fx(tq::convert_fx(calibrated("mlp", "per_channel"))); },
       "converted already"},
      {"prepare twice", [] { return prepared(prepared("mlp", "per_channel")); },
       "prepared already"},
      {"convert with a mapping of other keys",
       [=] { return mapping(standard().set_module_name("2", std::nullopt)); }, "", "", false},
      {"convert with a mapping of another qconfig",
       [=] { return mapping(fx_mapping("per_tensor").prepare); },
       "convert can leave parts float, not change them"},
  };
}

std::vector<Remark> custom_configs() {
  return {
      {"second output of one",
       [] { return prepared("mlp", standard(), fx_custom("second_output_quantized")); },
       "output_quantized_indexes has 1, the network has 1 results"},
      {"second output of two",
       [] { return prepared("two_outputs", standard(), fx_custom("second_output_quantized")); }},
      {"second input of one",
       [] { return prepared("mlp", standard(), Custom().set_input_quantized_indexes({1})); },
       "input_quantized_indexes has 1, the network has 1 inputs"},
      {"quantized output of a network that ends in float",
       [] { return prepared("exp_end", standard(), fx_custom("output_quantized")); }, "",
       "'exp': the backend config has no row for exp", false},
      {"standalone name that matches nothing",
       [] {
         return prepared("with_block", standard(),
                         Custom().set_standalone_module_name("nowhere", {}, example));
       },
       "no standalone module 'nowhere'"},
      {"non-traceable name that matches nothing",
       [] {
         return prepared("with_block", standard(),
                         Custom().set_non_traceable_module_names({"nowhere"}));
       },
       "no module 'nowhere'"},
      {"preserved attribute that does not exist",
       [] { return prepared("mlp", standard(), Custom().set_preserved_attributes({"nowhere"})); },
       "the preserved attribute 'nowhere' does not exist"},
      {"float input of a network with quantized input",
       [] {
         const auto int8 = tq::convert_fx(prepared("mlp", standard(), fx_custom("input_quantized")),
                                          {.allow_uncalibrated = true});
         (*int8)(example[0].to_tensor());
         return int8;
       },
       "quantized"},
  };
}

}  // namespace

TEST_CASE("Graph mode refuses and warns of what is wrong, where PyTorch often keeps silent",
          "[ao][quantization][fx][golden][errors]") {
  std::map<std::string, nlohmann::json> golden;
  for (const auto& r : fx_golden("remarks")["remarks"]) golden[r["name"].get<std::string>()] = r;
  std::vector<Remark> all;
  for (const auto& part : {tracing(), mappings(), converting(), custom_configs()})
    all.insert(all.end(), part.begin(), part.end());
  for (const Remark& r : all) {
    CAPTURE(r.name);
    REQUIRE(golden.contains(r.name));
    const nlohmann::json theirs = golden[r.name];
    golden.erase(r.name);
    manual_seed(0);
    GraphModulePtr result;
    Warnings warnings;
    const std::string error = error_of([&] { result = r.call(); });
    if (!r.error.empty()) {
      CHECK_THAT(error, ContainsSubstring(r.error));
      continue;
    }
    CHECK(error == "");
    if (r.warning.empty()) CHECK(warnings.all == Lines{});
    if (!r.warning.empty()) CHECK(warnings.mention(r.warning));
    if (!result || !r.as_in_pytorch || !theirs.contains("nodes")) continue;
    CHECK(parts_of(result)["nodes"] == golden_parts(fx_golden("static"), theirs)["nodes"]);
  }
  CHECK(golden.empty());
}

TEST_CASE("fuse_fx and prepare_fx take float networks only", "[ao][quantization][fx][errors]") {
  const auto ready = calibrated("mlp", "per_channel");
  const std::vector<nn::ModulePtr> later{ready, tq::convert_to_reference_fx(ready),
                                         tq::convert_fx(ready)};
  for (std::size_t i = 0; i < later.size(); ++i) {
    const char* why = i == 0 ? "prepared already ('activation_post_process_0' is a MinMaxObserver)"
                             : "converted already";
    CHECK_THAT(error_of([&] { tq::fuse_fx(later[i]); }), ContainsSubstring(why));
    CHECK_THAT(error_of([&] { prepared(later[i]); }), ContainsSubstring(why));
    CHECK_THAT(error_of([&] { prepared(nn::make<nn::Sequential>(later[i])); }),
               ContainsSubstring("already"));
  }
}

TEST_CASE("A float result that is to stay quantized is quantized by the global qconfig",
          "[ao][quantization][fx]") {
  const Custom custom = fx_custom("output_quantized");
  const auto net = prepared("exp_end", standard(), custom);
  const Tensor x = randn({8, 6});
  (*net)(x);
  CHECK((*tq::convert_fx(net))(x).dtype() == quint8);
  CHECK_THAT(
      error_of([&] { prepared("exp_end", "type_linear", custom); }),
      ContainsSubstring("result 0 ('exp') is to stay quantized, but is float and no global"));
}
