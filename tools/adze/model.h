#pragma once

#include <cstdint>
#include <string>

#include "adze/data.h"
#include "adze/nn/module.h"

// The model files of the program: networks that need no code to be built again, and what the
// program has to know beside them.
namespace adze::cli {

/// What stands in the metadata entry "model" of a file.
struct ModelInfo {
  std::string network;                     // "mlp", "residual"; empty: from elsewhere
  std::int64_t features = 0, classes = 0;  // 0: not known
  double input_scale = 1;                  // features are multiplied with it
  // How the data is split and distorted, where the command line says nothing else.
  std::int64_t test_rows = -1;
  std::string image;
  double distort = 1;
};

struct Model {
  ModelInfo info;
  nn::ModulePtr network;
};

/// Writes network and info as one file, atomically. A network with classes that files do not know
/// is written as its graph.
void save_model(const std::string& path, const Model& model);
/// Reads it back, in eval mode; a model file of another program has an empty info. Throws one clear
/// Error for a file that is none, broken, or of another version.
Model load_model(const std::string& path);

/// The options with what the model says about its data, where they leave it open.
DataOptions data_options(const ModelInfo& info, DataOptions given);
/// What is to be remembered of a network that was trained on that data.
ModelInfo model_info(const std::string& network, std::int64_t classes, const Data& data,
                     const DataOptions& options);

/// "float", "prepared", "reference", "dynamic" or "int8".
std::string form(nn::Module& network);

/// Masks become part of the weights, whose zeros stay when training goes on.
void fix_zeros(nn::Module& network);

/// Bytes that the weights and biases take as they are held: 4 for a float, 1 for an int8, and the
/// scales.
std::int64_t weight_bytes(nn::Module& network);
/// Fraction of the elements of all weight matrices that are zero.
double weight_sparsity(nn::Module& network);

}  // namespace adze::cli
