#include "adze/model.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "adze/ao/quantization/fuse_modules.h"
#include "adze/ao/quantization/quantize.h"
#include "adze/core/ops.h"
#include "adze/core/serialization.h"
#include "adze/nn/activation.h"
#include "adze/nn/container.h"
#include "adze/nn/dropout.h"
#include "adze/nn/linear.h"
#include "adze/nn/state_dict.h"
#include "adze/nn/traversal.h"

namespace adze::cli {
namespace {

namespace tq = ao::quantization;
using nlohmann::json;

constexpr const char* spec_key = "model";
constexpr int format_version = 1;

std::string to_text(const ModelSpec& spec) {
  return json{{"format", format_version},        {"layers", spec.layers}, {"dropout", spec.dropout},
              {"input_scale", spec.input_scale}, {"form", spec.form},     {"qconfig", spec.qconfig}}
      .dump();
}

ModelSpec from_text(const std::string& path, const std::string& text) {
  try {
    const json j = json::parse(text);
    check(j.at("format") == format_version, path, ": written by another version of adze (format ",
          j.at("format").dump(), ", this one reads ", format_version, ")");
    ModelSpec spec{j.at("layers"), j.at("dropout"), j.at("input_scale"), j.at("form"),
                   j.at("qconfig")};
    check(spec.layers.size() >= 2, path, ": the model has no layers");
    for (std::int64_t n : spec.layers)
      check(n > 0 && n <= (std::int64_t{1} << 24), path, ": layer size ", n, " is out of range");
    return spec;
  } catch (const json::exception& e) {
    fail(path, ": the description of the model is broken (", e.what(), ")");
  }
}

// The network of that form with values that are to be replaced by loading.
nn::ModulePtr skeleton(const ModelSpec& spec) {
  nn::ModulePtr network = build(spec);
  network->eval();
  if (spec.form == "float") return network;
  if (spec.form == "dynamic") return tq::quantize_dynamic(network, {.inplace = true});
  check(spec.form == "int8", "unknown form '", spec.form, "'");
  network = fuse(network, /*qat=*/false);
  network->qconfig = tq::get_default_qconfig(spec.qconfig);
  network = tq::prepare(network, {.inplace = true});
  return tq::convert(network, {.inplace = true, .allow_uncalibrated = true});
}

// A weight matrix of a network, float or integer.
template <class F>
void each_weight(nn::Module& network, F&& f) {
  nn::for_each_parameter(network, [&](const std::string&, nn::Parameter& p) {
    if (p.name() == "weight") f(p.value().detach());
  });
}

}  // namespace

nn::ModulePtr build(const ModelSpec& spec) {
  nn::Sequential net;
  net.append(nn::make<tq::QuantStub>());
  for (std::size_t i = 0; i + 1 < spec.layers.size(); ++i) {
    net.append(nn::make<nn::Linear>(spec.layers[i], spec.layers[i + 1]));
    if (i + 2 == spec.layers.size()) break;
    net.append(nn::make<nn::ReLU>());
    net.append(nn::make<nn::Dropout>(spec.dropout));
  }
  net.append(nn::make<tq::DeQuantStub>());
  return nn::make<nn::Sequential>(std::move(net));
}

nn::ModulePtr fuse(const nn::ModulePtr& network, bool qat) {
  std::vector<std::vector<std::string>> pairs;
  auto& net = network->as<nn::Sequential>();
  for (std::int64_t i = 0; i + 1 < static_cast<std::int64_t>(net.size()); ++i)
    if (dynamic_cast<nn::Linear*>(&net[i]) && dynamic_cast<nn::ReLU*>(&net[i + 1]))
      pairs.push_back({net.child(i).name(), net.child(i + 1).name()});
  return qat ? tq::fuse_modules_qat(network, pairs, {.inplace = true})
             : tq::fuse_modules(network, pairs, {.inplace = true});
}

void save_model(const std::string& path, const Model& model) {
  nn::save(*model.network, path, {{spec_key, to_text(model.spec)}});
}

Model load_model(const std::string& path) {
  const nn::StateDict state = nn::load_state(path);
  const auto text = state.metadata.find(spec_key);
  check(text != state.metadata.end(), path, ": holds tensors, but no model of adze");
  Model model{from_text(path, text->second), nullptr};
  try {
    model.network = skeleton(model.spec);
    nn::load_state_dict(*model.network, state);
  } catch (Error& e) {
    e.enter(path);
    throw;
  }
  model.network->eval();
  return model;
}

void bake_masks(nn::Module& network) {
  nn::for_each_parameter(network,
                         [](const std::string&, nn::Parameter& p) { p.slot()->bake_all(); });
}

std::int64_t weight_bytes(nn::Module& network) {
  std::int64_t bytes = 0;
  nn::for_each_parameter(network, [&](const std::string&, nn::Parameter& p) {
    if (p.name() != "weight" && p.name() != "bias") return;
    const Tensor t = p.value();
    bytes += t.numel() * static_cast<std::int64_t>(item_size(t.dtype()));
    if (t.is_quantized())
      bytes += static_cast<std::int64_t>(t.quantizer()->scales.size() * sizeof(float));
  });
  return bytes;
}

double weight_sparsity(nn::Module& network) {
  std::int64_t zeros = 0, all = 0;
  each_weight(network, [&](const Tensor& w) {
    all += w.numel();
    zeros += w.numel() - count_nonzero(w);
  });
  return all ? static_cast<double>(zeros) / static_cast<double>(all) : 0;
}

}  // namespace adze::cli
