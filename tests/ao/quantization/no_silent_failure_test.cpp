// What users of other libraries complain of: things that silently do not happen. Each is an error,
// a warning or a line of the report here. The numbers are those of the list they come from.
#include <regex>

#include "adze/ao/ns/utils.h"
#include "adze/ao/quantization/quantize_fx.h"
#include "adze/ao/quantization/report.h"
#include "adze/core/ops.h"
#include "adze/fx/tracer.h"
#include "adze/nn/dropout.h"

#include "ao/composability_support.h"
#include "support/catch.h"
#include "support/fx_networks.h"
#include "support/net.h"

using namespace adze;
using namespace adze::test;
using tq::LayerForm;

namespace {

const Shape batch{8, 6};
const std::vector<Value> example{Value(ones(batch))};

tq::QConfigMapping standard() {
  return tq::get_default_qconfig_mapping();
}
nn::ModulePtr net(const std::vector<Part>& parts, const Net::One& f) {
  manual_seed(2);
  auto n = nn::make<Net>(parts, f);
  n->eval();
  return n;
}
tq::GraphModulePtr prepared(const nn::ModulePtr& model) {
  return tq::prepare_fx(model, standard(), example);
}
tq::GraphModulePtr converted(const nn::ModulePtr& model) {
  const auto p = prepared(model);
  manual_seed(4);
  (*p)(randn(batch));
  return tq::convert_fx(p);
}
nn::ModulePtr eager_int8() {
  auto model = sequential(6);
  set_qconfig(*model, tq::get_default_qconfig());
  model->eval();
  const auto p = tq::prepare(model);
  (*p)(randn(batch));
  return tq::convert(p);
}

/// A layer of the user's own class.
class Special : public nn::ModuleOf<Special, nn::Linear> {
 public:
  using ModuleOf::ModuleOf;
  Tensor forward(const Tensor& x) { return nn::Linear::forward(x); }
};

}  // namespace

TEST_CASE("1: a bare Linear as the root is quantized", "[ao][quantization][complaints]") {
  const auto linear = nn::make<nn::Linear>(6, 6);
  linear->eval();
  CHECK(is_exactly<nnq::dynamic::Linear>(*tq::quantize_dynamic(linear)));
  const auto int8 = converted(linear);
  const auto report = tq::report(*int8);
  REQUIRE(report.layers.size() == 1);
  CHECK(report.layers[0].form == LayerForm::int8);
}

TEST_CASE("1: a subclass of a layer that stays float is a line of the report",
          "[ao][quantization][complaints]") {
  const auto model = nn::make<nn::Sequential>(Special(6, 6), nn::Linear(6, 6));
  const auto report = tq::report(*tq::quantize_dynamic(model));
  CHECK(report.find("0")->form == LayerForm::floating);
  CHECK(report.find("0")->why != "");
  CHECK(report.find("1")->form == LayerForm::dynamic);

  Warnings warnings;
  tq::quantize_dynamic(model);
  CHECK(warnings.mention("'0' (Special) has weights but no dynamic form; it stays float"));
}

TEST_CASE("2: size and reshape behind a layer do not leave the network float",
          "[ao][quantization][complaints]") {
  const auto int8 = converted(net({fc("a", 6, 6), fc("b", 6, 4)}, [](Net& n, const Tensor& x) {
    const Tensor y = n("a", x);
    return n("b", y.reshape({y.size(0), -1}));
  }));
  const auto report = tq::report(*int8);
  for (const auto& l : report.layers) {
    CAPTURE(l.name);
    CHECK(l.form == LayerForm::int8);
  }
  CHECK(report.find("b")->form == LayerForm::int8);
}

TEST_CASE("3: a dtype that an op does not support is warned of and reported",
          "[ao][quantization][complaints]") {
  const auto model = net({fc("a", 6, 6)}, [](Net& n, const Tensor& x) { return n("a", x); });
  Warnings warnings;
  const auto p =
      tq::prepare_fx(model, tq::QConfigMapping().set_global(tq::float16_static_qconfig), example);
  CHECK(warnings.mention("'a': the backend config has no form for activation float16"));
  CHECK_THAT(tq::report(*p).find("a")->why, ContainsSubstring("activation float16"));
}

