// The tests that the field's framework has for pruning and graph mode quantization of one network,
// with their names: https://github.com/pytorch/pytorch, test/ao/sparsity/test_composability.py
// (FX part). Where they rely on the sparsifier seeing the prepared network, prepare is `inplace`;
// the same with a copy and `rebind` follows. Nodes, classes and names of the state are those that
// PyTorch prints for the same calls, without parametrizations once converted.
#include "ao/composability_fx_support.h"
#include "support/catch.h"

using namespace adze;
using namespace adze::test;

namespace {

const Shape input_shape{1, 4, 4, 4};

const Lines prepared_nodes{"input_1 = placeholder",
                           "_0 = module 0(input_1)",
                           "_2 = module 2(_0)",
                           "activation_post_process_0 = module activation_post_process_0(_2)",
                           "_5 = module 5(activation_post_process_0)",
                           "activation_post_process_1 = module activation_post_process_1(_5)",
                           "output activation_post_process_1"};
const Lines float_pairs{"0.0: Linear", "0.1: ReLU", "0: intrinsic::LinearReLU",
                        "2.0: Linear", "2.1: ReLU", "2: intrinsic::LinearReLU"};
const Lines float_state{"0.0.bias", "0.0.weight", "2.0.bias", "2.0.weight"};

// A node line with its numbers left out, which depend on random weights.
Lines without_numbers(Lines lines) {
  for (std::string& line : lines)
    if (line.find("= quantize_per_tensor") != line.npos)
      line = line.substr(0, line.find(", ")) + ", ...)";
  return lines;
}
Lines joined(Lines a, const Lines& b) {
  a.insert(a.end(), b.begin(), b.end());
  std::sort(a.begin(), a.end());
  return a;
}

void check_prepared(const tq::GraphModulePtr& mod) {
  CHECK(lines_of(mod, "nodes") == prepared_nodes);
  CHECK(lines_of(mod, "modules") ==
        joined(float_pairs, {"5.0: Linear", "5.1: ReLU", "5: intrinsic::LinearReLU"}));
  CHECK(nn::is_parametrized(at(mod, "0.0"), "weight"));
  CHECK(nn::is_parametrized(at(mod, "5.0"), "weight"));
  CHECK(is_observed(*mod, "5"));
  CHECK(lines_of(mod, "observers").size() == 2);
  for (const std::string& line : lines_of(mod, "observers"))
    CHECK_THAT(line, ContainsSubstring("HistogramObserver quint8 0..127 per_tensor_affine"));
  CHECK(lines_of(mod, "state") ==
        Lines{"0.0.bias", "0.0.parametrizations.weight.0.mask",
              "0.0.parametrizations.weight.original", "2.0.bias", "2.0.weight", "5.0.bias",
              "5.0.parametrizations.weight.0.mask", "5.0.parametrizations.weight.original"});
}

void check_converted(const tq::GraphModulePtr& mod, double level) {
  CHECK(is_exactly<nniq::LinearReLU>(at(mod, "5")));
  CHECK((*mod)(randn(input_shape)).sizes() == input_shape);
  CHECK(without_numbers(lines_of(mod, "nodes")) ==
        Lines{"input_1 = placeholder", "_0 = module 0(input_1)", "_2 = module 2(_0)",
              "quantize_per_tensor = quantize_per_tensor(_2, ...)",
              "_5 = module 5(quantize_per_tensor)", "dequantize_1 = dequantize(_5)",
              "output dequantize_1"});
  CHECK(lines_of(mod, "modules") == joined(float_pairs, {"5: intrinsic::quantized::LinearReLU"}));
  CHECK(lines_of(mod, "state") == joined(float_state, {"5_input_scale_0", "5_input_zero_point_0"}));
  const double now = pruning::sparsity(at(mod, "5").as<nnq::LinearBase>().weight_bias().first);
  CHECK(now >= level);
  CHECK(level >= 0.7);
  CHECK(sparsity_of(*mod, "0.0.weight") == 0.75);
  CHECK_FALSE(anything_parametrized(*mod));
}

void check_reference(const tq::GraphModulePtr& mod, double level) {
  CHECK(is_exactly<nni::LinearReLU>(at(mod, "5")));
  CHECK(is_exactly<nnqr::Linear>(at(mod, "5.0")));
  CHECK((*mod)(randn(input_shape)).sizes() == input_shape);
  CHECK(without_numbers(lines_of(mod, "nodes")) ==
        Lines{"input_1 = placeholder", "_0 = module 0(input_1)", "_2 = module 2(_0)",
              "quantize_per_tensor = quantize_per_tensor(_2, ...)",
              "dequantize = dequantize(quantize_per_tensor)", "_5 = module 5(dequantize)",
              "quantize_per_tensor_1 = quantize_per_tensor(_5, ...)",
              "dequantize_1 = dequantize(quantize_per_tensor_1)", "output dequantize_1"});
  CHECK(lines_of(mod, "modules") == joined(float_pairs, {"5.0: quantized::reference::Linear",
                                                         "5.1: ReLU", "5: intrinsic::LinearReLU"}));
  CHECK(lines_of(mod, "state") ==
        joined(float_state,
               {"5.0.bias", "5.0.weight", "5.0.weight_scale", "5.0.weight_zero_point",
                "5_input_scale_0", "5_input_zero_point_0", "5_scale_0", "5_zero_point_0"}));
  CHECK(sparsity_of(*mod, "5.0.weight") >= level);
  CHECK(level >= 0.7);
  CHECK_FALSE(anything_parametrized(*mod));
}

std::vector<pruning::SparseConfig> fused_config() {
  return {{.tensor_fqn = "5.0.weight",
           .sparsity_level = 0.7,
           .sparse_block_shape = {1, 4},
           .zeros_per_block = 4},
          {.tensor_fqn = "0.0.weight"}};
}

void step(pruning::WeightNormSparsifier& s) {
  s.step();
  for (const auto& group : s.groups()) CHECK(pruning::sparsity(group.mask()) == 0.75);
}

}  // namespace

