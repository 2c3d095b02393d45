#include "adze/ao/quantization/bias_correction.h"

#include <cmath>

#include "adze/ao/ns/utils.h"
#include "adze/ao/quantization/equalize.h"

#include "ao/composability_support.h"
#include "ao/graph_network.h"
#include "support/catch.h"

using namespace adze;
using namespace adze::test;

namespace {

Tensor data(std::uint64_t seed, std::int64_t rows = 256, std::int64_t features = 8) {
  Generator g(seed);
  return randn({rows, features}, &g);
}

std::shared_ptr<nn::Sequential> mlp(std::uint64_t seed, bool relu = true) {
  Generator g(seed);
  auto net = nn::make<nn::Sequential>();
  net->append(tq::QuantStub());
  for (int i = 0; i < 3; ++i) {
    nn::Linear layer(8, 8);
    layer.reset_parameters(&g);
    net->append(std::move(layer));
    if (relu && i < 2) net->append(nn::ReLU());
  }
  net->append(tq::DeQuantStub());
  net->qconfig = tq::default_qconfig;
  net->eval();
  return net;
}

nn::ModulePtr int8_form(const nn::ModulePtr& net, bool reference = false) {
  nn::ModulePtr prepared = tq::prepare(net);
  (*prepared)(data(1));
  return tq::convert(prepared, {.is_reference = reference});
}

nnq::LinearBase& layer(nn::Module& net, const char* path) {
  return nn::find_module(net, path)->as<nnq::LinearBase>();
}

void shift_bias(nnq::LinearBase& l, double by) {
  const auto [weight, bias] = l.weight_bias();
  l.set_weight_bias(weight, bias + by);
}

// Largest mean error of a feature of the output.
double mean_error(nn::Module& net, nn::Module& q, const Tensor& x) {
  const NoGrad guard;
  return (q(x) - net(x)).mean({0}).abs().max().item();
}

}  // namespace

TEST_CASE("Bias correction takes the mean error out of a badly quantized network",
          "[ao][bias_correction]") {
  auto net = mlp(1);
  nn::ModulePtr q = int8_form(net);
  // Weights rounded down, six steps too far; behind a ReLU no input makes up for it.
  for (const char* path : {"1", "3", "5"}) {
    const auto [weight, bias] = layer(*q, path).weight_bias();
    const Tensor lower = clamp(weight.int_repr().to(float32) - 6.0, -128, 127).to(int8);
    layer(*q, path).set_weight_bias(make_per_tensor_quantized_tensor(lower, weight.q_scale(), 0),
                                    bias);
  }
  const Tensor x = data(1);
  const double before = mean_error(*net, *q, x), unseen_before = mean_error(*net, *q, data(2));
  tq::bias_correction(*net, *q, {x});
  const double step = layer(*q, "5").as<nnq::Linear>().scale.value().item();
  CHECK(before > 2 * step);
  CHECK(mean_error(*net, *q, x) < step / 4);
  CHECK(mean_error(*net, *q, data(2)) < unseen_before / 3);
}

TEST_CASE("The correction of a layer is its mean error, after those before it",
          "[ao][bias_correction]") {
  auto net = nn::make<nn::Sequential>(nn::Linear(8, 8), nn::ReLU(), nn::Linear(8, 8));
  nn::ModulePtr q = tq::quantize_dynamic(net);
  shift_bias(layer(*q, "0"), .3);
  const TensorList inputs{data(3, 20), data(4, 50)};
  nn::ModulePtr expected = nn::deepcopy(q);
  {
    const NoGrad guard;
    // 70 rows in two batches: each row counts the same.
    const auto correct = [&](const char* path, auto&& run) {
      Tensor error = zeros({8});
      for (const Tensor& x : inputs) error = error + run(x).sum({0}) / 70.0;
      auto& l = layer(*expected, path);
      l.set_weight_bias(l.weight.value(), l.bias.value() - error);
    };
    correct("0",
            [&](const Tensor& x) { return (*nn::find_module(*expected, "0"))(x)-net->at(0)(x); });
    correct("2", [&](const Tensor& x) { return (*expected)(x) - (*net)(x); });
  }
  tq::bias_correction(*net, *q, inputs);
  for (const char* path : {"0", "2"}) {
    CAPTURE(path);
    CHECK(layer(*q, path).bias.value().allclose(layer(*expected, path).bias.value(), 1e-5, 1e-6));
  }
  CHECK(layer(*q, "0").bias.value().allclose(net->at(0).as<nn::Linear>().bias.value(), 0, .05));
  Tensor left = zeros({8});
  const NoGrad guard;
  for (const Tensor& x : inputs) left = left + ((*q)(x) - (*net)(x)).sum({0}) / 70.0;
  CHECK(left.abs().max().item() < 1e-5);
}

