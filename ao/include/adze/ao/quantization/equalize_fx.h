#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adze/ao/quantization/object_type.h"
#include "adze/ao/quantization/observer.h"

namespace adze::ao::quantization {

// Input-weight equalization in graph mode: channels of activations with small ranges get lost in a
// grid that serves the largest. Each input channel j of a linear layer is multiplied by
//
//     s_j = sqrt((wmax_j - wmin_j) / (xmax_j - xmin_j)),    1 where that is 0 or not finite,
//
// and column j of the weight divided by it. The layer in front takes the factors into its rows and
// its bias; where there is none, a step of the graph multiplies.
//
//     auto prepared = prepare_fx(model, mapping, {x}, {.equalization_config =
//         EqualizationMapping().set_global(default_equalization_qconfig)});
//     (*prepared)(x);
//     auto int8 = convert_fx(prepared);

/// How the ranges of input channels are observed; those of weights are taken from the weights.
struct EqualizationQConfig {
  ObserverFactory input_activation;  // per channel, along axis 1
  friend bool operator==(const EqualizationQConfig&, const EqualizationQConfig&) = default;
};
inline const EqualizationQConfig default_equalization_qconfig{PerChannelMinMaxObserver::with_args(
    {.dtype = quint8, .qscheme = per_channel_affine, .ch_axis = 1})};

/// Which layers are equalized. A name goes before a class or op, that before the global setting;
/// the longest name before others.
class EqualizationMapping {
 public:
  using Config = std::optional<EqualizationQConfig>;
  EqualizationMapping& set_global(Config q);
  EqualizationMapping& set_object_type(const ObjectType& type, Config q);
  /// The module of that name and what is below it, or the step of the graph with that name.
  EqualizationMapping& set_module_name(const std::string& name, Config q);

  bool empty() const { return !global_ && types_.empty() && names_.empty(); }
  const Config& global() const { return global_; }
  const std::vector<std::pair<ObjectType, Config>>& object_types() const { return types_; }
  const std::vector<std::pair<std::string, Config>>& module_names() const { return names_; }

 private:
  Config global_;
  std::vector<std::pair<ObjectType, Config>> types_;
  std::vector<std::pair<std::string, Config>> names_;
};

/// Stands between the observer of an input and the layer that is equalized, and sees the range of
/// each channel, the last dimension. Passes its input on.
class InputEqualizationObserver : public adze::nn::ModuleOf<InputEqualizationObserver> {
 public:
  /// Throws unless the observer is a PerChannelMinMaxObserver along axis 1.
  explicit InputEqualizationObserver(adze::nn::ModulePtr observer);
  adze::nn::Submodule input_obs;
  Tensor forward(const Tensor& x);
  bool has_data() const;
  /// Smallest and largest value of each channel.
  std::pair<Tensor, Tensor> ranges() const;

 protected:
  void fields(adze::nn::FieldList& f) override { f(input_obs); }
};

/// What each layer of `quantized` loses beside its float partner on the same input, in decibels,
/// worst first: see ns::compare_model_stub.
std::vector<std::pair<std::string, double>> get_layer_sqnr_dict(adze::nn::Module& float_model,
                                                                adze::nn::Module& quantized,
                                                                const Tensor& x);
/// Equalization of the `num_layers` layers with the lowest SQNR.
EqualizationMapping get_equalization_qconfig_dict(
    const std::vector<std::pair<std::string, double>>& layer_sqnr, std::size_t num_layers);

}  // namespace adze::ao::quantization
