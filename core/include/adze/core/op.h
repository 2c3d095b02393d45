#pragma once

#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "adze/core/autograd.h"
#include "adze/core/tensor.h"
#include "adze/core/value.h"

namespace adze {

class OpBase;

/// Sees every op call that has a symbolic argument. The symbolic tracer implements it.
class Interceptor {
 public:
  virtual ~Interceptor() = default;
  /// Notes the call and returns symbols for its results.
  virtual Value record(const OpBase& op, std::vector<Value> args) = 0;
};

/// What a symbolic tensor carries; the tracer derives from it.
struct Symbol {
  virtual ~Symbol() = default;
  Interceptor* interceptor = nullptr;
};

/// A tensor or a number, where an op takes either (`x + 2`).
class Operand {
 public:
  Operand(Tensor t) : tensor_(std::move(t)), is_tensor_(true) {}
  template <class T>
  requires(std::is_convertible_v<const T&, Tensor> && !std::same_as<T, Tensor>) Operand(const T& t)
      : Operand(Tensor(t)) {}
  Operand(Scalar s) : scalar_(s) {}
  template <class T>
  requires std::is_arithmetic_v<T> Operand(T v) : scalar_(v) {}

  bool is_tensor() const { return is_tensor_; }
  const Tensor& tensor() const { return tensor_; }
  Scalar scalar() const { return scalar_; }

 private:
  Tensor tensor_;
  Scalar scalar_;
  bool is_tensor_ = false;
};
namespace detail {
template <>
struct Unbox<Operand> {
  static Operand get(const Value& v) {
    return v.is_tensor() ? Operand(v.to_tensor()) : Operand(v.to_scalar());
  }
};
inline Value box(const Operand& o) {
  return o.is_tensor() ? Value(o.tensor()) : Value(o.scalar());
}
}  // namespace detail

/// Properties of an op that passes and quantization ask for. They live here and nowhere else.
struct OpTraits {
  bool elementwise = false;     // result element i depends on operands' elements i only
  bool shape_only = false;      // moves or relabels elements, computes nothing
  bool shares_qparams = false;  // of a quantized input: result has the same quantizer
  bool random = false;          // two calls with equal arguments may differ
  bool differentiable = true;   // false: results are constants for autograd, on purpose
};

/// What a call of an op gives back.
struct OpResults {
  bool packed = false;    // a list or a tuple of tensors, not one value
  std::size_t count = 1;  // 0: not known before the op runs
};

/// An op without its types: name, traits, derivative, and a boxed entry that calls it by value.
class OpBase {
 public:
  OpBase(const OpBase&) = delete;
  OpBase& operator=(const OpBase&) = delete;

  std::string_view name() const { return name_; }
  const OpTraits& traits() const { return traits_; }
  autograd::Derivative derivative() const { return derivative_; }
  virtual std::size_t arity() const = 0;
  /// How many results a call with these arguments has.
  virtual OpResults results(std::span<const Value> args) const = 0;
  /// Calls the op through the funnel, like a typed call. Throws when the number or the kinds of
  /// the arguments do not fit.
  virtual Value call_boxed(std::span<const Value> args) const = 0;

 protected:
  constexpr OpBase(std::string_view op_name, OpTraits op_traits, autograd::Derivative op_derivative)
      : name_(op_name), traits_(op_traits), derivative_(op_derivative) {}
  ~OpBase() = default;

