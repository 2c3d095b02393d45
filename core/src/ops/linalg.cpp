#include "adze/core/ops/linalg.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <mutex>
#include <optional>

#include "adze/core/ops.h"
#include "adze/core/tensor_impl.h"
#include "adze/kernels/gemm_f32.h"
#include "adze/kernels/linear_weights_f32.h"
#include "adze/kernels/parallel.h"
#include "adze/kernels/quantize.h"

#include "ops/families.h"
#include "ops/operands.h"

namespace adze {

using autograd::BackwardContext;
using autograd::Gradients;
using namespace detail;

namespace {

// The last two dimensions of a tensor, from some first element on.
template <class T>
struct Matrix {
  const T* data;
  std::int64_t rows, columns;
  std::int64_t row_step, column_step;
};

template <class T>
Matrix<T> matrix(const T* data, const Tensor& t) {
  const std::size_t n = t.sizes().size();
  return {data, t.sizes()[n - 2], t.sizes()[n - 1], t.strides()[n - 2], t.strides()[n - 1]};
}

template <class T>
Matrix<T> swapped(const Matrix<T>& m) {
  return {m.data, m.columns, m.rows, m.column_step, m.row_step};
}

// Rows (or columns) of neighbouring elements that do not overlap, as gemm reads them.
bool has_rows(const Shape& sizes, const Shape& strides, std::size_t row, std::size_t column) {
  return (strides[column] == 1 || sizes[column] <= 1) &&
         (strides[row] >= sizes[column] || sizes[row] <= 1);
}
bool gemm_reads(const Tensor& t) {
  const std::size_t n = t.sizes().size();
  return has_rows(t.sizes(), t.strides(), n - 2, n - 1) ||
         has_rows(t.sizes(), t.strides(), n - 1, n - 2);
}

struct Order {
  kernels::Transpose transpose;
  std::int64_t leading;
};

Order order(const Matrix<float>& m) {
  const bool by_rows =
      (m.column_step == 1 || m.columns <= 1) && (m.row_step >= m.columns || m.rows <= 1);
  if (by_rows) {
    return {kernels::Transpose::no,
            std::max<std::int64_t>({m.rows > 1 ? m.row_step : 0, m.columns, 1})};
  }
  return {kernels::Transpose::yes,
          std::max<std::int64_t>({m.columns > 1 ? m.column_step : 0, m.rows, 1})};
}

// out = a · b + bias (one per column, or null), row-major.
void multiply(const Matrix<float>& a, const Matrix<float>& b, const float* bias, float* out) {
  const Order oa = order(a), ob = order(b);
  kernels::gemm_f32(oa.transpose, ob.transpose, a.rows, b.columns, a.columns, a.data, oa.leading,
                    b.data, ob.leading, out, std::max<std::int64_t>(b.columns, 1), {.bias = bias});
}

// The weight of a linear layer in the order that its products read fastest, without its zero blocks
// if there are many. Making it costs as much as some products, so that a weight that changes with
// every use, as in training, never gets there.
class KeptWeight {
 public:
  // The weights for products with `rows` rows from the second call on, before that nullptr; also
  // where packing does not pay.
  const kernels::LinearWeightsF32* packed(const Tensor& weight, std::int64_t rows) const {
    std::lock_guard lock(state_->mutex);
    if (!state_->used) {
      state_->used = true;
      return nullptr;
    }
    auto& packed = state_->packed[static_cast<std::size_t>(kernels::linear_f32_class(rows))];
    if (!packed) {
      const std::int64_t n = weight.size(0), k = weight.size(1);
      packed.emplace(weight.data<float>(), n, k, k, rows);
    }
    return packed->useful() ? &*packed : nullptr;
  }

