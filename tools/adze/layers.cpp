#include "adze/layers.h"

#include "adze/console.h"
#include "adze/core/ops.h"
#include "adze/model.h"
#include "adze/nn/traversal.h"

namespace adze::cli {
namespace {

// A module with a weight, or one that gives a value on a grid of its own.
struct Layer {
  std::string name, type;
  Tensor weight = {};  // undefined: has none
  std::int64_t bytes = 0;
  const nn::Parameter *scale = nullptr, *zero_point = nullptr;

  double zeros() const {
    return 1 - static_cast<double>(count_nonzero(weight)) / static_cast<double>(weight.numel());
  }
};

std::vector<Layer> layers_of(nn::Module& network) {
  std::vector<Layer> layers;
  nn::for_each_module(network, [&](const std::string& path, nn::Module& m) {
    const nn::Parameter* weight = m.find_parameter("weight");
    Layer layer{.name = path,
                .type = m.type(),
                .scale = m.find_parameter("scale"),
                .zero_point = m.find_parameter("zero_point")};
    if (weight && weight->defined()) {
      layer.weight = weight->value().detach();
      layer.bytes = weight_bytes(m);
    }
    if (layer.weight.defined() || layer.scale) layers.push_back(layer);
  });
  return layers;
}

}  // namespace

nlohmann::ordered_json layers_json(nn::Module& network) {
  auto out = nlohmann::ordered_json::array();
  for (const Layer& l : layers_of(network)) {
    nlohmann::ordered_json row{{"name", l.name}, {"type", l.type}};
    if (l.weight.defined()) {
      row["weight"] = std::vector(l.weight.sizes().begin(), l.weight.sizes().end());
      row["dtype"] = name(l.weight.dtype());
      row["zeros"] = l.zeros();
      row["bytes"] = l.bytes;
    }
    if (l.scale) row["scale"] = l.scale->value().item();
    if (l.zero_point) row["zero_point"] = l.zero_point->value().item<std::int64_t>();
    out.push_back(std::move(row));
  }
  return out;
}

std::string layers_table(nn::Module& network) {
  Table table({"layer", "type", "weight", "dtype", "zeros", "bytes", "output scale", "zero point"});
  for (const Layer& l : layers_of(network)) {
    const bool w = l.weight.defined();
    table.add({l.name, l.type, w ? to_string(l.weight.sizes()) : "-",
               w ? std::string(name(l.weight.dtype())) : "-",
               w ? fixed(100 * l.zeros(), 1) + "%" : "-", w ? grouped(l.bytes) : "-",
               l.scale ? fixed(l.scale->value().item(), 6) : "-",
               l.zero_point ? std::to_string(l.zero_point->value().item<std::int64_t>()) : "-"});
  }
  return table.str();
}

}  // namespace adze::cli
