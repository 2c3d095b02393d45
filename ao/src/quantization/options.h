#pragma once

#include <optional>
#include <sstream>
#include <string>
#include <string_view>

#include "adze/ao/quantization/utils.h"

namespace adze::ao::quantization {

/// Collects "name=value" texts of the options that differ from their default.
class Arguments {
 public:
  template <class T>
  Arguments& add(std::string_view name, const T& value, const T& default_value) {
    if (!(value == default_value)) append(name, text(value));
    return *this;
  }
  std::string str() const { return text_; }

 private:
  template <class T>
  static std::string text(const std::optional<T>& value) {
    return value ? text(*value) : "None";
  }
  static std::string text(bool value) { return value ? "True" : "False"; }
  static std::string text(double value) { return number_text(value); }
  static std::string text(const std::string& value) { return "'" + value + "'"; }
  template <class T>
  static std::string text(const T& value) {
    std::ostringstream os;
    os << value;
    return os.str();
  }
  void append(std::string_view name, const std::string& value) {
    if (!text_.empty()) text_ += ", ";
    text_ += std::string(name) + "=" + value;
  }

  std::string text_;
};

}  // namespace adze::ao::quantization
