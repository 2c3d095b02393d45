#include "adze/core/creation.h"

#include <cmath>
#include <limits>

#include "adze/core/tensor_impl.h"

#include "strided.h"

namespace adze {

namespace {

void check_plain(DType dtype, const char* where) {
  check(!is_quantized(dtype), where, ": a tensor of dtype ", dtype,
        " needs qparams; use quantize_per_tensor or make_per_tensor_quantized_tensor");
}

// Same shape and, unless quantized, same dtype; a quantized tensor also shares its quantizer.
Tensor like(const Tensor& t) {
  return make_tensor(t.sizes(), t.dtype(), t.quantizer());
}

std::int64_t length(std::size_t n) {
  return static_cast<std::int64_t>(n);
}

}  // namespace

Tensor empty(const Shape& sizes, DType dtype) {
  check_plain(dtype, "empty");
  return make_tensor(sizes, dtype);
}

Tensor full(const Shape& sizes, Scalar value, DType dtype) {
  check_plain(dtype, "full");
  Tensor out = make_tensor(sizes, dtype);
  out.fill_(value);
  return out;
}

Tensor zeros(const Shape& sizes, DType dtype) {
  return full(sizes, 0, dtype);
}
Tensor ones(const Shape& sizes, DType dtype) {
  return full(sizes, 1, dtype);
}

Tensor empty_like(const Tensor& t) {
  return like(t);
}

Tensor full_like(const Tensor& t, Scalar value) {
  Tensor out = like(t);
  out.fill_(value);
  return out;
}

Tensor zeros_like(const Tensor& t) {
  return full_like(t, 0);
}
Tensor ones_like(const Tensor& t) {
  return full_like(t, 1);
}

Tensor eye(std::int64_t n, DType dtype) {
  check(n >= 0, "eye: the size must not be negative, got ", n);
  Tensor out = zeros({n, n}, dtype);
  make_view(out, {n}, {n + 1}, 0).fill_(1);
  return out;
}

Tensor arange(Scalar end) {
  return arange(0, end);
}

Tensor arange(Scalar start, Scalar end, Scalar step) {
  const double from = start.to_double(), to = end.to_double(), by = step.to_double();
  check(std::isfinite(from) && std::isfinite(to) && std::isfinite(by) && by != 0,
        "arange: finite bounds and a step that is not 0 expected, got ", from, ", ", to, ", ", by);
  check((to - from) * by >= 0, "arange: the step ", by, " does not lead from ", from, " to ", to);
  const double exact = std::ceil((to - from) / by);
  check(exact < 0x1p62, "arange: ", exact, " elements are too many");
  const bool floating = start.is_floating() || end.is_floating() || step.is_floating();
  if (floating) {
    const auto n = static_cast<std::int64_t>(exact);
    Tensor out = make_tensor({n}, DType::float32);
    float* p = out.mutable_data<float>();
    for (std::int64_t i = 0; i < n; ++i)
      p[i] = static_cast<float>(from + by * static_cast<double>(i));
    return out;
  }
  const std::int64_t first = start.to_int(), last = end.to_int(), stride = step.to_int();
  const std::int64_t n = (last - first + stride - (stride > 0 ? 1 : -1)) / stride;
  Tensor out = make_tensor({n}, DType::int64);
  auto* p = out.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < n; ++i) p[i] = first + stride * i;
  return out;
}

Tensor linspace(double start, double end, std::int64_t steps) {
  check(steps >= 0, "linspace: the number of steps must not be negative, got ", steps);
  Tensor out = make_tensor({steps}, DType::float32);
  float* p = out.mutable_data<float>();
  const double step = steps > 1 ? (end - start) / static_cast<double>(steps - 1) : 0;
  // From both ends, so that both are exact and the values are symmetric.
  for (std::int64_t i = 0; i < steps; ++i)
    p[i] =
        static_cast<float>(i < (steps + 1) / 2 ? start + step * static_cast<double>(i)
                                               : end - step * static_cast<double>(steps - 1 - i));
  return out;
}

template <class T>
Tensor from_vector(const std::vector<T>& values, const Shape& sizes) {
  check(numel(sizes) == length(values.size()), "from_vector: shape ", sizes, " has ", numel(sizes),
        " elements, got ", values.size());
  Tensor out = make_tensor(sizes, dtype_of<T>);
  std::copy(values.begin(), values.end(), out.mutable_data<T>());
  return out;
}

template Tensor from_vector(const std::vector<float>&, const Shape&);
template Tensor from_vector(const std::vector<double>&, const Shape&);
template Tensor from_vector(const std::vector<Half>&, const Shape&);
template Tensor from_vector(const std::vector<BFloat16>&, const Shape&);
template Tensor from_vector(const std::vector<std::int8_t>&, const Shape&);
template Tensor from_vector(const std::vector<std::int16_t>&, const Shape&);
template Tensor from_vector(const std::vector<std::int32_t>&, const Shape&);
template Tensor from_vector(const std::vector<std::int64_t>&, const Shape&);
template Tensor from_vector(const std::vector<std::uint8_t>&, const Shape&);
template Tensor from_vector(const std::vector<bool>&, const Shape&);

Tensor from_blob(void* data, const Shape& sizes, DType dtype, std::shared_ptr<const void> owner) {
  check_plain(dtype, "from_blob");
  const std::int64_t count = numel(sizes);
  check(count <= std::numeric_limits<std::int64_t>::max() / 8, "from_blob: a tensor of shape ",
        sizes, " is larger than memory can be");
  check(reinterpret_cast<std::uintptr_t>(data) % item_size(dtype) == 0,
        "from_blob: the data must be aligned to the ", item_size(dtype), " bytes of a ", dtype);
  auto impl = std::make_shared<TensorImpl>();
  impl->storage =
      Storage::borrow(data, static_cast<std::size_t>(count) * item_size(dtype), std::move(owner));
  impl->sizes = sizes;
  impl->strides = contiguous_strides(sizes);
  impl->numel = count;
  impl->dtype = dtype;
  return Tensor(std::move(impl));
}

NestedValues::NestedValues(std::initializer_list<NestedValues> rows)
    : sizes_(rows.size() == 0 ? Shape{} : rows.begin()->sizes_) {
  for (const NestedValues& row : rows) {
    check(row.sizes_ == sizes_, "tensor: values of one shape expected, got ", sizes_, " and ",
          row.sizes_);
    values_.insert(values_.end(), row.values_.begin(), row.values_.end());
  }
  sizes_.insert(0, length(rows.size()));
}

Tensor tensor(const NestedValues& values) {
  return from_vector(values.values(), values.sizes());
}

}  // namespace adze
