#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adze/core/creation.h"
#include "adze/nn/linear.h"
#include "adze/nn/module.h"

// Networks in one line each, for tests that need many of them.
namespace adze::test {

/// A member of a Net: a layer (k, n), a parameter, or a function that makes a module.
struct Part {
  std::string name;
  std::function<nn::ModulePtr()> make;
  Shape parameter = {};
};
inline Part fc(std::string name, std::int64_t in, std::int64_t out) {
  return {std::move(name), [in, out] { return nn::make<nn::Linear>(in, out); }};
}
inline Part parameter(std::string name, Shape shape) {
  return {std::move(name), nullptr, std::move(shape)};
}
template <class M, class... Args>
Part module(std::string name, Args... args) {
  return {std::move(name), [args...] { return nn::make<M>(args...); }};
}

/// A user-written network whose forward is a function: `n("a", x)` calls the module a, `n["w"]` is
/// the parameter w.
class Net : public nn::Module {
 public:
  using One = std::function<Value(Net&, const Tensor&)>;
  using Two = std::function<Value(Net&, const Tensor&, const Tensor&)>;

  Net(const std::vector<Part>& parts, One f) : one_(std::move(f)) { add(parts); }
  Net(const std::vector<Part>& parts, Two f) : two_(std::move(f)) { add(parts); }

  Tensor operator()(std::string_view name, const Tensor& x) { return handle(name)(x); }
  using Module::operator();
  nn::Submodule& handle(std::string_view name) { return *find_child(name); }
  Tensor operator[](std::string_view name) { return *find_parameter(name); }

  std::string qualified_type() const override { return "adze::test::Net"; }
  std::vector<nn::ForwardArg> forward_args() const override {
    return two_ ? std::vector<nn::ForwardArg>{{"x"}, {"y"}} : std::vector<nn::ForwardArg>{{"x"}};
  }

 protected:
  void fields(nn::FieldList& f) override { f(parameters_, modules_); }
  Tensor forward_tensor(const Tensor& x) override {
    const Value arg(x);
    return forward_values(std::span(&arg, 1)).to_tensor();
  }
  Value forward_values(std::span<const Value> args) override {
    check(args.size() == (two_ ? 2U : 1U), "Net: wrong number of arguments");
    return two_ ? two_(*this, args[0].to_tensor(), args[1].to_tensor())
                : one_(*this, args[0].to_tensor());
  }
  nn::ModulePtr shallow_copy() const override { return std::make_shared<Net>(*this); }

 private:
  void add(const std::vector<Part>& parts) {
    for (const Part& p : parts) {
      if (p.make)
        modules_.emplace_back(p.name, p.make());
      else
        parameters_.emplace_back(p.name, zeros(p.parameter));
    }
  }

  One one_;
  Two two_;
  std::vector<nn::Submodule> modules_;
  std::vector<nn::Parameter> parameters_;
};

}  // namespace adze::test