 private:
  struct State {
    std::mutex mutex;
    bool used = false;
    std::array<std::optional<kernels::LinearWeightsF32>, kernels::linear_f32_classes> packed;
  };
  std::unique_ptr<State> state_ = std::make_unique<State>();
};

// True if leaving out zeros of the weight changes nothing: infinity · 0 is not 0.
bool is_finite(const Tensor& x) {
  const kernels::MinMax range = kernels::min_max(x.data<float>(), x.numel());
  return x.numel() == 0 || (std::isfinite(range.min) && std::isfinite(range.max));
}

// out = x · weightᵀ + bias, all of them contiguous; the same with and without a packed weight.
void multiply_linear(const Tensor& x, std::int64_t rows, const Tensor& weight, const float* bias,
                     float* out) {
  const std::int64_t n = weight.size(0), k = weight.size(1);
  constexpr std::int64_t fewest_values = 512;
  // Memory of somebody else may change without a word.
  if (weight.numel() >= fewest_values && !weight.impl().storage->is_borrowed()) {
    const auto kept =
        (*weight.impl().derived).get<KeptWeight>(weight.version(), [] { return KeptWeight(); });
    const kernels::LinearWeightsF32* packed = kept->packed(weight, rows);
    if (packed && (!packed->sparse() || is_finite(x))) {
      kernels::gemm_f32(x.data<float>(), k, rows, *packed, bias, false, out, n);
      return;
    }
  }
  multiply({x.data<float>(), rows, k, k, 1}, {weight.data<float>(), k, n, 1, k}, bias, out);
}

template <class T>
void multiply(const Matrix<T>& a, const Matrix<T>& b, const T* bias, T* out) {
  // Integers wrap around, which is defined for unsigned ones only.
  using Sum = std::conditional_t<std::integral<T>, std::uint64_t, T>;
  std::vector<Sum> row(static_cast<std::size_t>(b.columns));
  for (std::int64_t i = 0; i < a.rows; ++i) {
    std::fill(row.begin(), row.end(), Sum{});
    for (std::int64_t p = 0; p < a.columns; ++p) {
      const Sum factor = static_cast<Sum>(a.data[i * a.row_step + p * a.column_step]);
      const T* from = b.data + p * b.row_step;
      for (std::size_t j = 0; j < row.size(); ++j)
        row[j] += factor * static_cast<Sum>(from[static_cast<std::int64_t>(j) * b.column_step]);
    }
    for (std::size_t j = 0; j < row.size(); ++j) {
      const Sum sum = bias ? row[j] + static_cast<Sum>(bias[j]) : row[j];
      out[i * b.columns + static_cast<std::int64_t>(j)] = static_cast<T>(sum);
    }
  }
}

template <class F>
void visit_products(std::string_view name, DType dtype, F&& f) {
  visit_dtype(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (is_half<T> || std::same_as<T, bool>) {
      fail(name, ": not defined for dtype ", dtype);
    } else {
      f(tag);
    }
  });
}

// 16-bit floats are computed with in float32.
DType product_dtype(DType dtype) {
  return dtype == float16 || dtype == bfloat16 ? float32 : dtype;
}

Tensor readable(const Tensor& t, DType dtype) {
  const Tensor c = converted(t, dtype);
  return gemm_reads(c) ? c : packed(c);
}

// Leading dimensions.
Shape batch_of(const Shape& sizes) {
  return Shape(std::span<const std::int64_t>(sizes).first(sizes.size() - 2));
}

// Products of matrices, over a batch that a and b were broadcast to.
template <class T>
void multiply_batch(const Tensor& a, const Tensor& b, const Shape& batch, const Tensor& out) {
  const T *x = a.data<T>(), *y = b.data<T>(), *no_bias = nullptr;
  T* z = out.mutable_data<T>();
  if (batch.empty()) {
    multiply(matrix(x, a), matrix(y, b), no_bias, z);
    return;
  }
  const Shape a_steps = broadcast_strides(
      batch_of(a.sizes()),
      Shape(std::span<const std::int64_t>(a.strides()).first(a.sizes().size() - 2)), batch);
  const Shape b_steps = broadcast_strides(
      batch_of(b.sizes()),
      Shape(std::span<const std::int64_t>(b.strides()).first(b.sizes().size() - 2)), batch);
  std::vector<std::array<std::int64_t, 2>> starts;
  for_each_run<2>(batch, {&a_steps, &b_steps},
                  [&](const auto& at, const auto& step, std::int64_t n) {
                    for (std::int64_t i = 0; i < n; ++i)
                      starts.push_back({at[0] + i * step[0], at[1] + i * step[1]});
                  });
  const std::int64_t m = a.size(-2), k = a.size(-1), n = b.size(-1);
  // A piece of work worth handing to another thread, in multiplications.
  constexpr std::int64_t worthwhile = 1 << 17;
  const std::int64_t grain = 1 + worthwhile / (1 + m * k * n);
  kernels::parallel_for(0, static_cast<std::int64_t>(starts.size()), grain,
                        [&](std::int64_t first, std::int64_t last) {
                          for (std::int64_t i = first; i < last; ++i) {
                            const auto& [from_a, from_b] = starts[static_cast<std::size_t>(i)];
                            multiply(matrix(x + from_a, a), matrix(y + from_b, b), no_bias,
                                     z + i * m * n);
                          }
                        });
}

void check_operands(std::string_view name, const Tensor& a, const Tensor& b) {
  check(!a.is_quantized() && !b.is_quantized(), name, ": not defined for quantized tensors, got ",
        a.dtype(), " and ", b.dtype(),
        "; dequantize() them, or use the modules of ao::nn::quantized");
  check(a.dtype() == b.dtype(), name, ": both operands must have one dtype, got ", a.dtype(),
        " and ", b.dtype());
}

// Vectors as matrices: a as a row, b as a column.
Tensor as_rows(const Tensor& a) {
  return a.dim() == 1 ? unsqueeze(a, 0) : a;
}
Tensor as_columns(const Tensor& b) {
  return b.dim() == 1 ? unsqueeze(b, 1) : b;
}

// All but the last dimension as one.
std::int64_t rows_of(const Shape& sizes) {
  std::int64_t rows = 1;
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) rows *= sizes[i];
  return rows;
}
Tensor as_matrix(const Tensor& t) {
  return t.dim() == 2 ? t : reshape(t, {rows_of(t.sizes()), t.size(-1)});
}

