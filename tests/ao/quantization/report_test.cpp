#include "adze/ao/quantization/report.h"

#include <nlohmann/json.hpp>

#include "adze/ao/quantization/attach.h"
#include "adze/ao/quantization/quantize_fx.h"
#include "adze/fx/tracer.h"

#include "ao/composability_support.h"
#include "ao/graph_network.h"
#include "support/catch.h"

using namespace adze;
using namespace adze::test;
using tq::LayerForm;

namespace {

const tq::LayerReport& at(const tq::Report& r, const std::string& name) {
  const tq::LayerReport* found = r.find(name);
  INFO(name << '\n' << r.table());
  REQUIRE(found != nullptr);
  return *found;
}
std::vector<std::string> names(const tq::Report& r) {
  std::vector<std::string> all;
  for (const auto& layer : r.layers) all.push_back(layer.name);
  return all;
}
using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("A report has one line for each layer and each op that computes, in the order of calls",
          "[ao][quantization][report]") {
  const auto traced = fx::symbolic_trace(mixed_network());
  CHECK(names(tq::report(*traced)) ==
        Names{"a", "act", "b", "add", "relu", "linear", "mul", "exp", "last"});
  const tq::Report eager = tq::report(*mixed_network());
  CHECK(names(eager) == Names{"a", "act", "b", "last"});
  CHECK(eager.stage.empty());
  CHECK(at(eager, "a").type == "nn::Linear");
  CHECK(at(eager, "a").form == LayerForm::floating);
  CHECK(at(eager, "a").why == "no qconfig");
  CHECK(at(eager, "a").weight_dtype == float32);
  CHECK(at(eager, "a").kernel.find("f32_gemm") != std::string::npos);
}

TEST_CASE("Names in a report are the same before and after conversion",
          "[ao][quantization][report]") {
  const auto net = calibrated();
  const Names all{"a", "b", "add", "linear", "mul", "exp", "last"};
  for (const auto& stage :
       {tq::GraphModulePtr(net), tq::convert_to_reference_fx(net), tq::convert_fx(net)}) {
    const tq::Report r = tq::report(*stage);
    CAPTURE(r.table());
    for (const std::string& name : all) CHECK(r.find(name) != nullptr);
  }
}

TEST_CASE("A prepared layer says what it waits for", "[ao][quantization][report]") {
  const auto net = prepared();
  tq::Report r = tq::report(*net);
  CHECK(r.stage == "prepared");
  CHECK(at(r, "b").form == LayerForm::observed);
  CHECK(at(r, "b").uncalibrated);
  CHECK(at(r, "b").why == "its observer has seen no data");
  CHECK_FALSE(at(r, "b").output);
  CHECK(at(r, "exp").form == LayerForm::floating);
  CHECK(at(r, "exp").why == "the backend config has no row for exp");

  (*net)(rows_of_8());
  r = tq::report(*net);
  CHECK_FALSE(at(r, "b").uncalibrated);
  CHECK(at(r, "b").why == "not converted yet");
  REQUIRE(at(r, "b").output);
  CHECK(at(r, "b").output->dtype == quint8);
  REQUIRE(at(r, "b").weight);
  CHECK(at(r, "b").weight->qscheme == per_channel_symmetric);
}

TEST_CASE("An int8 layer is reported with the qparams and the kernel it computes with",
          "[ao][quantization][report]") {
  const auto int8 = tq::convert_fx(calibrated());
  const tq::Report r = tq::report(*int8);
  CHECK(r.stage == "quantized");
  const tq::LayerReport& b = at(r, "b");
  CHECK(b.form == LayerForm::int8);
  CHECK(b.why.empty());
  const auto& layer = nn::find_module(*int8, "b")->as<nnq::Linear>();
  REQUIRE(b.output);
  CHECK(b.output->min_scale == layer.scale.value().item());
  CHECK(b.output->min_zero_point == layer.zero_point.value().item());
  REQUIRE(b.weight);
  const Tensor scales = layer.weight.value().q_per_channel_scales();
  CHECK(b.weight->min_scale == min(scales).item());
  CHECK(b.weight->max_scale == max(scales).item());
  REQUIRE(b.input);
  REQUIRE(at(r, "a").output);
  CHECK(*b.input == *at(r, "a").output);
  CHECK(b.kernel.find("u8s8_gemm") != std::string::npos);
  CHECK(at(r, "add").type == "quantized::add_relu");
  CHECK(at(r, "add").form == LayerForm::int8);
  CHECK(at(r, "linear").weight_dtype == qint8);
  CHECK(at(r, "linear").form == LayerForm::int8);
  CHECK(at(r, "exp").form == LayerForm::floating);
  CHECK(at(r, "exp").why == "the backend config has no row for exp");
}

TEST_CASE("The forms of eager layers are told apart", "[ao][quantization][report]") {
  const auto form = [](const nn::ModulePtr& net, const std::string& name = "0") {
    return at(tq::report(*net), name).form;
  };
  const auto net = [](const tq::QConfig& q) {
    auto model = nn::make<nn::Sequential>(nn::Linear(8, 4));
    model->qconfig = q;
    return model;
  };
  CHECK(form(net(tq::default_qconfig)) == LayerForm::floating);
  CHECK(at(tq::report(*net(tq::default_qconfig)), "0").why == "no qconfig");
  auto model = net(tq::default_qconfig);
  tq::propagate_qconfig_(*model);
  CHECK(at(tq::report(*model), "0").why == "it has a qconfig but was never prepared");
  const auto observed = tq::prepare(model);
  CHECK(form(observed) == LayerForm::observed);
  CHECK(at(tq::report(*observed), "0").uncalibrated);
  (*observed)(rows_of_8());
  CHECK(form(tq::convert(observed)) == LayerForm::int8);
  CHECK(form(tq::convert(observed, {.is_reference = true})) == LayerForm::reference);
  CHECK(form(tq::prepare_qat(net(tq::default_qat_qconfig))) == LayerForm::fake_quantized);
  CHECK(form(tq::quantize_dynamic(nn::make<nn::Sequential>(nn::Linear(8, 4)))) ==
        LayerForm::dynamic);
  CHECK(at(tq::report(*tq::quantize_dynamic(nn::make<nn::Sequential>(nn::Linear(8, 4)))), "0")
            .weight_dtype == qint8);
}

TEST_CASE("A report tells the sparsity that was asked for, masked and kept",
          "[ao][quantization][report]") {
  auto model = sequential(8);
  set_qconfig(*model, tq::default_qconfig);
  auto pruner = sparsifier();
  pruner.prepare(*model, sparse_config());
  pruner.step();
  const tq::LayerReport masked = at(tq::report(*model), "5");
  REQUIRE(masked.masked);
  CHECK(*masked.masked > 0.6);
  CHECK(masked.kept == masked.masked);
  CHECK(masked.sparsity_asked == masked.masked);

  tq::prepare(model, {.inplace = true});
  (*model)(rows_of_8());
  const auto int8 = tq::convert(model);
  const tq::LayerReport converted = at(tq::report(*int8), "5");
  CHECK_FALSE(converted.masked);
  REQUIRE(converted.kept);
  CHECK(*converted.kept >= *masked.kept);
}

TEST_CASE("With inputs a report tells what quantization loses and how the range is used",
          "[ao][quantization][report]") {
  const auto net = mixed_network();
  const auto int8 = tq::convert_fx(calibrated());
  const tq::Report r = tq::report(*int8, {.float_model = net.get(), .inputs = {rows_of_8()}});
  CAPTURE(r.table());
  for (const char* name : {"a", "b", "add", "linear", "exp", "last"}) {
    CAPTURE(name);
    REQUIRE(at(r, name).sqnr);
    CHECK(*at(r, name).sqnr > 20);
  }
  const tq::LayerReport& b = at(r, "b");
  REQUIRE(b.range_used);
  CHECK(*b.range_used > 0.25);
  CHECK(*b.clipped < 0.1);
  // Half of what comes out of a ReLU is the integer 0, and that is no clipping.
  CHECK(*at(r, "a").clipped < 0.1);

  const tq::Report far = tq::report(*int8, {.inputs = {rows_of_8() * 20.0}});
  CHECK(*at(far, "b").clipped > 0.2);
  CHECK(*at(far, "b").range_used == 1.0);
}

TEST_CASE("A report of a prepared network shows how its values would use the integers",
          "[ao][quantization][report]") {
  const auto net = calibrated();
  const tq::Report r = tq::report(*net, {.inputs = {rows_of_8() * 20.0}});
  CHECK(*at(r, "b").clipped > 0.2);
}

TEST_CASE("Making a report leaves the network as it was", "[ao][quantization][report]") {
  const auto net = calibrated();
  const auto reference = mixed_network();
  const std::string graph = net->graph().str();
  const auto notes = net->notes;
  const nn::StateDict before = nn::state_dict(*net);
  tq::report(*net, {.float_model = reference.get(), .inputs = {rows_of_8(16, 9) * 5.0}});
  CHECK(net->graph().str() == graph);
  CHECK(net->notes.size() == notes.size());
  for (const auto& [key, note] : notes) CHECK(net->notes.at(key).str() == note.str());
  const nn::StateDict after = nn::state_dict(*net);
  REQUIRE(after.tensors.size() == before.tensors.size());
  for (const auto& [name, tensor] : after.tensors) CHECK(tensor.equal(before.at(name)));
  CHECK(net->user_hooks() == 0);
}

TEST_CASE("Hooks of users are counted", "[ao][quantization][report]") {
  const auto net = mixed_network();
  nn::find_module(*net, "b")->register_forward_hook(
      [](nn::Module&, const std::vector<Value>&, Value&) {});
  const tq::Report r = tq::report(*net);
  CHECK(at(r, "b").hooks == 1);
  CHECK(at(r, "a").hooks == 0);
  CHECK_THAT(r.table(), ContainsSubstring("hooks of users: 1"));
}

TEST_CASE("Comparing without inputs is refused", "[ao][quantization][report][errors]") {
  const auto net = mixed_network();
  REQUIRE_THROWS_WITH(tq::report(*net, {.float_model = net.get()}),
                      ContainsSubstring("comparing with a float network needs inputs"));
}

TEST_CASE("A report is a table for people and JSON for programs", "[ao][quantization][report]") {
  const auto int8 = tq::convert_fx(calibrated());
  const tq::Report r = tq::report(*int8, {.inputs = {rows_of_8()}});
  CHECK_THAT(r.table(), ContainsSubstring("quantized::add_relu"));
  CHECK_THAT(r.table(), ContainsSubstring("the backend config has no row for exp"));
  CHECK_THAT(r.table(), ContainsSubstring("layers compute on integers"));
  const auto json = nlohmann::json::parse(r.json());
  CHECK(json["stage"] == "quantized");
  REQUIRE(json["layers"].size() == r.layers.size());
  for (std::size_t i = 0; i < r.layers.size(); ++i) {
    CHECK(json["layers"][i]["name"] == r.layers[i].name);
    CHECK(json["layers"][i]["form"] == std::string(name(r.layers[i].form)));
    CHECK(json["layers"][i]["sqnr"].is_null());
  }
}