TEST_CASE("4: names that match nothing are errors", "[ao][quantization][complaints]") {
  const auto model = net({fc("a", 6, 6)}, [](Net& n, const Tensor& x) { return n("a", x); });
  const auto q = tq::get_default_qconfig();
  const auto fx_error = [&](const tq::QConfigMapping& mapping,
                            const tq::PrepareCustomConfig& custom = {}) {
    return error_of(
        [&] { tq::prepare_fx(model, mapping, example, {.prepare_custom_config = custom}); });
  };
  CHECK_THAT(fx_error(standard().set_module_name("nowhere", q)), ContainsSubstring("'nowhere'"));
  CHECK_THAT(fx_error(standard().set_module_name_regex("no.*", q)), ContainsSubstring("'no.*'"));
  CHECK_THAT(fx_error(standard().set_module_name_object_type_order("", ops::add, 0, q)),
             ContainsSubstring("call 0 of add"));
  CHECK_THAT(fx_error(standard(), tq::PrepareCustomConfig().set_preserved_attributes({"nowhere"})),
             ContainsSubstring("'nowhere' does not exist"));
  CHECK_THAT(
      fx_error(standard(), tq::PrepareCustomConfig().set_non_traceable_module_names({"nowhere"})),
      ContainsSubstring("'nowhere'"));
  CHECK_THAT(error_of([&] {
               tq::quantize_dynamic(model, {.qconfig_spec = tq::DynamicSpec{.names = {"nowhere"}}});
             }),
             ContainsSubstring("'nowhere' matches no module"));
  CHECK_THAT(error_of([&] {
               tq::fuse_modules(model, {{"a", "nowhere"}});
             }),
             ContainsSubstring("nowhere"));
  const auto dropout = tq::ModuleType::of<nn::Dropout>();
  CHECK_THAT(error_of([&] {
               tq::quantize_dynamic(
                   nn::make<nn::ReLU>(),
                   {.qconfig_spec = tq::DynamicSpec{.types = {tq::ModuleType::of<nn::Linear>()}}});
             }),
             ContainsSubstring("quantize_dynamic: the network has no Linear"));
  CHECK_THAT(error_of([&] { tq::prepare(model, {.allow_list = {dropout}}); }),
             ContainsSubstring("prepare: the allow list has Dropout, the network has none"));
}

TEST_CASE("5: ops without a row are warned of and listed", "[ao][quantization][complaints]") {
  Warnings warnings;
  const auto int8 =
      converted(net({fc("a", 6, 6)}, [](Net& n, const Tensor& x) { return adze::exp(n("a", x)); }));
  CHECK(warnings.mention("'exp': the backend config has no row for exp"));
  const auto report = tq::report(*int8);
  REQUIRE(report.find("exp"));
  CHECK(report.find("exp")->form == LayerForm::floating);
  CHECK_THAT(report.find("exp")->why, ContainsSubstring("no row for exp"));
  CHECK_THAT(report.table(), ContainsSubstring("no row for exp"));
}

TEST_CASE("6: a DeQuantStub without a qconfig gives floats", "[ao][quantization][complaints]") {
  const Tensor y = (*eager_int8())(randn(batch));
  CHECK(y.dtype() == float32);
}

TEST_CASE("6: a qconfig for a stub, which has no effect in a graph, is a line of the report",
          "[ao][quantization][complaints]") {
  const auto model = sequential(6);
  model->eval();
  const auto table = [&](const std::string& name) {
    return tq::report(
               *tq::prepare_fx(
                   model, tq::QConfigMapping().set_module_name(name, tq::default_qconfig), example))
        .table();
  };
  CHECK_THAT(table("4"),
             ContainsSubstring("the qconfig of '4' has no effect: no step of the graph is its"));
  CHECK_THAT(table("5"), !ContainsSubstring("has no effect"));
}

TEST_CASE("Zeros that changed after calibration are warned of when convert works on a copy",
          "[ao][quantization][complaints]") {
  auto model = sequential(6);
  set_qconfig(*model, tq::default_qconfig);
  model->eval();
  const auto p = tq::prepare(model);
  (*p)(randn(batch));
  nn::find_parameter(*p, "5.weight")->set(zeros({6, 6}));
  Warnings warnings;
  tq::convert(p);
  CHECK(warnings.mention("zeros in the weights of '5' changed after calibration"));
}

