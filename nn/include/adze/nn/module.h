#pragma once

#include <any>
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include "adze/core/value.h"
#include "adze/nn/handles.h"
#include "adze/nn/hooks.h"

namespace adze {
class OpBase;
}

namespace adze::nn {

/// Sees calls of modules and reads of parameters while a network is traced; the tracer implements
/// it.
class CallInterceptor {
 public:
  virtual ~CallInterceptor() = default;
  /// The result when the call becomes one node; nothing when the module is to be traced through.
  virtual std::optional<Value> call_module(Module& module, std::span<const Value> args) = 0;
  /// The symbol that stands for the parameter; nothing when its value is to be read.
  virtual std::optional<Tensor> read_parameter(const Parameter&) { return std::nullopt; }
  /// The interceptor of this thread, or nullptr.
  static CallInterceptor* active();
  /// Installs one and returns the previous.
  static CallInterceptor* set_active(CallInterceptor* interceptor);
};

/// One argument of a module's forward.
struct ForwardArg {
  /// What the argument can be, as far as its C++ type tells.
  enum class Kind : std::uint8_t { tensor, tensor_list, other };

  std::string name;                         // its name in graphs
  std::optional<Value> default_value = {};  // what it is when a call leaves it out
  Kind kind = Kind::tensor;                 // filled in from the type
};

/// Where an op stands that a module computes together with its forward.
enum class Fused : std::uint8_t {
  before,  ///< forward(op(args))
  after    ///< op(forward(args))
};

struct Memo;
enum class Slots : std::uint8_t;

/// Base of all layers and networks. Write networks as
///
///     class Block final : public nn::ModuleOf<Block> {
///      public:
///       nn::Submodule fc{"fc", nn::Linear(64, 64)}, act{"act", nn::ReLU()};
///       nn::Parameter gain{"gain", ones({64})};
///       Tensor forward(const Tensor& x) { return act(fc(x)) * gain + x; }
///      protected:
///       void fields(nn::FieldList& f) override { f(fc, act, gain); }
///     };
///
/// `forward` may take and return any types that Value can hold. A class may name its arguments, and
/// give the last ones defaults for calls that leave them out, with a static function:
///
///     static std::vector<nn::ForwardArg> arguments() { return {{"x"}, {"scale", 1.0}}; }
///
/// A class may compute its forward and an op beside it in one step, where a graph calls both; it
/// then gives, bit for bit, what one after the other gives, or nothing:
///
///     std::optional<Value> fused(const OpBase& op, nn::Fused place, std::span<const Value> args);
///
/// Classes derived from it that have a forward of their own are on their own in this, too.
///
/// Copying a module is shallow: its handles are shared. `deepcopy` makes an independent one.
class Module {
 public:
  virtual ~Module() = default;

  /// Class name without namespaces, "Linear".
  std::string type() const;
  /// Class name with namespaces, "adze::nn::Linear".
  virtual std::string qualified_type() const = 0;
  /// What stands between the parentheses when printed: "in_features=4, out_features=2".
  virtual std::string extra_repr() const { return {}; }
  /// What, beside its tensors and children, is needed to build it again ("p" of a Dropout).
  virtual std::map<std::string, Value> config() const { return {}; }
  /// The arguments of forward: named by the class, else "x", "y", "z", "arg3", ...
  virtual std::vector<ForwardArg> forward_args() const { return {}; }
  /// The module whose slots a swap takes over: a fused container names its child.
  virtual Module& slot_holder() { return *this; }
  /// True for one module that stands for a fused pair (qat or quantized LinearReLU): the name its
  /// first half had inside the pair ("5.0") still finds it.
  virtual bool is_fused_piece() const { return false; }

