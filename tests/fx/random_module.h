#pragma once

#include <string>
#include <vector>

#include "adze/nn/activation.h"
#include "adze/nn/linear.h"

#include "support/modules.h"

namespace adze::test {

/// A network of random make over inputs (rows, 8): linear layers (some called again), residuals,
/// joins, splits, reshapes, parameters read in several ways, tied weights, one module at two
/// places. The same for a seed.
class RandomModule : public nn::ModuleOf<RandomModule> {
 public:
  static constexpr std::int64_t width = 8;

  explicit RandomModule(std::uint64_t seed) : seed_(seed) {
    for (int i = 0; i < 4; ++i) {
      const std::string n = std::to_string(i);
      layers.emplace_back("layer" + n, nn::Linear(width, width));
      blocks.emplace_back("block" + n, Block(width));
      gains.emplace_back("gain" + n, randn({width}));
    }
    gains[3].rebind(gains[0].slot());
    blocks[3].set(blocks[1].ptr());
  }
  std::vector<nn::Submodule> layers, blocks;
  std::vector<nn::Parameter> gains;
  nn::Submodule act{"act", nn::ReLU()};

  Tensor forward(const Tensor& x) {
    Generator random(seed_);
    TensorList known{x};
    for (int step = 0; step < 14; ++step) {
      const std::size_t i = random.below(4);
      const Tensor a = known[random.below(known.size())], last = known.back();
      known.push_back(next(random.below(11), i, a, last));
    }
    Tensor all = known[0];
    for (std::size_t i = 1; i < known.size(); ++i) all = all + known[i];
    return all;
  }

 protected:
  void fields(nn::FieldList& f) override { f(layers, blocks, gains, act); }

 private:
  Tensor next(std::uint64_t kind, std::size_t i, const Tensor& a, const Tensor& last) {
    switch (kind) {
      case 0:
        return layers[i](a);
      case 1:
        return blocks[i](a);
      case 2:
        return act(a);
      case 3:
        return a + last;
      case 4:
        return a * gains[i];
      case 5: {
        const TensorList halves = split(last, {width / 2, width / 2}, 1);
        return cat({halves[1], halves[0]}, -1);
      }
      case 6:
        return last.reshape({-1, 2, width / 2}).transpose(1, 2).flatten(1);
      case 7:
        return matmul(a, layers[i].as<nn::Linear>().weight);
      case 8:
        return a - mean(last, {1}, true);
      case 9:
        return a.slice(1, 0, 1) + gains[i].value().slice(0, 0, 1) * last;
      default:
        return sigmoid(a) * 0.5;
    }
  }

  std::uint64_t seed_;
};

inline nn::ModulePtr random_module(std::uint64_t seed) {
  manual_seed(seed);
  return nn::make<RandomModule>(seed);
}

}  // namespace adze::test
