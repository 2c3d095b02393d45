#pragma once

#include <concepts>
#include <cstdint>

#include "adze/core/dtype.h"

namespace adze {

/// A number given beside tensors: bool, integer or floating point. It takes part in type promotion
/// only with its kind: an int tensor plus 2 stays int, plus 2.5 becomes float32.
class Scalar {
 public:
  enum class Kind : std::uint8_t { logical, integer, floating };

  Scalar() : Scalar(0) {}
  Scalar(bool v) : kind_(Kind::logical), i_(v), d_(v) {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) Scalar(T v)
      : kind_(Kind::integer), i_(static_cast<std::int64_t>(v)), d_(static_cast<double>(v)) {}
  template <std::floating_point T>
  Scalar(T v) : kind_(Kind::floating), d_(static_cast<double>(v)) {}

  Kind kind() const { return kind_; }
  bool is_floating() const { return kind_ == Kind::floating; }
  double to_double() const { return d_; }
  std::int64_t to_int() const {
    return kind_ == Kind::floating ? static_cast<std::int64_t>(d_) : i_;
  }
  friend bool operator==(const Scalar&, const Scalar&) = default;

 private:
  Kind kind_;
  std::int64_t i_ = 0;
  double d_ = 0;
};

}  // namespace adze