  /// Runs pre-hooks, forward and hooks.
  Tensor operator()(const Tensor& x);
  Tensor operator()(const Tensor& a, const Tensor& b);
  Value call(std::vector<Value> args);
  /// Runs forward alone.
  Value call_forward(std::span<const Value> args) { return forward_values(args); }
  /// Runs forward and `op`, which takes or gives its one argument, in one step; nothing where the
  /// class has no `fused` for that.
  std::optional<Value> call_fused(const OpBase& op, Fused place, std::span<const Value> args) {
    return fused_values(op, place, args);
  }

  /// The module as a M; throws when it is something else.
  template <class M>
  M& as() {
    if (auto* m = dynamic_cast<M*>(this)) return *m;
    wrong_type(typeid(M));
  }

  // ---- members ---------------------------------------------------------------------------------
  /// Handles of this module, those of `fields()` first, then children added at run time.
  FieldList list();
  /// Child / parameter / buffer with that name in this module, or nullptr.
  Submodule* find_child(std::string_view name);
  Parameter* find_parameter(std::string_view name);
  /// Adds a child that forward does not call (an observer, say). Throws when the name is taken.
  void add_module(std::string name, ModulePtr module);
  void remove_module(std::string_view name);
  /// Number of children that were added at run time; they stand last in `list()`.
  std::size_t added_modules() const { return extra_.size(); }

  // ---- hooks -----------------------------------------------------------------------------------
  HookHandle register_forward_pre_hook(ForwardPreHook hook);
  HookHandle register_forward_hook(ForwardHook hook);
  /// Hooks of the library itself: they run before all of the user's. One of each at most.
  void set_internal_pre_hook(ForwardPreHook hook);
  void set_internal_hook(ForwardHook hook);
  void drop_internal_hooks();
  bool has_internal_hook() const;
  /// Number of live hooks that users registered.
  std::size_t user_hooks() const;
  /// Those hooks, as entries that may be shared: a handle ends the hook wherever the entry is.
  HookList<ForwardPreHook> user_pre_hooks() const;
  HookList<ForwardHook> user_forward_hooks() const;
  /// Also calls the hooks that users registered on `from`.
  void share_user_hooks(const Module& from);

  // ---- mode ------------------------------------------------------------------------------------
  bool training() const { return training_; }
  /// Sets the mode of this module and all below it.
  void train(bool mode = true);
  void eval() { train(false); }

  /// How this module is to be quantized; nn does not look inside. Empty: not set.
  std::any qconfig;

 protected:
  Module() = default;
  Module(const Module& other);
  Module& operator=(const Module&) = delete;

  virtual void fields(FieldList&) {}
  /// Called by train(): lets a module refuse or adapt to a mode.
  virtual void set_training(bool mode) { training_ = mode; }
  virtual Tensor forward_tensor(const Tensor& x) = 0;
  virtual Value forward_values(std::span<const Value> args) = 0;
  virtual std::optional<Value> fused_values(const OpBase&, Fused, std::span<const Value>) {
    return std::nullopt;
  }
  virtual ModulePtr shallow_copy() const = 0;

 private:
  friend ModulePtr deepcopy(Module&, Memo&);
  friend void swap(Submodule&, Module&, Module&, ModulePtr, Slots);
  friend class Submodule;
  [[noreturn]] void wrong_type(const std::type_info& wanted) const;
  void prepare_first_call();
  Value call_with_hooks(std::vector<Value> args);

