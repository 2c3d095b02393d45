#pragma once

#include "adze/ao/ns/comparison.h"
#include "adze/ao/quantization/quantize.h"

namespace adze::ao::ns {

// Where does a network lose its accuracy? A float network (a) is compared with another form of it
// (b: prepared, qat, quantized, dynamic or reference), module by module: those of the same path,
// where a layer and the pair into which it was fused are one. What stands in one network only is
// listed in Comparison::unpaired. Both networks are left as they were: hooks, modes, observers.
//
// Of graph modules, the ops are compared too: the n-th call of an op in the forward of one module
// with the n-th in the other network, under the name of the node in b. Sums, products and
// functional layers take the ReLU behind them along. When only one network is a graph module, the
// other is traced (with the first input as example, where there are inputs); where that fails, its
// ops have no partner.

/// The weights that layers compute with, in the order of `q_model`: effective values (masks
/// applied), integers dequantized, those of qat layers fake-quantized. Layers are the modules with
/// a tensor named "weight", and functional linear layers.
Comparison compare_weights(adze::nn::Module& float_model, adze::nn::Module& q_model);

/// The outputs of all modules, containers and the network itself ("") too, in the order in which
/// modules of `q_model` end. Both networks run in eval mode on each of `inputs`; the outputs for
/// all of them are compared as one tensor. Where a layer is fused with its ReLU in one network
/// only, the values behind the ReLU are compared. Throws what the networks throw.
Comparison compare_model_outputs(adze::nn::Module& float_model, adze::nn::Module& q_model,
                                 const TensorList& inputs);
/// The same with a function that runs a network on data; it must give both the same.
Comparison compare_model_outputs(adze::nn::Module& float_model, adze::nn::Module& q_model,
                                 const quantization::RunFunction& run);

/// Only `q_model` runs. Behind each layer that has another type than its float partner, that one
/// gets the same input (dequantized), so a row shows what this layer alone loses, without the
/// errors of those before it. Modules only: ops have no shadows.
Comparison compare_model_stub(adze::nn::Module& float_model, adze::nn::Module& q_model,
                              const TensorList& inputs);
Comparison compare_model_stub(adze::nn::Module& float_model, adze::nn::Module& q_model,
                              const quantization::RunFunction& run);

}  // namespace adze::ao::ns
