#include "adze/core/value.h"

#include <charconv>
#include <cmath>

#include "adze/core/tensor_impl.h"

namespace adze {
namespace {

[[noreturn]] void wrong_kind(std::string_view expected, const Value& value) {
  fail("Value: ", expected, " was expected, ", value.type_name(), " ", value.str(), " came");
}

std::string written(double d) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, d).ptr;
  std::string text(buffer, end);
  if (std::isfinite(d) && text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string written(const Tensor& t) {
  if (!t.defined()) return "None";
  return t.impl().sizes_known ? "Tensor" + to_string(t.sizes()) : "Tensor";
}

std::string written(const std::string& s) {
  std::string text = "\"";
  for (const char c : s) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + '"';
}

std::string written(const Value::List& list) {
  std::string text = "[";
  for (const Value& v : list) {
    if (text.size() > 1) text += ", ";
    text += v.str();
  }
  return text + "]";
}

}  // namespace

Value::Value(Scalar v) {
  switch (v.kind()) {
    case Scalar::Kind::logical:
      v_ = v.to_int() != 0;
      break;
    case Scalar::Kind::integer:
      v_ = v.to_int();
      break;
    case Scalar::Kind::floating:
      v_ = v.to_double();
      break;
  }
}

Tensor Value::to_tensor() const {
  if (is_none()) return {};
  if (!is_tensor()) wrong_kind("a Tensor", *this);
  return std::get<Tensor>(v_);
}

TensorList Value::to_tensor_list() const {
  if (!is_list()) wrong_kind("a list of Tensors", *this);
  TensorList result;
  for (const Value& v : std::get<List>(v_)) result.push_back(v.to_tensor());
  return result;
}

bool Value::to_bool() const {
  if (!is_bool()) wrong_kind("a bool", *this);
  return std::get<bool>(v_);
}

std::int64_t Value::to_int() const {
  if (is_tensor()) return to_scalar().to_int();
  if (is_bool()) return std::get<bool>(v_);
  if (!is_int()) wrong_kind("an int", *this);
  return std::get<std::int64_t>(v_);
}

double Value::to_double() const {
  if (is_double()) return std::get<double>(v_);
  if (is_tensor()) return to_scalar().to_double();
  if (!is_int() && !is_bool()) wrong_kind("a double", *this);
  return static_cast<double>(to_int());
}

Scalar Value::to_scalar() const {
  if (is_tensor()) {
    const Tensor& t = std::get<Tensor>(v_);
    if (!t.defined() || t.is_symbolic() || t.numel() != 1) wrong_kind("a number", *this);
    if (is_floating_point(t.dtype())) return t.item<double>();
    if (!t.is_quantized()) return t.item<std::int64_t>();
  }
  if (is_bool()) return std::get<bool>(v_);
  if (is_int()) return std::get<std::int64_t>(v_);
  if (!is_double()) wrong_kind("a number", *this);
  return std::get<double>(v_);
}

const std::string& Value::to_string() const {
  if (!is_string()) wrong_kind("a string", *this);
  return std::get<std::string>(v_);
}

DType Value::to_dtype() const {
  if (!is_dtype()) wrong_kind("a dtype", *this);
  return std::get<DType>(v_);
}

Shape Value::to_shape() const {
  if (is_list()) {
    Shape shape;
    for (const Value& v : std::get<List>(v_)) shape.push_back(v.to_int());
    return shape;
  }
  if (!is_shape()) wrong_kind("a shape", *this);
  return std::get<Shape>(v_);
}

const Value::List& Value::to_list() const {
  if (!is_list()) wrong_kind("a list", *this);
  return std::get<List>(v_);
}

std::string_view Value::type_name() const {
  static constexpr std::string_view names[] = {"None",   "Tensor", "bool",  "int", "double",
                                               "string", "dtype",  "shape", "list"};
  return names[v_.index()];
}

std::string Value::str() const {
  return std::visit(
      [](const auto& v) -> std::string {
        using T = std::remove_cvref_t<decltype(v)>;
        if constexpr (std::same_as<T, std::monostate>) {
          return "None";
        } else if constexpr (std::same_as<T, bool>) {
          return v ? "true" : "false";
        } else if constexpr (std::same_as<T, std::int64_t>) {
          return std::to_string(v);
        } else if constexpr (std::same_as<T, DType>) {
          return std::string(adze::name(v));
        } else if constexpr (std::same_as<T, Shape>) {
          return adze::to_string(v);
        } else {
          return written(v);
        }
      },
      v_);
}

}  // namespace adze
