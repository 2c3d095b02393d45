#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <typeinfo>
#include <utility>

#include "adze/core/storage.h"
#include "adze/core/tensor.h"

namespace adze {

/// One object that is computed from the elements of a tensor and kept with it, such as a weight in
/// the order a kernel reads. Safe to use from several threads.
class Derived {
 public:
  /// The object of type T for this version of the tensor; `make()` builds it when there is none,
  /// or none that `fits(object)`.
  template <class T, class Make, class Fits>
  std::shared_ptr<const T> get(std::uint64_t version, Make&& make, Fits&& fits) {
    std::lock_guard lock(mutex_);
    if (!object_ || version_ != version || *type_ != typeid(T) ||
        !fits(*static_cast<const T*>(object_.get()))) {
      object_ = std::make_shared<const T>(make());
      version_ = version;
      type_ = &typeid(T);
    }
    return std::static_pointer_cast<const T>(object_);
  }
  template <class T, class Make>
  std::shared_ptr<const T> get(std::uint64_t version, Make&& make) {
    return get<T>(version, std::forward<Make>(make), [](const T&) { return true; });
  }

 private:
  std::mutex mutex_;
  std::shared_ptr<const void> object_;
  std::uint64_t version_ = 0;
  const std::type_info* type_ = nullptr;
};

/// Holds the Derived of one tensor, made at first use; a copy of the tensor starts without.
class DerivedSlot {
 public:
  DerivedSlot() = default;
  DerivedSlot(const DerivedSlot&) {}
  DerivedSlot& operator=(const DerivedSlot&) = delete;
  ~DerivedSlot() { delete object_.load(std::memory_order_relaxed); }
  Derived& operator*() const;

 private:
  mutable std::atomic<Derived*> object_{nullptr};
};

/// What a Tensor handle points to. Library code and op authors use it; applications use Tensor.
struct TensorImpl {
  TensorImpl() {}  // not defaulted: make_shared would set all bytes to 0 first

  Shape sizes, strides;
  std::int64_t offset = 0;  // elements
  std::int64_t numel = 0;
  DType dtype = DType::float32;
  bool contiguous = true;
  bool sizes_known = true;                   // false for a symbol traced without example inputs
  std::shared_ptr<Storage> storage;          // null for a symbol
  QuantizerPtr quantizer;                    // q-dtypes only
  std::shared_ptr<autograd::Meta> autograd;  // null: no gradient wanted
  std::shared_ptr<Symbol> symbol;            // null: an ordinary tensor
  DerivedSlot derived;                       // what kernels keep with the tensor
};

/// A new contiguous tensor with uninitialised memory. `quantizer` is required for q-dtypes.
Tensor make_tensor(const Shape& sizes, DType dtype, QuantizerPtr quantizer = nullptr);
/// A view of `base`'s storage with other sizes and strides (elements); keeps dtype and, unless
/// given, the quantizer. Not part of the autograd graph: ops that return views add that.
Tensor make_view(const Tensor& base, const Shape& sizes, const Shape& strides, std::int64_t offset,
                 std::optional<QuantizerPtr> quantizer = {});
/// A tensor that stands for a value while tracing. Without `sizes`, asking for the shape throws.
Tensor make_symbolic(std::shared_ptr<Symbol> symbol, std::optional<Shape> sizes,
                     DType dtype = DType::float32, QuantizerPtr quantizer = nullptr);

}  // namespace adze
