#include "adze/quantization.h"

#include <vector>

#include "adze/ao/quantization/fake_quantize.h"
#include "adze/ao/quantization/fuse_modules.h"
#include "adze/ao/quantization/quantize.h"
#include "adze/ao/quantization/quantize_fx.h"
#include "adze/core/autograd.h"
#include "adze/nn/activation.h"
#include "adze/nn/container.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/linear.h"
#include "adze/nn/traversal.h"

namespace adze::cli {
namespace {

namespace tq = ao::quantization;

bool is_fx(const QuantizeOptions& options) {
  return options.mode == "fx";
}

std::vector<Value> example(const Data& data) {
  return {data.train->data().slice(0, 0, 1)};
}

void calibrate(nn::Module& network, const Data& data) {
  const NoGrad guard;
  network(data.train->data());
}

// Each Linear of a Sequential with the ReLU behind it.
std::vector<std::vector<std::string>> pairs_to_fuse(nn::Module& network) {
  std::vector<std::vector<std::string>> pairs;
  nn::for_each_module(network, [&](const std::string& path, nn::Module& m) {
    auto* net = dynamic_cast<nn::Sequential*>(&m);
    if (!net || typeid(m) != typeid(nn::Sequential)) return;
    for (std::int64_t i = 0; i + 1 < static_cast<std::int64_t>(net->size()); ++i) {
      const nn::Module &first = (*net)[i], &second = (*net)[i + 1];
      if (typeid(first) == typeid(nn::Linear) && typeid(second) == typeid(nn::ReLU))
        pairs.push_back({nn::join_path(path, net->child(i).name()),
                         nn::join_path(path, net->child(i + 1).name())});
    }
  });
  return pairs;
}

// The ranges of activations are fixed from now on.
void freeze_ranges(nn::Module& network) {
  nn::for_each_child(network, [](const std::string&, nn::Submodule& at) {
    auto* fake = dynamic_cast<tq::FakeQuantizeBase*>(at.ptr().get());
    if (fake && at.name().starts_with("activation_post_process")) fake->disable_observer();
    return true;
  });
}

nn::ModulePtr prepare_trained(const nn::ModulePtr& network, const Data& data,
                              const QuantizeOptions& options) {
  nn::ModulePtr copy = nn::deepcopy(network);
  copy->train();
  if (is_fx(options))
    return tq::prepare_qat_fx(copy, tq::get_default_qat_qconfig_mapping(options.qconfig),
                              example(data), {.inplace = true});
  copy = tq::fuse_modules_qat(copy, pairs_to_fuse(*copy), {.inplace = true});
  copy->qconfig = tq::get_default_qat_qconfig(options.qconfig);
  return tq::prepare_qat(copy, {.inplace = true});
}

nn::ModulePtr converted(const nn::ModulePtr& prepared, const QuantizeOptions& options) {
  const nn::ModulePtr network = is_fx(options) ? tq::convert_fx(prepared, {.inplace = true})
                                               : tq::convert(prepared, {.inplace = true});
  network->eval();
  return network;
}

}  // namespace

void QuantizeOptions::add_to(CLI::App& app) {
  app.add_option("--mode", mode, "how a network is quantized: as a traced graph, or by its modules")
      ->check(CLI::IsMember({"fx", "eager"}))
      ->capture_default_str();
  app.add_option("--qconfig", qconfig, "backend whose default qconfig is used")
      ->check(CLI::IsMember({"x86", "fbgemm", "qnnpack", "onednn"}))
      ->capture_default_str();
}

void check_mode(nn::Module& network, const QuantizeOptions& options) {
  if (is_fx(options)) return;
  bool stubs = false;
  nn::for_each_module(network, [&](const std::string&, nn::Module& m) {
    stubs |= dynamic_cast<tq::QuantStub*>(&m) != nullptr;
  });
  check(stubs,
        "--mode eager: the network has no QuantStub to say where int8 begins; use --mode fx");
}

nn::ModulePtr quantize_static(const nn::ModulePtr& network, const Data& data,
                              const QuantizeOptions& options) {
  nn::ModulePtr copy = nn::deepcopy(network);
  copy->eval();
  if (is_fx(options)) {
    copy = tq::prepare_fx(copy, tq::get_default_qconfig_mapping(options.qconfig), example(data),
                          {.inplace = true});
  } else {
    copy = tq::fuse_modules(copy, pairs_to_fuse(*copy), {.inplace = true});
    copy->qconfig = tq::get_default_qconfig(options.qconfig);
    copy = tq::prepare(copy, {.inplace = true});
  }
  calibrate(*copy, data);
  return converted(copy, options);
}

nn::ModulePtr quantize_trained(const std::string& label, const nn::ModulePtr& network,
                               const Data& data, const TrainOptions& training,
                               const QuantizeOptions& options, std::uint64_t seed) {
  const nn::ModulePtr copy = prepare_trained(network, data, options);
  // The ranges of activations settle in the first three quarters and are fixed for the rest.
  const std::int64_t freeze = training.epochs * 3 / 4;
  train(label, *copy, data, training, seed, [&](std::int64_t epoch) {
    if (epoch == freeze) freeze_ranges(*copy);
  });
  if (training.epochs == 0) calibrate(*copy, data);
  return converted(copy, options);
}

nn::ModulePtr quantize_dynamic(const nn::ModulePtr& network, const Data& data,
                               const QuantizeOptions& options) {
  if (!is_fx(options)) return tq::quantize_dynamic(network);
  tq::QConfigMapping mapping;
  mapping.set_global(tq::default_dynamic_qconfig);
  nn::ModulePtr copy = nn::deepcopy(network);
  copy->eval();
  return converted(tq::prepare_fx(copy, mapping, example(data), {.inplace = true}), options);
}

}  // namespace adze::cli
