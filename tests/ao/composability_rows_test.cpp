// Orders of pruning and eager quantization beyond those that the field tests. Where its framework
// fails or drops zeros silently, the outcome here is that of "squash, then quantize".
#include "ao/composability_support.h"
#include "support/catch.h"

using namespace adze;
using namespace adze::test;

namespace {

constexpr std::int64_t features = 8;
constexpr double expected5 = 11.0 / 16;  // 16 blocks at .7
constexpr double expected0 = 13.0 / 16;  // 16 blocks at .8

std::shared_ptr<nn::Sequential> model_with(const tq::QConfig& qconfig) {
  manual_seed(5);
  auto model = sequential(features);
  set_qconfig(*model, qconfig);
  return model;
}
const tq::QConfig& ptq() {
  static const tq::QConfig q = tq::get_default_qconfig("fbgemm");
  return q;
}
const tq::QConfig& qat() {
  static const tq::QConfig q = tq::get_default_qat_qconfig("fbgemm");
  return q;
}
Tensor calibration() {
  Generator generator(23);
  return randn({32, features}, &generator);
}
Tensor ints(nn::Module& model, const std::string& fqn = "5.weight") {
  return effective(model, fqn).int_repr();
}
// What every order must come to: step and squash the float network, then quantize it.
std::shared_ptr<nn::Sequential> squashed_then_quantized(const tq::QConfig& qconfig) {
  auto model = model_with(qconfig);
  auto s = sparsifier();
  s.prepare(*model, sparse_config());
  s.step();
  s.squash_mask();
  tq::prepare(model, {.inplace = true});
  (*model)(calibration());
  tq::convert(model, {.inplace = true});
  return model;
}
void check_same_weights(nn::Module& model) {
  auto reference = squashed_then_quantized(ptq());
  CHECK(ints(model).equal(ints(*reference)));
  CHECK(effective(model, "0.weight").equal(effective(*reference, "0.weight")));
  CHECK(sparsity_of(model, "5.weight") >= expected5);
  CHECK(sparsity_of(model, "0.weight") == expected0);
  CHECK_FALSE(anything_parametrized(model));
}

}  // namespace

TEST_CASE("Row 1: a mask follows its weight into QAT and squash reaches it there",
          "[ao][composability]") {
  auto model = model_with(qat());
  auto s = sparsifier();
  s.prepare(*model, sparse_config());
  tq::prepare_qat(model, {.inplace = true});
  s.step();
  s.squash_mask({.params_to_keep = {"sparse_block_shape"}});
  CHECK_FALSE(nn::is_parametrized(model->at(5)));
  auto& slot = *nn::find_parameter(*model, "5.weight")->slot();
  CHECK(slot.sparse_params.at("sparse_block_shape").to_shape() == Shape{1, 4});
  (*model)(calibration());
  tq::convert(model, {.inplace = true});
  check_same_weights(*model);
}

TEST_CASE("Row 2: masks hold through QAT training with steps, without squash",
          "[ao][composability]") {
  auto model = model_with(qat());
  auto s = sparsifier();
  s.prepare(*model, sparse_config());
  tq::prepare_qat(model, {.inplace = true});
  for (int i = 0; i < 3; ++i) {
    train_some(*model, features, 2);
    s.step();
  }
  tq::convert(model, {.inplace = true});
  CHECK(sparsity_of(*model, "5.weight") >= expected5);
  CHECK(sparsity_of(*model, "0.weight") >= expected0);
  CHECK(is_exactly<nnq::Linear>(model->at(5)));
}

TEST_CASE("Rows 3, 4, 7: pinned zeros survive training after squash, in every layer",
          "[ao][composability]") {
  const bool sparse_first = GENERATE(true, false), squash_first = GENERATE(true, false);
  auto model = model_with(qat());
  auto s = sparsifier();
  const auto prune = [&] {
    s.step();
    s.squash_mask({.pin_zeros = true});
  };
  if (squash_first) {
    s.prepare(*model, sparse_config());
    prune();
    tq::prepare_qat(model, {.inplace = true});
  } else if (sparse_first) {
    s.prepare(*model, sparse_config());
    tq::prepare_qat(model, {.inplace = true});
    prune();
  } else {
    tq::prepare_qat(model, {.inplace = true});
    s.prepare(*model, sparse_config());
    prune();
  }
  const Tensor before = effective(*model, "5.weight").clone();
  train_some(*model, features);
  CHECK_FALSE(effective(*model, "5.weight").equal(before));
  CHECK(sparsity_of(*model, "5.weight") == expected5);
  CHECK(sparsity_of(*model, "0.weight") == expected0);
  tq::convert(model, {.inplace = true});
  CHECK(sparsity_of(*model, "5.weight") >= expected5);
}

