#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adze/ao/quantization/backend_config.h"
#include "adze/core/tensor.h"

namespace adze::ao::quantization {

/// How a layer computes.
enum class LayerForm : std::uint8_t {
  floating,        // in float, see LayerReport::why
  observed,        // in float, with observers: convert makes integers of it
  fake_quantized,  // in float, rounded as the integers will be
  reference,       // in float on the grids of the integers
  int8,            // on quantized tensors
  dynamic,         // int8, its float input quantized by its own range
  weight_only,     // in float, its weight stored small
};
/// "float", "observed", "fake-quantized", "reference", "int8", "dynamic", "weight only".
std::string_view name(LayerForm form);

/// dtype, scheme, and scales and zero points from the smallest to the largest; one each per tensor.
struct GridReport {
  DType dtype = quint8;
  QScheme qscheme = per_tensor_affine;
  double min_scale = 1, max_scale = 1;
  double min_zero_point = 0, max_zero_point = 0;
  friend bool operator==(const GridReport&, const GridReport&) = default;
};

/// One layer, or one op that a graph calls. Fractions lie in [0, 1]; what is not known is nothing.
struct LayerReport {
  /// Path of the module; of an op the name of its node, behind the path of the graph module. An
  /// int8 op has the name of the op that it was made of, so names are the same at every stage.
  std::string name;
  std::string type;  // "nn::quantized::Linear", "quantized::add_relu"
  LayerForm form = LayerForm::floating;
  /// Why the layer is float, or what it waits for; "" for one that computes on integers.
  std::string why = {};

  std::optional<DType> weight_dtype = {};  // that the weight has, or will have
  std::optional<GridReport> weight = {}, input = {}, output = {};
  /// Zeros that pruning asks for: the level its sparsifier was given, as far as squashing kept it,
  /// else the zeros of masks and pins.
  std::optional<double> sparsity_asked = {};
  /// Zeros of the masks that are in force, and of the weight the layer computes with.
  std::optional<double> masked = {}, kept = {};
  /// The kernel that computes products with the weight, on this machine, for as many rows as came
  /// in the run; without a run for one.
  std::string kernel = {};
  /// How that kernel keeps the weight ("dense", "4x4" for blocks that are not all zero), and why.
  std::string layout = {}, layout_why = {};
  bool uncalibrated = false;  // an observer has seen no data
  std::size_t hooks = 0;      // of users

  // ---- with inputs -----------------------------------------------------------------------------
  /// Signal to quantization noise against the float network, in decibels.
  std::optional<double> sqnr = {};
  /// Values at the ends of the range of their dtype, but for zeros that lie there (behind a ReLU).
  std::optional<double> clipped = {};
  /// Length of the part of that range in which values lie; half with `reduce_range`.
  std::optional<double> range_used = {};
};

/// What became of a network, layer by layer.
struct Report {
  /// "prepared", "reference" or "quantized" for a graph module of these stages, "graph" for others,
  /// "" in eager mode.
  std::string stage;
  std::vector<LayerReport> layers;  // in the order of the graph, else of `fields()`
  /// What concerns the network as a whole, as sentences.
  std::vector<std::string> remarks;

  /// The first layer of that name, or nullptr.
  const LayerReport* find(std::string_view name) const;
  /// Text with one line for each layer, in aligned columns, and one for each remark.
  std::string table() const;
  /// The same as JSON: {"stage": ..., "layers": [...], "remarks": [...]}. Unknown is null; numbers
  /// that JSON does not know are the strings "inf", "-inf" and "nan".
  std::string json() const;
};

struct ReportOptions {
  /// The network before it was quantized, for `sqnr`; needs inputs.
  adze::nn::Module* float_model = nullptr;
  /// Data to run the network on, for what only a run shows.
  TensorList inputs = {};
  const BackendConfig* backend_config = nullptr;  // null: native
};
/// What each layer of a network is and does: any network, eager or graph, at any stage. The network
/// is left as it was. Throws what it throws when it runs.
Report report(adze::nn::Module& model, const ReportOptions& options = {});

}  // namespace adze::ao::quantization
