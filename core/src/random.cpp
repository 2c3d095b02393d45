#include "adze/core/random.h"

#include <bit>
#include <cmath>
#include <numeric>

#include "adze/core/creation.h"
#include "adze/kernels/parallel.h"

#include "strided.h"

namespace adze {

namespace {

// Stafford's variant 13 of the finalizer of MurmurHash3: a bijection of 64-bit integers.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// The odd integer nearest to 2^64 / golden ratio: steps by it are spread evenly.
constexpr std::uint64_t golden = 0x9e3779b97f4a7c15u;

// One stream. Two rounds with a key each, so that streams of two seeds are not shifts of each
// other.
struct Stream {
  std::uint64_t first_key, second_key;

  explicit Stream(std::uint64_t seed)
      : first_key(mix(seed + golden)), second_key(mix(~first_key)) {}
  std::uint64_t operator()(std::uint64_t n) const {
    return mix(mix(first_key + n * golden) ^ second_key);
  }
};

// Uniform in [0, 1), a multiple of 2^-53.
double unit_double(std::uint64_t bits) {
  return static_cast<double>(bits >> 11) * 0x1p-53;
}
// Uniform in [0, 1), a multiple of 2^-24.
float unit_float(std::uint64_t bits) {
  return static_cast<float>(bits >> 40) * 0x1p-24f;
}

// floor(bits * bound / 2^64), by 32-bit halves: the upper half of the 128-bit product.
std::uint64_t scaled(std::uint64_t bits, std::uint64_t bound) {
  const std::uint64_t low_mask = 0xffffffffu;
  const std::uint64_t a = bits >> 32, b = bits & low_mask, c = bound >> 32, d = bound & low_mask;
  const std::uint64_t middle = a * d + ((b * d) >> 32);
  return a * c + (middle >> 32) + ((b * c + (middle & low_mask)) >> 32);
}

// ---- normal numbers -----------------------------------------------------------------------------
// The inverse of the normal distribution function, M. J. Wichura's algorithm AS 241 (PPND16), from
// + - * / and sqrt only: these are correctly rounded everywhere, library functions are not.

template <std::size_t N>
double polynomial(const double (&coefficients)[N], double x) {
  double y = coefficients[N - 1];
  for (std::size_t i = N - 1; i-- > 0;) y = y * x + coefficients[i];
  return y;
}

// Natural logarithm of a normal double > 0, to about 1e-15: with x = m 2^e, m in [sqrt(1/2),
// sqrt(2)), and s = (m - 1) / (m + 1), log x = e log 2 + 2 (s + s^3/3 + s^5/5 + ...).
double portable_log(double x) {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  auto exponent = static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0x000fffffffffffffu) | 0x3ff0000000000000u);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  const double s = (m - 1) / (m + 1), s2 = s * s;
  double series = 0;
  for (int k = 23; k >= 1; k -= 2) series = series * s2 + 1.0 / k;
  return exponent * 0.6931471805599453 + 2 * s * series;
}

constexpr double central_over[] = {3.3871328727963666080e0, 1.3314166789178437745e2,
                                   1.9715909503065514427e3, 1.3731693765509461125e4,
                                   4.5921953931549871457e4, 6.7265770927008700853e4,
                                   3.3430575583588128105e4, 2.5090809287301226727e3};
constexpr double central_under[] = {1.0,
                                    4.2313330701600911252e1,
                                    6.8718700749205790830e2,
                                    5.3941960214247511077e3,
                                    2.1213794301586595867e4,
                                    3.9307895800092710610e4,
                                    2.8729085735721942674e4,
                                    5.2264952788528545610e3};
constexpr double middle_over[] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                  5.76949722146069140550e0,  3.64784832476320460504e0,
                                  1.27045825245236838258e0,  2.41780725177450611770e-1,
                                  2.27238449892691845833e-2, 7.74545014278341407640e-4};
constexpr double middle_under[] = {1.0,
                                   2.05319162663775882187e0,
                                   1.67638483018380384940e0,
                                   6.89767334985100004550e-1,
                                   1.48103976427480074590e-1,
                                   1.51986665636164571966e-2,
                                   5.47593808499534494600e-4,
                                   1.05075007164441684324e-9};
constexpr double far_over[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                               1.78482653991729133580e0,  2.96560571828504891230e-1,
                               2.65321895265761230930e-2, 1.24266094738807843860e-3,
                               2.71155556874348757815e-5, 2.01033439929228813265e-7};
constexpr double far_under[] = {1.0,
                                5.99832206555887937690e-1,
                                1.36929880922735805310e-1,
                                1.48753612908506148525e-2,
                                7.86869131145613259100e-4,
                                1.84631831751005468180e-5,
                                1.42151175831644588870e-7,
                                2.04426310338993978564e-15};

// A standard normal number: the inverse distribution function at (n + 1/2) / 2^52, where n
// has 52 bits: p and 1 - p are exact, and neither is 0.
double normal_double(std::uint64_t bits) {
  const double p = (static_cast<double>(bits >> 12) + 0.5) * 0x1p-52;
  const double q = p - 0.5;
  if (q >= -0.425 && q <= 0.425) {
    const double r = 0.180625 - q * q;
    return q * polynomial(central_over, r) / polynomial(central_under, r);
  }
  const double r = std::sqrt(-portable_log(q < 0 ? p : 1 - p));
  const double z = r <= 5 ? polynomial(middle_over, r - 1.6) / polynomial(middle_under, r - 1.6)
                          : polynomial(far_over, r - 5) / polynomial(far_under, r - 5);
  return q < 0 ? -z : z;
}

// ---- tensors ------------------------------------------------------------------------------------