TEST_CASE("Without pins training regrows zeros alike in swapped and in other layers",
          "[ao][composability]") {
  auto model = model_with(qat());
  auto s = sparsifier();
  s.prepare(*model, sparse_config());
  tq::prepare_qat(model, {.inplace = true});
  s.step();
  s.squash_mask();
  train_some(*model, features);
  CHECK(sparsity_of(*model, "5.weight") < expected5);
  CHECK(sparsity_of(*model, "0.weight") < expected0);
}

TEST_CASE("Rows 5, 6: QAT before pruning without squash, and squash before PTQ",
          "[ao][composability]") {
  auto model = model_with(qat());
  auto s = sparsifier();
  tq::prepare_qat(model, {.inplace = true});
  s.prepare(*model, sparse_config());
  s.step();
  (*model)(calibration());
  tq::convert(model, {.inplace = true});
  check_same_weights(*model);
}

TEST_CASE("Row 8: fusing for QAT composes with pruning in every order", "[ao][composability]") {
  const int order = GENERATE(0, 1, 2);
  auto model = model_with(qat());
  auto s = sparsifier();
  const auto fuse = [&] { tq::fuse_modules_qat(model, {{"5", "6"}}, {.inplace = true}); };
  const auto prepare = [&] { tq::prepare_qat(model, {.inplace = true}); };
  const auto prune = [&] { s.prepare(*model, sparse_config()); };
  if (order == 0) fuse(), prepare(), prune();
  if (order == 1) fuse(), prune(), prepare();
  if (order == 2) prune(), fuse(), prepare();
  CHECK(is_exactly<nni::qat::LinearReLU>(model->at(5)));
  CHECK(nn::is_parametrized(model->at(5), "weight"));
  s.step();
  (*model)(calibration());
  tq::convert(model, {.inplace = true});
  CHECK(is_exactly<nniq::LinearReLU>(model->at(5)));
  check_same_weights(*model);
}

TEST_CASE("Row 9: a sparsifier's state loads after fusing changed the path",
          "[ao][composability]") {
  auto model = model_with(ptq());
  auto s = sparsifier();
  s.prepare(*model, sparse_config());
  tq::fuse_modules(model, {{"5", "6"}}, {.inplace = true});
  auto loaded = sparsifier();
  loaded.load_state_dict(*model, s.state_dict());
  loaded.step();
  CHECK(sparsity_of(*model, "5.0.weight") == expected5);
  CHECK(loaded.groups()[0].current_fqn(*model) == "5.0.weight");
}

TEST_CASE("Rows 10, 13: stepping a network that was copied away is reported, rebind follows",
          "[ao][composability]") {
  const int call = GENERATE(0, 1, 2);
  auto model = model_with(call == 1 ? qat() : ptq());
  auto s = sparsifier();
  s.prepare(*model, sparse_config());
  nn::ModulePtr copy = call == 0   ? tq::prepare(model)
                       : call == 1 ? tq::prepare_qat(model)
                                   : tq::fuse_modules(model, {{"5", "6"}});
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
  CHECK(sparsity_of(*copy, "0.weight") == expected0);
}

TEST_CASE("Rows 11, 14, 15: squashing the source leaves copies whole", "[ao][composability]") {
  auto model = model_with(ptq());
  auto s = sparsifier();
  s.prepare(*model, sparse_config());
  s.step();
  auto prepared = tq::prepare(model);
  auto snapshot = nn::deepcopy(model);
  (*prepared)(calibration());
  auto converted = tq::convert(prepared);
  const Tensor x = calibration();
  const Tensor before = (*converted)(x), snap = (*snapshot)(x);
  Warnings expected;
  s.squash_mask();
  CHECK((*converted)(x).equal(before));
  CHECK((*snapshot)(x).equal(snap));
  CHECK((*model)(x).equal(snap));
  (*prepared)(x);
  check_same_weights(*converted);
}

