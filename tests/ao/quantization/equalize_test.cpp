#include "adze/ao/quantization/equalize.h"

#include <cmath>

#include "adze/ao/nn/quantized/reference/linear.h"

#include "ao/composability_support.h"
#include "ao/graph_network.h"
#include "support/catch.h"

using namespace adze;
using namespace adze::test;

namespace {

nn::Linear golden_first() {
  return nn::Linear(tensor({{1, -2}, {.1, .2}}), tensor({.5, .05}));
}
nn::Linear golden_second() {
  return nn::Linear(tensor({{.5, 4}, {-.25, 2}}));
}

// Linear layers with ReLUs between them, as "0", "2", ...; rows of very different ranges.
std::shared_ptr<nn::Sequential> mlp(const std::vector<std::int64_t>& sizes, std::uint64_t seed) {
  Generator g(seed);
  auto net = nn::make<nn::Sequential>();
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    if (i > 0) net->append(nn::ReLU());
    const Tensor rows = exp(2.0 * randn({sizes[i + 1], 1}, &g));
    net->append(nn::Linear(randn({sizes[i + 1], sizes[i]}, &g) * rows, randn({sizes[i + 1]}, &g)));
  }
  return net;
}

void check_close(const Tensor& came, const Tensor& wanted, double tolerance) {
  REQUIRE(came.sizes() == wanted.sizes());
  const double largest = wanted.abs().max().item();
  CHECK((came - wanted).abs().max().item() <= tolerance * largest);
}

double spread(const Tensor& w, std::int64_t axis) {
  const auto [low, high] = aminmax(w, axis);
  const Tensor range = high - low;
  return range.max().item() / range.min().item();
}

// A float check that a network computes what it did, whatever `change` does to it.
template <class F>
void check_same_outputs(nn::Module& net, std::int64_t features, F&& change) {
  Generator g(99);
  const NoGrad guard;
  const Tensor x = randn({32, features}, &g), before = net(x);
  change();
  check_close(net(x), before, 1e-5);
}

}  // namespace

TEST_CASE("Equalizing two layers gives the field's numbers", "[ao][equalize][golden]") {
  nn::Linear first = golden_first(), second = golden_second();
  tq::cross_layer_equalization(first, second);
  CHECK(first.weight.value().allclose(tensor({{.5, -1}, {.44721361994743347, .8944272398948669}}),
                                      1e-7, 0));
  CHECK(first.bias.value().allclose(tensor({.25, .22360680997371674}), 1e-7, 0));
  CHECK(second.weight.value().allclose(tensor({{1, .8944271802902222}, {-.5, .4472135901451111}}),
                                       1e-7, 0));
}

TEST_CASE("Equalizing a chain of layers gives the field's numbers", "[ao][equalize][golden]") {
  auto net = nn::make<nn::Sequential>();
  const std::int64_t sizes[] = {3, 4, 3, 2};
  for (int k = 0; k < 3; ++k) {
    const std::int64_t in = sizes[k], out = sizes[k + 1];
    std::vector<float> weight, bias;
    for (std::int64_t i = 0; i < out; ++i) {
      bias.push_back(static_cast<float>(i) * .25f);
      for (std::int64_t j = 0; j < in; ++j)
        weight.push_back(
            static_cast<float>(std::sin(static_cast<double>(i * in + j) * (1.3 + k) + k)) *
            static_cast<float>(std::pow(10.0, static_cast<double>(i % 3) - 1)));
    }
    if (k > 0) net->append(nn::ReLU());
    net->append(nn::Linear(from_vector(weight, {out, in}), from_vector(bias, {out})));
  }
  tq::equalize(net, {{"0", "2"}, {"2", "4"}});
  const auto agrees = [&](const char* fqn, const Tensor& wanted) {
    CAPTURE(fqn, effective(*net, fqn));
    CHECK(effective(*net, fqn).allclose(wanted, 2e-5, 1e-6));
  };
  agrees("0.weight", tensor({{0, .28132081, .15050595},
                             {-.37126127, -.47689539, .11612335},
                             {2.6101496, .83410937, -2.1639023},
                             {-.21114767, .11642939, .27343724}}));
  agrees("0.bias", tensor({0, .13495183, .13069783, 2.07826972}));
  agrees("2.weight", tensor({{.04606698, -.04670821, -.3860015, .05762007},
                             {-.09854452, -.0505073, 1.23966062, -.1459887},
                             {.18277457, .54250795, -3.53436232, .33859318}}));
  agrees("2.bias", tensor({0, .1027723, .05100976}));
  agrees("4.weight",
         tensor({{.05688941, -.20245422, .7198593}, {-.38673213, 1.18319499, -3.357011}}));
  agrees("4.bias", tensor({0, .25}));
}

