#pragma once

#include <cstdint>
#include <string>

#include <CLI/CLI.hpp>

#include "adze/data.h"
#include "adze/training.h"

// Int8 networks of float ones, in both modes. All calls leave the network they are given as it is.
namespace adze::cli {

struct QuantizeOptions {
  std::string mode = "fx";  // or "eager"
  std::string qconfig = "x86";

  void add_to(CLI::App& app);
};

/// Throws when the network cannot be quantized in that mode: eager mode needs stubs.
void check_mode(nn::Module& network, const QuantizeOptions& options);

/// The int8 network, calibrated on the training data.
nn::ModulePtr quantize_static(const nn::ModulePtr& network, const Data& data,
                              const QuantizeOptions& options);
/// The int8 network after quantization-aware training of `training.epochs`. Masks and fixed zeros
/// stay.
nn::ModulePtr quantize_trained(const std::string& label, const nn::ModulePtr& network,
                               const Data& data, const TrainOptions& training,
                               const QuantizeOptions& options, std::uint64_t seed);
/// The network with int8 weights and activations that are quantized by their own range at each
/// call.
nn::ModulePtr quantize_dynamic(const nn::ModulePtr& network, const Data& data,
                               const QuantizeOptions& options);

}  // namespace adze::cli
