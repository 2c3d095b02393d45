#include "adze/ao/module_types.h"

#include <nlohmann/json.hpp>

#include "adze/ao/nn/intrinsic/quantized/dynamic/linear_relu.h"
#include "adze/ao/nn/quantized/reference/linear.h"
#include "adze/ao/pruning/fake_sparsity.h"
#include "adze/ao/quantization/attach.h"
#include "adze/core/autograd.h"
#include "adze/core/serialization.h"
#include "adze/nn/dropout.h"
#include "adze/nn/identity.h"

#include "ao/composability_support.h"
#include "support/catch.h"
#include "support/folder.h"
#include "support/model_file.h"

using namespace adze;
using namespace adze::test;
using adze::testing::Folder;
using nlohmann::json;

namespace {

nn::ModulePtr reload(nn::Module& net) {
  return copy_in_memory(net, ao::module_types());
}

// QuantStub Linear ReLU Dropout Linear DeQuantStub, "0" to "5".
nn::ModulePtr float_net() {
  manual_seed(7);
  return nn::make<nn::Sequential>(tq::QuantStub(), nn::Linear(6, 8), nn::ReLU(), nn::Dropout(0.5),
                                  nn::Linear(8, 3), tq::DeQuantStub());
}

Tensor inputs(std::uint64_t seed = 3) {
  Generator generator(seed);
  return randn({9, 6}, &generator);
}

nn::ModulePtr fused(nn::ModulePtr net) {
  net->eval();
  return tq::fuse_modules(net, {{"1", "2"}});
}

nn::ModulePtr prepared(const tq::QConfig& qconfig = tq::get_default_qconfig("x86")) {
  nn::ModulePtr net = fused(float_net());
  net->qconfig = qconfig;
  net = tq::prepare(net);
  (*net)(inputs());
  (*net)(inputs(4) * 2.0);
  return net;
}

nn::ModulePtr qat_net(const tq::QConfig& qconfig = tq::get_default_qat_qconfig("x86")) {
  nn::ModulePtr net = fused(float_net());
  net->train();
  net->qconfig = qconfig;
  net = tq::prepare_qat(net);
  net->eval();  // no dropout, so that outputs can be compared
  (*net)(inputs());
  return net;
}

void check_reloads(nn::Module& net) {
  const nn::ModulePtr loaded = reload(net);
  check_same_network(net, *loaded);
  const auto a = nn::named_modules(net), b = nn::named_modules(*loaded);
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(a[i].first);
    CHECK(tq::has_qconfig(*a[i].second) == tq::has_qconfig(*b[i].second));
    CHECK(tq::qconfig_equals(tq::get_qconfig(*a[i].second), tq::get_qconfig(*b[i].second)));
  }
  const NoGrad guard;
  manual_seed(11);  // of dropout
  const Tensor expected = net(inputs(5));
  manual_seed(11);
  CHECK((*loaded)(inputs(5)).equal(expected));
}

// An observer of the user.
class Spy : public nn::ModuleOf<Spy, tq::MinMaxObserver> {
 public:
  using ModuleOf::ModuleOf;
};

std::string error_after(nn::Module& net, const std::function<void(SafeTensors&)>& change) {
  SafeTensors file = parse_safetensors(nn::serialize_model(net, ao::module_types()));
  change(file);
  return error_of([&] { nn::parse_model(serialize_safetensors(file), ao::module_types()); });
}
// After a change of the first module of that class.
std::string error_with(nn::Module& net, const std::string& type,
                       const std::function<void(json& module)>& change) {
  return error_after(net, [&](SafeTensors& file) {
    json description = json::parse(file.metadata.at("adze.model"));
    for (json& module : description["modules"])
      if (module["type"] == type) {
        change(module);
        break;
      }
    file.metadata["adze.model"] = description.dump();
  });
}

}  // namespace

