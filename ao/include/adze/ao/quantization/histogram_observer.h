#pragma once

#include <map>
#include <string>

#include "adze/ao/quantization/observer_base.h"

namespace adze::ao::quantization {

/// Keeps a histogram of all tensors so far and chooses the range that loses least: starting from
/// [min, max] it drops bins at the ends as long as the squared error of quantizing what the
/// histogram holds gets smaller. One scale per tensor.
///
/// When a tensor widens the range, the old histogram is spread over the new bins: each old bin is
/// cut in 16 equal parts, and each part goes to the bin of its middle. All other counts are exact.
/// Elements that are infinite or NaN are left out, with a warning.
/// Source: the algorithm of torch.ao.quantization 2.x.
class HistogramObserver
    : public adze::nn::ModuleOf<HistogramObserver, UniformQuantizationObserverBase> {
 public:
  explicit HistogramObserver(const ObserverOptions& options = {});
  static ObserverFactory with_args(const ObserverOptions& options = {}) {
    return ObserverFactory::of<HistogramObserver>(options);
  }

  adze::nn::Buffer histogram;  // float32 (bins): counts of equal bins over [min_val, max_val]
  adze::nn::Buffer min_val, max_val;  // float32 scalars; +inf and -inf before the first tensor

  Tensor forward(const Tensor& x) override;
  TensorQParams calculate_qparams() const override;
  bool has_data() const override;
  std::map<std::string, Value> config() const override;
  std::string extra_repr() const override;

 protected:
  void fields(adze::nn::FieldList& f) override { f(eps, histogram, min_val, max_val); }
};

}  // namespace adze::ao::quantization
