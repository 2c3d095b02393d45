#pragma once

#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "adze/ao/quantization/fake_quantize.h"
#include "adze/ao/quantization/observer.h"

#include "quantization/qconfig_value.h"

namespace adze::ao::quantization {

// Calls `f(name, pointer to member)` for each option, in the order in which they are printed:
// printing, writing and reading of options go by these lists.
template <class F>
void each_option(std::type_identity<ObserverOptions>, F&& f) {
  using O = ObserverOptions;
  f("dtype", &O::dtype);
  f("qscheme", &O::qscheme);
  f("reduce_range", &O::reduce_range);
  f("quant_min", &O::quant_min);
  f("quant_max", &O::quant_max);
  f("eps", &O::eps);
  f("is_dynamic", &O::is_dynamic);
  f("averaging_constant", &O::averaging_constant);
  f("ch_axis", &O::ch_axis);
  f("bins", &O::bins);
}
template <class F>
void each_option(std::type_identity<FixedQParamsOptions>, F&& f) {
  using O = FixedQParamsOptions;
  f("scale", &O::scale);
  f("zero_point", &O::zero_point);
  f("dtype", &O::dtype);
  f("quant_min", &O::quant_min);
  f("quant_max", &O::quant_max);
}
template <class F>
void each_option(std::type_identity<PlaceholderOptions>, F&& f) {
  using O = PlaceholderOptions;
  f("dtype", &O::dtype);
  f("custom_op_name", &O::custom_op_name);
  f("is_dynamic", &O::is_dynamic);
  f("quant_min", &O::quant_min);
  f("quant_max", &O::quant_max);
  f("qscheme", &O::qscheme);
}
template <class F>
void each_option(std::type_identity<NoopOptions>, F&& f) {
  f("dtype", &NoopOptions::dtype);
  f("custom_op_name", &NoopOptions::custom_op_name);
}
template <class F>
void each_option(std::type_identity<RecordingOptions>, F&& f) {
  f("dtype", &RecordingOptions::dtype);
}
template <class F>
void each_option(std::type_identity<ReuseInputOptions>, F&&) {}
template <class F>
void each_option(std::type_identity<FakeQuantizeOptions>, F&& f) {
  f("observer", &FakeQuantizeOptions::observer);
}

// ---- as printed ---------------------------------------------------------------------------------

inline std::string option_text(bool value) {
  return value ? "True" : "False";
}
inline std::string option_text(double value) {
  return number_text(value);
}
inline std::string option_text(const std::string& value) {
  return "'" + value + "'";
}
template <class T>
std::string option_text(const T& value) {
  std::ostringstream os;
  os << value;
  return os.str();
}
template <class T>
std::string option_text(const std::optional<T>& value) {
  return value ? option_text(*value) : "None";
}

// "name=value" texts of the options that differ from their default.
template <class Options>
std::string options_text(const Options& options) {
  const Options defaults;
  std::string text;
  each_option(std::type_identity<Options>(), [&](const char* name, auto member) {
    if (options.*member == defaults.*member) return;
    if (!text.empty()) text += ", ";
    text += std::string(name) + "=" + option_text(options.*member);
  });
  return text;
}

// ---- as values ----------------------------------------------------------------------------------

inline Value option_value(QScheme scheme) {
  return std::string(name(scheme));
}
inline Value option_value(const ObserverFactory& factory) {
  return factory_to_value(factory);
}
template <class T>
Value option_value(const T& value) {
  return Value(value);
}
template <class T>
Value option_value(const std::optional<T>& value) {
  return value ? option_value(*value) : Value();
}

inline void read_option(const Value& value, QScheme& out) {
  out = qscheme_from_name(value.to_string());
}
inline void read_option(const Value& value, ObserverFactory& out) {
  out = factory_from_value(value);
}
template <class T>
void read_option(const Value& value, T& out) {
  out = value.as<T>();
}
template <class T>
void read_option(const Value& value, std::optional<T>& out) {
  out.reset();
  if (!value.is_none()) read_option(value, out.emplace());
}

template <class Options>
std::map<std::string, Value> options_to_values(const Options& options) {
  std::map<std::string, Value> values;
  each_option(std::type_identity<Options>(),
              [&](const char* name, auto member) { values[name] = option_value(options.*member); });
  return values;
}

// Throws unless `values` are exactly the options.
template <class Options>
Options options_from_values(std::map<std::string, Value> values) {
  Options options;
  each_option(std::type_identity<Options>(), [&](const char* name, auto member) {
    const auto node = values.extract(name);
    check(!node.empty(), "the option '", name, "' is missing");
    read_option(node.mapped(), options.*member);
  });
  check(values.empty(), "unknown option ",
        adze::detail::in_quotes(values.empty() ? std::string() : values.begin()->first));
  return options;
}

// What Module::config() of an observer with those options gives.
template <class Options>
std::map<std::string, Value> observer_config(const ObserverOrFakeQuant& observer,
                                             const Options& options) {
  std::map<std::string, Value> values = options_to_values(options);
  values.merge(observer.ObserverOrFakeQuant::config());
  return values;
}

}  // namespace adze::ao::quantization