TEST_CASE("7: observers without data are errors that name them, and lines of the report",
          "[ao][quantization][complaints]") {
  const auto model = net({fc("a", 6, 6)}, [](Net& n, const Tensor& x) { return n("a", x); });
  const auto p = prepared(model);
  CHECK_THAT(error_of([&] { tq::convert_fx(p); }),
             ContainsSubstring("'activation_post_process_0' (of 'x')"));
  const auto report = tq::report(*p);
  CHECK(report.find("a")->uncalibrated);

  auto eager = sequential(6);
  set_qconfig(*eager, tq::get_default_qconfig());
  const auto eager_report = tq::report(*tq::prepare(eager));
  CHECK(eager_report.find("5")->uncalibrated);
  CHECK_THAT(error_of([&] { tq::convert(tq::prepare(eager)); }), ContainsSubstring("'4', '5'"));
}

TEST_CASE("9: what a qat network computes is what its int8 network computes",
          "[ao][quantization][complaints]") {
  const auto model = net({fc("a", 6, 6)}, [](Net& n, const Tensor& x) { return n("a", x); });
  model->train();
  const auto qat = tq::prepare_qat_fx(model, tq::get_default_qat_qconfig_mapping(), example);
  const Tensor x = randn(batch);
  (*qat)(x);
  qat->eval();
  CHECK(ao::ns::compute_sqnr((*qat)(x), (*tq::convert_fx(qat))(x)) > 100);
}

TEST_CASE("10: what is not finite cannot be quantized", "[ao][quantization][complaints]") {
  const Tensor x = full({2, 2}, std::numeric_limits<float>::quiet_NaN());
  CHECK(error_of([&] { quantize_per_tensor(x, 0.1, 0, quint8); }) != "");
  CHECK(error_of([&] { quantize_per_tensor(ones({2}), 0.0, 0, quint8); }) != "");
  CHECK(error_of([&] { quantize_per_tensor(ones({2}), INFINITY, 0, quint8); }) != "");
}

TEST_CASE(
    "13: hooks survive prepare_fx and convert_fx; one inside a fused pair ends with a warning",
    "[ao][quantization][complaints]") {
  const auto model = nn::make<nn::Sequential>(nn::Linear(6, 6), nn::ReLU(), nn::Linear(6, 6));
  model->eval();
  int calls = 0;
  for (const char* path : {"0", "1", "2"})
    nn::find_module(*model, path)->register_forward_hook([&](nn::Module&, const auto&, Value&) {
      ++calls;
    });
  Warnings warnings;
  const auto int8 = converted(model);
  CHECK(warnings.mention("hook"));
  calls = 0;
  (*int8)(randn(batch));
  CHECK(calls == 2);
  const auto report = tq::report(*int8);
  std::size_t reported = 0;
  for (const auto& l : report.layers) reported += l.hooks;
  CHECK(reported == 2);
}

TEST_CASE("15: one qconfig for Linear alone quantizes the fused pair too",
          "[ao][quantization][complaints]") {
  const auto model = nn::make<nn::Sequential>(nn::Linear(6, 6), nn::ReLU());
  model->eval();
  const auto p = tq::prepare_fx(model,
                                tq::QConfigMapping().set_object_type(
                                    tq::ObjectType::of<nn::Linear>(), tq::get_default_qconfig()),
                                example);
  (*p)(randn(batch));
  const auto report = tq::report(*tq::convert_fx(p));
  REQUIRE(report.layers.size() == 1);
  CHECK(report.layers[0].type == "nn::intrinsic::quantized::LinearReLU");
}

TEST_CASE("16: prepare_fx and convert_fx leave the network they are given as it is",
          "[ao][quantization][complaints]") {
  const auto model = net({fc("a", 6, 6)}, [](Net& n, const Tensor& x) { return n("a", x); });
  const Tensor x = randn(batch), y = (*model)(x);
  const std::string before = nn::to_string(*model);
  const auto p = prepared(model);
  (*p)(x);
  CHECK(nn::to_string(*model) == before);
  const std::string observed = nn::to_string(*p), graph = p->graph().str();
  const auto int8 = tq::convert_fx(p);
  CHECK(nn::to_string(*p) == observed);
  CHECK(p->graph().str() == graph);
  CHECK((*model)(x).equal(y));
  CHECK((*p)(x).equal(y));
}

