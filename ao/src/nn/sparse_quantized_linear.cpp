#include <algorithm>
#include <optional>
#include <utility>

#include "adze/ao/nn/intrinsic/quantized/dynamic/linear_relu.h"
#include "adze/ao/nn/intrinsic/quantized/linear_relu.h"
#include "adze/ao/nn/sparse/quantized/dynamic/linear.h"
#include "adze/ao/nn/sparse/quantized/linear.h"
#include "adze/core/ops.h"
#include "adze/kernels/linear_weights.h"

namespace adze::ao::nn::sparse::quantized {
namespace {

namespace dense = ao::nn::quantized;
namespace fused = ao::nn::intrinsic::quantized;
using adze::nn::make;
using adze::nn::ModulePtr;
using kernels::BlockShape;

// `weight`, if it can be kept in blocks.
Tensor checked_weight(const char* where, Tensor weight) {
  check(weight.dtype() == qint8, where, ": only qint8 weights are supported, got ", weight.dtype());
  const std::vector<double>& zero_points = weight.quantizer()->zero_points;
  check(std::all_of(zero_points.begin(), zero_points.end(), [](double z) { return z == 0; }), where,
        ": all weight zero points must be 0, so that pruned weights are zero");
  return weight;
}

std::string block_repr(const kernels::WeightLayout& layout) {
  return ", block=" + kernels::to_string(layout);
}

bool has_kernel(BlockShape block) {
  const auto& known = kernels::sparse_block_shapes();
  return std::find(known.begin(), known.end(), block) != known.end();
}

// The shape of the blocks that were pruned, from the slot of the weight.
std::optional<BlockShape> mask_block(adze::nn::Module& module) {
  const adze::nn::Parameter* weight = module.slot_holder().find_parameter("weight");
  if (!weight) return std::nullopt;
  const auto& params = weight->slot()->sparse_params;
  const auto shape = params.find("sparse_block_shape");
  if (shape == params.end()) return std::nullopt;
  const Shape sizes = shape->second.to_shape();
  if (sizes.size() != 2 || !has_kernel({sizes[0], sizes[1]})) return std::nullopt;
  return BlockShape{sizes[0], sizes[1]};
}

// The blocks for the weight of `module`, whose int8 form is `weight`; nothing where dense is
// faster.
std::optional<BlockShape> block_for(adze::nn::Module& module, const Tensor& weight) {
  if (const auto block = mask_block(module)) return block;
  const Tensor ints = weight.int_repr().contiguous();
  constexpr std::int64_t rows = 64;
  const auto choice = kernels::choose_layout(ints.data<std::int8_t>(), ints.size(0), ints.size(1),
                                             ints.size(1), rows);
  return choice.sparse ? std::optional(choice.block) : std::nullopt;
}

// `plain` is the form without blocks.
template <class Sparse>
ModulePtr in_blocks(adze::nn::Module& module, const ModulePtr& plain) {
  const auto& layer = plain->as<dense::Linear>();
  const auto [weight, bias] = layer.weight_bias();
  const auto block = block_for(module, weight);
  if (!block) return plain;
  return make<Sparse>(weight, bias, layer.scale.value().item(),
                      layer.zero_point.value().template item<std::int64_t>(), block->rows,
                      block->cols, layer.dtype());
}

template <class Sparse>
ModulePtr in_blocks_dynamic(adze::nn::Module& module, const ModulePtr& plain) {
  const auto& layer = plain->as<dense::dynamic::Linear>();
  if (layer.dtype() != qint8 || layer.weight_only()) return plain;
  const auto [weight, bias] = layer.weight_bias();
  const auto block = block_for(module, weight);
  if (!block) return plain;
  return make<Sparse>(weight, bias, block->rows, block->cols,
                      dense::dynamic::LinearOptions{.reduce_range = layer.reduce_range()});
}

}  // namespace

Linear::Linear(Tensor weight_values, Tensor bias_values, double scale_value,
               std::int64_t zero_point_value, std::int64_t row_block_size,
               std::int64_t col_block_size, DType dtype)
    : ModuleOf(checked_weight("sparse.quantized.Linear", std::move(weight_values)),
               std::move(bias_values), scale_value, zero_point_value, dtype,
               kernels::WeightLayout::blocks(row_block_size, col_block_size)) {}

std::string Linear::extra_repr() const {
  return ModuleOf::extra_repr() + block_repr(layout());
}

ModulePtr Linear::from_float(adze::nn::Module& module) {
  return in_blocks<Linear>(module, dense::Linear::from_float(module));
}

ModulePtr Linear::from_reference(adze::nn::Module& module, const QParams& output, DType dtype) {
  return in_blocks<Linear>(module, dense::Linear::from_reference(module, output, dtype));
}

ModulePtr LinearReLU::from_float(adze::nn::Module& module) {
  return in_blocks<LinearReLU>(module, fused::LinearReLU::from_float(module));
}

ModulePtr LinearReLU::from_reference(adze::nn::Module& module, const QParams& output, DType dtype) {
  return in_blocks<LinearReLU>(module, fused::LinearReLU::from_reference(module, output, dtype));
}

namespace dynamic {

namespace {
dense::dynamic::LinearOptions with_blocks(dense::dynamic::LinearOptions options, std::int64_t rows,
                                          std::int64_t cols) {
  check(!options.weight_only, "sparse.quantized.dynamic.Linear: weight_only computes in float");
  options.layout = kernels::WeightLayout::blocks(rows, cols);
  return options;
}
}  // namespace

Linear::Linear(Tensor weight_values, Tensor bias_values, std::int64_t row_block_size,
               std::int64_t col_block_size, dense::dynamic::LinearOptions options)
    : ModuleOf(checked_weight("sparse.quantized.dynamic.Linear", std::move(weight_values)),
               std::move(bias_values), with_blocks(options, row_block_size, col_block_size)) {}

std::string Linear::extra_repr() const {
  return ModuleOf::extra_repr() + block_repr(layout());
}

ModulePtr Linear::from_float(adze::nn::Module& module) {
  return in_blocks_dynamic<Linear>(module, dense::dynamic::Linear::from_float(module));
}

ModulePtr Linear::from_reference(adze::nn::Module& module) {
  return in_blocks_dynamic<Linear>(module, dense::dynamic::Linear::from_reference(module));
}

ModulePtr LinearReLU::from_float(adze::nn::Module& module) {
  return in_blocks_dynamic<LinearReLU>(module, fused::dynamic::LinearReLU::from_float(module));
}

ModulePtr LinearReLU::from_reference(adze::nn::Module& module) {
  return in_blocks_dynamic<LinearReLU>(module, fused::dynamic::LinearReLU::from_reference(module));
}

}  // namespace dynamic
}  // namespace adze::ao::nn::sparse::quantized