TEST_CASE("Row 12: step, then prepare a copy, keeps the masks", "[ao][composability]") {
  auto model = model_with(ptq());
  auto s = sparsifier();
  s.prepare(*model, sparse_config());
  s.step();
  auto copy = tq::prepare(model);
  (*copy)(calibration());
  check_same_weights(*tq::convert(copy));
}

TEST_CASE("Row 16: after convert, step says which tensor is gone and squash finishes the rest",
          "[ao][composability][errors]") {
  auto model = model_with(ptq());
  auto s = sparsifier();
  s.prepare(*model, sparse_config());
  s.step();
  tq::prepare(model, {.inplace = true});
  (*model)(calibration());
  tq::convert(model, {.inplace = true, .bake_remaining = false});
  CHECK(nn::is_parametrized(model->at(0)));
  CHECK(error_of([&] { s.step(); }).find("5.weight") != std::string::npos);
  s.squash_mask();
  check_same_weights(*model);
}

TEST_CASE("Rows 17, 18: dynamic quantization takes masked weights, squashed or not",
          "[ao][composability]") {
  const bool squash = GENERATE(true, false);
  const DType dtype = GENERATE(qint8, float16);
  auto model = model_with(ptq());
  auto s = sparsifier();
  s.prepare(*model, sparse_config());
  s.step();
  if (squash) s.squash_mask();
  auto dynamic = tq::quantize_dynamic(model, {.dtype = dtype});
  for (int i : {0, 2, 5})
    CHECK(is_exactly<nnq::dynamic::Linear>((*dynamic).as<nn::Sequential>()[i]));
  CHECK(sparsity_of(*dynamic, "5.weight") >= expected5);
  CHECK(sparsity_of(*dynamic, "0.weight") >= expected0);
  CHECK_FALSE(anything_parametrized(*dynamic));
  const Tensor x = calibration();
  NoGrad guard;
  CHECK((*dynamic)(x).allclose((*model)(x), 0, dtype == qint8 ? 0.1 : 2e-3));
}

TEST_CASE("Row 19: zeros are exact under every weight scheme", "[ao][composability]") {
  const QScheme scheme =
      GENERATE(per_tensor_symmetric, per_tensor_affine, per_channel_symmetric, per_channel_affine);
  tq::QConfig qconfig = ptq();
  qconfig.weight =
      is_per_channel(scheme)
          ? tq::PerChannelMinMaxObserver::with_args({.dtype = qint8, .qscheme = scheme})
          : tq::MinMaxObserver::with_args({.dtype = qint8, .qscheme = scheme});
  auto model = model_with(qconfig);
  auto s = sparsifier();
  s.prepare(*model, sparse_config());
  s.step();
  const Tensor mask = s.groups()[0].mask();
  tq::prepare(model, {.inplace = true});
  const Tensor before = (*model)(calibration());
  tq::convert(model, {.inplace = true});
  const Tensor w = effective(*model, "5.weight").dequantize();
  CHECK(where(ne(mask, 0), 0.0f, w).abs().max().item() == 0);
  NoGrad guard;
  CHECK((*model)(calibration()).allclose(before, 0, 0.05));
}

TEST_CASE("Row 20: a quantized tensor cannot be pruned, and the message says so",
          "[ao][composability][errors]") {
  auto model = squashed_then_quantized(ptq());
  auto s = sparsifier();
  CHECK(error_of([&] { s.prepare(*model, {{.tensor_fqn = "5.weight"}}); }).find("5.weight") !=
        std::string::npos);
  s.prepare(*model);
  CHECK(s.groups().size() == 2);  // the two float layers
}

TEST_CASE("Row 21: masks that change after calibration are reported", "[ao][composability]") {
  auto model = model_with(ptq());
  tq::prepare(model, {.inplace = true});
  (*model)(calibration());
  auto s = sparsifier();
  s.prepare(*model, sparse_config());
  s.step();
  SECTION("in the network itself") {}
  SECTION("in a copy") {
    model = std::static_pointer_cast<nn::Sequential>(nn::deepcopy(model));
  }
  Warnings warnings;
  tq::convert(model, {.inplace = true});
  CHECK(warnings.mention("zeros in the weights of '5' changed after calibration"));
  check_same_weights(*model);
}

