// Orders of pruning and graph mode quantization beyond those that the field tests. Where its
// framework fails, drops zeros silently or leaves a pruned layer float, the outcome here is that of
// "squash, then quantize".
#include "adze/ao/module_types.h"
#include "adze/nn/model_file.h"

#include "ao/composability_fx_support.h"
#include "support/catch.h"

using namespace adze;
using namespace adze::test;

namespace {

constexpr std::int64_t features = 8;
constexpr double expected5 = 11.0 / 16;  // 16 blocks at .7
constexpr double expected0 = 13.0 / 16;  // 16 blocks at .8

std::shared_ptr<nn::Sequential> model() {
  manual_seed(5);
  return sequential(features);
}
Tensor calibration() {
  Generator generator(23);
  return randn({32, features}, &generator);
}
const std::vector<Value> example{Value(zeros({2, features}))};

const tq::QConfig& ptq() {
  static const tq::QConfig q = tq::get_default_qconfig("fbgemm");
  return q;
}
const tq::QConfig& qat() {
  static const tq::QConfig q = tq::get_default_qat_qconfig("fbgemm");
  return q;
}

tq::GraphModulePtr prepare(const nn::ModulePtr& m) {
  return tq::prepare_fx(m, names_4_and_5(ptq()), example, {.inplace = true});
}
tq::GraphModulePtr prepare_qat(const nn::ModulePtr& m) {
  return tq::prepare_qat_fx(m, names_4_and_5(qat()), example, {.inplace = true});
}
tq::GraphModulePtr calibrate_and_convert(const tq::GraphModulePtr& prepared) {
  (*prepared)(calibration());
  return tq::convert_fx(prepared, {.inplace = true});
}

// What every order must come to: step and squash the float network, then quantize it.
const tq::GraphModulePtr& squashed_then_quantized() {
  static const tq::GraphModulePtr net = [] {
    auto m = model();
    auto s = sparsifier();
    s.prepare(*m, sparse_config());
    s.step();
    s.squash_mask();
    return calibrate_and_convert(prepare(m));
  }();
  return net;
}
void check_same_weights(const tq::GraphModulePtr& net) {
  const auto& reference = squashed_then_quantized();
  REQUIRE(is_exactly<nniq::LinearReLU>(at(net, "5")));
  const Tensor w = effective(*net, "5.weight"), expected = effective(*reference, "5.weight");
  CHECK(w.int_repr().equal(expected.int_repr()));
  CHECK(w.q_per_channel_scales().equal(expected.q_per_channel_scales()));
  CHECK(effective(*net, "0.0.weight").equal(effective(*reference, "0.0.weight")));
  CHECK(sparsity_of(*net, "5.weight") >= expected5);
  CHECK(sparsity_of(*net, "0.0.weight") == expected0);
  CHECK_FALSE(anything_parametrized(*net));
}

/// A network with weights of its own, as users write them: fc(x) * gain through a functional layer,
/// with a residual path.
class Block : public nn::ModuleOf<Block> {
 public:
  nn::Submodule fc{"fc", nn::Linear(features, features)};
  nn::Parameter mix{"mix", randn({features, features})};
  Tensor forward(const Tensor& x) { return relu(linear(fc(x), mix)) + x; }

 protected:
  void fields(nn::FieldList& f) override { f(fc, mix); }
};
class UserNet : public nn::ModuleOf<UserNet> {
 public:
  nn::Submodule block{"block", Block()}, head{"head", nn::Linear(features, 4)};
  Tensor forward(const Tensor& x) { return head(block(x)); }

 protected:
  void fields(nn::FieldList& f) override { f(block, head); }
};

const std::vector<std::string> user_weights{"block.fc.weight", "block.mix", "head.weight"};
std::vector<pruning::SparseConfig> user_config() {
  std::vector<pruning::SparseConfig> all;
  for (const std::string& fqn : user_weights) all.push_back({.tensor_fqn = fqn});
  return all;
}

tq::QConfigMapping everything(const tq::QConfig& qconfig) {
  return tq::QConfigMapping().set_global(qconfig);
}

// Integers of all three weights, wherever they stand in an int8 network.
std::vector<Tensor> user_ints(const tq::GraphModulePtr& net) {
  std::vector<Tensor> all;
  for (const char* fqn : {"block.fc.weight", "_packed_weight_0", "head.weight"}) {
    const Tensor w = effective(*net, fqn);
    REQUIRE(w.defined());
    REQUIRE(w.dtype() == qint8);
    all.push_back(w.int_repr());
  }
  return all;
}

}  // namespace

