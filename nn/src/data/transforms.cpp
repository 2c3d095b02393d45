#include "adze/nn/data/transforms.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "adze/core/creation.h"
#include "adze/core/ops/elementwise.h"
#include "adze/core/ops/shape.h"
#include "adze/kernels/parallel.h"

#include "data/streams.h"

namespace adze::nn::data {

// ---- Compose ------------------------------------------------------------------------------------

Compose::Compose(std::vector<TransformPtr> transforms) : transforms_(std::move(transforms)) {
  for (const TransformPtr& t : transforms_) check(t != nullptr, "Compose: a transform is null");
}

Tensor Compose::apply(const Tensor& data, const BatchKey& key) const {
  Tensor result = data;
  for (const TransformPtr& t : transforms_) result = t->apply(result, key);
  return result;
}

// ---- Normalize ----------------------------------------------------------------------------------

Normalize::Normalize(std::vector<double> mean, std::vector<double> std)
    : mean_(std::move(mean)), std_(std::move(std)) {
  check(mean_.size() == std_.size() && !mean_.empty(),
        "Normalize: as many means as standard deviations expected, at least one; got ",
        mean_.size(), " and ", std_.size());
  for (std::size_t i = 0; i < mean_.size(); ++i)
    check(std::isfinite(mean_[i]) && std::isfinite(std_[i]) && std_[i] > 0,
          "Normalize: a finite mean and a finite standard deviation > 0 expected, got ", mean_[i],
          " and ", std_[i]);
}

Tensor Normalize::apply(const Tensor& data, const BatchKey&) const {
  check(data.is_floating_point(), "Normalize: floats expected, got ", data.dtype());
  if (mean_.size() == 1) return (data - mean_[0]) / std_[0];
  const auto channels = static_cast<std::int64_t>(mean_.size());
  check(data.dim() >= 2 && data.size(1) == channels, "Normalize: data (n, ", channels,
        ", ...) expected, got ", data.sizes());
  Shape shape(data.sizes().size(), 1);
  shape[1] = channels;
  const auto per_channel = [&](const std::vector<double>& values) {
    return from_vector(values, shape).to(data.dtype());
  };
  return (data - per_channel(mean_)) / per_channel(std_);
}

// ---- RandomAffine -------------------------------------------------------------------------------

namespace {

constexpr double radians = std::numbers::pi / 180;

// Where the pixel (x, y) of the result comes from: (xx x + xy y + x0, yx x + yy y + y0).
struct Map {
  double xx, xy, x0, yx, yy, y0;
};

// The map of the sample with that number.
Map map_of(std::int64_t index, const Generator& stream, const RandomAffineOptions& o,
           std::int64_t height, std::int64_t width) {
  constexpr std::uint64_t draws = 8;  // numbers set aside for each sample
  std::uint64_t next = static_cast<std::uint64_t>(index) * draws;
  const auto within = [&](double bound) {  // uniform in [-bound, bound)
    return (static_cast<double>(stream.at(next++) >> 11) * 0x1p-52 - 1) * bound;
  };
  const double angle = within(o.degrees) * radians;
  const double shift_x = within(o.translate) * static_cast<double>(width);
  const double shift_y = within(o.translate) * static_cast<double>(height);
  const double zoom = 1 / (1 + within(o.scale));
  const double lean = std::tan(within(o.shear) * radians);
  // The result is shift * rotation * shear * zoom about the centre; this is its inverse.
  const double c = std::cos(angle) * zoom, s = std::sin(angle) * zoom;
  const double centre_x = static_cast<double>(width - 1) / 2;
  const double centre_y = static_cast<double>(height - 1) / 2;
  Map m{.xx = c + lean * s, .xy = s - lean * c, .x0 = 0, .yx = -s, .yy = c, .y0 = 0};
  const double from_x = centre_x + shift_x, from_y = centre_y + shift_y;
  m.x0 = centre_x - m.xx * from_x - m.xy * from_y;
  m.y0 = centre_y - m.yx * from_x - m.yy * from_y;
  return m;
}

// One plane of `height` x `width` pixels seen through the map.
void move_plane(const float* from, const Map& m, std::int64_t height, std::int64_t width,
                float fill, float* to) {
  const auto pixel = [&](std::int64_t x, std::int64_t y) {
    return x >= 0 && x < width && y >= 0 && y < height ? from[y * width + x] : fill;
  };
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      const auto dx = static_cast<double>(x), dy = static_cast<double>(y);
      // Far outside all pixels are `fill`; the bounds keep the integers small.
      const double u =
          std::clamp(m.xx * dx + m.xy * dy + m.x0, -2.0, static_cast<double>(width) + 1);
      const double v =
          std::clamp(m.yx * dx + m.yy * dy + m.y0, -2.0, static_cast<double>(height) + 1);
      const double left = std::floor(u), top = std::floor(v);
      const auto i = static_cast<std::int64_t>(left), j = static_cast<std::int64_t>(top);
      const auto a = static_cast<float>(u - left), b = static_cast<float>(v - top);
      const float upper = pixel(i, j) * (1 - a) + pixel(i + 1, j) * a;
      const float lower = pixel(i, j + 1) * (1 - a) + pixel(i + 1, j + 1) * a;
      to[y * width + x] = upper * (1 - b) + lower * b;
    }
  }
}

