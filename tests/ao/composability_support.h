#pragma once

#include <map>
#include <string>
#include <vector>

#include "adze/ao/nn/intrinsic/linear_relu.h"
#include "adze/ao/nn/intrinsic/qat/linear_relu.h"
#include "adze/ao/nn/intrinsic/quantized/linear_relu.h"
#include "adze/ao/nn/quantized/dynamic/linear.h"
#include "adze/ao/nn/quantized/quantize.h"
#include "adze/ao/pruning/utils.h"
#include "adze/ao/pruning/weight_norm_sparsifier.h"
#include "adze/ao/quantization/fuse_modules.h"
#include "adze/ao/quantization/quantize.h"
#include "adze/core/random.h"
#include "adze/nn/activation.h"
#include "adze/nn/container.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/flatten.h"
#include "adze/nn/linear.h"
#include "adze/nn/optim/sgd.h"
#include "adze/nn/parametrize.h"
#include "adze/nn/state_dict.h"
#include "adze/nn/traversal.h"

#include "support/modules.h"

// The network, sparsifier and checks of the composability tests.
namespace adze::test {

namespace tq = ao::quantization;
namespace pruning = ao::pruning;
namespace nnq = ao::nn::quantized;
namespace nni = ao::nn::intrinsic;
namespace nniq = ao::nn::intrinsic::quantized;
namespace nnqat = ao::nn::qat;

/// Linear ReLU Linear ReLU QuantStub Linear ReLU DeQuantStub, "0" to "7".
inline std::shared_ptr<nn::Sequential> sequential(std::int64_t features) {
  return nn::make<nn::Sequential>(nn::Linear(features, features), nn::ReLU(),
                                  nn::Linear(features, features), nn::ReLU(), tq::QuantStub(),
                                  nn::Linear(features, features), nn::ReLU(), tq::DeQuantStub());
}

inline void set_qconfig(nn::Sequential& model, const tq::QConfig& qconfig) {
  model[4].qconfig = qconfig;
  model[5].qconfig = qconfig;
}

inline pruning::WeightNormSparsifier sparsifier() {
  return pruning::WeightNormSparsifier(
      {.sparsity_level = 0.8, .sparse_block_shape = {1, 4}, .zeros_per_block = 4});
}

/// Level .7 on layer 5, the default .8 on layer 0; `at5` is the path of layer 5.
inline std::vector<pruning::SparseConfig> sparse_config(const std::string& at5 = "5.weight") {
  return {{.tensor_fqn = at5,
           .sparsity_level = 0.7,
           .sparse_block_shape = {1, 4},
           .zeros_per_block = 4},
          {.tensor_fqn = "0.weight"}};
}

inline Tensor effective(nn::Module& model, const std::string& fqn) {
  nn::Parameter* p = nn::find_parameter(model, fqn);
  return p ? p->value().detach() : Tensor();
}

inline double sparsity_of(nn::Module& model, const std::string& fqn) {
  return pruning::sparsity(effective(model, fqn));
}

template <class M>
bool is_exactly(const nn::Module& m) {
  return typeid(m) == typeid(M);
}

inline bool anything_parametrized(nn::Module& model) {
  bool any = false;
  nn::for_each_parameter(
      model, [&](const std::string&, nn::Parameter& p) { any |= p.slot()->is_parametrized(); });
  return any;
}

/// Some steps of SGD on noise: weights move wherever nothing holds them.
inline void train_some(nn::Module& model, std::int64_t features, int steps = 5) {
  optim::SGD optimizer(nn::parameters(model), {.lr = 0.1, .momentum = 0.9});
  Generator generator(17);
  for (int i = 0; i < steps; ++i) {
    optimizer.zero_grad();
    square(model(randn({8, features}, &generator))).mean().backward();
    optimizer.step();
  }
}

}  // namespace adze::test