TEST_CASE("test_q_prep_fx_before_s_prep", "[ao][composability][fx]") {
  auto s = sparsifier();
  const Tensor example = randn(input_shape);
  auto mod =
      tq::prepare_fx(sequential(4), names_4_and_5(tq::get_default_qconfig("fbgemm")), {example});
  CHECK(lines_of(mod, "nodes") == prepared_nodes);
  s.prepare(*mod, fused_config());
  check_prepared(mod);
  step(s);
  const double level = sparsity_of(*mod, "5.0.weight");
  (*mod)(example);
  check_converted(tq::convert_fx(mod), level);
}

TEST_CASE("test_q_prep_fx_s_prep_ref_conv", "[ao][composability][fx]") {
  auto s = sparsifier();
  const Tensor example = randn(input_shape);
  auto mod =
      tq::prepare_fx(sequential(4), names_4_and_5(tq::get_default_qconfig("fbgemm")), {example});
  s.prepare(*mod, fused_config());
  check_prepared(mod);
  step(s);
  const double level = sparsity_of(*mod, "5.0.weight");
  (*mod)(example);
  check_reference(tq::convert_to_reference_fx(mod), level);
}

// Prepares the pruned network in place, or a copy that the sparsifier goes over to.
enum class How { in_place, copy_and_rebind };

template <class Prepare>
tq::GraphModulePtr prepare_pruned(How how, pruning::WeightNormSparsifier& s, Prepare prepare) {
  const auto model = sequential(4);
  s.prepare(*model, sparse_config());
  auto mod = prepare(model, how == How::in_place);
  if (how == How::copy_and_rebind) s.rebind(*mod);
  return mod;
}

TEST_CASE("test_s_prep_before_q_prep_fx", "[ao][composability][fx]") {
  const How how = GENERATE(How::in_place, How::copy_and_rebind);
  auto s = sparsifier();
  const Tensor example = randn(input_shape);
  auto mod = prepare_pruned(how, s, [&](const nn::ModulePtr& model, bool inplace) {
    return tq::prepare_fx(model, names_4_and_5(tq::get_default_qconfig("fbgemm")), {example},
                          {.inplace = inplace});
  });
  check_prepared(mod);
  step(s);
  const double level = sparsity_of(*mod, "5.0.weight");
  (*mod)(example);
  check_converted(tq::convert_fx(mod), level);
}

TEST_CASE("test_s_prep_before_qat_prep_fx", "[ao][composability][fx]") {
  const How how = GENERATE(How::in_place, How::copy_and_rebind);
  auto s = sparsifier();
  const Tensor example = randn(input_shape);
  auto mod = prepare_pruned(how, s, [&](const nn::ModulePtr& model, bool inplace) {
    return tq::prepare_qat_fx(model, names_4_and_5(tq::get_default_qat_qconfig("fbgemm")),
                              {example}, {.inplace = inplace});
  });
  CHECK(lines_of(mod, "nodes") == prepared_nodes);
  CHECK(lines_of(mod, "modules") == joined(float_pairs, {"5: intrinsic::qat::LinearReLU"}));
  CHECK(nn::is_parametrized(at(mod, "0.0"), "weight"));
  CHECK(nn::is_parametrized(at(mod, "5"), "weight"));
  CHECK(is_exactly<nni::qat::LinearReLU>(at(mod, "5")));
  CHECK(is_observed(*mod, "5"));
  CHECK(lines_of(mod, "observers") ==
        Lines{"5.weight_fake_quant: FusedMovingAvgObsFakeQuantize("
              "MovingAveragePerChannelMinMaxObserver) qint8 -128..127 per_channel_symmetric",
              "activation_post_process_0: FusedMovingAvgObsFakeQuantize("
              "MovingAverageMinMaxObserver) quint8 0..127 per_tensor_affine",
              "activation_post_process_1: FusedMovingAvgObsFakeQuantize("
              "MovingAverageMinMaxObserver) quint8 0..127 per_tensor_affine"});
  step(s);
  const double level = sparsity_of(*mod, "5.weight");
  (*mod)(example);
  check_converted(tq::convert_fx(mod), level);
}

TEST_CASE("test_s_prep_q_prep_fx_ref", "[ao][composability][fx]") {
  const How how = GENERATE(How::in_place, How::copy_and_rebind);
  auto s = sparsifier();
  const Tensor example = randn(input_shape);
  auto mod = prepare_pruned(how, s, [&](const nn::ModulePtr& model, bool inplace) {
    return tq::prepare_fx(model, names_4_and_5(tq::get_default_qconfig("fbgemm")), {example},
                          {.inplace = inplace});
  });
  check_prepared(mod);
  step(s);
  const double level = sparsity_of(*mod, "5.0.weight");
  (*mod)(example);
  check_reference(tq::convert_to_reference_fx(mod), level);
}