Generator& or_default(Generator* generator) {
  return generator ? *generator : default_generator();
}

// Element i of the contiguous array `out` becomes f(i-th of the next n random bits).
template <class T, class F>
void generate(T* out, std::int64_t n, Generator* generator, F&& f) {
  Generator& g = or_default(generator);
  const Stream stream(g.seed());
  const std::uint64_t first = g.reserve(static_cast<std::uint64_t>(n));
  constexpr std::int64_t grain = 1 << 15;
  kernels::parallel_for(0, n, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      out[i] = f(stream(first + static_cast<std::uint64_t>(i)));
  });
}

// Fills `t` in row-major order, whatever its strides and dtype, with numbers computed as T.
template <class T, class F>
const Tensor& fill_random(const Tensor& t, Generator* generator, const char* where, F&& f) {
  check(t.is_floating_point(), where, ": expected a floating dtype, got ", t.dtype());
  Tensor drawn = empty(t.sizes(), dtype_of<T>);
  generate(drawn.mutable_data<T>(), drawn.numel(), generator, f);
  return t.copy_(drawn);
}

}  // namespace

std::uint64_t Generator::seed() const {
  std::lock_guard lock(mutex_);
  return seed_;
}

std::uint64_t Generator::offset() const {
  std::lock_guard lock(mutex_);
  return offset_;
}

void Generator::manual_seed(std::uint64_t seed) {
  std::lock_guard lock(mutex_);
  seed_ = seed;
  offset_ = 0;
}

void Generator::set_offset(std::uint64_t offset) {
  std::lock_guard lock(mutex_);
  offset_ = offset;
}

std::uint64_t Generator::next() {
  std::lock_guard lock(mutex_);
  return Stream(seed_)(offset_++);
}

double Generator::uniform() {
  return unit_double(next());
}

std::uint64_t Generator::below(std::uint64_t bound) {
  check(bound > 0, "Generator::below: the bound must be > 0");
  return scaled(next(), bound);
}

std::uint64_t Generator::reserve(std::uint64_t count) {
  std::lock_guard lock(mutex_);
  const std::uint64_t first = offset_;
  offset_ += count;
  return first;
}

std::uint64_t Generator::at(std::uint64_t n) const {
  return Stream(seed())(n);
}

Generator& default_generator() {
  static Generator generator;
  return generator;
}

void manual_seed(std::uint64_t seed) {
  default_generator().manual_seed(seed);
}

Tensor rand(const Shape& sizes, Generator* generator) {
  Tensor out = empty(sizes);
  generate(out.mutable_data<float>(), out.numel(), generator, unit_float);
  return out;
}

Tensor randn(const Shape& sizes, Generator* generator) {
  Tensor out = empty(sizes);
  generate(out.mutable_data<float>(), out.numel(), generator,
           [](std::uint64_t bits) { return static_cast<float>(normal_double(bits)); });
  return out;
}

Tensor randint(std::int64_t low, std::int64_t high, const Shape& sizes, Generator* generator) {
  check(low < high, "randint: low < high expected, got ", low, " and ", high);
  const std::uint64_t range = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  Tensor out = empty(sizes, DType::int64);
  generate(out.mutable_data<std::int64_t>(), out.numel(), generator, [&](std::uint64_t bits) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + scaled(bits, range));
  });
  return out;
}

Tensor randperm(std::int64_t n, Generator* generator) {
  check(n >= 0, "randperm: the length must not be negative, got ", n);
  Tensor out = empty({n}, DType::int64);
  auto* p = out.mutable_data<std::int64_t>();
  std::iota(p, p + n, std::int64_t{0});
  Generator& g = or_default(generator);
  const Stream stream(g.seed());
  const std::uint64_t first = g.reserve(static_cast<std::uint64_t>(n));
  for (std::int64_t i = n; i-- > 1;) {
    const auto j =
        scaled(stream(first + static_cast<std::uint64_t>(i)), static_cast<std::uint64_t>(i) + 1);
    std::swap(p[i], p[j]);
  }
  return out;
}

Tensor bernoulli(const Shape& sizes, double p, Generator* generator) {
  check(p >= 0 && p <= 1, "bernoulli: a probability from 0 to 1 expected, got ", p);
  Tensor out = empty(sizes);
  generate(out.mutable_data<float>(), out.numel(), generator,
           [p](std::uint64_t bits) { return unit_double(bits) < p ? 1.0f : 0.0f; });
  return out;
}

const Tensor& uniform_(const Tensor& t, double from, double to, Generator* generator) {
  check(from <= to && std::isfinite(to - from), "uniform_: from <= to expected, got ", from,
        " and ", to);
  if (t.dtype() == DType::float64)
    return fill_random<double>(t, generator, "uniform_", [&](std::uint64_t bits) {
      return from + (to - from) * unit_double(bits);
    });
  const auto low = static_cast<float>(from), width = static_cast<float>(to - from);
  return fill_random<float>(t, generator, "uniform_",
                            [&](std::uint64_t bits) { return low + width * unit_float(bits); });
}

const Tensor& normal_(const Tensor& t, double mean, double std, Generator* generator) {
  check(std >= 0 && std::isfinite(std) && std::isfinite(mean),
        "normal_: a finite mean and a standard deviation >= 0 expected, got ", mean, " and ", std);
  if (t.dtype() == DType::float64)
    return fill_random<double>(t, generator, "normal_", [&](std::uint64_t bits) {
      return mean + std * normal_double(bits);
    });
  return fill_random<float>(t, generator, "normal_", [&](std::uint64_t bits) {
    return static_cast<float>(mean + std * normal_double(bits));
  });
}

}  // namespace adze
