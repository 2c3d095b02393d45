#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "adze/core/tensor.h"

namespace adze {

/// Anything an op or a module takes or returns: nothing, a tensor, a number, a string, a dtype, a
/// shape, or a list of values (a list of tensors is a list whose elements are tensors).
class Value {
 public:
  using List = std::vector<Value>;

  Value() = default;
  Value(Tensor v) : v_(std::move(v)) {}
  Value(bool v) : v_(v) {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) Value(T v) : v_(static_cast<std::int64_t>(v)) {}
  template <std::floating_point T>
  Value(T v) : v_(static_cast<double>(v)) {}
  Value(std::string v) : v_(std::move(v)) {}
  Value(const char* v) : v_(std::string(v)) {}
  Value(DType v) : v_(v) {}
  Value(Shape v) : v_(v) {}
  Value(Scalar v);
  Value(List v) : v_(std::move(v)) {}
  Value(const TensorList& v) : v_(List(v.begin(), v.end())) {}
  template <class T>
  Value(const std::optional<T>& v) {
    if (v) *this = Value(*v);
  }

  bool is_none() const { return std::holds_alternative<std::monostate>(v_); }
  bool is_tensor() const { return std::holds_alternative<Tensor>(v_); }
  bool is_bool() const { return std::holds_alternative<bool>(v_); }
  bool is_int() const { return std::holds_alternative<std::int64_t>(v_); }
  bool is_double() const { return std::holds_alternative<double>(v_); }
  bool is_string() const { return std::holds_alternative<std::string>(v_); }
  bool is_dtype() const { return std::holds_alternative<DType>(v_); }
  bool is_shape() const { return std::holds_alternative<Shape>(v_); }
  bool is_list() const { return std::holds_alternative<List>(v_); }

  // Each throws an Error that names what the value is when it is something else. Numbers convert
  // where nothing is lost (int to double, bool to int), and so does a tensor of one number; an
  // undefined Tensor stands for none.
  Tensor to_tensor() const;
  TensorList to_tensor_list() const;
  bool to_bool() const;
  std::int64_t to_int() const;
  double to_double() const;
  Scalar to_scalar() const;
  const std::string& to_string() const;
  DType to_dtype() const;
  Shape to_shape() const;
  const List& to_list() const;

  /// "Tensor", "int", "None", "list", ...
  std::string_view type_name() const;
  /// As it would be written in code; tensors as their shape.
  std::string str() const;

  /// The value as a C++ type T: Tensor, TensorList, bool, integers, floats, string, DType, Shape,
  /// Scalar, std::optional of these, List or Value itself.
  template <class T>
  T as() const;

 private:
  std::variant<std::monostate, Tensor, bool, std::int64_t, double, std::string, DType, Shape, List>
      v_;
};

namespace detail {
template <class T>
struct Unbox;
template <>
struct Unbox<Value> {
  static Value get(const Value& v) { return v; }
};
template <>
struct Unbox<Tensor> {
  static Tensor get(const Value& v) { return v.to_tensor(); }
};
template <>
struct Unbox<TensorList> {
  static TensorList get(const Value& v) { return v.to_tensor_list(); }
};
template <>
struct Unbox<bool> {
  static bool get(const Value& v) { return v.to_bool(); }
};
template <>
struct Unbox<double> {
  static double get(const Value& v) { return v.to_double(); }
};
template <>
struct Unbox<Scalar> {
  static Scalar get(const Value& v) { return v.to_scalar(); }
};
template <>
struct Unbox<std::string> {
  static std::string get(const Value& v) { return v.to_string(); }
};
template <>
struct Unbox<DType> {
  static DType get(const Value& v) { return v.to_dtype(); }
};
template <>
struct Unbox<Shape> {
  static Shape get(const Value& v) { return v.to_shape(); }
};
template <>
struct Unbox<Value::List> {
  static Value::List get(const Value& v) { return v.to_list(); }
};
template <>
struct Unbox<std::int64_t> {
  static std::int64_t get(const Value& v) { return v.to_int(); }
};
template <class T>
struct Unbox<std::optional<T>> {
  static std::optional<T> get(const Value& v) {
    if (v.is_none()) return std::nullopt;
    return Unbox<T>::get(v);
  }
};
template <class... T>
struct Unbox<std::tuple<T...>> {
  static std::tuple<T...> get(const Value& v) {
    return unpack(v.to_list(), std::index_sequence_for<T...>{});
  }
  template <std::size_t... I>
  static std::tuple<T...> unpack(const Value::List& l, std::index_sequence<I...>) {
    check(l.size() == sizeof...(T), "Value: a tuple of ", sizeof...(T), " was expected, a list of ",
          l.size(), " came");
    return {Unbox<T>::get(l[I])...};
  }
};

template <class T>
Value box(const T& v) {
  return Value(v);
}
template <class... T>
Value box(const std::tuple<T...>& t) {
  return std::apply([](const T&... v) { return Value(Value::List{box(v)...}); }, t);
}
template <class A, class B>
Value box(const std::pair<A, B>& t) {
  return Value(Value::List{box(t.first), box(t.second)});
}
}  // namespace detail

template <class T>
T Value::as() const {
  return detail::Unbox<T>::get(*this);
}

}  // namespace adze
