#include "quantization/ranges.h"

#include <cmath>

#include "adze/core/creation.h"
#include "adze/core/ops.h"

namespace adze::ao::quantization {

Range range_of(const Tensor& x) {
  const auto [min, max] = aminmax(x);
  return {min.item<float>(), max.item<float>()};
}

Tensor finite_elements(std::string_view where, const Tensor& x) {
  const Range all = range_of(x);
  if (std::isfinite(all.min) && std::isfinite(all.max)) return x;
  const Tensor finite = masked_select(x, isfinite(x));
  warn(where, ": ", x.numel() - finite.numel(), " of ", x.numel(),
       " elements are infinite or NaN; they are left out of the range");
  return finite;
}

float scalar(const adze::nn::Buffer& buffer) {
  return buffer.slot()->original().item<float>();
}

void store(const adze::nn::Buffer& buffer, const Tensor& value) {
  const Tensor& stored = buffer.slot()->original();
  if (stored.sizes() == value.sizes() && stored.dtype() == value.dtype())
    buffer.slot()->write(value);
  else
    buffer.slot()->reset(value.clone());
}

void store(const adze::nn::Buffer& buffer, float value) {
  const Tensor& stored = buffer.slot()->original();
  if (stored.dim() == 0 && stored.dtype() == float32)
    *stored.mutable_data<float>() = value;
  else
    buffer.slot()->reset(tensor(value));
}

}  // namespace adze::ao::quantization
