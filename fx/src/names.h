#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace adze::fx {

/// A node name taken apart: "add_2" is base "add", number 2.
struct NumberedName {
  std::string base;
  std::optional<std::int64_t> number;
  std::string str() const { return number ? base + "_" + std::to_string(*number) : base; }
};

/// The candidate as an identifier: other characters become "_", a leading digit gets one in front.
NumberedName numbered_name(const std::string& candidate);
/// "ReLU" is "re_lu", "camelCase" is "camel_case".
std::string snake_case(const std::string& text);
/// The last part of a qualified op name: "quantized::add" is "add".
std::string function_name(std::string_view op_name);
/// Names that the field does not give to nodes: keywords and built-in functions of Python, where
/// graphs are written as code.
bool is_reserved_name(std::string_view name);

}  // namespace adze::fx