 private:
  std::string_view name_;
  OpTraits traits_;
  autograd::Derivative derivative_;
};

namespace detail {

// ---- per-type behaviour of the funnel -----------------------------------------------------------
template <class T>
Symbol* symbol_of(const T& arg) {
  if constexpr (std::same_as<T, Tensor>) {
    return arg.symbol();
  } else if constexpr (std::same_as<T, TensorList>) {
    for (const Tensor& t : arg)
      if (Symbol* s = t.symbol()) return s;
    return nullptr;
  } else if constexpr (std::same_as<T, Operand>) {
    return arg.tensor().symbol();
  } else {
    return nullptr;
  }
}
template <class T>
bool wants_grad(const T& arg) {
  if constexpr (std::same_as<T, Tensor> || std::same_as<T, TensorList>) {
    return autograd::needs_grad(arg);
  } else if constexpr (std::same_as<T, Operand>) {
    return arg.is_tensor() && autograd::needs_grad(arg.tensor());
  } else {
    return false;
  }
}
// Applies f to each tensor in a result: a Tensor, a list, or a tuple of tensors.
template <class R, class F>
void each_tensor(R& result, F&& f) {
  if constexpr (std::same_as<R, Tensor>) {
    f(result);
  } else if constexpr (std::same_as<R, TensorList>) {
    for (Tensor& t : result) f(t);
  } else if constexpr (requires { std::tuple_size<R>::value; }) {
    std::apply([&](auto&... t) { (each_tensor(t, f), ...); }, result);
  }
}

}  // namespace detail

template <class Signature>
class Op;

/// An op: every call of it, typed or boxed, goes through `operator()`. Define ops as
/// `constinit const Op<...> name{{.name = "name", .forward = ..., .derivative = ...}};` at
/// namespace scope: they are constant-initialised, so no initialisation order matters.
///
/// The funnel asks: is an argument symbolic? then the call is recorded; is a gradient wanted? then
/// the derivative is remembered; else the forward function runs.
template <class R, class... Args>
class Op<R(Args...)> final : public OpBase {
 public:
  struct Definition {
    std::string_view name;
    R (*forward)(Args...);
    autograd::Derivative derivative = nullptr;
    OpTraits traits = {};
    // Ops that return a list: its length, where the arguments tell.
    std::size_t (*count)(std::span<const Value> args) = nullptr;
  };

  constexpr explicit Op(const Definition& d)
      : OpBase(d.name, d.traits, d.derivative), forward_(d.forward), count_(d.count) {}

  R operator()(Args... args) const {
    Symbol* symbol = nullptr;
    ((symbol = symbol ? symbol : detail::symbol_of<std::remove_cvref_t<Args>>(args)), ...);
    if (symbol) [[unlikely]]
      return symbol->interceptor->record(*this, {detail::box(args)...}).template as<R>();
    if (derivative() && grad_enabled()) {
      if ((detail::wants_grad<std::remove_cvref_t<Args>>(args) || ...)) return remember(args...);
    }
    return forward_(args...);
  }

  std::size_t arity() const override { return sizeof...(Args); }
  OpResults results(std::span<const Value> args) const override {
    if constexpr (std::same_as<R, TensorList>) {
      return {true, count_ ? count_(args) : 0};
    } else if constexpr (requires { std::tuple_size<R>::value; }) {
      return {true, std::tuple_size_v<R>};
    } else {
      return {};
    }
  }
  Value call_boxed(std::span<const Value> args) const override {
    check(args.size() == sizeof...(Args), name(), ": takes ", sizeof...(Args), " arguments, got ",
          args.size());
    return unboxed(args, std::index_sequence_for<Args...>{});
  }

 private:
  R remember(Args... args) const {
    R result = [&] {
      NoGrad guard;
      return forward_(args...);
    }();
    std::vector<Tensor> outputs;
    detail::each_tensor(result, [&](Tensor& t) { outputs.push_back(t); });
    autograd::record(*this, {detail::box(args)...}, outputs);
    std::size_t i = 0;
    detail::each_tensor(result, [&](Tensor& t) { t = outputs[i++]; });
    return result;
  }
  template <std::size_t... I>
  Value unboxed(std::span<const Value> args, std::index_sequence<I...>) const {
    return detail::box((*this)(args[I].template as<std::remove_cvref_t<Args>>()...));
  }

  R (*forward_)(Args...);
  std::size_t (*count_)(std::span<const Value> args);
};

/// All ops of the library, in the order of their families.
const std::vector<const OpBase*>& all_ops();
/// The op with that name, or nullptr.
const OpBase* find_op(std::string_view name);

}  // namespace adze
