#pragma once

#include "adze/ao/quantization/quantize_fx.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"
#include "adze/nn/activation.h"

#include "support/net.h"

// A network with something of each kind that graph mode knows, for tests that look at networks.
namespace adze::test {

inline Tensor rows_of_8(std::int64_t rows = 32, std::uint64_t seed = 3) {
  Generator g(seed);
  return randn({rows, 8}, &g);
}

/// A layer with its ReLU, a sum with its ReLU, a functional layer, an op without int8 form.
inline nn::ModulePtr mixed_network() {
  manual_seed(7);
  auto net = nn::make<Net>(
      std::vector<Part>{fc("a", 8, 8), module<nn::ReLU>("act"), fc("b", 8, 8),
                        parameter("w", {4, 8}), parameter("v", {4}), fc("last", 4, 3)},
      [](Net& n, const Tensor& x) {
        const Tensor h = n("act", n("a", x));
        const Tensor s = relu(h + n("b", h));
        const Tensor y = linear(s, n["w"], n["v"]);
        return n("last", exp(y * 0.1));
      });
  net->find_parameter("w")->set(randn({4, 8}));
  net->find_parameter("v")->set(randn({4}));
  net->eval();
  return net;
}
inline ao::quantization::QConfigMapping default_mapping() {
  return ao::quantization::QConfigMapping().set_global(ao::quantization::get_default_qconfig());
}
inline ao::quantization::GraphModulePtr prepared(const nn::ModulePtr& net = mixed_network()) {
  return ao::quantization::prepare_fx(net, default_mapping(), {Value(ones({2, 8}))});
}
inline ao::quantization::GraphModulePtr calibrated(const nn::ModulePtr& net = mixed_network()) {
  const auto observed = prepared(net);
  (*observed)(rows_of_8());
  return observed;
}

}  // namespace adze::test
