#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "adze/core/op.h"
#include "adze/kernels/linear_weights.h"

namespace adze {

// Ops on quantized tensors. Activations are quint8 or qint8, per tensor; results have the dtype of
// the (first) argument. They are not differentiable. A float tensor throws. `scale` and
// `zero_point` are those of the result. Formulas: docs/architecture.md, numerics.
namespace quantized {

/// a + b and a * b of two tensors of one dtype, which broadcast: dequantized, computed in float32,
/// quantized; `..._relu` limits the result at its zero point.
Tensor add(const Tensor& a, const Tensor& b, double scale, std::int64_t zero_point);
Tensor add_relu(const Tensor& a, const Tensor& b, double scale, std::int64_t zero_point);
Tensor mul(const Tensor& a, const Tensor& b, double scale, std::int64_t zero_point);
Tensor mul_relu(const Tensor& a, const Tensor& b, double scale, std::int64_t zero_point);

/// a + c: the integers stay and the zero point moves by round_half_even(c / scale). Where it would
/// leave the range of the dtype it becomes the end of that range, and the scale grows so that the
/// values between there and the other end still fit. Throws unless c is finite in float32.
Tensor add_scalar(const Tensor& a, double c);
Tensor add_scalar_relu(const Tensor& a, double c);
/// a * c: the integers stay and the scale becomes scale * |c|; for c < 0 integers and zero point
/// are mirrored in their range; for c = 0 all are 0 with scale 1. Throws unless c is finite in
/// float32 and the new scale is valid.
Tensor mul_scalar(const Tensor& a, double c);
Tensor mul_scalar_relu(const Tensor& a, double c);

/// adze::cat of tensors of one dtype, each requantized.
Tensor cat(const TensorList& tensors, std::int64_t dim, double scale, std::int64_t zero_point);
/// adze::softmax of the dequantized tensor, quantized.
Tensor softmax(const Tensor& x, std::int64_t dim, double scale, std::int64_t zero_point);

/// x · weightᵀ + bias: x (..., in), weight qint8 (out, in), per tensor or per channel along axis 0,
/// bias float32 (out) or undefined -> (..., out) of `dtype` (quint8 or qint8), by default that of
/// x.
///
/// The weight is brought into the order that kernels read at the first call, which is kept with the
/// weight tensor until its elements change.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, double scale,
              std::int64_t zero_point, std::optional<DType> dtype = {});
Tensor linear_relu(const Tensor& x, const Tensor& weight, const Tensor& bias, double scale,
                   std::int64_t zero_point, std::optional<DType> dtype = {});
/// linear(quantize_per_tensor(x, x_scale, x_zero_point, x_dtype), ...), or linear_relu of it, bit
/// for bit: float32 x is quantized while the product reads it. x_dtype is quint8 or qint8.
Tensor linear_from_float(const Tensor& x, double x_scale, std::int64_t x_zero_point, DType x_dtype,
                         const Tensor& weight, const Tensor& bias, double scale,
                         std::int64_t zero_point, std::optional<DType> dtype = {},
                         bool relu = false);
/// dequantize(linear(x, ...)), or of linear_relu, bit for bit: no quantized tensor is made.
Tensor linear_to_float(const Tensor& x, const Tensor& weight, const Tensor& bias, double scale,
                       std::int64_t zero_point, std::optional<DType> dtype = {}, bool relu = false);
/// `linear` for float32 x, with a float32 result: x is quantized to quint8 (7 bits with
/// `reduce_range`) by its own range while it is read. Throws for elements that are not finite.
Tensor linear_dynamic(const Tensor& x, const Tensor& weight, const Tensor& bias,
                      bool reduce_range = false);
Tensor linear_relu_dynamic(const Tensor& x, const Tensor& weight, const Tensor& bias,
                           bool reduce_range = false);
/// x (..., in) float32, weight float16 (out, in), which is only stored small: computes in float32.
Tensor linear_dynamic_fp16(const Tensor& x, const Tensor& weight, const Tensor& bias);
Tensor linear_relu_dynamic_fp16(const Tensor& x, const Tensor& weight, const Tensor& bias);

/// Does now what the first call of `linear` or `linear_dynamic` would do for this weight and bias;
/// throws what they would throw. With a `layout`, calls use that one until the elements of the
/// weight change; without, the one in use stays, automatic at first. Blocks that are all zero cost
/// no time in a block layout.
void linear_prepack(const Tensor& weight, const Tensor& bias = {},
                    std::optional<kernels::WeightLayout> layout = {});

/// How `linear` computes.
struct LinearKernel {
  std::string name;              ///< of the micro-kernel
  kernels::WeightLayout layout;  ///< asked for
  kernels::LayoutChoice choice;  ///< in use for that number of rows
};
/// How `linear` would compute with this weight for `rows` rows of activations up to
/// `max_activation`. Packs the weight, as `linear_prepack` does.
LinearKernel linear_kernel(const Tensor& weight, std::int64_t rows,
                           std::int32_t max_activation = 255);

}  // namespace quantized

namespace ops::quantized {
extern const Op<Tensor(const Tensor&, const Tensor&, double, std::int64_t)> add, add_relu, mul,
    mul_relu;
extern const Op<Tensor(const Tensor&, double)> add_scalar, add_scalar_relu, mul_scalar,
    mul_scalar_relu;
extern const Op<Tensor(const TensorList&, std::int64_t, double, std::int64_t)> cat;
extern const Op<Tensor(const Tensor&, std::int64_t, double, std::int64_t)> softmax;
extern const Op<Tensor(const Tensor&, const Tensor&, const Tensor&, double, std::int64_t,
                       std::optional<DType>)>
    linear, linear_relu;
extern const Op<Tensor(const Tensor&, double, std::int64_t, DType, const Tensor&, const Tensor&,
                       double, std::int64_t, std::optional<DType>, bool)>
    linear_from_float;
extern const Op<Tensor(const Tensor&, const Tensor&, const Tensor&, double, std::int64_t,
                       std::optional<DType>, bool)>
    linear_to_float;
extern const Op<Tensor(const Tensor&, const Tensor&, const Tensor&, bool)> linear_dynamic,
    linear_relu_dynamic;
extern const Op<Tensor(const Tensor&, const Tensor&, const Tensor&)> linear_dynamic_fp16,
    linear_relu_dynamic_fp16;
}  // namespace ops::quantized

}  // namespace adze