TEST_CASE("A network comes back at every stage", "[ao][model_file]") {
  SECTION("float") {
    check_reloads(*float_net());
  }
  SECTION("fused") {
    check_reloads(*fused(float_net()));
  }
  SECTION("prepared, before any data") {
    nn::ModulePtr net = fused(float_net());
    net->qconfig = tq::get_default_qconfig("x86");
    check_reloads(*tq::prepare(net));
  }
  SECTION("calibrated") {
    check_reloads(*prepared());
    check_reloads(*prepared(tq::get_default_qconfig("qnnpack")));
    check_reloads(*prepared(tq::default_symmetric_qnnpack_qconfig));
  }
  SECTION("prepared for training") {
    check_reloads(*qat_net());
    check_reloads(*qat_net(tq::get_default_qat_qconfig("qnnpack", 0)));
    nn::ModulePtr net = qat_net();
    tq::disable_observer(*net);
    tq::disable_fake_quant(*nn::find_module(*net, "1"));
    check_reloads(*net);
  }
  SECTION("int8") {
    check_reloads(*tq::convert(prepared()));
    check_reloads(*tq::convert(prepared(tq::get_default_qconfig("qnnpack"))));
    check_reloads(*tq::convert(qat_net()));
    check_reloads(*tq::convert(prepared(), {.remove_qconfig = false}));
  }
  SECTION("reference") {
    check_reloads(*tq::convert(prepared(), {.is_reference = true}));
    check_reloads(
        *tq::convert(prepared(tq::get_default_qconfig("qnnpack")), {.is_reference = true}));
  }
  SECTION("dynamic") {
    check_reloads(*tq::quantize_dynamic(fused(float_net())));
    check_reloads(*tq::quantize_dynamic(fused(float_net()), {.dtype = float16}));
  }
  SECTION("wrapped") {
    nn::ModulePtr net = nn::make<nn::Sequential>(nn::Linear(6, 4), nn::ReLU());
    net->eval();
    net->qconfig = tq::get_default_qconfig("x86");
    net = tq::add_quant_dequant(net);
    check_reloads(*net);
    net = tq::prepare(net);
    (*net)(inputs());
    check_reloads(*net);
    check_reloads(*tq::convert(net));
  }
}

TEST_CASE("A loaded prepared network converts to the same int8 network", "[ao][model_file]") {
  for (const bool training : {false, true}) {
    CAPTURE(training);
    nn::ModulePtr net = training ? qat_net() : prepared();
    nn::ModulePtr loaded = reload(*net);
    check_same_network(*tq::convert(net), *tq::convert(loaded));
  }
}

TEST_CASE("A loaded prepared network goes on observing", "[ao][model_file]") {
  for (const bool training : {false, true}) {
    CAPTURE(training);
    nn::ModulePtr net = training ? qat_net() : prepared();
    nn::ModulePtr loaded = reload(*net);
    const Tensor wide = inputs(8) * 10.0;
    CHECK((*net)(wide).equal((*loaded)(wide)));
    check_same_network(*net, *loaded);
    check_same_network(*tq::convert(net), *tq::convert(loaded));
  }
}

TEST_CASE("A loaded qat network trains as the saved one does", "[ao][model_file]") {
  nn::ModulePtr net = qat_net();
  nn::ModulePtr loaded = reload(*net);
  for (const nn::ModulePtr& m : {net, loaded}) train_some(*m, 6);
  check_same_network(*net, *loaded);
}

TEST_CASE("Masks and pinned zeros come back, and a sparsifier finds its masks",
          "[ao][model_file]") {
  nn::ModulePtr net = float_net();
  auto pruner = sparsifier();
  pruner.prepare(*net, {{.tensor_fqn = "1.weight"}});
  pruner.step();
  check_reloads(*net);
  nn::ModulePtr loaded = reload(*net);
  CHECK(sparsity_of(*loaded, "1.weight") == sparsity_of(*net, "1.weight"));
  CHECK(sparsity_of(*loaded, "1.weight") > 0.5);

  auto again = sparsifier();
  again.load_state_dict(*loaded, pruner.state_dict());
  again.squash_mask({.pin_zeros = true});
  CHECK_FALSE(anything_parametrized(*loaded));
  check_reloads(*loaded);
  train_some(*loaded, 6);
  CHECK(sparsity_of(*reload(*loaded), "1.weight") > 0.5);

  loaded = tq::prepare_qat([&] {
    nn::ModulePtr f = fused(net);
    f->train();
    f->qconfig = tq::get_default_qat_qconfig("x86");
    return f;
  }());
  loaded->eval();
  (*loaded)(inputs());
  check_reloads(*loaded);
}

