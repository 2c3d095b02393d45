#pragma once

#include "adze/core/creation.h"
#include "adze/core/indexing.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"
#include "adze/nn/module.h"

// Small networks and parametrizations that tests of several rooms share.
namespace adze::test {

/// A linear layer written as a user would, so that nn's own tests need no layer of the library.
class Affine : public nn::ModuleOf<Affine> {
 public:
  Affine(std::int64_t in, std::int64_t out)
      : weight("weight", randn({out, in})), bias("bias", randn({out})) {}
  Tensor forward(const Tensor& x) { return linear(x, weight, bias); }
  nn::Parameter weight, bias;

 protected:
  void fields(nn::FieldList& f) override { f(weight, bias); }
};

class Rectify : public nn::ModuleOf<Rectify> {
 public:
  Tensor forward(const Tensor& x) { return relu(x); }
};

/// x + gain * act(fc(x)): children, an own parameter and a residual path.
class Block : public nn::ModuleOf<Block> {
 public:
  explicit Block(std::int64_t features = 4)
      : fc("fc", Affine(features, features)), gain("gain", ones({features})) {}
  nn::Submodule fc, act{"act", Rectify()};
  nn::Parameter gain;
  Tensor forward(const Tensor& x) { return act(fc(x)) * gain + x; }

 protected:
  void fields(nn::FieldList& f) override { f(fc, act, gain); }
};

/// A mask as a pruner would register it.
class Mask : public nn::Parametrization {
 public:
  explicit Mask(Tensor mask, std::string owner = "test") : mask_(mask), owner_(std::move(owner)) {}
  Tensor forward(const Tensor& x) const override { return where(ne(mask_, 0), x, 0.0f); }
  std::optional<Tensor> right_inverse(const Tensor& x) const override { return x; }
  std::string type() const override { return "Mask"; }
  bool is_mask() const override { return true; }
  std::string owner() const override { return owner_; }
  std::string extra_state() const override { return key; }
  void set_extra_state(const std::string& text) override { key = text; }
  std::vector<std::pair<std::string, Tensor>> tensors() const override { return {{"mask", mask_}}; }
  std::uint64_t version() const override { return mask_.version(); }
  nn::ParametrizationPtr clone() const override {
    auto copy = std::make_shared<Mask>(mask_.clone(), owner_);
    copy->key = key;
    return copy;
  }
  const Tensor& mask() const { return mask_; }
  std::string key;

 private:
  Tensor mask_;
  std::string owner_;
};

/// Twice the stored value; cannot be baked alone from behind a mask.
class Doubled : public nn::Parametrization {
 public:
  Tensor forward(const Tensor& x) const override { return x * 2.0; }
  std::optional<Tensor> right_inverse(const Tensor& x) const override { return x * 0.5; }
  std::string type() const override { return "Doubled"; }
  std::uint64_t version() const override { return 0; }
  nn::ParametrizationPtr clone() const override { return std::make_shared<Doubled>(); }
};

/// Collects warnings for the length of a scope.
class Warnings {
 public:
  Warnings() : previous_(set_warning_handler([this](const std::string& m) { all.push_back(m); })) {}
  ~Warnings() { set_warning_handler(previous_); }
  Warnings(const Warnings&) = delete;
  Warnings& operator=(const Warnings&) = delete;
  bool mention(const std::string& text) const {
    for (const std::string& m : all)
      if (m.find(text) != std::string::npos) return true;
    return false;
  }
  std::vector<std::string> all;

 private:
  WarningHandler previous_;
};

/// The message of the Error that `f` throws; "" when it throws none.
template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

}  // namespace adze::test
