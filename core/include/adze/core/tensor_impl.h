#pragma once

#include <memory>
#include <optional>

#include "adze/core/storage.h"
#include "adze/core/tensor.h"

namespace adze {

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