TEST_CASE("Row 40: squash may stand before, between and behind prepare_fx and prepare",
          "[ao][composability][fx]") {
  const int order = GENERATE(0, 1, 2);
  CAPTURE(order);
  nn::ModulePtr m = model();
  auto s = sparsifier();
  tq::GraphModulePtr net;
  if (order == 1) net = prepare(m), s.prepare(*net, sparse_config());
  if (order != 1) s.prepare(*m, sparse_config());
  if (order == 2) net = prepare(m);
  s.step();
  s.squash_mask();
  if (order == 0) net = prepare(m);
  check_same_weights(calibrate_and_convert(net));
}

TEST_CASE("Row 41: paths from before fusing find the fused layers", "[ao][composability][fx]") {
  SECTION("as the user wrote them") {
    auto net = prepare(model());
    auto s = sparsifier();
    s.prepare(*net, sparse_config("5.weight"));
    CHECK(nn::is_parametrized(at(net, "5.0")));
    CHECK(nn::is_parametrized(at(net, "0.0")));
    s.step();
    check_same_weights(calibrate_and_convert(net));
  }
  SECTION("all layers") {
    auto net = prepare(model());
    auto s = sparsifier();
    s.prepare(*net);
    std::vector<std::string> names;
    for (const auto& group : s.groups()) names.push_back(group.tensor_fqn());
    std::sort(names.begin(), names.end());
    CHECK(names == std::vector<std::string>{"0.0.weight", "2.0.weight", "5.0.weight"});
  }
}

TEST_CASE("Row 42: a pruned Linear without ReLU behind it is quantized",
          "[ao][composability][fx]") {
  const bool prune_first = GENERATE(true, false);
  const bool dynamic = GENERATE(false, true);
  CAPTURE(prune_first, dynamic);
  const auto plain = [] {
    manual_seed(7);
    return nn::make<nn::Sequential>(nn::Linear(features, features), nn::Linear(features, 4));
  };
  const tq::QConfig qconfig = dynamic ? tq::default_dynamic_qconfig : ptq();
  const auto quantize = [&](const nn::ModulePtr& m, pruning::WeightNormSparsifier& s) {
    if (prune_first) s.prepare(*m);
    auto net = tq::prepare_fx(m, everything(qconfig), example, {.inplace = true});
    if (!prune_first) s.prepare(*net);
    s.step();
    (*net)(calibration());
    return net;
  };
  auto s = sparsifier(), t = sparsifier();
  auto net = quantize(plain(), s);
  const auto reference = tq::convert_to_reference_fx(net);
  const auto int8 = tq::convert_fx(net);

  auto squashed = plain();
  t.prepare(*squashed);
  t.step();
  t.squash_mask();
  auto expected = tq::prepare_fx(squashed, everything(qconfig), example);
  (*expected)(calibration());
  expected = tq::convert_fx(expected);

  for (const std::string layer : {"0", "1"}) {
    CAPTURE(layer);
    CHECK(is_exactly<nnqr::Linear>(at(reference, layer)));
    if (dynamic) CHECK(is_exactly<nnq::dynamic::Linear>(at(int8, layer)));
    if (!dynamic) CHECK(is_exactly<nnq::Linear>(at(int8, layer)));
    const Tensor w = effective(*int8, layer + ".weight");
    CHECK(w.int_repr().equal(effective(*expected, layer + ".weight").int_repr()));
    CHECK(pruning::sparsity(w) >= 0.75);
  }
  CHECK(lines_of(int8, "nodes") == lines_of(expected, "nodes"));
  CHECK_FALSE(anything_parametrized(*int8));
  CHECK_FALSE(anything_parametrized(*reference));
  const Tensor x = calibration();
  CHECK((*int8)(x).equal((*expected)(x)));
}

