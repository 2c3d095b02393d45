#pragma once

// What ops on 8-bit quantized tensors share: checks, and functions of single integers as tables.

#include <array>
#include <cstdint>
#include <string_view>

#include "adze/core/quantizer.h"
#include "adze/core/tensor.h"
#include "adze/kernels/quantize.h"

#include "strided.h"

namespace adze::detail {

/// Throws unless `a` is quint8 or qint8, quantized per tensor.
void check_quantized(std::string_view op, const Tensor& a);

/// f with the integer that stores `dtype`, quint8 or qint8.
template <class F>
decltype(auto) visit_bytes(DType dtype, F&& f) {
  return dtype == DType::qint8 ? f(TypeTag<std::int8_t>{}) : f(TypeTag<std::uint8_t>{});
}

/// The bytes that stand for the 256 integers of a dtype, by their bits.
using ByteTable = std::array<std::uint8_t, 256>;

/// The table of f, from the integers of `dtype` to doubles that are integers within its range.
template <class F>
ByteTable byte_table(DType dtype, F&& f) {
  ByteTable table{};
  visit_bytes(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (std::size_t bits = 0; bits < table.size(); ++bits)
      table[bits] = static_cast<std::uint8_t>(static_cast<T>(f(static_cast<T>(bits))));
  });
  return table;
}

/// The tensor of table[q] for each element q of `a`, with that quantizer.
Tensor map_bytes(const Tensor& a, const ByteTable& table, const QuantizerPtr& quantizer);

/// An array function of n float32 values, such as kernels::sigmoid.
using ValueFunction = void (*)(const float* x, std::int64_t n, float* y);

/// f of the real values of `a` (nullptr: the values themselves) on the grid of `quantizer`.
Tensor map_values(std::string_view op, const Tensor& a, ValueFunction f,
                  const QuantizerPtr& quantizer);

}  // namespace adze::detail
