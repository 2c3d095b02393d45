#include "adze/ao/nn/qat/linear.h"

#include "ao/composability_support.h"
#include "support/catch.h"

using namespace adze;
using namespace adze::test;

namespace {

// The layer and the data whose numbers PyTorch printed.
const auto make_layer = [] {
  return nn::make<nn::Linear>(tensor({{.5, -1, .25}, {.1, .2, -.3}}), tensor({.05, -.2}));
};
Tensor data() {
  return tensor({{-1, 0, 1}, {.5, .25, -2}, {3, -1.5, .75}, {.1, .2, .3}});
}

}  // namespace

TEST_CASE("A qat linear layer has PyTorch's outputs and gradients", "[ao][qat][golden]") {
  struct Golden {
    tq::QConfig qconfig;
    Tensor y0, y2, weight, dx0;
  };
  const Golden cases[] = {
      {tq::default_qat_qconfig, tensor({-.21155629, -.60444653}), tensor({3.23378897, -.42311257}),
       tensor({{.50196081, -.99607849, .25098041}, {.10196079, .19607845, -.29803923}}),
       tensor({.60392159, -.80000007, -.04705882})},
      // Version 1 too: the fused module has the qparams that convert uses.
      {tq::get_default_qat_qconfig("fbgemm", 0), tensor({-.21142660, -.60407603}),
       tensor({3.23180676, -.42285320}),
       tensor({{.50196081, -.99607849, .25098041}, {.09882353, .2, -.29882354}}),
       tensor({.60078436, -.79607844, -.04784313})},
      {tq::get_default_qat_qconfig("fbgemm", 1), tensor({-.21142660, -.60407603}),
       tensor({3.23180676, -.42285320}),
       tensor({{.50196081, -.99607849, .25098041}, {.09882353, .2, -.29882354}}),
       tensor({.60078436, -.79607844, -.04784313})},
  };
  for (const Golden& c : cases) {
    INFO(c.qconfig.str());
    nn::ModulePtr net = make_layer();
    net->qconfig = c.qconfig;
    net = tq::prepare_qat(net);
    REQUIRE(is_exactly<nnqat::Linear>(*net));
    auto& layer = net->as<nnqat::Linear>();
    Tensor x = data();
    x.requires_grad_();
    const Tensor y = (*net)(x);
    CHECK(y.detach()[0].allclose(c.y0, 1e-5, 1e-6));
    CHECK(y.detach()[2].allclose(c.y2, 1e-5, 1e-6));
    CHECK(layer.weight_fake_quant(layer.weight).detach().allclose(c.weight, 1e-5, 1e-7));
    y.sum().backward();
    CHECK(x.grad()[0].allclose(c.dx0, 1e-5, 1e-6));
    CHECK(layer.weight.slot()->original().grad().allclose(
        tensor({{2.6, -1.05, .05}, {2.6, -1.05, .05}}), 1e-5, 1e-6));
    CHECK(layer.bias.slot()->original().grad().equal(tensor({4, 4})));
  }
}

TEST_CASE("What a qat network computes is what its converted network computes", "[ao][qat]") {
  manual_seed(12);
  Generator g(5);
  for (bool fuse : {false, true}) {
    auto model =
        nn::make<nn::Sequential>(tq::QuantStub(), nn::Linear(9, 7), nn::ReLU(), tq::DeQuantStub());
    if (fuse) tq::fuse_modules_qat(model, {{"1", "2"}}, {.inplace = true});
    model->qconfig = tq::get_default_qat_qconfig("qnnpack");
    tq::prepare_qat(model, {.inplace = true});
    train_some(*model, 9, 5);
    tq::disable_observer(*model);
    const Tensor x = randn({32, 9}, &g);
    NoGrad guard;
    // A fake-quantized sum is a float sum: it may round to the neighbour where the exact value lies
    // half-way between two steps, which these data do not hit.
    const Tensor trained = (*model)(x);
    auto converted = tq::convert(model);
    CHECK((*converted)(x).allclose(trained, 0, 1e-5));
  }
}

TEST_CASE("A qat layer turns back into a float layer with its effective weight", "[ao][qat]") {
  nn::ModulePtr net = make_layer();
  net->qconfig = tq::default_qat_qconfig;
  net = tq::prepare_qat(net);
  net->as<nnqat::Linear>().weight.slot()->push(
      std::make_shared<Mask>(tensor({{1, 0, 1}, {1, 1, 0}})));
  nn::ModulePtr back = net->as<nnqat::Linear>().to_float();
  REQUIRE(is_exactly<nn::Linear>(*back));
  CHECK(effective(*back, "weight").equal(tensor({{.5, 0, .25}, {.1, .2, 0}})));
  CHECK_FALSE(nn::is_parametrized(*back));
}

TEST_CASE("Slots move into qat layers, so that optimisers and ties stay", "[ao][qat]") {
  auto model = nn::make<nn::Sequential>(nn::Linear(4, 4), nn::Linear(4, 4));
  model->at(1).as<nn::Linear>().weight.rebind(model->at(0).as<nn::Linear>().weight.slot());
  const auto slots = nn::parameters(*model);
  model->qconfig = tq::default_qat_qconfig;
  tq::prepare_qat(model, {.inplace = true});
  CHECK(is_exactly<nnqat::Linear>(model->at(1)));
  std::vector<nn::SlotPtr> after;
  for (const auto& slot : nn::parameters(*model)) after.push_back(slot);
  CHECK(after == slots);
  CHECK(model->at(0).as<nn::Linear>().weight.slot() == model->at(1).as<nn::Linear>().weight.slot());
}

TEST_CASE("qat layers name what they cannot be made of", "[ao][qat][errors]") {
  nn::ModulePtr net = make_layer();
  CHECK(error_of([&] { nnqat::Linear::from_float(*net); }) ==
        "qat.Linear.from_float: Linear has no qconfig");
  nn::ReLU act;
  CHECK(error_of([&] { nnqat::Linear::from_float(act); }) ==
        "qat.Linear.from_float only works for Linear, got ReLU");
  net->qconfig = tq::default_qconfig;
  const std::string message = error_of([&] { tq::prepare_qat(net); });
  CHECK(message.find("must be a fake-quantize, got MinMaxObserver") != std::string::npos);
  net->eval();
  CHECK(error_of([&] { tq::prepare_qat(net); }) ==
        "prepare_qat only works on models in training mode");
}
