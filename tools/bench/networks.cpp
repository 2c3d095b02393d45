#include "bench/networks.h"

#include <adze/ao/ns/utils.h>
#include <adze/ao/pruning/weight_norm_sparsifier.h>
#include <adze/ao/quantization/fuse_modules.h>
#include <adze/ao/quantization/qconfig.h>
#include <adze/ao/quantization/qconfig_mapping.h>
#include <adze/ao/quantization/quantize.h>
#include <adze/ao/quantization/quantize_fx.h>
#include <adze/ao/quantization/stubs.h>
#include <adze/core/autograd.h>
#include <adze/core/creation.h>
#include <adze/core/random.h>
#include <adze/fx/tracer.h>
#include <adze/nn/activation.h>
#include <adze/nn/container.h>
#include <adze/nn/deepcopy.h>
#include <adze/nn/linear.h>

namespace adze::bench {

namespace {

namespace tq = ao::quantization;

nn::ModulePtr perceptron(const std::vector<std::int64_t>& layers) {
  auto net = nn::make<nn::Sequential>();
  net->append(nn::make<tq::QuantStub>());
  for (std::size_t i = 0; i + 1 < layers.size(); ++i) {
    net->append(nn::make<nn::Linear>(layers[i], layers[i + 1]));
    if (i + 2 < layers.size()) net->append(nn::make<nn::ReLU>());
  }
  net->append(nn::make<tq::DeQuantStub>());
  net->eval();
  return net;
}

/// Linear layers with the ReLU behind them, by their places in `perceptron`.
std::vector<std::vector<std::string>> pairs_to_fuse(std::size_t layers) {
  std::vector<std::vector<std::string>> pairs;
  for (std::size_t i = 0; i + 1 < layers; ++i) {
    pairs.push_back({std::to_string(1 + 2 * i), std::to_string(2 + 2 * i)});
  }
  return pairs;
}

nn::ModulePtr quantize_eager(const nn::ModulePtr& floats, std::size_t layers, const Tensor& x) {
  nn::ModulePtr net = tq::fuse_modules(nn::deepcopy(floats), pairs_to_fuse(layers));
  net->qconfig = tq::get_default_qconfig("x86");
  net = tq::prepare(net);
  (*net)(x);
  net = tq::convert(net);
  net->eval();
  return net;
}

nn::ModulePtr quantize_graph(const nn::ModulePtr& floats, const Tensor& x) {
  const auto prepared =
      tq::prepare_fx(nn::deepcopy(floats), tq::get_default_qconfig_mapping("x86"), {x});
  (*prepared)(x);
  const auto net = tq::convert_fx(prepared);
  net->eval();
  return net;
}

nn::ModulePtr prune(const nn::ModulePtr& floats, const PruneShape& shape) {
  const nn::ModulePtr net = nn::deepcopy(floats);
  ao::pruning::WeightNormSparsifier sparsifier(
      {.sparsity_level = shape.sparsity, .sparse_block_shape = {shape.rows, shape.columns}});
  sparsifier.prepare(*net);
  sparsifier.step();
  sparsifier.squash_mask();
  return net;
}

}  // namespace

std::vector<NetworkForm> make_forms(const std::vector<std::int64_t>& layers,
                                    const PruneShape& pruning) {
  const NoGrad guard;
  manual_seed(1);
  Generator generator(1);
  const Tensor x = randn({256, layers.front()}, &generator);
  const std::size_t count = layers.size() - 1;
  const nn::ModulePtr floats = perceptron(layers), pruned = prune(floats, pruning);
  return {{"fp32", "eager", floats, floats},
          {"fp32", "graph", fx::symbolic_trace(floats), floats},
          {"int8", "eager", quantize_eager(floats, count, x), floats},
          {"int8", "graph", quantize_graph(floats, x), floats},
          {"pruned_int8", "eager", quantize_eager(pruned, count, x), pruned},
          {"pruned_int8", "graph", quantize_graph(pruned, x), pruned}};
}

double sqnr_db(const NetworkForm& form, const Tensor& x) {
  const NoGrad guard;
  return ao::ns::compute_sqnr((*form.floats)(x), (*form.network)(x));
}

}  // namespace adze::bench
