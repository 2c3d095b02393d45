#include "adze/model.h"

#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include <nlohmann/json.hpp>

#include "adze/ao/module_types.h"
#include "adze/ao/nn/quantized/dynamic/linear.h"
#include "adze/ao/nn/quantized/reference/linear.h"
#include "adze/ao/quantization/observer_base.h"
#include "adze/core/ops.h"
#include "adze/fx/tracer.h"
#include "adze/nn/state_dict.h"
#include "adze/nn/traversal.h"

namespace adze::cli {
namespace {

using nlohmann::json;

constexpr const char* info_key = "model";
constexpr int format_version = 2;

std::string to_text(const ModelInfo& info) {
  return json{
      {"format", format_version},
      {"network", info.network},
      {"features", info.features},
      {"classes", info.classes},
      {"input_scale", info.input_scale},
      {"data", {{"test_rows", info.test_rows}, {"image", info.image}, {"distort", info.distort}}}}
      .dump();
}

// The lowest number, which no count is, for anything but an integer.
std::int64_t count(const json& j) {
  return j.is_number_integer() ? j.get<std::int64_t>() : std::numeric_limits<std::int64_t>::min();
}

ModelInfo from_text(const std::string& path, const std::string& text) {
  try {
    const json j = json::parse(text);
    const json& version = j.at("format");
    check(version == format_version, path, ": written by another version of adze (format ",
          version.dump(), ", this one reads ", format_version, "); make the model anew");
    const json& data = j.at("data");
    ModelInfo info{.network = j.at("network"),
                   .features = count(j.at("features")),
                   .classes = count(j.at("classes")),
                   .input_scale = j.at("input_scale"),
                   .test_rows = count(data.at("test_rows")),
                   .image = data.at("image"),
                   .distort = data.at("distort")};
    check(info.features >= 0 && info.classes >= 0 && info.test_rows >= -1 && info.test_rows != 0 &&
              std::isfinite(info.input_scale) && info.input_scale > 0 && info.distort >= 0 &&
              info.distort <= 3,
          path, ": a number in the description of the model is out of range");
    return info;
  } catch (const json::exception& e) {
    fail(path, ": the description of the model is broken (", e.what(), ")");
  }
}

// Throws for a file of format 1, which described its network by the sizes of layers.
void refuse_old_format(const std::string& path) {
  std::map<std::string, std::string> metadata;
  try {
    metadata = nn::load_state(path).metadata;
  } catch (const std::exception&) {
    return;
  }
  if (const auto text = metadata.find(info_key); text != metadata.end())
    from_text(path, text->second);
}

bool has_own_classes(nn::Module& network) {
  bool found = false;
  nn::for_each_module(network, [&](const std::string&, nn::Module& m) {
    found |= !ao::module_types().contains(m.qualified_type());
  });
  return found;
}

// A weight matrix of a network, float or integer.
template <class F>
void each_weight(nn::Module& network, F&& f) {
  nn::for_each_parameter(network, [&](const std::string&, nn::Parameter& p) {
    if (p.name() == "weight") f(p.value().detach());
  });
}

template <class M>
bool has_module(nn::Module& network) {
  bool found = false;
  nn::for_each_module(network, [&](const std::string&, nn::Module& m) {
    found |= dynamic_cast<M*>(&m) != nullptr;
  });
  return found;
}

}  // namespace

void save_model(const std::string& path, const Model& model) {
  const nn::ModulePtr network =
      has_own_classes(*model.network) ? fx::symbolic_trace(model.network) : model.network;
  ao::save_model(*network, path, {{info_key, to_text(model.info)}});
}

Model load_model(const std::string& path) {
  Model model;
  std::map<std::string, std::string> metadata;
  try {
    model.network = ao::load_model(path, &metadata);
  } catch (const Error&) {
    refuse_old_format(path);
    throw;
  }
  if (const auto text = metadata.find(info_key); text != metadata.end())
    model.info = from_text(path, text->second);
  model.network->eval();
  return model;
}

DataOptions data_options(const ModelInfo& info, DataOptions given) {
  if (given.test_rows < 0 && given.test_data.empty()) given.test_rows = info.test_rows;
  if (given.image.empty()) given.image = info.image;
  if (!given.distort) given.distort = info.distort;
  return given;
}

ModelInfo model_info(const std::string& network, std::int64_t classes, const Data& data,
                     const DataOptions& options) {
  return {.network = network,
          .features = data.features,
          .classes = classes,
          .input_scale = data.input_scale,
          .test_rows = options.test_rows,
          .image = options.image,
          .distort = options.distort.value_or(1)};
}

std::string form(nn::Module& network) {
  if (has_module<ao::quantization::ObserverOrFakeQuant>(network)) return "prepared";
  if (has_module<ao::nn::quantized::reference::Linear>(network)) return "reference";
  if (has_module<ao::nn::quantized::dynamic::Linear>(network)) return "dynamic";
  bool integers = false;
  nn::for_each_parameter(
      network, [&](const std::string&, nn::Parameter& p) { integers |= p.value().is_quantized(); });
  return integers ? "int8" : "float";
}

void fix_zeros(nn::Module& network) {
  nn::for_each_parameter(network, [](const std::string&, nn::Parameter& p) {
    nn::Slot& slot = *p.slot();
    if (!slot.is_parametrized()) return;
    slot.bake_all();
    slot.pin_zeros(ne(slot.original().detach(), 0));
  });
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