TEST_CASE("Masks that change after calibration are reported also after loading",
          "[ao][model_file]") {
  nn::ModulePtr loaded = reload(*prepared());
  {
    const Warnings warnings;
    tq::convert(loaded);
    CHECK_FALSE(warnings.mention("changed after calibration"));
  }
  nn::find_parameter(*loaded, "1.0.weight")->slot()->original().detach().slice(0, 0, 2).fill_(0);
  const Warnings warnings;
  tq::convert(loaded);
  CHECK(warnings.mention("'1' changed after calibration"));
}

TEST_CASE("Every observer and fake-quantize comes back with what it has seen", "[ao][model_file]") {
  const std::vector<tq::ObserverFactory> factories{
      tq::default_observer,
      tq::default_histogram_observer,
      tq::HistogramObserver::with_args({.dtype = qint8, .eps = 0x1p-12, .bins = 17}),
      tq::default_weight_observer,
      tq::default_per_channel_weight_observer,
      tq::per_channel_weight_observer_range_neg_127_to_127,
      tq::MovingAverageMinMaxObserver::with_args({.reduce_range = true, .averaging_constant = 0.3}),
      tq::MovingAveragePerChannelMinMaxObserver::with_args({.dtype = qint8, .ch_axis = 1}),
      tq::default_dynamic_quant_observer,
      tq::default_placeholder_observer,
      tq::default_debug_observer,
      tq::default_reuse_input_observer,
      tq::NoopObserver::with_args({.dtype = float16, .custom_op_name = "op"}),
      tq::default_float_qparams_observer,
      tq::default_fixed_qparams_range_0to1_observer,
      tq::default_fixed_qparams_range_neg1to1_observer,
      tq::default_fake_quant,
      tq::default_histogram_fake_quant,
      tq::default_dynamic_fake_quant,
      tq::default_per_channel_weight_fake_quant,
      tq::default_fused_wt_fake_quant,
      tq::default_fused_per_channel_wt_fake_quant,
      tq::default_embedding_fake_quant,
      tq::default_fixed_qparams_range_0to1_fake_quant,
      tq::default_fixed_qparams_range_neg1to1_fake_quant};
  for (const tq::ObserverFactory& factory : factories) {
    CAPTURE(factory.str());
    const auto observer = factory();
    check_same_network(*observer, *reload(*observer));
    (*observer)(inputs());
    (*observer)(inputs(5) * 3.0);
    const nn::ModulePtr loaded = reload(*observer);
    check_same_network(*observer, *loaded);
    auto& copy = loaded->as<tq::ObserverOrFakeQuant>();
    CHECK(copy.spec() == observer->spec());
    CHECK(copy.has_data() == observer->has_data());
    CHECK(copy.averaging_constant() == observer->averaging_constant());
    if (observer->has_data()) {
      CHECK(copy.calculate_qparams().scale.equal(observer->calculate_qparams().scale));
      CHECK(copy.calculate_qparams().zero_point.equal(observer->calculate_qparams().zero_point));
    }
    CHECK(copy(inputs(6)).equal((*observer)(inputs(6))));
    check_same_network(*observer, *loaded);
  }
}

TEST_CASE("A fixed fake-quantize shares its qparams with its observer after loading",
          "[ao][model_file]") {
  const auto made = tq::default_fixed_qparams_range_neg1to1_fake_quant();
  auto loaded = reload(*made);
  auto& fake_quant = loaded->as<tq::FixedQParamsFakeQuantize>();
  CHECK(fake_quant.scale.slot() ==
        fake_quant.observer().as<tq::FixedQParamsObserver>().scale.slot());
}

