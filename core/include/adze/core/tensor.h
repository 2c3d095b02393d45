#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "adze/core/dtype.h"
#include "adze/core/error.h"
#include "adze/core/quantizer.h"
#include "adze/core/scalar.h"
#include "adze/core/shape.h"

namespace adze {

class Index;
class Storage;
struct Symbol;
struct TensorImpl;
namespace autograd {
struct Meta;
class Node;
}  // namespace autograd

/// A handle to a strided array; copying it shares the array, `clone()` copies it.
///
/// A tensor owns a share of a storage, and may have a quantizer (q-dtypes), an autograd record, or
/// be a symbol that stands for a value while a network is traced. A symbol has no data; asking for
/// it throws `TraceError`. A default constructed Tensor is undefined.
///
/// Reading is safe from several threads; writing needs the caller's own lock.
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(std::shared_ptr<TensorImpl> impl) : impl_(std::move(impl)) {}
  explicit operator bool() const = delete;

  bool defined() const { return impl_ != nullptr; }
  /// True when both handles share one array object (not: equal values).
  bool is_same(const Tensor& other) const { return impl_ == other.impl_; }
  /// Address that identifies the array object behind the handle.
  const void* id() const { return impl_.get(); }
  TensorImpl& impl() const;  // throws when undefined
  const std::shared_ptr<TensorImpl>& impl_ptr() const { return impl_; }

  // ---- properties ------------------------------------------------------------------------------
  const Shape& sizes() const;
  std::int64_t size(std::int64_t dim) const;
  const Shape& strides() const;  // in elements
  std::int64_t dim() const { return static_cast<std::int64_t>(sizes().size()); }
  std::int64_t numel() const;
  DType dtype() const;
  std::int64_t storage_offset() const;
  bool is_contiguous() const;
  bool is_quantized() const { return adze::is_quantized(dtype()); }
  bool is_floating_point() const { return adze::is_floating_point(dtype()); }
  bool is_symbolic() const;
  Symbol* symbol() const;  // nullptr for ordinary tensors
  /// Grows with every write into the storage, through any view of it.
  std::uint64_t version() const;

  // ---- data ------------------------------------------------------------------------------------
  /// First element. T must be the element type (or the underlying integer of a quantized dtype).
  /// Elements are `strides()` apart; see `is_contiguous()`.
  template <class T>
  const T* data() const {
    return static_cast<const T*>(raw(dtype_of<T>));
  }
  /// As `data`, for writing; bumps the version. Ask again before writing after an op has used the
  /// tensor: ops keep what they computed from one version of it.
  template <class T>
  T* mutable_data() const {
    return static_cast<T*>(mutable_raw(dtype_of<T>));
  }
  /// First element, whatever its type.
  const void* raw_data() const;
  void* mutable_raw_data() const;
  /// All elements of a contiguous tensor.
  template <class T>
  std::span<const T> span() const {
    return {contiguous_data<T>(), static_cast<std::size_t>(numel())};
  }
  /// All elements in row-major order, converted to T (quantized values are dequantized).
  template <class T>
  std::vector<T> to_vector() const;
  /// The value of a one-element tensor, converted to T (dequantized when quantized).
  template <class T = double>
  T item() const {
    const Scalar value = item_as_scalar();
    if constexpr (std::same_as<T, bool>) {
      return value.to_double() != 0;
    } else if constexpr (std::integral<T>) {
      return static_cast<T>(value.to_int());
    } else {
      return static_cast<T>(value.to_double());
    }
  }

  // ---- quantization ----------------------------------------------------------------------------
  const QuantizerPtr& quantizer() const;  // nullptr unless quantized
  QScheme qscheme() const;
  double q_scale() const;
  std::int64_t q_zero_point() const;
  Tensor q_per_channel_scales() const;       // float64 (channels)
  Tensor q_per_channel_zero_points() const;  // int64 (channels)
  std::int64_t q_per_channel_axis() const;
  /// The integers of a quantized tensor, as a tensor of the underlying dtype that shares storage.
  Tensor int_repr() const;
  /// float32 values; a float tensor is returned as it is.
  Tensor dequantize() const;

