#include "quantization/qconfig_value.h"

#include <utility>

#include "quantization/options.h"

namespace adze::ao::quantization {
namespace {

using adze::detail::in_quotes;

// One type of the library: how factories of it are written and read.
struct Kind {
  std::string type;
  // Nothing when the factory builds something else.
  std::optional<std::map<std::string, Value>> (*write)(const ObserverFactory&);
  ObserverFactory (*read)(std::map<std::string, Value>);
};

template <class M, class Options>
Kind kind() {
  return {.type = adze::nn::type_name(typeid(M)),
          .write = [](const ObserverFactory& f) -> std::optional<std::map<std::string, Value>> {
            const Options* options = f.options<M, Options>();
            if (!options) return std::nullopt;
            return options_to_values(*options);
          },
          .read =
              [](std::map<std::string, Value> values) {
                return ObserverFactory::of<M>(options_from_values<Options>(std::move(values)));
              }};
}

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{
      kind<MinMaxObserver, ObserverOptions>(),
      kind<MovingAverageMinMaxObserver, ObserverOptions>(),
      kind<PerChannelMinMaxObserver, ObserverOptions>(),
      kind<MovingAveragePerChannelMinMaxObserver, ObserverOptions>(),
      kind<HistogramObserver, ObserverOptions>(),
      kind<FixedQParamsObserver, FixedQParamsOptions>(),
      kind<PlaceholderObserver, PlaceholderOptions>(),
      kind<NoopObserver, NoopOptions>(),
      kind<RecordingObserver, RecordingOptions>(),
      kind<ReuseInputObserver, ReuseInputOptions>(),
      kind<FakeQuantize, FakeQuantizeOptions>(),
      kind<FixedQParamsFakeQuantize, FakeQuantizeOptions>(),
      kind<FusedMovingAvgObsFakeQuantize, FakeQuantizeOptions>(),
  };
  return all;
}

}  // namespace

Value factory_to_value(const ObserverFactory& factory) {
  if (!factory) return {};
  for (const Kind& kind : kinds())
    if (const auto values = kind.write(factory)) {
      Value::List list{kind.type};
      for (const auto& [name, value] : *values) {
        list.emplace_back(name);
        list.push_back(value);
      }
      return list;
    }
  fail("only observers and fake-quantizes of the library can be written, not ", factory.str());
}

ObserverFactory factory_from_value(const Value& value) {
  if (value.is_none()) return {};
  const Value::List& list = value.to_list();
  check(list.size() % 2 == 1, "an observer must be a type with names and values of options, got ",
        list.size(), " values");
  const std::string& type = list[0].to_string();
  std::map<std::string, Value> values;
  for (std::size_t i = 1; i < list.size(); i += 2) values[list[i].to_string()] = list[i + 1];
  for (const Kind& kind : kinds()) {
    if (kind.type != type) continue;
    try {
      return kind.read(std::move(values));
    } catch (const Error& e) {
      fail(type, ": ", e.what());
    }
  }
  fail("there is no observer or fake-quantize ", in_quotes(type));
}

Value qconfig_to_value(const std::any& any) {
  const std::optional<QConfig> qconfig = qconfig_in(any, "Module");
  if (!qconfig) return {};
  return Value::List{factory_to_value(qconfig->activation), factory_to_value(qconfig->weight)};
}

std::any qconfig_from_value(const Value& value) {
  if (value.is_none()) return std::nullopt;
  const Value::List& list = value.to_list();
  check(list.size() == 2, "a qconfig must be a list of two, got ", list.size());
  return QConfig{factory_from_value(list[0]), factory_from_value(list[1])};
}

QScheme qscheme_from_name(std::string_view wanted) {
  for (const QScheme scheme : {per_tensor_affine, per_channel_affine, per_tensor_symmetric,
                               per_channel_symmetric, per_channel_affine_float_qparams})
    if (name(scheme) == wanted) return scheme;
  fail("there is no qscheme ", in_quotes(wanted));
}

}  // namespace adze::ao::quantization
