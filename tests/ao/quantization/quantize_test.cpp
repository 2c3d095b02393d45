#include "adze/ao/quantization/quantize.h"

#include "adze/nn/dropout.h"

#include "ao/composability_support.h"
#include "support/catch.h"

using namespace adze;
using namespace adze::test;

namespace {

Tensor calibration() {
  Generator g(2);
  return randn({16, 4}, &g);
}

// quant -> fc(3, 2) -> relu -> dequant with the weights and data of PyTorch's printed results.
std::shared_ptr<nn::Sequential> golden_model() {
  return nn::make<nn::Sequential>(std::vector<nn::ModulePtr>{
      nn::make<tq::QuantStub>(),
      nn::make<nn::Linear>(tensor({{.5, -1, .25}, {.1, .2, -.3}}), tensor({.05, -.2})),
      nn::make<nn::ReLU>(), nn::make<tq::DeQuantStub>()});
}
Tensor golden_data() {
  return tensor({{-1, 0, 1}, {.5, .25, -2}, {3, -1.5, .75}, {.1, .2, .3}});
}

std::vector<std::int64_t> ints(const Tensor& q) {
  return q.int_repr().to(int64).to_vector<std::int64_t>();
}
using Ints = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("Static quantization of a small network has the field's integers",
          "[ao][quantize][golden]") {
  struct Golden {
    tq::QConfig qconfig;
    bool fuse;
    double x_scale, y_scale;
    std::int64_t x_zp, y_zp;
    Ints w, y;
  };
  const auto full_range = tq::MinMaxObserver::with_args();
  const Golden cases[] = {
      {{full_range, tq::default_weight_observer},
       false,
       .01960784383,
       .01504901983,
       102,
       40,
       {64, -127, 32, 13, 25, -38},
       {27, 0, 10, 73, 254, 13, 39, 24}},
      {{full_range, tq::default_weight_observer},
       true,
       .01960784383,
       .01269607805,
       102,
       0,
       {64, -127, 32, 13, 25, -38},
       {0, 0, 0, 39, 254, 0, 0, 0}},
      {tq::default_qconfig,
       false,
       .03937007859,
       .03021653555,
       51,
       20,
       {64, -127, 32, 13, 25, -38},
       {13, 0, 6, 36, 127, 6, 20, 12}},
      {{full_range, tq::default_per_channel_weight_observer},
       false,
       .01960784383,
       .01504901983,
       102,
       40,
       {64, -127, 32, 42, 85, -127},
       {27, 0, 10, 73, 254, 12, 39, 24}},
  };
  for (const Golden& c : cases) {
    INFO(c.qconfig.str() << (c.fuse ? ", fused" : ""));
    auto model = golden_model();
    if (c.fuse) tq::fuse_modules(model, {{"1", "2"}}, {.inplace = true});
    model->qconfig = c.qconfig;
    tq::prepare(model, {.inplace = true});
    (*model)(golden_data());
    tq::convert(model, {.inplace = true});
    const Tensor xq = model->at(0)(golden_data()), yq = model->at(1)(xq);
    CHECK(xq.q_scale() == Approx(c.x_scale).epsilon(1e-8));
    CHECK(xq.q_zero_point() == c.x_zp);
    CHECK(ints(effective(*model, "1.weight")) == c.w);
    CHECK(yq.q_scale() == Approx(c.y_scale).epsilon(1e-8));
    CHECK(yq.q_zero_point() == c.y_zp);
    CHECK(ints(yq) == c.y);
  }
}

TEST_CASE("prepare observes what is to be quantized and nothing else", "[ao][quantize]") {
  auto model = sequential(4);
  set_qconfig(*model, tq::default_qconfig);
  auto prepared = tq::prepare(model);
  auto& p = prepared->as<nn::Sequential>();
  for (int i = 0; i < 8; ++i)
    CHECK((tq::activation_post_process(p[i]) != nullptr) == (i == 4 || i == 5));
  CHECK(tq::activation_post_process(model->at(5)) == nullptr);
  const nn::StateDict state = nn::state_dict(*prepared);
  CHECK(state.contains("5.activation_post_process.min_val"));
  CHECK(state.contains("5.activation_post_process.eps"));
  const auto again = tq::prepare(prepared, {.inplace = true});
  CHECK(nn::to_string(*again) == nn::to_string(*prepared));
}

TEST_CASE("A qconfig reaches everything below it, unless a module says otherwise",
          "[ao][quantize]") {
  auto model = sequential(4);
  model->qconfig = tq::default_qconfig;
  model->at(2).qconfig = std::nullopt;
  model->at(5).qconfig = tq::default_per_channel_qconfig;
  tq::prepare(model, {.inplace = true});
  CHECK(tq::activation_post_process(model->at(0)) != nullptr);
  CHECK(tq::activation_post_process(model->at(2)) == nullptr);
  CHECK(tq::get_qconfig(model->at(5)) == tq::default_per_channel_qconfig);
}

TEST_CASE("A layer without quantized form is reported, as is a network without qconfig",
          "[ao][quantize]") {
  auto model = nn::make<nn::Sequential>(Affine(4, 4), nn::ReLU());
  {
    Warnings warnings;
    tq::prepare(model);
    CHECK(warnings.mention("none of the submodules got a qconfig"));
  }
  model->qconfig = tq::default_qconfig;
  Warnings warnings;
  tq::prepare(model);
  CHECK(warnings.mention("'0' (Affine) has a qconfig but no quantized form; it stays float"));
}

TEST_CASE("convert refuses networks that are not ready and leaves them whole",
          "[ao][quantize][errors]") {
  auto model = sequential(4);
  set_qconfig(*model, tq::default_qconfig);
  const auto refused = [&] {
    const std::string before = nn::to_string(*model);
    const std::string message = error_of([&] { tq::convert(model, {.inplace = true}); });
    CHECK(nn::to_string(*model) == before);
    return message;
  };
  CHECK(refused() ==
        "convert: '4', '5' have a qconfig but were never prepared; call prepare (or prepare_qat) "
        "first");
  tq::prepare(model, {.inplace = true});
  CHECK(refused() ==
        "convert: the observers of '4', '5' have seen no data; run the prepared network on typical "
        "inputs first");
  model->at(5).qconfig = tq::QConfig{tq::default_observer, {}};
  (*model)(calibration());
  CHECK(refused().find("5: convert: the qconfig of Linear has no weight observer") == 0);
}

TEST_CASE("convert leaves no observers, hooks nor qconfigs behind", "[ao][quantize]") {
  auto model = sequential(4);
  model->qconfig = tq::default_qconfig;
  tq::prepare(model, {.inplace = true});
  (*model)(calibration());
  SECTION("by default") {
    tq::convert(model, {.inplace = true});
    nn::for_each_module(
        *model, [](const std::string&, nn::Module& m) { CHECK_FALSE(m.qconfig.has_value()); });
  }
  SECTION("qconfigs stay when asked") {
    tq::convert(model, {.inplace = true, .remove_qconfig = false});
    CHECK(model->at(5).qconfig.has_value());
  }
  nn::for_each_module(*model, [](const std::string& path, nn::Module& m) {
    INFO(path);
    CHECK_FALSE(m.has_internal_hook());
    CHECK(m.find_child("activation_post_process") == nullptr);
  });
  CHECK(is_exactly<nnq::DeQuantize>(model->at(7)));
}

TEST_CASE("A bare layer is a network too", "[ao][quantize]") {
  nn::ModulePtr layer = nn::make<nn::Linear>(4, 3);
  layer->qconfig = tq::default_qconfig;
  nn::ModulePtr prepared = tq::prepare(layer);
  (*prepared)(calibration());
  nn::ModulePtr converted = tq::convert(prepared);
  CHECK(is_exactly<nnq::Linear>(*converted));
  CHECK(is_exactly<nnq::dynamic::Linear>(*tq::quantize_dynamic(layer)));
  nn::ModulePtr wrapped = tq::add_quant_dequant(nn::deepcopy(layer));
  REQUIRE(is_exactly<tq::QuantWrapper>(*wrapped));
  wrapped = tq::prepare(wrapped, {.inplace = true});
  (*wrapped)(calibration());
  wrapped = tq::convert(wrapped, {.inplace = true});
  NoGrad guard;
  CHECK((*wrapped)(calibration()).allclose((*layer)(calibration()), 0, 0.1));
}

TEST_CASE("Hooks of users see what the observer saw, and outlive convert",
          "[ao][quantize][hooks]") {
  auto model = golden_model();
  model->qconfig = tq::QConfig{tq::MinMaxObserver::with_args(), tq::default_weight_observer};
  int calls = 0;
  model->at(1).register_forward_hook([&](nn::Module&, const std::vector<Value>&, Value& out) {
    ++calls;
    if (!out.to_tensor().is_quantized()) out = out.to_tensor() * 100.0;
  });
  tq::prepare(model, {.inplace = true});
  (*model)(golden_data());
  tq::convert(model, {.inplace = true});
  // The observer came first, so its range is not that of the replaced output.
  CHECK(model->at(1).as<nnq::Linear>().scale.value().item() == Approx(.01504901983).epsilon(1e-7));
  (*model)(golden_data());
  CHECK(calls == 2);
}

TEST_CASE("quantize and quantize_qat do all steps on a copy", "[ao][quantize]") {
  manual_seed(9);
  auto model = sequential(4);
  model->qconfig = tq::get_default_qconfig("x86");
  auto int8 = tq::quantize(model, [](nn::Module& m) { m(calibration()); });
  NoGrad guard;
  CHECK(is_exactly<nnq::Linear>(int8->as<nn::Sequential>()[0]) == true);
  CHECK(is_exactly<nn::Linear>(model->at(0)));
  CHECK_FALSE(int8->training());

  auto trained = sequential(4);
  set_qconfig(*trained, tq::get_default_qat_qconfig("x86"));
  auto qat = tq::quantize_qat(trained, [](nn::Module& m) {
    EnableGrad on;
    train_some(m, 4, 3);
  });
  CHECK(is_exactly<nnq::Linear>(qat->as<nn::Sequential>()[5]));
  CHECK_FALSE(qat->training());
}

TEST_CASE("An allow list restricts what is prepared, and convert leaves the rest float",
          "[ao][quantize]") {
  auto model = sequential(4);
  model->qconfig = tq::default_qconfig;
  auto prepared = tq::prepare(model, {.allow_list = {tq::ModuleType::of<tq::QuantStub>()}});
  (*prepared)(calibration());
  auto converted = tq::convert(prepared);
  CHECK(is_exactly<nn::Linear>(converted->as<nn::Sequential>()[5]));
  CHECK(is_exactly<nnq::Quantize>(converted->as<nn::Sequential>()[4]));
}

TEST_CASE("A converted network is loaded into a skeleton", "[ao][quantize][state_dict]") {
  const auto converted = [](std::uint64_t seed, bool calibrated) {
    manual_seed(seed);
    auto model = sequential(4);
    tq::fuse_modules(model, {{"5", "6"}}, {.inplace = true});
    model->qconfig = tq::get_default_qconfig("fbgemm");
    for (int i : {0, 2}) model->at(i).qconfig = std::nullopt;
    tq::prepare(model, {.inplace = true});
    if (calibrated) (*model)(calibration());
    tq::convert(model, {.inplace = true, .allow_uncalibrated = !calibrated});
    return model;
  };
  auto source = converted(1, true), target = converted(2, false);
  nn::load_state_dict(*target, nn::state_dict(*source));
  CHECK((*target)(calibration()).equal((*source)(calibration())));
}

TEST_CASE("quantize_dynamic takes types and names, and refuses what matches nothing",
          "[ao][quantize][dynamic]") {
  auto model = sequential(4);
  const auto quantized = [&](const tq::DynamicSpec& spec) {
    return tq::quantize_dynamic(model, {.qconfig_spec = spec});
  };
  auto by_name = quantized({.names = {"2"}});
  CHECK(is_exactly<nn::Linear>(by_name->as<nn::Sequential>()[0]));
  CHECK(is_exactly<nnq::dynamic::Linear>(by_name->as<nn::Sequential>()[2]));
  auto mixed = quantized({.types = {tq::ModuleType::of<nn::Linear>()},
                          .name_qconfigs = {{"5", tq::per_channel_dynamic_qconfig}}});
  CHECK(effective(*mixed, "0.weight").qscheme() == per_tensor_affine);
  CHECK(effective(*mixed, "5.weight").qscheme() == per_channel_affine);
  CHECK(error_of([&] {
          quantized({.names = {"2", "nope"}});
        }) == "quantize_dynamic: the name 'nope' matches no module with a dynamic form");
  CHECK(error_of([&] { quantized({.types = {tq::ModuleType::of<nn::ReLU>()}}); }) ==
        "quantize_dynamic: ReLU has no dynamic form");
  CHECK(error_of([&] {
          tq::quantize_dynamic(model, {.dtype = qint32});
        }).find("don't know how to quantize with default settings for qint32") !=
        std::string::npos);
  CHECK(is_exactly<nn::Linear>(model->at(0)));
}

TEST_CASE("Dropout, Flatten and ReLU run between quantized layers", "[ao][quantize]") {
  auto model =
      nn::make<nn::Sequential>(tq::QuantStub(), nn::Flatten(), nn::Linear(4, 4), nn::ReLU(),
                               nn::Dropout(0.5), nn::Linear(4, 2), tq::DeQuantStub());
  model->qconfig = tq::default_qconfig;
  model->eval();
  tq::prepare(model, {.inplace = true});
  const Tensor x = calibration().reshape({16, 2, 2}), before = (*model)(x);
  tq::convert(model, {.inplace = true});
  NoGrad guard;
  CHECK((*model)(x).allclose(before, 0, 0.15));
}

TEST_CASE("A float tensor that reaches a quantized layer is an error with the layer's name",
          "[ao][quantize][errors]") {
  auto model = nn::make<nn::Sequential>(nn::ReLU(), nn::Linear(4, 2));
  model->qconfig = tq::default_qconfig;
  auto converted = tq::quantize(model, [](nn::Module& m) { m(calibration()); });
  CHECK(error_of([&] {
          (*converted)(calibration());
        }).find("1: quantized::linear: expected a quantized input, got float32") == 0);
}

TEST_CASE("The backend config is a table that users can extend", "[ao][backend_config]") {
  const auto& native = tq::get_native_backend_config();
  const std::vector<tq::ObjectType> pair{tq::ModuleType::of<nn::Linear>(),
                                         tq::ModuleType::of<nn::ReLU>()};
  REQUIRE(native.find(pair) != nullptr);
  CHECK(native.find(nn::ReLU())->observation_type ==
        tq::ObservationType::output_share_observer_with_input);
  CHECK(native.find(Affine(1, 1)) == nullptr);
  tq::BackendConfig mine("mine");
  mine.set_backend_pattern_config(*native.find(nn::Linear(1, 1)));
  auto model = sequential(4);
  CHECK(error_of([&] {
          tq::fuse_modules(model, {{"0", "1"}}, {.backend_config = &mine});
        }).find("did not find fuser method") != std::string::npos);
  CHECK(error_of([&] {
          mine.set_backend_pattern_config({.pattern = pair});
        }).find("needs a fuser_method") != std::string::npos);
  CHECK(error_of([&] { mine.set_backend_pattern_config({}); }).find("at least one module") !=
        std::string::npos);
}