TEST_CASE("All dimensions but the last are averaged", "[ao][bias_correction]") {
  auto net = nn::make<nn::Sequential>(nn::Linear(8, 4));
  nn::ModulePtr q = tq::quantize_dynamic(net), flat = nn::deepcopy(q);
  shift_bias(layer(*q, "0"), 1);
  shift_bias(layer(*flat, "0"), 1);
  const Tensor x = data(5, 30);
  tq::bias_correction(*net, *q, {x.reshape({2, 5, 3, 8})});
  tq::bias_correction(*net, *flat, {x});
  CHECK(layer(*q, "0").bias.value().allclose(layer(*flat, "0").bias.value(), 1e-6, 1e-6));
}

TEST_CASE("Correction does not cost accuracy on random networks", "[ao][bias_correction]") {
  double gain = 0;
  for (std::uint64_t seed = 10; seed < 20; ++seed) {
    for (const bool fuse : {false, true}) {
      CAPTURE(seed, fuse);
      auto net = mlp(seed);
      nn::ModulePtr form = net;
      if (fuse) form = tq::fuse_modules(net, {{"1", "2"}, {"3", "4"}});
      nn::ModulePtr q = int8_form(form);
      const Tensor x = data(1);
      const NoGrad guard;
      const Tensor wanted = (*net)(x);
      const double before = ao::ns::compute_sqnr(wanted, (*q)(x));
      tq::bias_correction(*net, *q, {x});
      const double after = ao::ns::compute_sqnr(wanted, (*q)(x));
      // Other roundings alone move the noise of 2048 outputs by some percent.
      CHECK(after > before - .25);
      gain += after - before;
    }
  }
  CHECK(gain > 0);
}

TEST_CASE("A layer fused in one network only is compared behind its ReLU",
          "[ao][bias_correction]") {
  auto net = mlp(21);
  nn::ModulePtr fused = tq::fuse_modules(net, {{"1", "2"}, {"3", "4"}});
  nn::ModulePtr from_fused = int8_form(fused), from_plain = nn::deepcopy(from_fused);
  tq::bias_correction(*fused, *from_fused, {data(1)});
  tq::bias_correction(*net, *from_plain, {data(1)});
  for (const char* path : {"1", "3", "5"})
    CHECK(layer(*from_fused, path).bias.value().equal(layer(*from_plain, path).bias.value()));
}

TEST_CASE("Reference layers are corrected too", "[ao][bias_correction]") {
  auto net = mlp(22);
  nn::ModulePtr q = int8_form(tq::fuse_modules(net, {{"1", "2"}}), /*reference=*/true);
  nn::Parameter* bias = nn::find_parameter(*q, "5.bias");
  bias->set(bias->value().detach() + 1.0);
  tq::bias_correction(*net, *q, {data(1)});
  CHECK(mean_error(*net, *q, data(1)) < 1e-5);
}

TEST_CASE("Only biases change", "[ao][bias_correction]") {
  auto net = mlp(23);
  net->at(1).train();
  nn::ModulePtr q = int8_form(net);
  q->train();
  const nn::StateDict float_before = nn::state_dict(*net), before = nn::state_dict(*q);
  tq::bias_correction(*net, *q, {data(1)});
  CHECK(net->at(1).training());
  CHECK_FALSE(net->training());
  CHECK(q->training());
  for (const auto& [name, tensor] : nn::state_dict(*net).tensors)
    CHECK(tensor.equal(float_before.at(name)));
  for (const auto& [name, tensor] : nn::state_dict(*q).tensors) {
    CAPTURE(name);
    if (name.ends_with("bias")) {
      CHECK_FALSE(tensor.equal(before.at(name)));
    } else {
      CHECK(tensor.equal(before.at(name)));
    }
  }
  nn::for_each_module(*net, [](const std::string&, nn::Module& m) { CHECK(m.user_hooks() == 0); });
  nn::for_each_module(*q, [](const std::string&, nn::Module& m) { CHECK(m.user_hooks() == 0); });
}

TEST_CASE("Layers without bias and float layers are left alone", "[ao][bias_correction]") {
  auto net = nn::make<nn::Sequential>(nn::Linear(8, 8, {.bias = false}), nn::Linear(8, 8));
  nn::ModulePtr q = tq::quantize_dynamic(net, {.qconfig_spec = tq::DynamicSpec{.names = {"0"}}});
  const nn::StateDict before = nn::state_dict(*q);
  tq::bias_correction(*net, *q, {data(1)});
  for (const auto& [name, tensor] : nn::state_dict(*q).tensors)
    CHECK(tensor.equal(before.at(name)));
}

