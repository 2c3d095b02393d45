#include "adze/ao/quantization/qconfig.h"

#include "adze/nn/linear.h"

#include "support/catch.h"

using namespace adze;
using namespace adze::ao::quantization;

TEST_CASE("The default qconfigs are the field's for every backend", "[ao][quantization][qconfig]") {
  for (const char* backend : {"fbgemm", "x86", "qnnpack", "onednn"}) {
    CAPTURE(backend);
    const std::string name = backend;
    const bool reduce = name == "fbgemm" || name == "x86", per_channel = name != "qnnpack";
    const QConfig q = get_default_qconfig(backend);
    CHECK(q.activation == HistogramObserver::with_args({.reduce_range = reduce}));
    CHECK(q.weight ==
          (per_channel ? default_per_channel_weight_observer : default_weight_observer));
    const FakeQuantizeOptions activation{MovingAverageMinMaxObserver::with_args(
        {.reduce_range = reduce, .quant_min = 0, .quant_max = 255})};
    const QConfig v0 = get_default_qat_qconfig(backend, 0), v1 = get_default_qat_qconfig(backend);
    CHECK(v0.activation == FakeQuantize::with_args(activation));
    CHECK(v0.weight ==
          (per_channel ? default_per_channel_weight_fake_quant : default_weight_fake_quant));
    CHECK(v1.activation == FusedMovingAvgObsFakeQuantize::with_args(activation));
    CHECK(v1.weight ==
          (per_channel ? default_fused_per_channel_wt_fake_quant : default_fused_wt_fake_quant));
    CHECK(v1.activation()->quant_max() == (reduce ? 127 : 255));
  }
  CHECK(get_default_qconfig() == get_default_qconfig("x86"));
  CHECK(get_default_qat_qconfig() == get_default_qat_qconfig("x86", 1));
}

TEST_CASE("Unknown backends and versions are refused", "[ao][quantization][qconfig]") {
  CHECK_THROWS_WITH(get_default_qconfig("cuda"),
                    "get_default_qconfig: backend 'cuda' is not supported, it must be one of "
                    "fbgemm, x86, qnnpack, onednn");
  CHECK_THROWS_WITH(get_default_qconfig("x86", 5), "get_default_qconfig: version must be 0, got 5");
  CHECK_THROWS_WITH(get_default_qat_qconfig("X86"), ContainsSubstring("backend 'X86' is not"));
  CHECK_THROWS_WITH(get_default_qat_qconfig("x86", 2),
                    "get_default_qat_qconfig: version must be 0 or 1, got 2");
}

TEST_CASE("qconfigs are equal when they build the same", "[ao][quantization][qconfig]") {
  CHECK(qconfig_equals(
      default_qconfig,
      QConfig{MinMaxObserver::with_args({.quant_min = 0, .quant_max = 127}),
              MinMaxObserver::with_args({.dtype = qint8, .qscheme = per_tensor_symmetric})}));
  CHECK_FALSE(qconfig_equals(default_qconfig, default_per_channel_qconfig));
  CHECK_FALSE(qconfig_equals(default_qconfig, std::nullopt));
  CHECK(qconfig_equals(std::nullopt, std::nullopt));
  CHECK_FALSE(qconfig_equals(get_default_qat_qconfig("x86", 0), get_default_qat_qconfig("x86", 1)));
  CHECK_FALSE(qconfig_equals(get_default_qat_qconfig("x86"), get_default_qat_qconfig("onednn")));
}

TEST_CASE("A qconfig prints what it builds", "[ao][quantization][qconfig]") {
  CHECK(default_qconfig.str() ==
        "QConfig(activation=MinMaxObserver(quant_min=0, quant_max=127), "
        "weight=MinMaxObserver(dtype=qint8, qscheme=per_tensor_symmetric))");
  CHECK_THAT(default_weight_only_qconfig.str(), ContainsSubstring("activation=Identity, "));
}

