#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>

#include "adze/ao/quantization/utils.h"
#include "adze/nn/module.h"

namespace adze::ao::quantization {

/// What observers and fake-quantizes have in common: they see tensors pass by and know scale and
/// zero point in the end.
class ObserverOrFakeQuant : public adze::nn::Module {
 public:
  /// An observer returns its input, a fake-quantize what the integers would stand for.
  virtual Tensor forward(const Tensor& x) = 0;
  /// Scale and zero point for what was seen; throws when nothing was, or when this kind of observer
  /// has none.
  virtual TensorQParams calculate_qparams() const = 0;
  /// True when `calculate_qparams` has something to go by.
  virtual bool has_data() const = 0;
  virtual const QuantizationSpec& spec() const = 0;
  /// Weight of the newest batch in a moving average, nothing for other observers.
  virtual std::optional<double> averaging_constant() const { return {}; }

  DType dtype() const { return spec().dtype; }
  QScheme qscheme() const { return spec().qscheme; }
  std::int64_t quant_min() const { return spec().quant_min; }
  std::int64_t quant_max() const { return spec().quant_max; }
  bool is_dynamic() const { return spec().is_dynamic; }
  bool is_per_channel() const { return adze::is_per_channel(spec().qscheme); }
  /// Channel axis, -1 per tensor.
  std::int64_t ch_axis() const { return spec().ch_axis; }
  /// True for a moving average that keeps nothing of earlier batches.
  bool is_memoryless() const { return averaging_constant() == 1.0; }
  /// Settings, and `weight_zeros`, which a network in a file keeps.
  std::map<std::string, Value> config() const override;

  /// Version of a parameter and which of its elements were zero, by the parameter's name.
  struct WeightZeros {
    std::uint64_t version = 0, fingerprint = 0;
  };
  /// Those of the observed module when data last came: whoever attaches the observer keeps them,
  /// and convert reports masks that changed since.
  std::map<std::string, WeightZeros> weight_zeros;
};

/// How to build an observer or a fake-quantize: a type with its options, as a value. A QConfig is
/// made of two. Empty: build none, what the field writes as torch.nn.Identity.
///
///     const ObserverFactory weight = MinMaxObserver::with_args({.dtype = qint8});
///     auto observer = weight();
class ObserverFactory {
 public:
  ObserverFactory() = default;
  /// Builds `M(options)`. Options are compared with == and printed with their `str()`.
  template <std::derived_from<ObserverOrFakeQuant> M, std::equality_comparable Options>
  static ObserverFactory of(Options options) {
    return ObserverFactory(std::make_shared<const RecipeOf<M, Options>>(std::move(options)));
  }

  /// A fresh module; throws when the factory is empty.
  std::shared_ptr<ObserverOrFakeQuant> operator()() const;
  explicit operator bool() const { return recipe_ != nullptr; }
  /// "MinMaxObserver(dtype=qint8)": the type and the options that are not the default.
  std::string str() const;
  /// The options when it builds exactly a M with options of that type, else nullptr.
  template <class M, class Options>
  const Options* options() const {
    const auto* recipe = dynamic_cast<const RecipeOf<M, Options>*>(recipe_.get());
    return recipe ? &recipe->options : nullptr;
  }
  /// True when both build the same type with equal options.
  friend bool operator==(const ObserverFactory& a, const ObserverFactory& b) {
    if (!a.recipe_ || !b.recipe_) return a.recipe_ == b.recipe_;
    return a.recipe_ == b.recipe_ || a.recipe_->equals(*b.recipe_);
  }

 private:
  struct Recipe {
    virtual ~Recipe() = default;
    virtual std::shared_ptr<ObserverOrFakeQuant> make() const = 0;
    virtual bool equals(const Recipe& other) const = 0;
    virtual const std::type_info& type() const = 0;
    virtual std::string arguments() const = 0;
  };
  template <class M, class Options>
  struct RecipeOf final : Recipe {
    explicit RecipeOf(Options o) : options(std::move(o)) {}
    std::shared_ptr<ObserverOrFakeQuant> make() const override {
      return std::make_shared<M>(options);
    }
    bool equals(const Recipe& other) const override {
      const auto* same = dynamic_cast<const RecipeOf*>(&other);
      return same && same->options == options;
    }
    const std::type_info& type() const override { return typeid(M); }
    std::string arguments() const override { return options.str(); }
    Options options;
  };
  explicit ObserverFactory(std::shared_ptr<const Recipe> recipe) : recipe_(std::move(recipe)) {}

  std::shared_ptr<const Recipe> recipe_;
};
std::ostream& operator<<(std::ostream& os, const ObserverFactory& factory);

/// Base of observers: modules that pass their input on unchanged.
class ObserverBase : public ObserverOrFakeQuant {
 public:
  const QuantizationSpec& spec() const override { return spec_; }

 protected:
  explicit ObserverBase(const QuantizationSpec& spec) : spec_(spec) {}

 private:
  QuantizationSpec spec_;
};

/// Options of the observers that compute scale and zero point from a range. One struct for all, in
/// the field's names and defaults; an observer throws when it is given an option that it lacks.
struct ObserverOptions {
  DType dtype = quint8;              // qint8, quint8 or qint32
  std::optional<QScheme> qscheme{};  // default: per_tensor_affine; per_channel_affine per channel
  bool reduce_range = false;         // one bit less: 0..127 for quint8
  std::optional<std::int64_t> quant_min{}, quant_max{};  // default: the dtype's range
  double eps = 0x1p-23;                                  // smallest scale
  bool is_dynamic = false;
  std::optional<double> averaging_constant{};  // moving averages: 0.01; 1 forgets earlier batches
  std::optional<std::int64_t> ch_axis{};       // per channel: 0
  std::optional<std::int64_t> bins{};          // histogram: 2048

  /// "dtype=qint8, qscheme=per_tensor_symmetric": the options that differ from the default.
  std::string str() const;
  friend bool operator==(const ObserverOptions&, const ObserverOptions&) = default;
};

/// Base of the observers that compute scale and zero point from a range by
/// `qparams_from_min_max`.
class UniformQuantizationObserverBase : public ObserverBase {
 public:
  adze::nn::Buffer eps;  // float32 (1)

  std::optional<double> averaging_constant() const override { return averaging_constant_; }
  std::map<std::string, Value> config() const override;
  /// Forgets what was seen. Throws for observers that cannot.
  virtual void reset_min_max_vals();

 protected:
  /// Which of the optional settings an observer has.
  struct Traits {
    bool per_channel = false, averaging = false, histogram = false;
  };
  /// `name` starts the messages. Throws for a dtype, qscheme or range that cannot be, and for
  /// options that `traits` do not allow.
  UniformQuantizationObserverBase(std::string_view name, const ObserverOptions& options,
                                  Traits traits);
  void fields(adze::nn::FieldList& f) override { f(eps); }
  /// `qparams_from_min_max` with the settings of this observer; throws unless `has_data()`.
  TensorQParams qparams(const Tensor& min, const Tensor& max) const;
  /// `x` detached, as float32; throws for quantized tensors.
  Tensor observed(const Tensor& x) const;

 private:
  ObserverOptions options_;
  std::optional<double> averaging_constant_;
};

}  // namespace adze::ao::quantization