TEST_CASE("17: a float tensor that reaches a quantized layer is told what to do",
          "[ao][quantization][complaints]") {
  const auto int8 = eager_int8();
  const std::string error = error_of([&] { (*nn::find_module(*int8, "5"))(randn(batch)); });
  CHECK_THAT(error, ContainsSubstring("QuantStub"));
  auto without_stub = sequential(6);
  (*without_stub)[5].qconfig = tq::get_default_qconfig();
  without_stub->eval();
  const auto p = tq::prepare(without_stub);
  (*p)(randn(batch));
  const std::string in_network = error_of([&] { (*tq::convert(p))(randn(batch)); });
  CHECK_THAT(in_network, ContainsSubstring("5: "));
  CHECK_THAT(in_network, ContainsSubstring("QuantStub"));
}

TEST_CASE("18: a checkpoint that does not fit lists every name", "[ao][quantization][complaints]") {
  const auto int8 = eager_int8();
  const auto model = sequential(6);
  const std::string error = error_of([&] { nn::load_state_dict(*int8, nn::state_dict(*model)); });
  CHECK_THAT(error, ContainsSubstring("5.scale"));
  CHECK_THAT(error, ContainsSubstring("5.zero_point"));
  CHECK_THAT(error, ContainsSubstring("4.scale"));
}

TEST_CASE("19: int8 networks are copied, and the copies compute the same alone",
          "[ao][quantization][complaints]") {
  const Tensor x = randn(batch);
  for (const nn::ModulePtr& int8 :
       {eager_int8(),
        nn::ModulePtr(converted(nn::make<nn::Sequential>(nn::Linear(6, 6), nn::ReLU())))}) {
    const Tensor y = (*int8)(x);
    const auto copy = nn::deepcopy(int8);
    CHECK((*copy)(x).equal(y));
    CHECK(tq::report(*copy).json() == tq::report(*int8).json());
    nn::for_each_parameter(*int8, [](const std::string&, nn::Parameter& p) {
      if (p.value().dtype() == float32) p.slot()->reset(p.value().detach() * 2);
    });
    CHECK((*copy)(x).equal(y));
  }
}

TEST_CASE("20: a network that cannot be traced is told where and what to do",
          "[ao][quantization][complaints]") {
  const auto model = nn::make<nn::Sequential>(nn::Linear(6, 6), Gate());
  const std::string error = error_of([&] { prepared(model); });
  CHECK_THAT(error, ContainsSubstring("1: "));
  CHECK_THAT(error, ContainsSubstring("the value of a tensor is not known while tracing"));
  CHECK_THAT(error, ContainsSubstring("leaf"));
  Warnings warnings;
  const auto p = tq::prepare_fx(
      model, standard(), example,
      {.prepare_custom_config = tq::PrepareCustomConfig().set_non_traceable_module_names({"1"})});
  (*p)(randn(batch));
  const auto report = tq::report(*tq::convert_fx(p));
  CAPTURE(report.table());
  REQUIRE(report.find("1.inner"));
  CHECK(report.find("1.inner")->form == LayerForm::floating);
  CHECK(report.find("1.inner")->why != "");
}

TEST_CASE("22: the report tells the quality of each layer", "[ao][quantization][complaints]") {
  const auto model = nn::make<nn::Sequential>(nn::Linear(6, 6), nn::ReLU(), nn::Linear(6, 4));
  model->eval();
  const auto int8 = converted(model);
  const auto report = tq::report(*int8, {.float_model = model.get(), .inputs = {randn(batch)}});
  REQUIRE(report.layers.size() == 2);
  for (const auto& l : report.layers) {
    CAPTURE(l.name);
    CHECK(l.form == LayerForm::int8);
    CHECK(l.output);
    CHECK(*l.sqnr > 15);
    CHECK(*l.clipped < 0.2);
    CHECK(*l.range_used > 0.2);
  }
}