TEST_CASE("Row 43: layers that train with fake-quantizes are pruned, with or without squash",
          "[ao][composability][fx]") {
  const bool squash = GENERATE(true, false);
  auto net = prepare_qat(model());
  auto s = sparsifier();
  s.prepare(*net,
            {{.tensor_fqn = "5.weight", .sparsity_level = 0.7}, {.tensor_fqn = "0.0.weight"}});
  s.step();
  if (squash) s.squash_mask();
  check_same_weights(calibrate_and_convert(net));
}

TEST_CASE("Row 44: masks hold while a graph trains with steps", "[ao][composability][fx]") {
  auto m = model();
  auto s = sparsifier();
  s.prepare(*m, sparse_config());
  auto net = prepare_qat(m);
  for (int i = 0; i < 3; ++i) {
    const Tensor before = effective(*net, "5.weight").clone();
    train_some(*net, features, 2);
    CHECK_FALSE(effective(*net, "5.weight").equal(before));
    s.step();
  }
  const auto int8 = tq::convert_fx(net);
  CHECK(is_exactly<nniq::LinearReLU>(at(int8, "5")));
  CHECK(sparsity_of(*int8, "5.weight") >= expected5);
  CHECK(sparsity_of(*int8, "0.0.weight") == expected0);
  CHECK_FALSE(anything_parametrized(*int8));
}

TEST_CASE("Row 45: squash reaches the qat layer that took the weight over",
          "[ao][composability][fx]") {
  auto m = model();
  auto s = sparsifier();
  s.prepare(*m, sparse_config());
  auto net = prepare_qat(m);
  s.step();
  s.squash_mask({.params_to_keep = {"sparse_block_shape"}});
  CHECK(is_exactly<nni::qat::LinearReLU>(at(net, "5")));
  CHECK_FALSE(nn::is_parametrized(at(net, "5")));
  auto& slot = *nn::find_parameter(*net, "5.weight")->slot();
  CHECK(slot.sparse_params.at("sparse_block_shape").to_shape() == Shape{1, 4});
  check_same_weights(calibrate_and_convert(net));
}

TEST_CASE("Row 46: one qconfig for all quantizes every layer, pruned or not",
          "[ao][composability][fx]") {
  const bool training = GENERATE(false, true);
  auto m = model();
  auto s = sparsifier();
  s.prepare(*m, sparse_config());
  auto net = training ? tq::prepare_qat_fx(m, tq::get_default_qat_qconfig_mapping("fbgemm"),
                                           example, {.inplace = true})
                      : tq::prepare_fx(m, tq::get_default_qconfig_mapping("fbgemm"), example,
                                       {.inplace = true});
  s.step();
  const auto int8 = calibrate_and_convert(net);
  for (const char* layer : {"0", "2", "5"}) CHECK(is_exactly<nniq::LinearReLU>(at(int8, layer)));
  CHECK(sparsity_of(*int8, "0.weight") >= expected0);
  CHECK(sparsity_of(*int8, "5.weight") >= expected5);
  CHECK(lines_of(int8, "nodes").size() == 7);  // input, quantize, three layers, dequantize, output
}

TEST_CASE("Row 47: stepping a network of which prepare_fx copied is reported, rebind follows",
          "[ao][composability][fx]") {
  const int call = GENERATE(0, 1, 2);
  auto m = model();
  auto s = sparsifier();
  s.prepare(*m, sparse_config());
  tq::GraphModulePtr copy = call == 0   ? tq::prepare_fx(m, names_4_and_5(ptq()), example)
                            : call == 1 ? tq::prepare_qat_fx(m, names_4_and_5(qat()), example)
                                        : tq::fuse_fx(m);
  {
    Warnings warnings;
    s.step();
    CHECK(warnings.mention("copied"));
  }
  CHECK(sparsity_of(*copy, "5.weight") == 0);
  s.rebind(*copy);
  Warnings warnings;
  s.step();
  CHECK(warnings.all.empty());
  CHECK(sparsity_of(*copy, "5.weight") == expected5);
  CHECK(sparsity_of(*copy, "0.0.weight") == expected0);
  if (call == 2)  // which leaves nothing of the QuantStub "4"
    copy = tq::prepare_fx(copy, tq::QConfigMapping().set_module_name("5", ptq()), example);
  check_same_weights(calibrate_and_convert(copy));
}