TEST_CASE("A failed correction changes nothing", "[ao][bias_correction]") {
  auto net = mlp(24);
  nn::ModulePtr q = int8_form(net);
  shift_bias(layer(*q, "1"), .5);
  const nn::StateDict before = nn::state_dict(*q);
  const auto unchanged = [&] {
    for (const auto& [name, tensor] : nn::state_dict(*q).tensors)
      CHECK(tensor.equal(before.at(name)));
    nn::for_each_module(*q, [](const std::string&, nn::Module& m) { CHECK(m.user_hooks() == 0); });
  };
  int runs = 0;
  CHECK(error_of([&] {
          tq::bias_correction(*net, *q, [&](nn::Module& m) {
            check(++runs < 5, "the data is gone");
            m(data(1));
          });
        }) == "the data is gone");
  unchanged();
  CHECK_THAT(error_of([&] { tq::bias_correction(*net, *q, TensorList{}); }),
             ContainsSubstring("needs inputs"));
  CHECK_THAT(error_of([&] { tq::bias_correction(*net, *q, tq::RunFunction()); }),
             ContainsSubstring("run function is empty"));
  auto small = nn::make<nn::Sequential>(tq::QuantStub(), nn::Linear(8, 8));
  CHECK_THAT(error_of([&] { tq::bias_correction(*small, *q, {data(1)}); }),
             ContainsSubstring("has no module '3'"));
  auto broken = mlp(24);
  broken->at(3).as<nn::Linear>().bias.set(full({8}, std::nan("")));
  CHECK_THAT(error_of([&] { tq::bias_correction(*broken, *q, {data(1)}); }),
             ContainsSubstring("outputs of '3' are not finite"));
  unchanged();
}

TEST_CASE("Layers that do not run keep their bias, with a warning", "[ao][bias_correction]") {
  auto net = nn::make<nn::Sequential>(nn::Linear(8, 8), nn::Linear(8, 8));
  nn::ModulePtr q = tq::quantize_dynamic(net);
  Warnings warnings;
  const Tensor before = layer(*q, "1").bias.value().clone();
  tq::bias_correction(*net, *q, [](nn::Module& m) { (*nn::find_module(m, "0"))(data(1)); });
  CHECK(warnings.mention("'1' does not run; its bias stays"));
  CHECK(layer(*q, "1").bias.value().equal(before));
}

TEST_CASE("Layers of graphs are corrected, functional ones too", "[ao][bias_correction][fx]") {
  const auto net = mixed_network();
  const auto observed = calibrated(net);
  for (const bool reference : {false, true}) {
    CAPTURE(reference);
    const auto q = reference ? tq::convert_to_reference_fx(observed) : tq::convert_fx(observed);
    // Errors with a mean, as coarse grids make them.
    for (const char* name : {"b.bias", "v"}) {
      nn::Parameter& bias = *nn::find_parameter(*q, name);
      if (nn::Module* m = nn::find_module(*q, "b"); std::string(name) == "b.bias" && !reference)
        m->as<nnq::Linear>().set_weight_bias(m->as<nnq::Linear>().weight_bias().first,
                                             bias.value().detach() + 0.3);
      else
        bias.set(bias.value().detach() + 0.3);
    }
    const Tensor x = rows_of_8(128, 8);
    const NoGrad guard;
    const Tensor wanted = (*net)(x);
    const double before = ao::ns::compute_sqnr(wanted, (*q)(x));
    const std::string graph = q->graph().str();
    tq::bias_correction(*net, *q, {x});
    CHECK(ao::ns::compute_sqnr(wanted, (*q)(x)) > before + 6);
    CHECK(q->graph().str() == graph);
    CHECK(std::abs(mean((*q)(x)-wanted).item()) < 0.01);
  }
  // The float network keeps its own bias.
  CHECK(nn::find_parameter(*net, "v")->value().equal(
      nn::find_parameter(*mixed_network(), "v")->value()));
}

TEST_CASE("A functional layer without a partner cannot be corrected",
          "[ao][bias_correction][fx][errors]") {
  const auto q = tq::convert_fx(calibrated());
  const auto other =
      nn::make<Net>(std::vector<Part>{fc("a", 8, 8), fc("b", 8, 8), fc("last", 8, 3)},
                    [](Net& n, const Tensor& x) { return n("last", n("b", n("a", x))); });
  const nn::StateDict before = nn::state_dict(*q);
  CHECK_THROWS_WITH(tq::bias_correction(*other, *q, {rows_of_8()}),
                    ContainsSubstring("the float network has no step 'linear'"));
  for (const auto& [name, tensor] : nn::state_dict(*q).tensors)
    CHECK(tensor.equal(before.at(name)));
}