TEST_CASE("An observer that two layers share is one observer after loading", "[ao][model_file]") {
  nn::ModulePtr net = float_net();
  const auto observer = tq::default_observer();
  tq::attach_observer(net->as<nn::Sequential>()[1], observer);
  tq::attach_observer(net->as<nn::Sequential>()[4], observer);
  net->eval();
  (*net)(inputs());
  check_reloads(*net);
  const nn::ModulePtr copy = reload(*net);
  auto& loaded = copy->as<nn::Sequential>();
  CHECK(tq::activation_post_process(loaded[1]) == tq::activation_post_process(loaded[4]));
}

TEST_CASE("QConfigs of the library come back equal, and so does \"do not quantize\"",
          "[ao][model_file]") {
  const std::vector<tq::QConfig> qconfigs{tq::default_qconfig,
                                          tq::default_per_channel_qconfig,
                                          tq::default_debug_qconfig,
                                          tq::default_reuse_input_qconfig,
                                          tq::default_symmetric_qnnpack_qconfig,
                                          tq::default_dynamic_qconfig,
                                          tq::float16_dynamic_qconfig,
                                          tq::float_qparams_weight_only_qconfig,
                                          tq::default_qat_qconfig,
                                          tq::default_qat_qconfig_v2,
                                          tq::default_weight_only_qconfig,
                                          tq::default_activation_only_qconfig,
                                          tq::default_embedding_qat_qconfig,
                                          tq::default_per_channel_symmetric_qnnpack_qat_qconfig,
                                          tq::QConfig{}};
  for (const tq::QConfig& qconfig : qconfigs) {
    CAPTURE(qconfig.str());
    nn::Identity module;
    module.qconfig = qconfig;
    const nn::ModulePtr loaded = reload(module);
    REQUIRE(tq::get_qconfig(*loaded).has_value());
    CHECK(*tq::get_qconfig(*loaded) == qconfig);
    CHECK(tq::get_qconfig(*loaded)->str() == qconfig.str());
  }
  nn::Sequential net{nn::Identity(), nn::Identity(), nn::Identity()};
  net[0].qconfig = std::nullopt;
  net[1].qconfig = std::optional<tq::QConfig>(tq::default_qconfig);
  auto loaded = reload(net);
  auto& l = loaded->as<nn::Sequential>();
  CHECK(tq::has_qconfig(l[0]));
  CHECK_FALSE(tq::get_qconfig(l[0]).has_value());
  CHECK(tq::get_qconfig(l[1]) == tq::default_qconfig);
  CHECK_FALSE(tq::has_qconfig(l[2]));
}

TEST_CASE("Saving names qconfigs and observers that have no form", "[ao][model_file][errors]") {
  const auto error = [](nn::Module& net) {
    return error_of([&] { nn::serialize_model(net, ao::module_types()); });
  };
  nn::Sequential net{nn::Identity(), nn::Identity()};
  net[1].qconfig = tq::QConfig{tq::ObserverFactory::of<Spy>(tq::ObserverOptions{}), {}};
  CHECK_THAT(error(net),
             ContainsSubstring("'1' (adze::nn::Identity)") && ContainsSubstring("not Spy()"));
  net[1].qconfig = 3;
  CHECK_THAT(error(net), ContainsSubstring("'1'") && ContainsSubstring("got int"));
  net[1].qconfig.reset();
  net[0].add_module("spy", nn::make<Spy>());
  CHECK_THAT(error(net), ContainsSubstring("'0.spy'") && ContainsSubstring("ModuleTypes::add<"));
}

TEST_CASE("An observer of the user is kept once its class was added", "[ao][model_file]") {
  nn::ModuleTypes types = ao::module_types();
  types.add<Spy>();
  Spy spy;
  spy(inputs());
  check_same_network(spy, *copy_in_memory(spy, types));
}