TEST_CASE("Random networks compute the same after equalization, with even channels",
          "[ao][equalize]") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    auto net = mlp({8, 16, 12, 5}, seed);
    const double before = spread(effective(*net, "0.weight"), 0);
    check_same_outputs(*net, 8, [&] { tq::equalize(net, {{"0", "2"}, {"2", "4"}}); });
    for (const auto& [first, second] :
         {std::pair{"0.weight", "2.weight"}, {"2.weight", "4.weight"}}) {
      const auto [low1, high1] = aminmax(effective(*net, first), 0);
      const auto [low2, high2] = aminmax(effective(*net, second), 1);
      CHECK((high1 - low1).allclose(high2 - low2, 1e-3));
    }
    CHECK(spread(effective(*net, "0.weight"), 0) < before);
  }
}

TEST_CASE("Equalization ends where nothing moves any more", "[ao][equalize]") {
  auto net = mlp({6, 20, 20, 20, 3}, 4);
  const std::vector<std::pair<std::string, std::string>> pairs{{"4", "6"}, {"0", "2"}, {"2", "4"}};
  Warnings warnings;
  tq::equalize(net, pairs);
  CHECK(warnings.all.empty());
  const Tensor once = effective(*net, "2.weight").clone();
  tq::equalize(net, pairs);
  CHECK((effective(*net, "2.weight") - once).abs().max().item() < 1e-4);
}

TEST_CASE("Equalization that cannot reach its threshold ends with a warning", "[ao][equalize]") {
  auto net = mlp({20, 20, 20, 3}, 5);
  // Single roundings of weights around 1e6 are above the threshold.
  for (const int i : {0, 2, 4}) {
    nn::Parameter& weight = net->at(i).as<nn::Linear>().weight;
    weight.set(weight.value().detach() * 1e6);
  }
  Warnings warnings;
  check_same_outputs(*net, 20, [&] { tq::equalize(net, {{"0", "2"}, {"2", "4"}}); });
  CHECK(warnings.mention("equalize: the weights still move after 1000 rounds"));
}

TEST_CASE("equalize works in place unless told otherwise", "[ao][equalize]") {
  auto net = mlp({3, 4, 2}, 6);
  const Tensor before = effective(*net, "0.weight").clone();
  auto copy = tq::equalize(net, {{"0", "2"}}, {.inplace = false});
  CHECK(effective(*net, "0.weight").equal(before));
  CHECK_FALSE(effective(*copy, "0.weight").equal(before));
  const nn::SlotPtr slot = nn::find_parameter(*net, "0.weight")->slot();
  const void* stored = slot->original().id();
  CHECK(tq::equalize(net, {{"0", "2"}}) == net);
  CHECK(effective(*net, "0.weight").equal(effective(*copy, "0.weight")));
  CHECK(nn::find_parameter(*net, "0.weight")->slot() == slot);
  CHECK(slot->original().id() == stored);
  CHECK(slot->original().requires_grad());
}

TEST_CASE("Fused layers are equalized under both names", "[ao][equalize]") {
  for (const auto& names : {std::pair{"0", "2"}, {"0.0", "2"}, {"0.0", "2.0"}}) {
    CAPTURE(names.first, names.second);
    auto net = mlp({4, 6, 5, 3}, 7);
    auto plain = std::static_pointer_cast<nn::Sequential>(nn::deepcopy(net));
    tq::fuse_modules(net, {{"0", "1"}, {"2", "3"}}, {.inplace = true});
    check_same_outputs(*net, 4, [&] { tq::equalize(net, {{names.first, names.second}}); });
    tq::equalize(plain, {{"0", "2"}});
    CHECK(effective(*net, "2.weight").equal(effective(*plain, "2.weight")));
  }
}

TEST_CASE("Qat layers are equalized too", "[ao][equalize]") {
  auto net = mlp({4, 6, 3}, 8), plain = mlp({4, 6, 3}, 8);
  net->qconfig = tq::get_default_qat_qconfig();
  nn::ModulePtr qat = tq::prepare_qat(net);
  tq::equalize(qat, {{"0", "2"}});
  tq::equalize(plain, {{"0", "2"}});
  CHECK(effective(*qat, "0.weight").equal(effective(*plain, "0.weight")));
}