TEST_CASE("Rows 22, 24: a converted network and a squashed one save and load",
          "[ao][composability]") {
  auto source = model_with(ptq());
  auto s = sparsifier();
  s.prepare(*source, sparse_config());
  s.step();
  tq::prepare(source, {.inplace = true});
  (*source)(calibration());
  auto converted = tq::convert(source);

  auto skeleton = sequential(features);
  set_qconfig(*skeleton, ptq());
  tq::prepare(skeleton, {.inplace = true});
  tq::convert(skeleton, {.inplace = true, .allow_uncalibrated = true});
  nn::load_state_dict(*skeleton, nn::state_dict(*converted));
  CHECK((*skeleton)(calibration()).equal((*converted)(calibration())));

  s.squash_mask();
  auto fresh = sequential(features);
  auto plain = nn::deepcopy(source);
  for (int i : {4, 5}) plain->as<nn::Sequential>()[i].qconfig.reset();
  for (int i : {4, 5}) tq::detach_observer(plain->as<nn::Sequential>()[i]);
  nn::load_state_dict(*fresh, nn::state_dict(*plain));
  CHECK(sparsity_of(*fresh, "5.weight") == expected5);
}

TEST_CASE("Row 23: a QAT checkpoint with masks loads strictly into a network prepared likewise",
          "[ao][composability]") {
  const auto prepared = [] {
    auto model = model_with(qat());
    auto s = sparsifier();
    s.prepare(*model, sparse_config());
    tq::prepare_qat(model, {.inplace = true});
    return std::make_pair(model, s);
  };
  auto [source, s1] = prepared();
  train_some(*source, features);
  s1.step();
  auto [target, s2] = prepared();
  nn::load_state_dict(*target, nn::state_dict(*source));
  CHECK(effective(*target, "5.weight").equal(effective(*source, "5.weight")));
  auto a = tq::convert(source), b = tq::convert(target);
  CHECK(ints(*a).equal(ints(*b)));
  CHECK(sparsity_of(*b, "5.weight") >= expected5);
  auto unpruned = model_with(qat());
  tq::prepare_qat(unpruned, {.inplace = true});
  CHECK(error_of([&] {
          nn::load_state_dict(*unpruned, nn::state_dict(*source));
        }).find("nothing was loaded") != std::string::npos);
}

TEST_CASE("Rows 31, 32, 33: shared modules and tied weights convert together",
          "[ao][composability]") {
  SECTION("one module at two positions") {
    auto model = nn::make<nn::Sequential>(tq::QuantStub(), nn::Linear(features, features),
                                          nn::Linear(features, features), tq::DeQuantStub());
    model->set(2, model->child(1).ptr());
    model->qconfig = ptq();
    auto s = sparsifier();
    s.prepare(*model, {{.tensor_fqn = "1.weight", .sparsity_level = 0.7}});
    s.step();
    tq::prepare(model, {.inplace = true});
    const Tensor before = (*model)(calibration());
    tq::convert(model, {.inplace = true});
    CHECK(is_exactly<nnq::Linear>(model->at(1)));
    CHECK(model->child(1).ptr() == model->child(2).ptr());
    NoGrad guard;
    CHECK((*model)(calibration()).allclose(before, 0, 0.1));
  }
  SECTION("one tensor in two slots: a mask stays with the slot that it is on") {
    auto model = sequential(features);
    auto& a = model->at(0).as<nn::Linear>();
    auto& b = model->at(2).as<nn::Linear>();
    b.weight.slot()->reset(a.weight.slot()->original());
    auto s = sparsifier();
    s.prepare(*model, {{.tensor_fqn = "0.weight"}});
    s.step();
    s.squash_mask();
    CHECK(sparsity_of(*model, "0.weight") == expected0);
    CHECK(sparsity_of(*model, "2.weight") == 0);
  }
  SECTION("one slot under two names: a mask is on both") {
    auto model = sequential(features);
    model->at(2).as<nn::Linear>().weight.rebind(model->at(0).as<nn::Linear>().weight.slot());
    auto s = sparsifier();
    s.prepare(*model, {{.tensor_fqn = "0.weight"}});
    s.step();
    CHECK(sparsity_of(*model, "2.weight") == expected0);
    s.squash_mask();
    CHECK(sparsity_of(*model, "2.weight") == expected0);
  }
}