TEST_CASE("Row 48: dynamic quantization takes masked weights of fused pairs",
          "[ao][composability][fx]") {
  const bool half = GENERATE(false, true);
  auto m = model();
  auto s = sparsifier();
  s.prepare(*m, sparse_config());
  s.step();
  const Tensor x = calibration();
  const Tensor exact = (*m)(x);
  auto net = tq::prepare_fx(
      m, everything(half ? tq::float16_dynamic_qconfig : tq::default_dynamic_qconfig), example);
  const auto dynamic = tq::convert_fx(net);
  for (const char* layer : {"0", "2", "5"})
    CHECK(is_exactly<nniq::dynamic::LinearReLU>(at(dynamic, layer)));
  CHECK(sparsity_of(*dynamic, "5.weight") >= expected5);
  CHECK(sparsity_of(*dynamic, "0.weight") >= expected0);
  CHECK_FALSE(anything_parametrized(*dynamic));
  CHECK((*dynamic)(x).allclose(exact, 0, half ? 2e-3 : 0.1));
}

TEST_CASE("Row 49: layers whose masks were never squashed end plain, and the network saves",
          "[ao][composability][fx]") {
  auto m = model();
  auto s = sparsifier();
  s.prepare(*m, sparse_config());
  auto net = prepare(m);
  s.step();
  const auto int8 = calibrate_and_convert(net);
  CHECK(is_exactly<nn::Linear>(at(int8, "0.0")));
  CHECK_FALSE(nn::is_parametrized(at(int8, "0.0")));
  check_same_weights(int8);
  const auto loaded =
      nn::parse_model(nn::serialize_model(*int8, ao::module_types()), ao::module_types());
  const Tensor x = calibration();
  CHECK((*loaded)(x).equal((*int8)(x)));
  Warnings warnings;
  s.squash_mask();  // finds nothing that is left to do
  CHECK(warnings.all.empty());
  CHECK(error_of([&] { s.step(); }).find("0.weight") != std::string::npos);
}

TEST_CASE("Rows 50, 51: weights that a user's module holds are traced, quantized, and keep zeros",
          "[ao][composability][fx]") {
  const bool prune_first = GENERATE(true, false), squash = GENERATE(true, false);
  const bool training = GENERATE(false, true);
  CAPTURE(prune_first, squash, training);
  const auto run = [&](bool squash_before_everything) {
    manual_seed(9);
    nn::ModulePtr m = nn::make<UserNet>();
    pruning::WeightNormSparsifier s({.sparsity_level = 0.5});
    const bool first = squash_before_everything || prune_first;
    if (first) s.prepare(*m, user_config());
    if (squash_before_everything) s.step(), s.squash_mask();
    auto net = training ? tq::prepare_qat_fx(m, everything(qat()), example, {.inplace = true})
                        : tq::prepare_fx(m, everything(ptq()), example, {.inplace = true});
    if (!first) s.prepare(*net, user_config());
    if (!squash_before_everything) {
      s.step();
      if (squash) s.squash_mask();
    }
    return calibrate_and_convert(net);
  };
  const auto int8 = run(false), expected = run(true);
  const auto ints = user_ints(int8), wanted = user_ints(expected);
  for (std::size_t i = 0; i < ints.size(); ++i) {
    CAPTURE(user_weights[i]);
    CHECK(ints[i].equal(wanted[i]));
    CHECK(pruning::sparsity(ints[i]) >= 0.5);
  }
  // Nothing stayed one opaque step, nothing stayed float.
  const Lines nodes = lines_of(int8, "nodes");
  CHECK(nodes == lines_of(expected, "nodes"));
  CHECK(nodes.size() == 9);
  for (const char* part : {"quantized::linear_relu(block_fc, ", "quantized::add(linear, ",
                           "module block.fc(", "module head("})
    CHECK(std::any_of(nodes.begin(), nodes.end(),
                      [&](const std::string& n) { return n.find(part) != n.npos; }));
  const Tensor x = calibration();
  CHECK((*int8)(x).equal((*expected)(x)));
}