  bool training_ = true;
  std::atomic<bool> ready_{false};
  std::vector<std::shared_ptr<Submodule>> extra_;
  HookList<ForwardPreHook> pre_hooks_;
  HookList<ForwardHook> hooks_;
};

template <class M>
M& Submodule::as() const {
  return module_->as<M>();
}

/// Class name of a C++ type without namespaces.
std::string type_name(const std::type_info& type);

namespace detail {
std::string demangle(const std::type_info& type);

/// The arguments with defaults put in for those that a call left out; throws when one has none.
std::vector<Value> with_defaults(const std::vector<ForwardArg>& all, std::span<const Value> given);
/// As many arguments as kinds: those that the class named, or by position.
std::vector<ForwardArg> arguments(std::vector<ForwardArg> named,
                                  const std::vector<ForwardArg::Kind>& kinds);
template <class A>
constexpr ForwardArg::Kind kind_of() {
  if constexpr (std::same_as<A, Tensor> || std::same_as<A, std::optional<Tensor>> ||
                std::same_as<A, Value>) {
    return ForwardArg::Kind::tensor;
  } else if constexpr (std::same_as<A, TensorList> || std::same_as<A, Value::List>) {
    return ForwardArg::Kind::tensor_list;
  } else {
    return ForwardArg::Kind::other;
  }
}

template <class F>
struct Signature;
template <class C, class R, class... A>
struct Signature<R (C::*)(A...)> {
  using Class = C;  // that declares the function
  static constexpr bool is_tensor_to_tensor =
      std::same_as<R, Tensor> && std::same_as<std::tuple<A...>, std::tuple<const Tensor&>>;
  template <class D>
  static Value call(D& self, std::span<const Value> args) {
    if (args.size() < sizeof...(A)) [[unlikely]] {
      const std::vector<Value> all = with_defaults(self.forward_args(), args);
      return call(self, std::span<const Value>(all), std::index_sequence_for<A...>{});
    }
    check(args.size() == sizeof...(A), "forward takes ", sizeof...(A), " arguments, got ",
          args.size());
    return call(self, args, std::index_sequence_for<A...>{});
  }
  static std::vector<ForwardArg> arguments(std::vector<ForwardArg> named) {
    return detail::arguments(std::move(named), {kind_of<std::remove_cvref_t<A>>()...});
  }
  template <class D, std::size_t... I>
  static Value call(D& self, std::span<const Value> args, std::index_sequence<I...>) {
    return adze::detail::box(self.forward(args[I].template as<std::remove_cvref_t<A>>()...));
  }
};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) const> : Signature<R (C::*)(A...)> {};
}  // namespace detail

/// What a concrete module knows of its own type: how to copy itself, its name, and how to call its
/// `forward` with boxed values. D is the class itself, Base a module class it extends.
template <class D, class Base = Module>
class ModuleOf : public Base {
 public:
  using Base::Base;
  std::string qualified_type() const override { return detail::demangle(typeid(D)); }
  std::vector<ForwardArg> forward_args() const override {
    std::vector<ForwardArg> named;
    if constexpr (requires { D::arguments(); }) named = D::arguments();
    return detail::Signature<decltype(&D::forward)>::arguments(std::move(named));
  }

 protected:
  Tensor forward_tensor(const Tensor& x) override {
    using S = detail::Signature<decltype(&D::forward)>;
    if constexpr (S::is_tensor_to_tensor) {
      return static_cast<D&>(*this).forward(x);
    } else {
      const Value arg(x);
      return S::call(static_cast<D&>(*this), std::span(&arg, 1)).to_tensor();
    }
  }
  Value forward_values(std::span<const Value> args) override {
    return detail::Signature<decltype(&D::forward)>::call(static_cast<D&>(*this), args);
  }
  std::optional<Value> fused_values(const OpBase& op, Fused place,
                                    std::span<const Value> args) override {
    if constexpr (requires { &D::fused; }) {
      using Forward = typename detail::Signature<decltype(&D::forward)>::Class;
      if constexpr (std::same_as<typename detail::Signature<decltype(&D::fused)>::Class, Forward>)
        return static_cast<D&>(*this).fused(op, place, args);
    }
    return std::nullopt;
  }
  ModulePtr shallow_copy() const override {
    return std::make_shared<D>(static_cast<const D&>(*this));
  }
};

/// `make<Linear>(4, 2)`: a module on the heap, as calls that may replace the root take it.
template <class M, class... Args>
std::shared_ptr<M> make(Args&&... args) {
  return std::make_shared<M>(std::forward<Args>(args)...);
}

/// The printed form: type, extra_repr, and the children, indented.
std::string to_string(Module& module);
std::ostream& operator<<(std::ostream& os, Module& module);

}  // namespace adze::nn
