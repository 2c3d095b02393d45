#include "adze/nn/module.h"

#include <algorithm>
#include <cstdlib>
#include <cxxabi.h>
#include <mutex>

#include "adze/nn/traversal.h"

namespace adze::nn {
namespace {

std::string without_namespaces(const std::string& qualified) {
  // The last "::" that is not inside template arguments.
  std::size_t depth = 0, start = 0;
  for (std::size_t i = 0; i + 1 < qualified.size(); ++i) {
    if (qualified[i] == '<') ++depth;
    if (qualified[i] == '>') --depth;
    if (depth == 0 && qualified[i] == ':' && qualified[i + 1] == ':') start = i + 2;
  }
  return qualified.substr(start);
}

template <class F>
HookList<F> only_users(HookList<F> hooks) {
  std::erase_if(hooks, [](const auto& h) { return !h->alive || h->internal; });
  return hooks;
}

template <class F>
HookHandle add_hook(HookList<F>& hooks, F call) {
  check(static_cast<bool>(call), "register hook: the function is empty");
  std::erase_if(hooks, [](const auto& h) { return !h->alive; });
  hooks.push_back(std::make_shared<HookEntry<F>>(HookEntry<F>{std::move(call)}));
  return HookHandle(hooks.back());
}

template <class F>
void drop_internal(HookList<F>& hooks) {
  std::erase_if(hooks, [](const auto& h) { return h->internal; });
}

template <class F>
void put_internal_first(HookList<F>& hooks, F call) {
  drop_internal(hooks);
  hooks.insert(hooks.begin(),
               std::make_shared<HookEntry<F>>(HookEntry<F>{std::move(call), /*internal=*/true}));
}

}  // namespace

namespace detail {

constinit thread_local CallInterceptor* active_interceptor = nullptr;

std::vector<ForwardArg> arguments(std::vector<ForwardArg> named,
                                  const std::vector<ForwardArg::Kind>& kinds) {
  if (named.empty())
    for (std::size_t i = 0; i < kinds.size(); ++i)
      named.push_back({i < 3 ? std::string(1, "xyz"[i]) : "arg" + std::to_string(i)});
  check(named.size() == kinds.size(), "arguments() names ", named.size(), ", forward takes ",
        kinds.size());
  for (std::size_t i = 0; i < kinds.size(); ++i) named[i].kind = kinds[i];
  return named;
}

std::vector<Value> with_defaults(const std::vector<ForwardArg>& all, std::span<const Value> given) {
  std::vector<Value> args(given.begin(), given.end());
  for (std::size_t i = args.size(); i < all.size(); ++i) {
    if (!all[i].default_value)
      fail("forward takes ", all.size(), " arguments, got ", given.size(), "; '", all[i].name,
           "' is missing");
    args.push_back(*all[i].default_value);
  }
  return args;
}

std::string demangle(const std::type_info& type) {
  int status = 0;
  char* text = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string name = status == 0 ? text : type.name();
  std::free(text);
  return name;
}
}  // namespace detail

CallInterceptor* CallInterceptor::active() {
  return detail::active_interceptor;
}
CallInterceptor* CallInterceptor::set_active(CallInterceptor* interceptor) {
  return std::exchange(detail::active_interceptor, interceptor);
}

Module::Module(const Module& other)
    : qconfig(other.qconfig),
      training_(other.training_),
      pre_hooks_(other.pre_hooks_),
      hooks_(other.hooks_) {
  for (const auto& child : other.extra_) extra_.push_back(std::make_shared<Submodule>(*child));
}

std::string Module::type() const {
  return without_namespaces(qualified_type());
}

std::string type_name(const std::type_info& type) {
  return without_namespaces(detail::demangle(type));
}

void Module::wrong_type(const std::type_info& wanted) const {
  fail("module is a ", qualified_type(), ", not a ", detail::demangle(wanted));
}

void Module::prepare_first_call() {
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  if (ready_.load(std::memory_order_relaxed)) return;
  list();
  ready_.store(true, std::memory_order_release);
}

Tensor Module::operator()(const Tensor& x) {
  if (!ready_.load(std::memory_order_acquire)) [[unlikely]]
    prepare_first_call();
  if (pre_hooks_.empty() && hooks_.empty() && !detail::active_interceptor) [[likely]]
    return forward_tensor(x);
  return call({x}).to_tensor();
}

Tensor Module::operator()(const Tensor& a, const Tensor& b) {
  return call({a, b}).to_tensor();
}

Value Module::call(std::vector<Value> args) {
  if (!ready_.load(std::memory_order_acquire)) [[unlikely]]
    prepare_first_call();
  if (CallInterceptor* interceptor = CallInterceptor::active()) {
    if (auto result = interceptor->call_module(*this, args)) return *result;
  }
  return call_with_hooks(std::move(args));
}

Value Module::call_with_hooks(std::vector<Value> args) {
  // A hook may register or remove hooks: the lists of this call are fixed.
  const auto pre = pre_hooks_;
  const auto post = hooks_;
  for (const auto& h : pre)
    if (h->alive) h->call(*this, args);
  Value output = forward_values(args);
  for (const auto& h : post)
    if (h->alive) h->call(*this, args, output);
  return output;
}

FieldList Module::list() {
  FieldList f;
  fields(f);
  for (const auto& child : extra_) f(*child);
  return f;
}

Submodule* Module::find_child(std::string_view name) {
  for (Submodule* m : list().modules)
    if (m->name() == name) return m;
  return nullptr;
}

Parameter* Module::find_parameter(std::string_view name) {
  for (Parameter* p : list().parameters)
    if (p->name() == name) return p;
  return nullptr;
}

void Module::add_module(std::string name, ModulePtr module) {
  check(!name.empty() && name.find('.') == std::string::npos, "add_module: '", name,
        "' is not a name (it may not be empty nor contain a dot)");
  check(!find_child(name) && !find_parameter(name), "add_module: ", type(),
        " already has a member '", name, "'");
  extra_.push_back(std::make_shared<Submodule>(std::move(name), std::move(module)));
}

void Module::remove_module(std::string_view name) {
  std::erase_if(extra_, [&](const auto& m) { return m->name() == name; });
}

HookHandle Module::register_forward_pre_hook(ForwardPreHook hook) {
  return add_hook(pre_hooks_, std::move(hook));
}
HookHandle Module::register_forward_hook(ForwardHook hook) {
  return add_hook(hooks_, std::move(hook));
}
void Module::set_internal_pre_hook(ForwardPreHook hook) {
  put_internal_first(pre_hooks_, std::move(hook));
}
void Module::set_internal_hook(ForwardHook hook) {
  put_internal_first(hooks_, std::move(hook));
}
void Module::drop_internal_hooks() {
  drop_internal(pre_hooks_);
  drop_internal(hooks_);
}
bool Module::has_internal_hook() const {
  const auto internal = [](const auto& h) { return h->internal; };
  return std::any_of(pre_hooks_.begin(), pre_hooks_.end(), internal) ||
         std::any_of(hooks_.begin(), hooks_.end(), internal);
}
std::size_t Module::user_hooks() const {
  return user_pre_hooks().size() + user_forward_hooks().size();
}

HookList<ForwardPreHook> Module::user_pre_hooks() const {
  return only_users(pre_hooks_);
}
HookList<ForwardHook> Module::user_forward_hooks() const {
  return only_users(hooks_);
}
void Module::share_user_hooks(const Module& from) {
  const auto pre = from.user_pre_hooks();
  const auto post = from.user_forward_hooks();
  pre_hooks_.insert(pre_hooks_.end(), pre.begin(), pre.end());
  hooks_.insert(hooks_.end(), post.begin(), post.end());
}

void Module::train(bool mode) {
  for_each_module(*this, [&](const std::string&, Module& m) { m.set_training(mode); });
}

namespace {
void print(std::ostream& os, Module& module, const std::string& indent) {
  const FieldList fields = module.list();
  os << module.type() << '(';
  const std::string extra = module.extra_repr();
  bool parametrized = false;
  for (const Parameter* p : fields.parameters) parametrized |= p->slot()->is_parametrized();
  if (fields.modules.empty() && !parametrized) {
    os << extra << ')';
    return;
  }
  const std::string deeper = indent + "  ";
  os << '\n';
  if (!extra.empty()) os << deeper << extra << '\n';
  for (const Parameter* p : fields.parameters) {
    if (!p->slot()->is_parametrized()) continue;
    os << deeper << "(parametrizations." << p->name() << "):";
    for (const ParametrizationPtr& link : p->slot()->chain()) os << ' ' << link->type();
    os << '\n';
  }
  for (const Submodule* m : fields.modules) {
    os << deeper << '(' << m->name() << "): ";
    print(os, **m, deeper);
    os << '\n';
  }
  os << indent << ')';
}
}  // namespace

std::ostream& operator<<(std::ostream& os, Module& module) {
  print(os, module, "");
  return os;
}

std::string to_string(Module& module) {
  std::ostringstream os;
  os << module;
  return os.str();
}

}  // namespace adze::nn
