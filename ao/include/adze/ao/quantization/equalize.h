#pragma once

#include <string>
#include <utility>
#include <vector>

#include "adze/nn/module.h"

namespace adze::ao::quantization {

/// Gives each channel between two linear layers the same range on both sides: row i of the weight
/// and bias of `module1` is divided by s, column i of the weight of `module2` multiplied by it,
///
///     s = sqrt(range of row i / (range of column i + 1e-9)),    range = max - min.
///
/// A channel whose row or column has no range (all zeros, or a single element) stays as it is. What
/// the two compute stays the same up to rounding when `module2` alone takes the result of
/// `module1`, directly or through a ReLU.
///
/// The modules are float Linear layers, qat ones, or such fused with a ReLU. Tensors are written in
/// place: slots, masks and pinned zeros stay, zeros stay zeros, ranges are those of effective
/// values. Throws, and changes nothing, for other modules, when the channels do not match, when a
/// tensor has a parametrization that is not a mask, when both share one weight, and when `module1`
/// was calibrated already.
void cross_layer_equalization(adze::nn::Module& module1, adze::nn::Module& module2);

struct EqualizeOptions {
  /// Sum of Frobenius norms of the changes of all weights in one round below which it ends.
  double threshold = 1e-4;
  bool inplace = true;
};

/// The network with `pairs` of layers, given by their names, equalized in turns until nothing moves
/// any more, eager networks and graph modules. Names that a layer has inside of a fused pair work
/// too. Warns after 1000 rounds without convergence. Throws, and changes nothing, where
/// cross_layer_equalization would, for unknown names, and when a weight is used at a second place
/// of the network.
adze::nn::ModulePtr equalize(const adze::nn::ModulePtr& model,
                             const std::vector<std::pair<std::string, std::string>>& pairs,
                             EqualizeOptions options = {});

}  // namespace adze::ao::quantization
