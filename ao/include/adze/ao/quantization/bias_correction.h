#pragma once

#include "adze/ao/quantization/quantize.h"

namespace adze::ao::quantization {

/// Takes the mean error of each quantized layer out of its bias:
///
///     bias -= mean(quantized output - float output)
///
/// over all dimensions but the last, the features. The float output is that of the layer of the
/// same name in `float_model`, in that network's own run: what earlier layers and the quantized
/// input did to the mean is corrected too. Layers are corrected one after the other, in the order
/// in which they run, each with outputs that are computed after the earlier corrections: one run of
/// the quantized network for each layer. A layer that is fused with its ReLU in one network only is
/// compared behind the ReLU.
///
/// Quantized layers are those with an int8 or float16 weight (static or dynamic) or in reference
/// form, that have a bias, functional layers of graphs too. An eager float network is traced when
/// the quantized one is a graph. Layers that do not run stay as they are, with a warning. Both
/// networks run in eval mode and are left as they were, but for the biases. Throws, and changes
/// nothing, when a layer has no partner, when functional layers share a bias, when outputs differ
/// in features or are not finite, and when a network throws.
void bias_correction(adze::nn::Module& float_model, adze::nn::Module& quantized_model,
                     const TensorList& inputs);
/// The same with a function that runs a network on data; it must give both the same.
void bias_correction(adze::nn::Module& float_model, adze::nn::Module& quantized_model,
                     const RunFunction& run);

}  // namespace adze::ao::quantization
