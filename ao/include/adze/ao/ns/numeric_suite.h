#pragma once

#include "adze/ao/ns/comparison.h"
#include "adze/ao/quantization/quantize.h"

namespace adze::ao::ns {

// Where does a network lose its accuracy? A float network (a) is compared with another form of it
// (b: prepared, qat, quantized, dynamic or reference), step by step: modules of the same path,
// where a layer and the pair into which it was fused are one, and calls of ops in graphs, where an
// op and its int8 form (add and the ReLU behind it, quantized::add_relu) are one under the name of
// the float node. When one network is a graph and the other eager, that one is traced; where it
// cannot be, its modules are compared. What stands in one network only is listed in
// Comparison::unpaired. Both networks are left as they were: hooks, modes, observers, graphs.

/// The weights that layers compute with, in the order of `q_model`: effective values (masks
/// applied), integers dequantized, those of qat layers fake-quantized. Layers are the modules with
/// a tensor named "weight", and ops on a weight (linear).
Comparison compare_weights(adze::nn::Module& float_model, adze::nn::Module& q_model);

/// The outputs of all modules, containers and the network itself ("") too, and of the ops of graphs
/// that give one tensor, in the order in which those of `q_model` end. Both networks run in eval
/// mode on each of `inputs`; the outputs for all of them are compared as one tensor. Where a layer
/// is fused with its ReLU in one network only, the values behind the ReLU are compared. Throws what
/// the networks throw.
Comparison compare_model_outputs(adze::nn::Module& float_model, adze::nn::Module& q_model,
                                 const TensorList& inputs);
/// The same with a function that runs a network on data; it must give both the same.
Comparison compare_model_outputs(adze::nn::Module& float_model, adze::nn::Module& q_model,
                                 const quantization::RunFunction& run);

/// Only `q_model` runs. Behind each layer that has another type than its float partner, that one
/// gets the same input (dequantized), so a row shows what this layer alone loses, without the
/// errors of those before it.
Comparison compare_model_stub(adze::nn::Module& float_model, adze::nn::Module& q_model,
                              const TensorList& inputs);
Comparison compare_model_stub(adze::nn::Module& float_model, adze::nn::Module& q_model,
                              const quantization::RunFunction& run);

}  // namespace adze::ao::ns