TEST_CASE("Equalization keeps masks, their zeros and what lies under them", "[ao][equalize]") {
  auto net = mlp({8, 8, 8, 4}, 9);
  auto sparsifier = test::sparsifier();
  sparsifier.prepare(*net, {{.tensor_fqn = "0.weight"}, {.tensor_fqn = "2.weight"}});
  sparsifier.step();
  std::vector<Tensor> zeros_before;
  for (const char* fqn : {"0.weight", "2.weight"})
    zeros_before.push_back(eq(effective(*net, fqn), 0).clone());
  const Tensor stored = nn::find_parameter(*net, "0.weight")->slot()->original().detach().clone();
  check_same_outputs(*net, 8, [&] { tq::equalize(net, {{"0", "2"}, {"2", "4"}}); });
  for (const char* fqn : {"0.weight", "2.weight"}) {
    CAPTURE(fqn);
    CHECK(nn::find_parameter(*net, fqn)->slot()->is_parametrized());
    CHECK(eq(effective(*net, fqn), 0).equal(zeros_before[fqn[0] == '0' ? 0 : 1]));
  }
  // Rows are scaled as a whole: the ratio of stored elements of one row stays.
  const Tensor after = nn::find_parameter(*net, "0.weight")->slot()->original().detach();
  const Tensor ratio = after / stored;
  CHECK(ratio.allclose(ratio.slice(1, 0, 1).expand({8, 8}), 1e-4));
  sparsifier.squash_mask();
  CHECK(eq(effective(*net, "0.weight"), 0).equal(zeros_before[0]));
}

TEST_CASE("Equalization keeps pinned zeros", "[ao][equalize]") {
  auto net = mlp({4, 4, 4}, 10);
  const Tensor keep = tensor({{1, 0, 1, 0}, {1, 1, 1, 1}, {0, 0, 1, 1}, {1, 0, 0, 1}});
  const nn::SlotPtr slot = nn::find_parameter(*net, "0.weight")->slot();
  slot->pin_zeros(keep);
  check_same_outputs(*net, 4, [&] { tq::equalize(net, {{"0", "2"}}); });
  CHECK(slot->pinned().defined());
  CHECK(ne(slot->original().detach(), 0).equal(ne(keep, 0)));
}

TEST_CASE("Channels without a range stay as they are", "[ao][equalize]") {
  nn::Linear first(tensor({{0, 0}, {1, -2}, {3, 1}, {1, -1}}), tensor({1, 2, 3, 4}));
  nn::Linear second(tensor({{1, 0, 5, 1}, {2, 0, -5, 1e30}}));
  tq::cross_layer_equalization(first, second);
  CHECK(first.weight.value().detach().slice(0, 0, 2).equal(tensor({{0, 0}, {1, -2}})));
  CHECK(first.bias.value().detach().slice(0, 0, 2).equal(tensor({1, 2})));
  CHECK(isfinite(first.weight.value()).to(float32).min().item() == 1);
  CHECK(isfinite(second.weight.value()).to(float32).min().item() == 1);
  CHECK(second.weight.value().detach().slice(1, 0, 1).equal(tensor({{1}, {2}})));

  // With one output, or one input, no channel has a range on that side.
  nn::Linear narrow = golden_first(), head(tensor({{.5, 4}}));
  tq::cross_layer_equalization(narrow, head);
  CHECK(narrow.weight.value().detach().equal(tensor({{1, -2}, {.1, .2}})));
  CHECK(head.weight.value().detach().equal(tensor({{.5, 4}})));
}

TEST_CASE("Weights that are not finite are not spread to other channels", "[ao][equalize]") {
  nn::Linear first(tensor({{1, std::nan("")}, {1, -2}}), tensor({1, 1})), second = golden_second();
  tq::cross_layer_equalization(first, second);
  CHECK(first.bias.value().detach().slice(0, 0, 1).item() == 1);
  CHECK(isfinite(second.weight.value()).to(float32).min().item() == 1);
  CHECK(second.weight.value().detach().select(1, 0).equal(tensor({.5, -.25})));
}

