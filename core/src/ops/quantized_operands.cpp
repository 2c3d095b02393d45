#include "ops/quantized_operands.h"

#include <numeric>

#include "adze/kernels/parallel.h"

#include "ops/grid.h"
#include "ops/operands.h"

namespace adze::detail {

void check_quantized(std::string_view op, const Tensor& a) {
  check(a.is_quantized(), op, ": expected a quantized input, got ", a.dtype(),
        "; insert a QuantStub, or let prepare_fx/convert_fx quantize the network");
  check(a.dtype() == quint8 || a.dtype() == qint8, op, ": the input must be quint8 or qint8, got ",
        a.dtype());
  check(!is_per_channel(a.qscheme()), op, ": the input must be quantized per tensor, got ",
        a.qscheme());
}

Tensor map_bytes(const Tensor& a, const ByteTable& table, const QuantizerPtr& quantizer) {
  constexpr std::int64_t grain = 1 << 15;  // bytes that are worth a second thread
  const Tensor x = packed(a), out = make_tensor(a.sizes(), a.dtype(), quantizer);
  const auto* from = static_cast<const std::uint8_t*>(x.raw_data());
  auto* to = static_cast<std::uint8_t*>(out.mutable_raw_data());
  kernels::parallel_for(0, x.numel(), grain, [&](std::int64_t i, std::int64_t end) {
    for (; i < end; ++i) to[i] = table[from[i]];
  });
  return out;
}

Tensor map_values(std::string_view op, const Tensor& a, ValueFunction f,
                  const QuantizerPtr& quantizer) {
  check_quantized(op, a);
  const kernels::Affine from = affine_of(op, *a.quantizer(), a.dtype());
  const kernels::Affine to = affine_of(op, *quantizer, a.dtype());
  ByteTable table;
  std::iota(table.begin(), table.end(), std::uint8_t{0});
  constexpr auto n = static_cast<std::int64_t>(table.size());
  std::array<float, table.size()> values;
  visit_bytes(a.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* q = reinterpret_cast<T*>(table.data());
    kernels::dequantize(q, n, from, values.data());
    if (f) f(values.data(), n, values.data());
    kernels::quantize(values.data(), n, to, q);
  });
  return map_bytes(a, table, quantizer);
}

}  // namespace adze::detail
