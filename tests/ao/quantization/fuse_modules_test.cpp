#include "adze/ao/quantization/fuse_modules.h"

#include "adze/nn/dropout.h"
#include "adze/nn/identity.h"

#include "ao/composability_support.h"
#include "support/catch.h"

using namespace adze;
using namespace adze::test;

TEST_CASE("Fusing puts the same modules into one and Identity behind", "[ao][fuse]") {
  auto model = sequential(4);
  nn::ModulePtr linear = model->child(0).ptr(), act = model->child(1).ptr();
  const Tensor x = randn({3, 4}), before = (*model)(x);
  auto fused = tq::fuse_modules(model, {{"0", "1"}, {"5", "6"}}, {.inplace = true});
  CHECK(fused == model);
  auto& pair = model->at(0).as<nni::LinearReLU>();
  CHECK(pair.child(0).ptr() == linear);
  CHECK(pair.child(1).ptr() == act);
  CHECK(is_exactly<nn::Identity>(model->at(1)));
  CHECK(is_exactly<nni::LinearReLU>(model->at(5)));
  CHECK((*model)(x).equal(before));
}

TEST_CASE("Fusing works on a copy unless told otherwise", "[ao][fuse]") {
  auto model = sequential(4);
  auto fused = tq::fuse_modules(model, {{"0", "1"}});
  CHECK(is_exactly<nn::Linear>(model->at(0)));
  CHECK(is_exactly<nni::LinearReLU>((*fused).as<nn::Sequential>()[0]));
}

TEST_CASE("Fusing reaches into networks that users wrote", "[ao][fuse]") {
  class Net : public nn::ModuleOf<Net> {
   public:
    nn::Submodule fc{"fc", nn::Linear(3, 3)}, act{"act", nn::ReLU()};
    Tensor forward(const Tensor& x) { return act(fc(x)); }

   protected:
    void fields(nn::FieldList& f) override { f(fc, act); }
  };
  auto model = nn::make<nn::Sequential>(Net());
  tq::fuse_modules(model, {{"0.fc", "0.act"}}, {.inplace = true});
  CHECK(is_exactly<nni::LinearReLU>(*nn::find_module(*model, "0.fc")));
}

TEST_CASE("Refused fusing says why and changes nothing", "[ao][fuse][errors]") {
  auto model = sequential(4);
  const std::string before = nn::to_string(*model);
  const auto fuse = [&](std::vector<std::vector<std::string>> names) {
    return error_of([&] { tq::fuse_modules(model, names, {.inplace = true}); });
  };
  CHECK(fuse({{"0", "9"}}) == "fuse_modules: there is no module '9'");
  CHECK(fuse({{"0", "1"}, {"1", "2"}}) == "fuse_modules: '1' is listed twice");
  CHECK(fuse({{"1", "2"}}) == "fuse_modules: did not find fuser method for: (ReLU, Linear)");
  CHECK(fuse({{"0"}}) == "fuse_modules: did not find fuser method for: (Linear)");
  CHECK(fuse({{"0", "1"}, {"5", "7"}}).find("(Linear, DeQuantStub)") != std::string::npos);
  CHECK(nn::to_string(*model) == before);

  model->qconfig = tq::default_qconfig;
  tq::prepare(model, {.inplace = true});
  (*model)(ones({1, 4}));
  CHECK(fuse({{"0", "1"}}) ==
        "fuse_modules: '0' is calibrated already, with the range it has before it is fused; fuse "
        "first, then calibrate");
  model->eval();
  CHECK(error_of([&] {
          tq::fuse_modules_qat(model, {{"0", "1"}});
        }) == "fuse_modules_qat only works on models in training mode");
}

TEST_CASE("An observer without data moves to the fused module", "[ao][fuse]") {
  auto model = sequential(4);
  set_qconfig(*model, tq::default_qconfig);
  tq::prepare(model, {.inplace = true});
  tq::fuse_modules(model, {{"5", "6"}}, {.inplace = true});
  CHECK(tq::activation_post_process(model->at(5)) != nullptr);
  CHECK(tq::activation_post_process(model->at(5).as<nni::LinearReLU>()[0]) == nullptr);
  (*model)(randn({8, 4}));
  tq::convert(model, {.inplace = true});
  CHECK(is_exactly<nniq::LinearReLU>(model->at(5)));
}

TEST_CASE("A qat layer and a ReLU become one qat piece", "[ao][fuse][qat]") {
  auto model = sequential(4);
  set_qconfig(*model, tq::default_qat_qconfig);
  tq::prepare_qat(model, {.inplace = true});
  const nn::SlotPtr weight = nn::find_parameter(*model, "5.weight")->slot();
  tq::fuse_modules(model, {{"5", "6"}}, {.inplace = true});
  CHECK(is_exactly<nni::qat::LinearReLU>(model->at(5)));
  CHECK(nn::find_parameter(*model, "5.weight")->slot() == weight);
  CHECK(nn::find_parameter(*model, "5.0.weight")->slot() == weight);
}

TEST_CASE("Hooks: pre-hooks of the first and hooks of the last move out, the others stay inside",
          "[ao][fuse][hooks]") {
  auto model = sequential(4);
  std::string order;
  const auto note = [&](const char* text) {
    return [&order, text](nn::Module&, const std::vector<Value>&, Value&) { order += text; };
  };
  const auto pre_note = [&](const char* text) {
    return [&order, text](nn::Module&, std::vector<Value>&) { order += text; };
  };
  model->at(0).register_forward_pre_hook(pre_note("a"));
  model->at(0).register_forward_hook(note("b"));
  model->at(1).register_forward_pre_hook(pre_note("c"));
  model->at(1).register_forward_hook(note("d"));
  model->at(1).register_forward_hook(note("e"));
  tq::fuse_modules(model, {{"0", "1"}}, {.inplace = true});
  (*model)(ones({1, 4}));
  CHECK(order == "abcde");
  CHECK(model->at(0).user_hooks() == 3);
}