TEST_CASE("What cannot be equalized is refused and changes nothing", "[ao][equalize]") {
  auto net = mlp({4, 6, 5, 3}, 11);
  const auto refused = [&](const std::vector<std::pair<std::string, std::string>>& pairs,
                           const std::string& reason) {
    const nn::StateDict before = nn::state_dict(*net);
    CHECK_THAT(error_of([&] { tq::equalize(net, pairs); }), ContainsSubstring(reason));
    for (const auto& [name, tensor] : nn::state_dict(*net).tensors) {
      CAPTURE(name);
      CHECK(tensor.equal(before.at(name)));
    }
  };
  // A pair that fits comes first each time: nothing of it may happen.
  refused({{"0", "2"}, {"2", "nowhere"}}, "equalize: there is no module 'nowhere'");
  refused({{"0", "2"}, {"1", "2"}},
          "'1' must be a float or qat Linear, or one fused with a ReLU, got adze::nn::ReLU");
  refused({{"0", "2"}, {"0", "4"}}, "'4' expects 5 features, '0' gives 6");
  refused({{"0", "2"}, {"", "4"}}, "got adze::nn::Sequential");
  CHECK_THAT(error_of([&] { tq::equalize(net, {}, {.threshold = 0}); }),
             ContainsSubstring("threshold must be > 0, got 0"));
  CHECK_THAT(error_of([&] { tq::equalize(nullptr, {}); }), ContainsSubstring("got none"));

  nn::register_parametrization(net->at(2), "weight", std::make_shared<Doubled>());
  refused({{"0", "2"}}, "'2' has the parametrization Doubled on its weight");
}

TEST_CASE("Shared weights are not equalized", "[ao][equalize]") {
  nn::Linear first(4, 4);
  nn::Linear tied = first;
  CHECK_THAT(error_of([&] { tq::cross_layer_equalization(first, tied); }),
             ContainsSubstring("module1 and module2 share one weight"));
  auto net = mlp({4, 4, 4, 4}, 12);
  net->at(4).as<nn::Linear>().weight.rebind(net->at(0).as<nn::Linear>().weight.slot());
  CHECK_THAT(error_of([&] {
               tq::equalize(net, {{"0", "2"}});
             }),
             ContainsSubstring("the weight of '0' is used at 2 places"));
  auto twice = mlp({4, 4, 4, 4}, 13);
  twice->set(4, twice->child(2).ptr());
  CHECK_THAT(error_of([&] {
               tq::equalize(twice, {{"0", "2"}});
             }),
             ContainsSubstring("the weight of '2' is used at 2 places"));
}

TEST_CASE("Quantized, reference and calibrated layers are not equalized", "[ao][equalize]") {
  auto net = mlp({4, 6, 3}, 14);
  net->qconfig = tq::default_qconfig;
  nn::ModulePtr prepared = tq::prepare(net);
  CHECK_NOTHROW(tq::equalize(prepared, {{"0", "2"}}));
  Generator g(1);
  (*prepared)(randn({4, 4}, &g));
  CHECK_THAT(error_of([&] {
               tq::equalize(prepared, {{"0", "2"}});
             }),
             ContainsSubstring("'0' is calibrated already"));
  nn::ModulePtr reference = tq::convert(prepared, {.is_reference = true});
  CHECK_THAT(error_of([&] {
               tq::equalize(reference, {{"0", "2"}});
             }),
             ContainsSubstring("got adze::ao::nn::quantized::reference::Linear"));
  nn::ModulePtr dynamic = tq::quantize_dynamic(net);
  CHECK_THAT(error_of([&] {
               tq::equalize(dynamic, {{"0", "2"}});
             }),
             ContainsSubstring("got adze::ao::nn::quantized::dynamic::Linear"));
}

TEST_CASE("Layers of graphs are equalized by their paths", "[ao][equalize][fx]") {
  manual_seed(9);
  const auto net = nn::make<nn::Sequential>(nn::Linear(8, 8), nn::ReLU(), nn::Linear(8, 8));
  net->eval();
  const auto eager = tq::equalize(net, {{"0", "2"}}, {.inplace = false});
  const auto graph = tq::equalize(prepared(net), {{"0", "2"}}, {.inplace = false});
  for (const char* name : {"0.weight", "0.bias", "2.weight"}) {
    CAPTURE(name);
    CHECK(
        nn::find_parameter(*graph, name)->value().equal(nn::find_parameter(*eager, name)->value()));
  }
  CHECK_THROWS_WITH(tq::equalize(calibrated(net), {{"0", "2"}}),
                    ContainsSubstring("'0' is calibrated already"));
}
