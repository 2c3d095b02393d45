// Pruning before, between and after the steps of quantization: the zeros stay.
#include <iostream>

#include <adze/adze.h>

using namespace adze;
namespace tq = adze::ao::quantization;
namespace pruning = adze::ao::pruning;

// Zeros of the integer weight of layer "0" when pruning starts before (true) or after prepare_fx.
double zeros(bool prune_first) {
  manual_seed(2);
  nn::ModulePtr model = nn::make<nn::Sequential>(nn::Linear(64, 64), nn::ReLU(), nn::Linear(64, 8));
  const Tensor x = randn({64, 64});
  pruning::WeightNormSparsifier sparsifier({.sparsity_level = 0.8, .sparse_block_shape = {1, 4}});

  if (prune_first) sparsifier.prepare(*model, {{.tensor_fqn = "0.weight"}});
  auto prepared =
      tq::prepare_fx(model, tq::get_default_qconfig_mapping("x86"), {x}, {.inplace = true});
  if (!prune_first) sparsifier.prepare(*prepared, {{.tensor_fqn = "0.weight"}});

  sparsifier.step();  // finds the weight inside the fused pair
  (*prepared)(x);
  auto int8 = tq::convert_fx(prepared);  // no squash_mask needed
  return pruning::sparsity(nn::find_parameter(*int8, "0.weight")->value());
}

// The same after a copy: the sparsifier is told to go over to it.
double zeros_after_copy() {
  nn::ModulePtr model = nn::make<nn::Sequential>(nn::Linear(64, 64), nn::ReLU());
  const Tensor x = randn({64, 64});
  pruning::WeightNormSparsifier sparsifier({.sparsity_level = 0.5});
  sparsifier.prepare(*model);
  auto prepared = tq::prepare_fx(model, tq::get_default_qconfig_mapping("x86"), {x});
  sparsifier.rebind(*prepared);
  sparsifier.step();
  (*prepared)(x);
  auto int8 = tq::convert_fx(prepared);
  return pruning::sparsity(nn::find_parameter(*int8, "0.weight")->value());
}

// An int8 layer that keeps its weight in blocks gives the same bits.
bool same_in_blocks() {
  manual_seed(3);
  nn::ModulePtr model = nn::make<nn::Sequential>(nn::Linear(64, 64));
  const Tensor x = randn({64, 64});
  auto prepared = tq::prepare_fx(model, tq::get_default_qconfig_mapping("x86"), {x});
  (*prepared)(x);
  auto int8 = tq::convert_fx(prepared);
  const Tensor dense = (*int8)(x);
  auto& layer = nn::find_submodule(*int8, "0")->ptr()->as<ao::nn::quantized::Linear>();
  layer.set_layout(kernels::WeightLayout::blocks(4, 4));  // or dense(), or {} for automatic
  return (*int8)(x).equal(dense);
}

int main() {
  std::cout << zeros(true) << ' ' << zeros(false) << ' ' << zeros_after_copy() << '\n';
  return zeros(true) >= 0.79 && zeros(true) == zeros(false) && zeros_after_copy() >= 0.49 &&
                 same_in_blocks()
             ? 0
             : 1;
}
