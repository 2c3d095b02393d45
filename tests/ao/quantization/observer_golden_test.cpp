// Observers and fake-quantizes against PyTorch 2.x: golden/observers.json, written by
// golden/observers.py.

#include <cmath>
#include <fstream>

#include <nlohmann/json.hpp>

#include "adze/ao/quantization/fake_quantize.h"
#include "adze/core/creation.h"
#include "adze/core/ops.h"

#include "support/catch.h"

using namespace adze;
using namespace adze::ao::quantization;

namespace {

using nlohmann::json;

Tensor stream(const std::string& kind, std::uint32_t seed, std::int64_t count, double factor) {
  std::vector<float> out;
  std::uint32_t state = seed;
  for (std::int64_t i = 0; i < count; ++i) {
    double v = -2;
    for (int k = 0; k < 4; ++k) {
      state = state * 1664525U + 1013904223U;
      v += state / 4294967296.0;
    }
    if (kind == "relu") v = std::max(v, 0.0);
    if (kind == "cubic") v = v * v * v;
    if (kind == "uniform") v = state / 4294967296.0;
    if (kind == "integers") v = std::nearbyint(v * 8);
    if (kind == "outlier" && i == count / 2) v = 30;
    out.push_back(static_cast<float>(v * factor));
  }
  return from_vector(out, {count});
}

ObserverOptions options_of(const json& j) {
  ObserverOptions o;
  if (j.contains("dtype")) o.dtype = dtype_from_name(j["dtype"].get<std::string>());
  if (j.contains("qscheme"))
    for (const QScheme s : {per_tensor_affine, per_tensor_symmetric, per_channel_affine,
                            per_channel_symmetric, per_channel_affine_float_qparams})
      if (name(s) == j["qscheme"].get<std::string>()) o.qscheme = s;
  if (j.contains("reduce_range")) o.reduce_range = j["reduce_range"];
  if (j.contains("quant_min")) o.quant_min = j["quant_min"].get<std::int64_t>();
  if (j.contains("quant_max")) o.quant_max = j["quant_max"].get<std::int64_t>();
  if (j.contains("eps")) o.eps = j["eps"];
  if (j.contains("averaging_constant"))
    o.averaging_constant = j["averaging_constant"].get<double>();
  if (j.contains("ch_axis")) o.ch_axis = j["ch_axis"].get<std::int64_t>();
  if (j.contains("bins")) o.bins = j["bins"].get<std::int64_t>();
  return o;
}

ObserverFactory factory_of(const json& j) {
  const std::string type = j["observer"];
  const ObserverOptions o = options_of(j["options"]);
  if (type == "MinMaxObserver") return MinMaxObserver::with_args(o);
  if (type == "MovingAverageMinMaxObserver") return MovingAverageMinMaxObserver::with_args(o);
  if (type == "PerChannelMinMaxObserver") return PerChannelMinMaxObserver::with_args(o);
  if (type == "MovingAveragePerChannelMinMaxObserver")
    return MovingAveragePerChannelMinMaxObserver::with_args(o);
  return HistogramObserver::with_args(o);
}

std::vector<json> golden_streams() {
  std::ifstream file(ADZE_TEST_DATA_DIR "/observers.json");
  const json parsed = json::parse(file);
  return {parsed.begin(), parsed.end()};
}

TensorList tensors_of(const json& s) {
  TensorList out;
  for (std::size_t i = 0; i < s["sizes"].size(); ++i)
    out.push_back(stream(s["kind"], s["seed"].get<std::uint32_t>() * 100 + static_cast<unsigned>(i),
                         s["sizes"][i], s["factors"][i]));
  return out;
}

void check_qparams(const TensorQParams& q, const json& expected) {
  CHECK(q.scale.to_vector<double>() == expected["scale"].get<std::vector<double>>());
  CHECK(q.zero_point.to_vector<double>() == expected["zero_point"].get<std::vector<double>>());
}

}  // namespace

TEST_CASE("Observers agree with PyTorch to the bit on streams of tensors",
          "[ao][quantization][golden]") {
  for (const json& s : golden_streams()) {
    const TensorList tensors = tensors_of(s);
    for (const json& expected : s["results"]) {
      CAPTURE(s["kind"], s["seed"], expected["observer"], expected["options"]);
      auto o = factory_of(expected)();
      for (const Tensor& x : tensors) (*o)(o->is_per_channel() ? x.reshape({-1, 4, 3}) : x);
      check_qparams(o->calculate_qparams(), expected);
      if (auto* h = dynamic_cast<HistogramObserver*>(o.get())) {
        CHECK(h->min_val.value().item<double>() == expected["range"][0].get<double>());
        CHECK(h->max_val.value().item<double>() == expected["range"][1].get<double>());
        CHECK(h->histogram.value().sum().item<double>() ==
              Approx(expected["counts"][0].get<double>()));
        const auto filled = expected["counts"][1].get<double>();
        CHECK(static_cast<double>(count_nonzero(h->histogram.value())) == Approx(filled).margin(2));
      }
    }
  }
}

TEST_CASE("Fake-quantizes, fused or not, agree with PyTorch to the bit on streams of tensors",
          "[ao][quantization][golden]") {
  for (const json& s : golden_streams()) {
    for (const json& expected : s["fake_quantize"]) {
      CAPTURE(s["kind"], s["seed"], expected["options"]);
      const FakeQuantizeOptions options{
          MovingAverageMinMaxObserver::with_args(options_of(expected["options"]))};
      for (const ObserverFactory& make :
           {FakeQuantize::with_args(options), FusedMovingAvgObsFakeQuantize::with_args(options)}) {
        auto f = make();
        Tensor y;
        for (const Tensor& x : tensors_of(s)) y = (*f)(x);
        check_qparams(f->calculate_qparams(), expected);
        CHECK(y.slice(0, 0, 12).to_vector<double>() ==
              expected["first"].get<std::vector<double>>());
      }
    }
  }
}
