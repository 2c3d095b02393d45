// The tests that the field's framework has for pruning and quantization of one network, with their
// names: https://github.com/pytorch/pytorch, test/ao/sparsity/test_composability.py (eager part).
#include "ao/composability_support.h"
#include "support/catch.h"

using namespace adze;
using namespace adze::test;

namespace {

const Shape input_shape{1, 4, 4, 4};

std::shared_ptr<nn::Sequential> model_with(const tq::QConfig& qconfig) {
  auto model = sequential(4);
  set_qconfig(*model, qconfig);
  return model;
}

void squash_mask_calibrate_and_convert(const nn::ModulePtr& model,
                                       pruning::WeightNormSparsifier& sparsifier) {
  sparsifier.step();
  sparsifier.squash_mask();
  (*model)(randn(input_shape));
  tq::convert(model, {.inplace = true});
}

bool has_observer(nn::Module& m) {
  return tq::activation_post_process(m) != nullptr;
}

void check_runs(nn::Module& model) {
  CHECK(model(randn(input_shape)).sizes() == input_shape);
}

}  // namespace

TEST_CASE("test_q_prep_before_s_prep", "[ao][composability]") {
  auto mod = model_with(tq::get_default_qconfig("fbgemm"));
  auto s = sparsifier();
  tq::prepare(mod, {.inplace = true});
  s.prepare(*mod, sparse_config());

  CHECK(nn::is_parametrized(mod->at(0), "weight"));
  CHECK(nn::is_parametrized(mod->at(5), "weight"));
  CHECK(has_observer(mod->at(5)));

  squash_mask_calibrate_and_convert(mod, s);
  CHECK(is_exactly<nnq::Linear>(mod->at(5)));
  CHECK(is_exactly<nn::Linear>(mod->at(0)));
  CHECK(sparsity_of(*mod, "5.weight") >= 0.75);
  CHECK(sparsity_of(*mod, "0.weight") == 0.75);
  check_runs(*mod);
}

TEST_CASE("test_s_prep_before_q_prep", "[ao][composability]") {
  auto mod = model_with(tq::get_default_qconfig("fbgemm"));
  auto s = sparsifier();
  s.prepare(*mod, sparse_config());
  tq::prepare(mod, {.inplace = true});

  CHECK(nn::is_parametrized(mod->at(0), "weight"));
  CHECK(nn::is_parametrized(mod->at(5), "weight"));
  CHECK(has_observer(mod->at(5)));

  squash_mask_calibrate_and_convert(mod, s);
  CHECK(is_exactly<nnq::Linear>(mod->at(5)));
  CHECK(sparsity_of(*mod, "5.weight") >= 0.75);
  check_runs(*mod);
}

TEST_CASE("test_convert_without_squash_mask", "[ao][composability]") {
  auto mod = model_with(tq::get_default_qconfig("fbgemm"));
  auto s = sparsifier();
  s.prepare(*mod, sparse_config());
  tq::prepare(mod, {.inplace = true});

  CHECK(nn::is_parametrized(mod->at(0), "weight"));
  CHECK(nn::is_parametrized(mod->at(5), "weight"));
  CHECK(has_observer(mod->at(5)));
  s.step();
  const double level = sparsity_of(*mod, "5.weight");
  (*mod)(randn(input_shape));
  tq::convert(mod, {.inplace = true});

  CHECK(is_exactly<nnq::Linear>(mod->at(5)));
  check_runs(*mod);
  const double now = pruning::sparsity(mod->at(5).as<nnq::Linear>().weight_bias().first);
  CHECK(now >= level);
  CHECK(level >= 0.7);
  CHECK_FALSE(anything_parametrized(*mod));
}

TEST_CASE("test_s_prep_before_fusion", "[ao][composability]") {
  auto mod = model_with(tq::get_default_qconfig("fbgemm"));
  auto s = sparsifier();
  s.prepare(*mod, sparse_config());
  tq::fuse_modules(mod, {{"5", "6"}}, {.inplace = true});
  mod->at(5).qconfig = tq::get_default_qconfig("fbgemm");
  tq::prepare(mod, {.inplace = true});

  CHECK(nn::is_parametrized(mod->at(0), "weight"));
  CHECK(nn::is_parametrized(mod->at(5).as<nni::LinearReLU>()[0], "weight"));
  CHECK(has_observer(mod->at(5)));

  squash_mask_calibrate_and_convert(mod, s);
  CHECK(is_exactly<nniq::LinearReLU>(mod->at(5)));
  CHECK(sparsity_of(*mod, "5.weight") >= 0.75);
  check_runs(*mod);
}

TEST_CASE("test_fusion_before_s_prep", "[ao][composability]") {
  auto mod = model_with(tq::get_default_qconfig("fbgemm"));
  tq::fuse_modules(mod, {{"5", "6"}}, {.inplace = true});
  auto s = sparsifier();
  s.prepare(*mod, sparse_config("5.0.weight"));
  mod->at(5).qconfig = tq::get_default_qconfig("fbgemm");
  tq::prepare(mod, {.inplace = true});

  CHECK(nn::is_parametrized(mod->at(0), "weight"));
  CHECK(nn::is_parametrized(mod->at(5).as<nni::LinearReLU>()[0], "weight"));
  CHECK(has_observer(mod->at(5)));
  s.step();
  const double level = sparsity_of(*mod, "5.0.weight");
  (*mod)(randn(input_shape));
  tq::convert(mod, {.inplace = true});

  CHECK(is_exactly<nniq::LinearReLU>(mod->at(5)));
  check_runs(*mod);
  CHECK(sparsity_of(*mod, "5.weight") >= level);
  CHECK(level >= 0.7);
}

TEST_CASE("test_s_prep_before_qat_prep", "[ao][composability]") {
  auto mod = model_with(tq::get_default_qat_qconfig("fbgemm"));
  auto s = sparsifier();
  s.prepare(*mod, sparse_config());
  tq::prepare_qat(mod, {.inplace = true});

  CHECK(nn::is_parametrized(mod->at(0), "weight"));
  CHECK(nn::is_parametrized(mod->at(5), "weight"));
  CHECK(has_observer(mod->at(5)));
  CHECK(is_exactly<nnqat::Linear>(mod->at(5)));

  squash_mask_calibrate_and_convert(mod, s);
  CHECK(is_exactly<nnq::Linear>(mod->at(5)));
  check_runs(*mod);
  CHECK(sparsity_of(*mod, "5.weight") >= 0.7);
}

TEST_CASE("test_qat_prep_before_s_prep", "[ao][composability]") {
  auto mod = model_with(tq::get_default_qat_qconfig("fbgemm"));
  tq::prepare_qat(mod, {.inplace = true});
  auto s = sparsifier();
  s.prepare(*mod, sparse_config());

  CHECK(nn::is_parametrized(mod->at(0), "weight"));
  CHECK(nn::is_parametrized(mod->at(5), "weight"));
  CHECK(has_observer(mod->at(5)));
  CHECK(is_exactly<nnqat::Linear>(mod->at(5)));

  squash_mask_calibrate_and_convert(mod, s);
  CHECK(is_exactly<nnq::Linear>(mod->at(5)));
  check_runs(*mod);
  CHECK(sparsity_of(*mod, "5.weight") >= 0.7);
}