  // ---- autograd --------------------------------------------------------------------------------
  bool requires_grad() const;
  /// Sets the flag on a leaf of floating dtype and returns *this; throws on other tensors.
  const Tensor& requires_grad_(bool value = true) const;
  /// Accumulated gradient; undefined until `backward()` reached this leaf.
  Tensor grad() const;
  void set_grad(const Tensor& grad) const;
  bool is_leaf() const;
  /// Same data, outside of the autograd graph.
  Tensor detach() const;
  /// Accumulates d(this)/d(leaf) into the `grad()` of every leaf that requires it. `gradient` may
  /// be left out for a one-element tensor (then it is 1).
  void backward(const Tensor& gradient = {}) const;
  const std::shared_ptr<autograd::Node>& grad_fn() const;

  // ---- writing in place ------------------------------------------------------------------------
  // These return *this. They throw when the tensor takes part in autograd and grad mode is on.
  /// Writes the values of `source` (broadcast, converted; a quantized destination quantizes floats
  /// with its own qparams, a quantized source hands over its qparams).
  const Tensor& copy_(const Tensor& source) const;
  const Tensor& fill_(Scalar value) const;
  const Tensor& zero_() const { return fill_(0); }
  const Tensor& add_(const Tensor& other, Scalar alpha = 1) const;
  const Tensor& mul_(const Tensor& other) const;
  const Tensor& mul_(Scalar other) const;

  // ---- copies and views ------------------------------------------------------------------------
  /// A contiguous copy; part of the autograd graph like any other op.
  Tensor clone() const;
  Tensor contiguous() const;
  /// Converted copy; the tensor itself when it already has the dtype.
  Tensor to(DType dtype) const;
  Tensor operator[](std::int64_t i) const;                    // select(0, i)
  Tensor index(std::initializer_list<Index> indices) const;   // see indexing.h
  Tensor select(std::int64_t dim, std::int64_t index) const;  // view
  Tensor slice(std::int64_t dim, std::optional<std::int64_t> start = {},
               std::optional<std::int64_t> end = {}, std::int64_t step = 1) const;  // view
  Tensor narrow(std::int64_t dim, std::int64_t start, std::int64_t length) const;   // view
  Tensor view(const Shape& shape) const;     // view; throws when strides do not allow it
  Tensor reshape(const Shape& shape) const;  // view when possible, else a copy
  Tensor flatten(std::int64_t start_dim = 0, std::int64_t end_dim = -1) const;
  Tensor permute(const Shape& dims) const;
  Tensor transpose(std::int64_t dim0, std::int64_t dim1) const;
  Tensor t() const;  // transpose of a matrix
  Tensor expand(const Shape& shape) const;
  Tensor squeeze() const;
  Tensor squeeze(std::int64_t dim) const;
  Tensor unsqueeze(std::int64_t dim) const;

  // ---- frequent ops as methods; the free functions of adze/core/ops.h are the full set ----------
  Tensor sum() const;
  Tensor sum(const Shape& dims, bool keepdim = false) const;
  Tensor mean() const;
  Tensor mean(const Shape& dims, bool keepdim = false) const;
  Tensor max() const;
  Tensor min() const;
  Tensor argmax(std::optional<std::int64_t> dim = {}, bool keepdim = false) const;
  Tensor abs() const;
  Tensor exp() const;
  Tensor log() const;
  Tensor sqrt() const;
  Tensor pow(Scalar exponent) const;
  Tensor relu() const;
  Tensor clamp(std::optional<double> min, std::optional<double> max) const;
  Tensor matmul(const Tensor& other) const;
  bool equal(const Tensor& other) const;  // same shape, dtype, values and quantizer
  bool allclose(const Tensor& other, double rtol = 1e-5, double atol = 1e-8) const;

  /// As the field prints: "tensor([[1., 2.]])", with dtype, qparams or grad_fn where they matter.
  std::string str() const;

 private:
  const void* raw(DType dtype) const;
  void* mutable_raw(DType dtype) const;
  Scalar item_as_scalar() const;
  template <class T>
  const T* contiguous_data() const {
    check(is_contiguous(), "Tensor::span: needs a contiguous tensor; call contiguous() first");
    return data<T>();
  }

  std::shared_ptr<TensorImpl> impl_;
};

std::ostream& operator<<(std::ostream& os, const Tensor& tensor);

using TensorList = std::vector<Tensor>;

}  // namespace adze
