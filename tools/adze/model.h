#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adze/ao/quantization/qconfig.h"
#include "adze/nn/module.h"

// The networks of the program and the files they are kept in.
namespace adze::cli {

/// Everything that is needed to build a network again, beside its tensors.
struct ModelSpec {
  std::vector<std::int64_t> layers;  // features, hidden sizes ..., classes
  double dropout = 0;
  double input_scale = 1;      // features are multiplied with it
  std::string form = "float";  // "float", "int8" (static) or "dynamic"
  std::string qconfig;         // backend name, for "int8"
};

struct Model {
  ModelSpec spec;
  nn::ModulePtr network;
};

/// A float network: QuantStub, (Linear, ReLU, Dropout) for each hidden layer, Linear, DeQuantStub.
nn::ModulePtr build(const ModelSpec& spec);
/// The same with each Linear and the ReLU behind it fused.
nn::ModulePtr fuse(const nn::ModulePtr& network, bool qat);

/// Writes network and spec as one safetensors file, atomically.
void save_model(const std::string& path, const Model& model);
/// Reads it back, in eval mode. Throws one clear Error for a file that is none or broken.
Model load_model(const std::string& path);

/// Masks that are still on the weights become part of them.
void bake_masks(nn::Module& network);

/// Bytes that the weights and biases take as they are held: 4 for a float, 1 for an int8, and the
/// scales.
std::int64_t weight_bytes(nn::Module& network);
/// Fraction of the elements of all weight matrices that are zero.
double weight_sparsity(nn::Module& network);

}  // namespace adze::cli