TEST_CASE("Every named qconfig builds what it names", "[ao][quantization][qconfig]") {
  for (const QConfig& q :
       {default_qconfig, default_per_channel_qconfig, default_debug_qconfig,
        default_reuse_input_qconfig, default_symmetric_qnnpack_qconfig,
        default_per_channel_symmetric_qnnpack_qconfig, default_dynamic_qconfig,
        per_channel_dynamic_qconfig, float16_dynamic_qconfig, float16_static_qconfig,
        float_qparams_weight_only_qconfig, default_qat_qconfig, default_qat_qconfig_v2,
        default_dynamic_qat_qconfig, default_weight_only_qconfig, default_activation_only_qconfig,
        default_embedding_qat_qconfig, default_symmetric_qnnpack_qat_qconfig,
        default_per_channel_symmetric_qnnpack_qat_qconfig}) {
    CAPTURE(q);
    CHECK((q.activation || q.weight));
    if (q.activation) CHECK(q.activation() != nullptr);
    if (q.weight) CHECK(q.weight() != nullptr);
  }
  CHECK(default_symmetric_qnnpack_qconfig.activation()->dtype() == qint8);
  CHECK(default_symmetric_qnnpack_qat_qconfig.weight()->quant_min() == -127);
}

TEST_CASE("A qconfig tells which kind of quantization it asks for", "[ao][quantization][qconfig]") {
  CHECK(get_quant_type(default_qconfig) == QuantType::static_);
  CHECK(get_quant_type(default_qat_qconfig) == QuantType::static_);
  CHECK(get_quant_type(default_dynamic_qconfig) == QuantType::dynamic);
  CHECK(get_quant_type(default_dynamic_qat_qconfig) == QuantType::dynamic);
  CHECK(get_quant_type(default_weight_only_qconfig) == QuantType::weight_only);
  CHECK(get_quant_type(float_qparams_weight_only_qconfig) == QuantType::weight_only);
  CHECK(get_quant_type(float16_dynamic_qconfig) == QuantType::dynamic);
  CHECK(get_quant_type(float16_static_qconfig) == QuantType::static_);
  CHECK_THROWS_WITH(get_quant_type(default_activation_only_qconfig),
                    ContainsSubstring("get_quant_type: nothing quantizes activations as quint8 "
                                      "with weights as float32"));
  CHECK(activation_is_statically_quantized(default_qconfig));
  CHECK_FALSE(activation_is_statically_quantized(default_dynamic_qconfig));
  CHECK_FALSE(activation_is_statically_quantized(default_weight_only_qconfig));
  CHECK(activation_is_dynamically_quantized(per_channel_dynamic_qconfig));
  CHECK(activation_is_int8_quantized(default_dynamic_qconfig));
  CHECK_FALSE(activation_is_int8_quantized(float16_static_qconfig));
  CHECK(weight_is_quantized(float16_static_qconfig));
  CHECK_FALSE(weight_is_statically_quantized(float16_static_qconfig));
  CHECK(weight_is_statically_quantized(default_qat_qconfig));
  CHECK(activation_is_memoryless(default_dynamic_qat_qconfig));
  CHECK_FALSE(activation_is_memoryless(default_qat_qconfig));
  CHECK_FALSE(activation_is_memoryless(default_weight_only_qconfig));
  CHECK(weight_dtype(default_qconfig) == qint8);
  CHECK(activation_dtype(default_weight_only_qconfig) == float32);
}

TEST_CASE("A module's qconfig is its own, none, or not set", "[ao][quantization][qconfig]") {
  nn::Linear m(2, 2);
  CHECK_FALSE(has_qconfig(m));
  CHECK_FALSE(get_qconfig(m).has_value());
  m.qconfig = default_qconfig;
  CHECK(has_qconfig(m));
  CHECK(get_qconfig(m) == default_qconfig);
  m.qconfig = std::nullopt;
  CHECK(has_qconfig(m));
  CHECK_FALSE(get_qconfig(m).has_value());
  m.qconfig = std::optional<QConfig>(default_dynamic_qconfig);
  CHECK(get_qconfig(m) == default_dynamic_qconfig);
  m.qconfig = 3;
  CHECK_THROWS_WITH(get_qconfig(m), "Linear: qconfig must hold a QConfig or std::nullopt, got int");
}