TEST_CASE("Rows 34, 35: two sparsifiers share a network, and a tensor", "[ao][composability]") {
  auto model = model_with(ptq());
  pruning::WeightNormSparsifier first({.sparsity_level = 0.5, .name = "first"});
  pruning::WeightNormSparsifier second(
      {.sparsity_level = 0.6, .sparse_block_shape = {8, 1}, .name = "second"});
  first.prepare(*model, {{.tensor_fqn = "5.weight"}, {.tensor_fqn = "0.weight"}});
  second.prepare(*model, {{.tensor_fqn = "5.weight"}});
  first.step();
  second.step();
  const Tensor w = effective(*model, "5.weight").clone();
  CHECK(pruning::sparsity(w) > 0.5);
  first.squash_mask();
  CHECK(effective(*model, "5.weight").equal(w));
  CHECK(nn::is_parametrized(model->at(5)));
  tq::prepare(model, {.inplace = true});
  (*model)(calibration());
  tq::convert(model, {.inplace = true});
  CHECK(sparsity_of(*model, "5.weight") >= pruning::sparsity(w));
}

TEST_CASE("Row 36: a foreign parametrization before the mask is kept in value",
          "[ao][composability]") {
  auto model = model_with(ptq());
  nn::register_parametrization(model->at(5), "weight", std::make_shared<Doubled>());
  auto s = sparsifier();
  s.prepare(*model, sparse_config());
  s.step();
  const Tensor w = effective(*model, "5.weight").clone();
  s.squash_mask();
  CHECK(effective(*model, "5.weight").equal(w));
  tq::prepare(model, {.inplace = true});
  (*model)(calibration());
  tq::convert(model, {.inplace = true});
  CHECK(is_exactly<nnq::Linear>(model->at(5)));
  CHECK(sparsity_of(*model, "5.weight") >= expected5);
}

TEST_CASE("Row 38: hooks of users survive pruning, fusing and quantization",
          "[ao][composability][hooks]") {
  auto model = model_with(ptq());
  int pre = 0, post = 0;
  model->at(5).register_forward_pre_hook([&](nn::Module&, std::vector<Value>&) { ++pre; });
  model->at(6).register_forward_hook(
      [&](nn::Module&, const std::vector<Value>&, Value&) { ++post; });
  auto s = sparsifier();
  s.prepare(*model, sparse_config());
  tq::fuse_modules(model, {{"5", "6"}}, {.inplace = true});
  tq::prepare(model, {.inplace = true});
  (*model)(calibration());
  tq::convert(model, {.inplace = true});
  CHECK(pre == 1);
  CHECK(post == 1);
  (*model)(calibration());
  CHECK(pre == 2);
  CHECK(post == 2);
}

TEST_CASE("Row 39: one qconfig at the root and one call prune and quantize a nested network",
          "[ao][composability]") {
  manual_seed(3);
  auto inner = nn::make<nn::Sequential>(nn::Linear(features, features), nn::ReLU());
  auto model = nn::make<nn::Sequential>(
      std::vector<nn::ModulePtr>{nn::make<tq::QuantStub>(), inner,
                                 nn::make<nn::Linear>(features, 4), nn::make<tq::DeQuantStub>()});
  model->qconfig = ptq();
  pruning::WeightNormSparsifier s({.sparsity_level = 0.5});
  s.prepare(*model);
  tq::prepare(model, {.inplace = true});
  s.step();
  (*model)(calibration());
  tq::convert(model, {.inplace = true});
  CHECK(is_exactly<nnq::Linear>(*nn::find_module(*model, "1.0")));
  CHECK(is_exactly<nnq::Linear>(model->at(2)));
  CHECK(is_exactly<nnq::DeQuantize>(model->at(3)));
  CHECK(sparsity_of(*model, "1.0.weight") >= 0.5);
  CHECK(sparsity_of(*model, "2.weight") >= 0.5);
}