void check_range(const char* what, double value, double below) {
  check(value >= 0 && value < below, "RandomAffine: ", what, " must lie in [0, ", below, "), got ",
        value);
}

}  // namespace

RandomAffine::RandomAffine(RandomAffineOptions options) : options_(options) {
  check_range("degrees", options_.degrees, 1e6);
  check_range("translate", options_.translate, 1e6);
  check_range("scale", options_.scale, 1);
  check_range("shear", options_.shear, 90);
  check(std::isfinite(options_.fill), "RandomAffine: fill must be finite, got ", options_.fill);
  check(
      options_.height >= 0 && options_.width >= 0 && (options_.height > 0) == (options_.width > 0),
      "RandomAffine: height and width must both be given, or none; got ", options_.height, " and ",
      options_.width);
}

Tensor RandomAffine::apply(const Tensor& data, const BatchKey& key) const {
  const bool flat = options_.height > 0;
  check(data.dtype() == float32, "RandomAffine: float32 data expected, got ", data.dtype());
  check(data.dim() >= (flat ? 2 : 3), "RandomAffine: data (n, ..., height, width) expected, got ",
        data.sizes(), "; give height and width for flat rows");
  const auto n = static_cast<std::int64_t>(key.indices.size());
  check(data.size(0) == n, "RandomAffine: the batch has ", data.size(0), " samples, the key ", n);
  const std::int64_t height = flat ? options_.height : data.size(-2);
  const std::int64_t width = flat ? options_.width : data.size(-1);
  const std::int64_t plane = height * width;
  check(!flat || data.size(-1) == plane, "RandomAffine: rows of ", height, " x ", width, " = ",
        plane, " pixels expected, got ", data.sizes());

  const Tensor from = contiguous(data), to = empty(data.sizes());
  if (data.numel() == 0) return to;
  const Generator stream = epoch_stream(key.seed, Purpose::affine, key.epoch);
  const float* source = from.data<float>();
  float* destination = to.mutable_data<float>();
  const std::int64_t sample = data.numel() / n;
  constexpr std::int64_t grain_pixels = 1 << 13;
  kernels::parallel_for(0, n, std::max<std::int64_t>(1, grain_pixels / sample),
                        [&](std::int64_t first, std::int64_t last) {
                          for (std::int64_t i = first; i < last; ++i) {
                            const Map m = map_of(key.indices[static_cast<std::size_t>(i)], stream,
                                                 options_, height, width);
                            for (std::int64_t at = i * sample; at < (i + 1) * sample; at += plane)
                              move_plane(source + at, m, height, width,
                                         static_cast<float>(options_.fill), destination + at);
                          }
                        });
  return to;
}

}  // namespace adze::nn::data