TEST_CASE("A file is written and read by path, with metadata", "[ao][model_file]") {
  const Folder folder;
  const nn::ModulePtr net = tq::convert(prepared());
  ao::save_model(*net, folder.path("m"), {{"scale", "1/16"}});
  CHECK(folder.entries() == 1);
  std::map<std::string, std::string> metadata;
  check_same_network(*net, *ao::load_model(folder.path("m"), &metadata));
  CHECK(metadata.at("scale") == "1/16");
  CHECK_THAT(error_of([&] { nn::load_model(folder.path("m")); }),
             ContainsSubstring("adze::ao::nn") && ContainsSubstring("is not known"));
}

TEST_CASE("Faults in descriptions of int8 and prepared networks are told",
          "[ao][model_file][errors]") {
  const nn::ModulePtr int8 = tq::convert(prepared()), observed = prepared();
  const std::string linear = "adze::ao::nn::quantized::Linear",
                    histogram = "adze::ao::quantization::HistogramObserver";
  CHECK_THAT(error_with(*int8, linear, [](json& m) { m["config"].erase("dtype"); }),
             ContainsSubstring("'4'") && ContainsSubstring("the setting 'dtype' is missing"));
  CHECK_THAT(error_with(*int8, linear, [](json& m) { m["config"]["dtype"] = "quint8"; }),
             ContainsSubstring("a dtype was expected"));
  CHECK_THAT(error_with(*int8, linear,
                        [](json& m) {
                          m["config"]["dtype"] = {{"dtype", "float32"}};
                        }),
             ContainsSubstring("'4'"));
  CHECK_THAT(error_with(*int8, linear,
                        [](json& m) {
                          m["tensors"] = {"weight", "bias"};
                        }),
             ContainsSubstring("the tensor 'scale' is missing"));
  CHECK_THAT(error_after(*int8, [](SafeTensors& f) { f.tensors["4.scale"] = full({}, -1.0); }),
             ContainsSubstring("'4'") && ContainsSubstring("scale"));
  CHECK_THAT(error_after(*int8,
                         [](SafeTensors& f) {
                           f.tensors["4.weight"] = zeros({3, 8});
                         }),
             ContainsSubstring("weight must be qint8"));
  CHECK_THAT(error_with(*observed, histogram, [](json& m) { m["config"]["bins"] = 65536; }),
             ContainsSubstring("the histogram has 2048 bins, its setting is 65536"));
  CHECK_THAT(error_with(*observed, histogram, [](json& m) { m["config"]["bine"] = 1; }),
             ContainsSubstring("unknown option 'bine'"));
  CHECK_THAT(error_with(*observed, histogram, [](json& m) { m["config"].erase("eps"); }),
             ContainsSubstring("the option 'eps' is missing"));
  CHECK_THAT(error_with(*observed, histogram, [](json& m) { m["config"]["qscheme"] = "odd"; }),
             ContainsSubstring("there is no qscheme 'odd'"));
  CHECK_THAT(error_with(*observed, histogram, [](json& m) { m["config"]["weight_zeros"] = 1; }),
             ContainsSubstring("a list was expected"));
  CHECK_THAT(error_after(*observed,
                         [](SafeTensors& f) {
                           json d = json::parse(f.metadata.at("adze.model"));
                           d["qconfigs"][0]["list"][0]["list"][0] = "Spy";
                           f.metadata["adze.model"] = d.dump();
                         }),
             ContainsSubstring("there is no observer or fake-quantize 'Spy'"));
  nn::ModulePtr qat = qat_net();
  CHECK_THAT(error_with(*qat, "adze::ao::nn::qat::Linear",
                        [](json& m) { m["type"] = "adze::nn::Linear"; }),
             ContainsSubstring("its children are none, the file has 'weight_fake_quant'"));
}

TEST_CASE("Thousands of damaged files of int8 and prepared networks give an Error or a network",
          "[ao][model_file][errors]") {
  for (const nn::ModulePtr& net :
       {tq::convert(prepared()), qat_net(), tq::convert(prepared(), {.is_reference = true}),
        tq::quantize_dynamic(fused(float_net()))}) {
    const int loaded =
        load_damaged(nn::serialize_model(*net, ao::module_types()), ao::module_types(), 1000);
    CHECK(loaded > 0);
    CHECK(loaded < 1000);
  }
}
