#pragma once

#include <cstdint>
#include <mutex>

#include "adze/core/tensor.h"

namespace adze {

/// A stream of random numbers: counter based, so that the n-th number depends on the seed and n
/// only, not on platform, ISA or thread count. Safe to share between threads.
class Generator {
 public:
  explicit Generator(std::uint64_t seed = 0) : seed_(seed) {}
  Generator(const Generator& other) : Generator(other.seed()) { set_offset(other.offset()); }

  std::uint64_t seed() const;
  /// How many numbers were taken so far.
  std::uint64_t offset() const;
  void manual_seed(std::uint64_t seed);
  void set_offset(std::uint64_t offset);

  /// 64 random bits.
  std::uint64_t next();
  /// Uniform in [0, 1).
  double uniform();
  /// Uniform integer in [0, bound).
  std::uint64_t below(std::uint64_t bound);
  /// Takes `count` numbers at once: they are `at(first)`, `at(first + 1)`, ...
  std::uint64_t reserve(std::uint64_t count);
  /// The n-th 64 random bits of this stream.
  std::uint64_t at(std::uint64_t n) const;

 private:
  mutable std::mutex mutex_;
  std::uint64_t seed_ = 0, offset_ = 0;
};

/// The generator that is used when none is given.
Generator& default_generator();
/// Seeds the default generator.
void manual_seed(std::uint64_t seed);

// `generator` null: the default one.
/// Uniform in [0, 1).
Tensor rand(const Shape& sizes, Generator* generator = nullptr);
/// Standard normal.
Tensor randn(const Shape& sizes, Generator* generator = nullptr);
/// Integers in [low, high), int64.
Tensor randint(std::int64_t low, std::int64_t high, const Shape& sizes,
               Generator* generator = nullptr);
/// A permutation of 0..n-1, int64.
Tensor randperm(std::int64_t n, Generator* generator = nullptr);
/// 1 with probability p, else 0; float32.
Tensor bernoulli(const Shape& sizes, double p, Generator* generator = nullptr);
/// Fills `t` in place with uniform or normal numbers; returns it.
const Tensor& uniform_(const Tensor& t, double from, double to, Generator* generator = nullptr);
const Tensor& normal_(const Tensor& t, double mean, double std, Generator* generator = nullptr);

}  // namespace adze