Tensor matmul_forward(const Tensor& a, const Tensor& b) {
  check_operands("matmul", a, b);
  check(a.dim() > 0 && b.dim() > 0, "matmul: operands need at least one dimension, got shapes ",
        a.sizes(), " and ", b.sizes());
  const std::int64_t inner = b.dim() == 1 ? b.size(0) : b.size(-2);
  check(a.size(-1) == inner, "matmul: the second operand expects ", inner,
        " columns, the first has ", a.size(-1), " (shapes ", a.sizes(), " and ", b.sizes(), ")");
  const DType dtype = product_dtype(a.dtype());
  Tensor x = readable(as_rows(a), dtype);
  const Tensor y = readable(as_columns(b), dtype);
  const Shape batch = broadcast_shapes(batch_of(x.sizes()), batch_of(y.sizes()), "matmul");
  Shape sizes = batch;
  if (a.dim() > 1) sizes.push_back(x.size(-2));
  if (b.dim() > 1) sizes.push_back(y.size(-1));
  const Tensor out = make_tensor(sizes, dtype);
  // A batch times one matrix is one long matrix times that matrix.
  const bool flat = y.dim() == 2 && x.is_contiguous();
  if (flat) x = as_matrix(x);
  visit_products("matmul", dtype, [&](auto tag) {
    multiply_batch<typename decltype(tag)::type>(x, y, flat ? Shape{} : batch, out);
  });
  return converted(out, a.dtype());
}