TEST_CASE("The functional weight of a prepared graph follows its masks in training",
          "[ao][composability][fx]") {
  manual_seed(9);
  auto m = nn::make<UserNet>();
  pruning::WeightNormSparsifier s({.sparsity_level = 0.5});
  auto net = tq::prepare_qat_fx(m, everything(qat()), example);
  s.prepare(*net, user_config());
  s.step();
  const Tensor mask = eq(effective(*net, "block.mix"), 0);
  train_some(*net, features);
  CHECK(eq(effective(*net, "block.mix"), 0).equal(mask));
  const auto int8 = tq::convert_fx(net);
  CHECK(where(mask, effective(*int8, "_packed_weight_0").int_repr().to(float32), 0)
            .abs()
            .max()
            .item() == 0);
}

TEST_CASE("Squashing the source leaves the prepared and the converted copy whole",
          "[ao][composability][fx]") {
  auto m = model();
  auto s = sparsifier();
  s.prepare(*m, sparse_config());
  s.step();
  auto prepared = tq::prepare_fx(m, names_4_and_5(ptq()), example);
  (*prepared)(calibration());
  const auto int8 = tq::convert_fx(prepared);
  const Tensor x = calibration();
  const Tensor before = (*int8)(x), observed = (*prepared)(x);
  Warnings expected;
  s.squash_mask();
  CHECK((*int8)(x).equal(before));
  CHECK((*prepared)(x).equal(observed));
  CHECK(nn::is_parametrized(at(prepared, "5.0")));
  check_same_weights(int8);
}

TEST_CASE("A sparsifier's state loads into a graph whose fusing changed the paths",
          "[ao][composability][fx]") {
  auto m = model();
  auto s = sparsifier();
  s.prepare(*m, sparse_config());
  auto net = prepare(m);
  auto loaded = sparsifier();
  loaded.load_state_dict(*net, s.state_dict());
  loaded.step();
  CHECK(loaded.groups()[0].current_fqn(*net) == "5.0.weight");
  check_same_weights(calibrate_and_convert(net));
}

TEST_CASE("Masks that change after calibration are reported by convert_fx",
          "[ao][composability][fx]") {
  auto net = prepare(model());
  (*net)(calibration());
  auto s = sparsifier();
  s.prepare(*net, sparse_config());
  s.step();
  SECTION("in the network itself") {}
  SECTION("in a copy") {
    net = std::static_pointer_cast<fx::GraphModule>(nn::deepcopy(net));
  }
  SECTION("in a network from a file") {
    net = std::static_pointer_cast<fx::GraphModule>(
        nn::parse_model(nn::serialize_model(*net, ao::module_types()), ao::module_types()));
  }
  Warnings warnings;
  const auto int8 = tq::convert_fx(net);
  CHECK(warnings.all.size() == 1);
  CHECK(warnings.mention(
      "zeros in the weights '0.0.weight', '5.0.weight' changed after calibration"));
  check_same_weights(int8);
  CHECK_FALSE(int8->has_internal_hook());

  (*net)(calibration());
  warnings.all.clear();
  tq::convert_fx(net);
  CHECK(warnings.all.empty());
}

TEST_CASE("Calibration after pruning, and training, are no reason to warn",
          "[ao][composability][fx]") {
  auto m = model();
  auto s = sparsifier();
  s.prepare(*m, sparse_config());
  const bool training = GENERATE(false, true);
  auto net = training ? prepare_qat(m) : prepare(m);
  (*net)(calibration());
  s.step();
  if (!training) (*net)(calibration());
  Warnings warnings;
  const auto int8 = tq::convert_fx(net);
  CHECK(warnings.all.empty());
}

TEST_CASE("Hooks of users survive pruning, prepare_fx and convert_fx",
          "[ao][composability][fx][hooks]") {
  auto m = model();
  int pre = 0, post = 0;
  m->at(5).register_forward_pre_hook([&](nn::Module&, std::vector<Value>&) { ++pre; });
  m->at(6).register_forward_hook([&](nn::Module&, const std::vector<Value>&, Value&) { ++post; });
  auto s = sparsifier();
  s.prepare(*m, sparse_config());
  auto net = prepare(m);
  pre = post = 0;
  s.step();
  (*net)(calibration());
  CHECK(pre == 1);
  CHECK(post == 1);
  const auto int8 = tq::convert_fx(net);
  (*int8)(calibration());
  CHECK(pre == 2);
  CHECK(post == 2);
}
