#include "adze/core/tensor.h"

#include <limits>
#include <utility>

#include "adze/core/autograd.h"
#include "adze/core/op.h"
#include "adze/core/ops/quantize.h"
#include "adze/core/tensor_impl.h"

#include "block_pool.h"
#include "strided.h"

namespace adze {

namespace {

// Strides that visit the elements in row-major order without gaps; sizes of 1 may have any stride.
bool lies_contiguous(const TensorImpl& t) {
  if (t.numel == 0) return true;
  std::int64_t expected = 1;
  for (std::size_t i = t.sizes.size(); i-- > 0;) {
    if (t.sizes[i] == 1) continue;
    if (t.strides[i] != expected) return false;
    expected *= t.sizes[i];
  }
  return true;
}

std::size_t bytes_for(std::int64_t count, const Shape& sizes, DType dtype) {
  constexpr std::int64_t largest_item = 8;
  check(count <= std::numeric_limits<std::int64_t>::max() / largest_item,
        "Tensor: a tensor of shape ", sizes, " and dtype ", dtype, " is larger than memory can be");
  return static_cast<std::size_t>(count) * item_size(dtype);
}

void check_quantizer(const Shape& sizes, DType dtype, const QuantizerPtr& quantizer) {
  if (!is_quantized(dtype)) {
    check(!quantizer, "Tensor: a quantizer needs a quantized dtype, got ", dtype);
    return;
  }
  check(quantizer != nullptr, "Tensor: a tensor of dtype ", dtype, " needs a quantizer");
  if (!is_per_channel(quantizer->scheme)) return;
  const std::size_t channels = quantizer->scales.size();
  const auto axis = static_cast<std::size_t>(quantizer->axis);
  check(quantizer->axis >= 0 && axis < sizes.size(), "Tensor: the channel axis ", quantizer->axis,
        " is out of range for shape ", sizes);
  check(static_cast<std::size_t>(sizes[axis]) == channels, "Tensor: ", sizes[axis],
        " scales expected for axis ", axis, " of shape ", sizes, ", got ", channels);
}

// First and one past the last element that a view touches must lie in the storage.
void check_bounds(const TensorImpl& t) {
  if (t.numel == 0) return;
  std::int64_t low = t.offset, high = t.offset;
  for (std::size_t i = 0; i < t.sizes.size(); ++i) {
    const std::int64_t reach = t.strides[i] * (t.sizes[i] - 1);
    (reach < 0 ? low : high) += reach;
  }
  const auto count = static_cast<std::int64_t>(t.storage->bytes() / item_size(t.dtype));
  check(low >= 0 && high < count, "Tensor: a view of shape ", t.sizes, ", strides ", t.strides,
        " and offset ", t.offset, " reaches outside of its storage of ", count, " elements");
}

[[noreturn]] void fail_symbolic(const char* where, const char* what) {
  throw TraceError(detail::concat(where, ": ", what));
}

constexpr const char* no_value =
    "the value of a tensor is not known while tracing; compute with ops only, or make the module "
    "that asks for it a leaf of the tracer";
constexpr const char* no_shape =
    "the shape of this tensor is not known while tracing; trace with example inputs, or make the "
    "module that asks for it a leaf of the tracer";

const Storage& storage_of(const Tensor& t, const char* where) {
  const TensorImpl& impl = t.impl();
  if (!impl.storage) [[unlikely]]
    fail_symbolic(where, no_value);
  return *impl.storage;
}

}  // namespace

Derived& DerivedSlot::operator*() const {
  Derived* present = object_.load(std::memory_order_acquire);
  if (present) return *present;
  auto fresh = std::make_unique<Derived>();
  if (!object_.compare_exchange_strong(present, fresh.get(), std::memory_order_acq_rel))
    return *present;
  return *fresh.release();
}

namespace {

template <class... Args>
std::shared_ptr<TensorImpl> new_impl(Args&&... args) {
  return std::allocate_shared<TensorImpl>(detail::PoolAllocator<TensorImpl>(),
                                          std::forward<Args>(args)...);
}

}  // namespace

Tensor make_tensor(const Shape& sizes, DType dtype, QuantizerPtr quantizer) {
  if (is_quantized(dtype) || quantizer) check_quantizer(sizes, dtype, quantizer);
  const std::int64_t count = numel(sizes);
  auto impl = new_impl();
  impl->storage = Storage::allocate(bytes_for(count, sizes, dtype));
  impl->sizes = sizes;
  impl->strides = contiguous_strides(sizes);
  impl->numel = count;
  impl->dtype = dtype;
  impl->quantizer = std::move(quantizer);
  return Tensor(std::move(impl));
}

Tensor make_view(const Tensor& base, const Shape& sizes, const Shape& strides, std::int64_t offset,
                 std::optional<QuantizerPtr> quantizer) {
  const TensorImpl& from = base.impl();
  if (!from.storage) fail_symbolic("make_view", no_value);
  check(sizes.size() == strides.size(), "Tensor: a view needs as many strides as sizes, got ",
        sizes, " and ", strides);
  auto impl = new_impl();
  impl->storage = from.storage;
  impl->sizes = sizes;
  impl->strides = strides;
  impl->offset = offset;
  impl->numel = numel(sizes);
  impl->dtype = from.dtype;
  impl->quantizer = quantizer ? std::move(*quantizer) : from.quantizer;
  impl->contiguous = lies_contiguous(*impl);
  if (is_quantized(impl->dtype)) check_quantizer(sizes, impl->dtype, impl->quantizer);
  check_bounds(*impl);
  return Tensor(std::move(impl));
}

Tensor make_symbolic(std::shared_ptr<Symbol> symbol, std::optional<Shape> sizes, DType dtype,
                     QuantizerPtr quantizer) {
  check(symbol != nullptr, "make_symbolic: needs a symbol");
  auto impl = new_impl();
  impl->sizes_known = sizes.has_value();
  if (sizes) {
    impl->sizes = *sizes;
    impl->strides = contiguous_strides(*sizes);
    impl->numel = numel(*sizes);
  }
  impl->dtype = dtype;
  impl->quantizer = std::move(quantizer);
  impl->symbol = std::move(symbol);
  return Tensor(std::move(impl));
}

TensorImpl& Tensor::impl() const {
  if (!impl_) [[unlikely]]
    fail("Tensor: this tensor is undefined (default constructed); assign a tensor to it first");
  return *impl_;
}

// ---- properties ---------------------------------------------------------------------------------

const Shape& Tensor::sizes() const {
  const TensorImpl& t = impl();
  if (!t.sizes_known) [[unlikely]]
    fail_symbolic("Tensor::sizes", no_shape);
  return t.sizes;
}

std::int64_t Tensor::size(std::int64_t dim) const {
  const Shape& all = sizes();
  return all[static_cast<std::size_t>(wrap_dim(dim, all.size(), "Tensor::size"))];
}

const Shape& Tensor::strides() const {
  const TensorImpl& t = impl();
  if (!t.sizes_known) [[unlikely]]
    fail_symbolic("Tensor::strides", no_shape);
  return t.strides;
}

std::int64_t Tensor::numel() const {
  const TensorImpl& t = impl();
  if (!t.sizes_known) [[unlikely]]
    fail_symbolic("Tensor::numel", no_shape);
  return t.numel;
}

DType Tensor::dtype() const {
  return impl().dtype;
}
std::int64_t Tensor::storage_offset() const {
  return impl().offset;
}
bool Tensor::is_contiguous() const {
  return impl().contiguous;
}
bool Tensor::is_symbolic() const {
  return impl_ && impl_->symbol;
}
Symbol* Tensor::symbol() const {
  return impl_ ? impl_->symbol.get() : nullptr;
}
std::uint64_t Tensor::version() const {
  return storage_of(*this, "Tensor::version").version();
}

// ---- data ---------------------------------------------------------------------------------------

const void* Tensor::raw_data() const {
  const Storage& storage = storage_of(*this, "Tensor::data");
  return storage.data() + static_cast<std::size_t>(impl_->offset) * item_size(impl_->dtype);
}

void* Tensor::mutable_raw_data() const {
  const Storage& storage = storage_of(*this, "Tensor::mutable_data");
  impl_->storage->bump_version();
  return storage.data() + static_cast<std::size_t>(impl_->offset) * item_size(impl_->dtype);
}

const void* Tensor::raw(DType wanted) const {
  const void* first = raw_data();
  if (wanted != underlying(impl_->dtype)) [[unlikely]]
    fail("Tensor::data: elements of dtype ", wanted, " were asked for, the tensor has dtype ",
         impl_->dtype);
  return first;
}

void* Tensor::mutable_raw(DType wanted) const {
  if (wanted != underlying(impl().dtype)) [[unlikely]]
    fail("Tensor::mutable_data: elements of dtype ", wanted,
         " were asked for, the tensor has dtype ", impl_->dtype);
  return mutable_raw_data();
}

Scalar Tensor::item_as_scalar() const {
  storage_of(*this, "Tensor::item");
  check(numel() == 1, "Tensor::item: needs a tensor with one element, got shape ", sizes());
  if (is_quantized()) return adze::dequantize(*this).item_as_scalar();
  return detail::visit_dtype(impl_->dtype, [&](auto tag) -> Scalar {
    using T = typename decltype(tag)::type;
    return static_cast<detail::compute_t<T>>(*data<T>());
  });
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  storage_of(*this, "Tensor::to_vector");
  if (is_quantized()) return adze::dequantize(*this).to_vector<T>();
  std::vector<T> out;
  out.reserve(static_cast<std::size_t>(numel()));
  detail::visit_dtype(impl_->dtype, [&](auto tag) {
    using From = typename decltype(tag)::type;
    detail::for_each(
        sizes(), [&](const From& v) { out.push_back(detail::convert<T>(v)); },
        detail::read<From>(*this, sizes()));
  });
  return out;
}

template std::vector<float> Tensor::to_vector() const;
template std::vector<double> Tensor::to_vector() const;
template std::vector<Half> Tensor::to_vector() const;
template std::vector<BFloat16> Tensor::to_vector() const;
template std::vector<std::int8_t> Tensor::to_vector() const;
template std::vector<std::int16_t> Tensor::to_vector() const;
template std::vector<std::int32_t> Tensor::to_vector() const;
template std::vector<std::int64_t> Tensor::to_vector() const;
template std::vector<std::uint8_t> Tensor::to_vector() const;
template std::vector<bool> Tensor::to_vector() const;

// ---- quantization -------------------------------------------------------------------------------

namespace {

const Quantizer& quantizer_of(const Tensor& t, const char* where) {
  check(t.quantizer() != nullptr, where, ": needs a quantized tensor, got dtype ", t.dtype());
  return *t.quantizer();
}

const Quantizer& per_tensor_of(const Tensor& t, const char* where) {
  const Quantizer& q = quantizer_of(t, where);
  check(!is_per_channel(q.scheme), where,
        ": is defined for per-tensor quantized tensors, this one ",
        "is per channel; use q_per_channel_scales() and q_per_channel_zero_points()");
  return q;
}

const Quantizer& per_channel_of(const Tensor& t, const char* where) {
  const Quantizer& q = quantizer_of(t, where);
  check(is_per_channel(q.scheme), where,
        ": is defined for per-channel quantized tensors, this one ",
        "is per tensor; use q_scale() and q_zero_point()");
  return q;
}

template <class T>
Tensor vector_of(const std::vector<double>& values) {
  Tensor out = make_tensor({static_cast<std::int64_t>(values.size())}, dtype_of<T>);
  T* to = out.mutable_data<T>();
  for (std::size_t i = 0; i < values.size(); ++i) to[i] = static_cast<T>(values[i]);
  return out;
}

}  // namespace

const QuantizerPtr& Tensor::quantizer() const {
  return impl().quantizer;
}
QScheme Tensor::qscheme() const {
  return quantizer_of(*this, "Tensor::qscheme").scheme;
}
double Tensor::q_scale() const {
  return per_tensor_of(*this, "Tensor::q_scale").scales[0];
}

std::int64_t Tensor::q_zero_point() const {
  return static_cast<std::int64_t>(per_tensor_of(*this, "Tensor::q_zero_point").zero_points[0]);
}

Tensor Tensor::q_per_channel_scales() const {
  return vector_of<double>(per_channel_of(*this, "Tensor::q_per_channel_scales").scales);
}

Tensor Tensor::q_per_channel_zero_points() const {
  const Quantizer& q = per_channel_of(*this, "Tensor::q_per_channel_zero_points");
  if (q.scheme == QScheme::per_channel_affine_float_qparams) return vector_of<float>(q.zero_points);
  return vector_of<std::int64_t>(q.zero_points);
}

std::int64_t Tensor::q_per_channel_axis() const {
  return per_channel_of(*this, "Tensor::q_per_channel_axis").axis;
}

Tensor Tensor::int_repr() const {
  storage_of(*this, "Tensor::int_repr");
  quantizer_of(*this, "Tensor::int_repr");
  auto ints = new_impl(*impl_);
  ints->dtype = underlying(impl_->dtype);
  ints->quantizer = nullptr;
  return Tensor(std::move(ints));
}

// ---- autograd -----------------------------------------------------------------------------------

bool Tensor::requires_grad() const {
  const auto& meta = impl().autograd;
  return meta && (meta->requires_grad || meta->node);
}

const Tensor& Tensor::requires_grad_(bool value) const {
  TensorImpl& t = impl();
  if (value == requires_grad()) return *this;
  check(is_leaf(), "requires_grad_: the flag can be changed on leaf tensors only; this one is a ",
        "result of an op, use detach() to leave the graph");
  if (t.symbol)
    fail_symbolic("requires_grad_", "a traced tensor has no gradient; set the flag on parameters");
  check(!value || is_floating_point(), "requires_grad_: only floating dtypes have gradients, got ",
        t.dtype);
  if (!t.autograd) t.autograd = std::make_shared<autograd::Meta>();
  t.autograd->requires_grad = value;
  return *this;
}

Tensor Tensor::grad() const {
  const auto& meta = impl().autograd;
  return meta ? meta->grad : Tensor();
}

void Tensor::set_grad(const Tensor& gradient) const {
  TensorImpl& t = impl();
  if (gradient.defined()) {
    check(gradient.sizes() == sizes() && gradient.dtype() == dtype(),
          "set_grad: a gradient of shape ", sizes(), " and dtype ", dtype(), " expected, got ",
          gradient.sizes(), " and ", gradient.dtype());
  } else if (!t.autograd) {
    return;
  }
  if (!t.autograd) t.autograd = std::make_shared<autograd::Meta>();
  t.autograd->grad = gradient;
}

bool Tensor::is_leaf() const {
  const auto& meta = impl().autograd;
  return !meta || !meta->node;
}

const std::shared_ptr<autograd::Node>& Tensor::grad_fn() const {
  static const std::shared_ptr<autograd::Node> none;
  const auto& meta = impl().autograd;
  return meta ? meta->node : none;
}

}  // namespace adze