Gradients matmul_derivative(const BackwardContext& c) {
  const Shape a_sizes = c.sizes(0), b_sizes = c.sizes(1);
  Tensor g = c.grad();
  if (a_sizes.size() == 1) g = unsqueeze(g, b_sizes.size() == 1 ? 0 : -2);
  if (b_sizes.size() == 1) g = unsqueeze(g, -1);
  Gradients result(2);
  if (c.needs(0)) {
    const Tensor b = as_columns(c.tensor(1));
    const Tensor da = matmul(g, transpose(b, -2, -1));
    result[0] = a_sizes.size() == 1 ? reshape(autograd::sum_to(da, {1, a_sizes[0]}), a_sizes)
                                    : autograd::sum_to(da, a_sizes);
  }
  if (c.needs(1)) {
    const Tensor a = as_rows(c.tensor(0));
    if (b_sizes.size() <= 2) {
      result[1] = reshape(matmul(transpose(as_matrix(a), 0, 1), as_matrix(g)), b_sizes);
    } else {
      result[1] = autograd::sum_to(matmul(transpose(a, -2, -1), g), b_sizes);
    }
  }
  return result;
}

Tensor linear_forward(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  check_operands("linear", input, weight);
  check(weight.dim() == 2,
        "linear: weight must be a matrix (out_features, in_features), got shape ", weight.sizes());
  const std::int64_t in = weight.size(1), out_features = weight.size(0);
  check(input.dim() > 0, "linear: input must have shape (..., ", in, "), got ()");
  check(input.size(-1) == in, "linear: weight expects ", in, " input features, input has ",
        input.size(-1), " (input ", input.sizes(), ", weight ", weight.sizes(), ")");
  if (bias.defined()) {
    check(bias.dim() == 1 && bias.sizes()[0] == out_features, "linear: bias must have shape (",
          out_features, ",) as weight ", weight.sizes(), " asks, got ", bias.sizes());
    check(bias.dtype() == input.dtype(), "linear: bias must have the dtype of input, ",
          input.dtype(), ", got ", bias.dtype());
  }
  const DType dtype = product_dtype(input.dtype());
  Shape sizes = input.sizes();
  sizes.back() = out_features;
  const Tensor out = make_tensor(sizes, dtype);
  if (input.dtype() == float32 && input.is_contiguous() && weight.is_contiguous() &&
      (!bias.defined() || bias.is_contiguous())) {
    multiply_linear(input, rows_of(input.sizes()), weight,
                    bias.defined() ? bias.data<float>() : nullptr, out.mutable_data<float>());
    return out;
  }
  const Tensor x = readable(as_matrix(input), dtype), w = readable(weight, dtype);
  const Tensor b = bias.defined() ? packed(converted(bias, dtype)) : bias;
  visit_products("linear", dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    multiply(matrix(x.data<T>(), x), swapped(matrix(w.data<T>(), w)),
             b.defined() ? b.data<T>() : nullptr, out.mutable_data<T>());
  });
  return converted(out, input.dtype());
}

Gradients linear_derivative(const BackwardContext& c) {
  const Tensor g = as_matrix(c.grad());
  Gradients result(3);
  if (c.needs(0)) result[0] = reshape(matmul(g, c.tensor(1)), c.sizes(0));
  if (c.needs(1)) result[1] = matmul(transpose(g, 0, 1), as_matrix(c.tensor(0)));
  if (c.needs(2)) result[2] = sum(g, {0});
  return result;
}

}  // namespace

namespace ops {

constinit const Op<Tensor(const Tensor&, const Tensor&)> matmul{
    {.name = "matmul", .forward = matmul_forward, .derivative = matmul_derivative}};
constinit const Op<Tensor(const Tensor&, const Tensor&, const Tensor&)> linear{
    {.name = "linear", .forward = linear_forward, .derivative = linear_derivative}};

}  // namespace ops

std::vector<const OpBase*> linalg_ops() {
  return {&ops::matmul, &ops::linear};
}

Tensor matmul(const Tensor& a, const Tensor& b) {
  return ops::matmul(a, b);
}
Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  return ops::linear(input, weight, bias);
}

}  // namespace adze
