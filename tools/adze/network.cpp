#include "adze/network.h"

#include <utility>

#include "adze/ao/quantization/stubs.h"
#include "adze/core/ops.h"
#include "adze/nn/activation.h"
#include "adze/nn/container.h"
#include "adze/nn/dropout.h"
#include "adze/nn/linear.h"

namespace adze::cli {
namespace {

namespace tq = ao::quantization;

// Adds to its input what two layers make of it.
class ResidualBlock final : public nn::ModuleOf<ResidualBlock> {
 public:
  ResidualBlock(std::int64_t width, std::int64_t inner, double p)
      : up("up", nn::Linear(width, inner)),
        down("down", nn::Linear(inner, width)),
        dropout("dropout", nn::Dropout(p)) {}

  nn::Submodule up, down, dropout;

  Tensor forward(const Tensor& x) { return relu(x + down(dropout(relu(up(x))))); }

 protected:
  void fields(nn::FieldList& f) override { f(up, down, dropout); }
};

class ResidualNetwork final : public nn::ModuleOf<ResidualNetwork> {
 public:
  ResidualNetwork(const std::vector<std::int64_t>& sizes, double p)
      : stem("stem", nn::Linear(sizes[0], sizes[1])),
        blocks("blocks", nn::Sequential()),
        head("head", nn::Linear(sizes[1], sizes.back())) {
    for (std::size_t i = 2; i + 1 < sizes.size(); ++i)
      blocks->as<nn::Sequential>().append(ResidualBlock(sizes[1], sizes[i], p));
  }

  nn::Submodule stem, blocks, head;

  Tensor forward(const Tensor& x) { return head(blocks(relu(stem(x)))); }

 protected:
  void fields(nn::FieldList& f) override { f(stem, blocks, head); }
};

nn::ModulePtr build_mlp(const std::vector<std::int64_t>& sizes, double dropout) {
  nn::Sequential net;
  net.append(nn::make<tq::QuantStub>());
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    net.append(nn::make<nn::Linear>(sizes[i], sizes[i + 1]));
    if (i + 2 == sizes.size()) break;
    net.append(nn::make<nn::ReLU>());
    net.append(nn::make<nn::Dropout>(dropout));
  }
  net.append(nn::make<tq::DeQuantStub>());
  return nn::make<nn::Sequential>(std::move(net));
}

}  // namespace

void NetworkOptions::add_to(CLI::App& app) {
  app.add_option("--network", network, "kind of network; residual: blocks x + f(x)")
      ->check(CLI::IsMember({"mlp", "residual"}))
      ->capture_default_str();
  app.add_option("--layers", layers,
                 "sizes, features first, classes last: 64,256,128,10; residual: features, width, "
                 "inner size of each block, classes (default: features, 256, 128, classes or "
                 "features, 128, 64, 64, classes)");
  app.add_option("--dropout", dropout, "dropout behind each hidden layer")
      ->check(CLI::Range(0.0, 0.95))
      ->capture_default_str();
}

std::vector<std::int64_t> NetworkOptions::sizes() const {
  return layers.empty() ? std::vector<std::int64_t>() : parse_sizes(layers, ',', "--layers");
}

std::vector<std::int64_t> layer_sizes(const NetworkOptions& options, const Data& data) {
  const bool residual = options.network == "residual";
  std::vector<std::int64_t> sizes = options.sizes();
  if (sizes.empty())
    sizes = residual ? std::vector<std::int64_t>{data.features, 128, 64, 64, data.classes}
                     : std::vector<std::int64_t>{data.features, 256, 128, data.classes};
  check(sizes.size() >= 2, "--layers: needs at least the features and the classes");
  check(!residual || sizes.size() >= 4,
        "--layers: a residual network needs the features, its width, the inner size of each block "
        "and the classes");
  check(sizes.front() == data.features, "--layers: starts with ", sizes.front(), ", the data has ",
        data.features, " features");
  check(data.classes <= sizes.back(), "--layers: ends with ", sizes.back(), ", the data has ",
        data.classes, " classes");
  return sizes;
}

nn::ModulePtr build_network(const NetworkOptions& options, const std::vector<std::int64_t>& sizes) {
  if (options.network == "residual") return nn::make<ResidualNetwork>(sizes, options.dropout);
  return build_mlp(sizes, options.dropout);
}

}  // namespace adze::cli
