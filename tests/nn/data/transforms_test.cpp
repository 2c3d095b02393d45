#include "adze/nn/data/transforms.h"

#include <cmath>
#include <numbers>

#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"
#include "adze/kernels/parallel.h"
#include "adze/nn/data/data_loader.h"

#include "support/catch.h"

using namespace adze;
using namespace adze::nn::data;

namespace {

using Ints = std::vector<std::int64_t>;
using Floats = std::vector<float>;

Tensor images(const Shape& sizes) {
  Generator generator(1);
  return rand(sizes, &generator);
}

// Position of the middle of the mass of an image (h, w).
std::pair<double, double> centre(const Tensor& image) {
  const Floats v = image.to_vector<float>();
  double x = 0, y = 0, mass = 0;
  const auto width = static_cast<std::size_t>(image.size(1));
  for (std::size_t i = 0; i < v.size(); ++i) {
    mass += v[i];
    x += v[i] * static_cast<double>(i % width);
    y += v[i] * static_cast<double>(i / width);
  }
  return {x / mass, y / mass};
}

// 1 in a square of 3 x 3 pixels around (x, y), else 0.
Tensor square(std::int64_t size, std::int64_t x, std::int64_t y) {
  const Tensor image = zeros({1, size, size});
  image[0].slice(0, y - 1, y + 2).slice(1, x - 1, x + 2).fill_(1);
  return image;
}

}  // namespace

TEST_CASE("an affine transform without range changes nothing", "[nn][data]") {
  const Tensor x = images({3, 2, 5, 7});
  const Ints indices{0, 1, 2};
  CHECK(RandomAffine({}).apply(x, {.seed = 1, .epoch = 2, .indices = indices}).equal(x));
}

TEST_CASE("random distortions depend on seed, epoch and index only", "[nn][data]") {
  const RandomAffine affine(
      {.degrees = 10, .translate = 0.1, .scale = 0.1, .shear = 8, .height = 8, .width = 8});
  const Tensor x = images({40, 64});
  Ints all(40);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
  const Tensor y = affine.apply(x, {.seed = 1, .epoch = 2, .indices = all});
  CHECK(y.sizes() == x.sizes());
  CHECK_FALSE(y.allclose(x, 0.01, 0.01));
  CHECK(affine.apply(x, {.seed = 1, .epoch = 2, .indices = all}).equal(y));
  CHECK_FALSE(affine.apply(x, {.seed = 2, .epoch = 2, .indices = all}).allclose(y));
  CHECK_FALSE(affine.apply(x, {.seed = 1, .epoch = 3, .indices = all}).allclose(y));
  const Ints one{17};
  CHECK(affine.apply(x.slice(0, 17, 18), {.seed = 1, .epoch = 2, .indices = one})
            .equal(y.slice(0, 17, 18).contiguous()));
  kernels::set_num_threads(1);
  CHECK(affine.apply(x, {.seed = 1, .epoch = 2, .indices = all}).equal(y));
  kernels::set_num_threads(0);
  // Two samples with the same pixels move differently.
  const Ints two{0, 1};
  const Tensor same = images({1, 64}).expand({2, 64});
  const Tensor moved = affine.apply(same, {.seed = 1, .epoch = 2, .indices = two});
  CHECK_FALSE(moved[0].allclose(moved[1]));
}

TEST_CASE("rotations keep the middle of the image and the distance from it", "[nn][data]") {
  const RandomAffine rotate({.degrees = 180});
  const Tensor x = square(41, 30, 20);
  double lowest = 10, highest = -10;
  for (std::int64_t i = 0; i < 50; ++i) {
    const Ints index{i};
    const Tensor y = rotate.apply(x, {.seed = 4, .epoch = 0, .indices = index});
    const auto [cx, cy] = centre(y[0]);
    CHECK(std::hypot(cx - 20, cy - 20) == Approx(10).margin(0.1));
    CHECK(y.sum().item() == Approx(9).margin(0.5));
    const double angle = std::atan2(cy - 20, cx - 20);
    lowest = std::min(lowest, angle);
    highest = std::max(highest, angle);
  }
  CHECK(lowest < -2.5);
  CHECK(highest > 2.5);
}

TEST_CASE("translations shift by up to their part of the image", "[nn][data]") {
  const RandomAffine translate({.translate = 0.2});
  const Tensor x = square(40, 20, 20);
  double largest = 0;
  for (std::int64_t i = 0; i < 100; ++i) {
    const Ints index{i};
    const auto [cx, cy] = centre(translate.apply(x, {.seed = 4, .epoch = 0, .indices = index})[0]);
    CHECK(std::fabs(cx - 20) <= 8);
    CHECK(std::fabs(cy - 20) <= 8);
    largest = std::max({largest, std::fabs(cx - 20), std::fabs(cy - 20)});
  }
  CHECK(largest > 7);
}

TEST_CASE("scaling changes the mass, shear moves along x", "[nn][data]") {
  const RandomAffine scale({.scale = 0.3}), shear({.shear = 30});
  const Tensor middle = square(41, 20, 20), above = square(41, 20, 10);
  double smallest = 100, largest = 0, leftmost = 100, rightmost = 0;
  for (std::int64_t i = 0; i < 60; ++i) {
    const Ints index{i};
    const BatchKey key{.seed = 4, .epoch = 0, .indices = index};
    const double mass = scale.apply(middle, key).sum().item();
    smallest = std::min(smallest, mass);
    largest = std::max(largest, mass);
    const auto [x, y] = centre(shear.apply(above, key)[0]);
    CHECK(y == Approx(10).margin(0.05));
    leftmost = std::min(leftmost, x);
    rightmost = std::max(rightmost, x);
  }
  CHECK(smallest == Approx(9 * 0.7 * 0.7).margin(0.7));
  CHECK(largest == Approx(9 * 1.3 * 1.3).margin(0.7));
  const double reach = 10 * std::tan(30 * std::numbers::pi / 180);
  CHECK(leftmost == Approx(20 - reach).margin(0.7));
  CHECK(rightmost == Approx(20 + reach).margin(0.7));
}

TEST_CASE("pixels are interpolated between their four neighbours", "[nn][data]") {
  // A ramp stays a ramp inside of the image, whatever the shift.
  const Tensor ramp =
      (arange(8).to(float32).reshape({1, 1, 8}) + 10 * arange(8).to(float32).reshape({1, 8, 1}));
  const Ints index{3};
  const Tensor y =
      RandomAffine({.translate = 0.1}).apply(ramp, {.seed = 9, .epoch = 0, .indices = index});
  const float shift = y[0][3][3].item<float>() - 33;
  CHECK(std::fabs(shift) > 0.01);
  for (std::int64_t r = 1; r < 7; ++r)
    for (std::int64_t c = 1; c < 7; ++c)
      CHECK(y[0][r][c].item() == Approx(static_cast<float>(10 * r + c) + shift).margin(1e-3));
}

TEST_CASE("what comes from outside of the image has the fill value", "[nn][data]") {
  const Ints index{0};
  const Tensor y = RandomAffine({.translate = 100, .fill = 0.25})
                       .apply(ones({1, 3, 3}), {.seed = 1, .epoch = 0, .indices = index});
  CHECK(y.equal(full({1, 3, 3}, 0.25)));
}

TEST_CASE("all channels of a sample move together", "[nn][data]") {
  const Ints index{5};
  const Tensor plane = images({1, 1, 6, 6});
  const Tensor y = RandomAffine({.degrees = 30})
                       .apply(cat({plane, plane}, 1), {.seed = 1, .epoch = 0, .indices = index});
  CHECK(y.select(1, 0).equal(y.select(1, 1)));
}

TEST_CASE("affine transforms check options and data", "[nn][data]") {
  CHECK_THROWS_WITH(RandomAffine({.degrees = -1}),
                    ContainsSubstring("RandomAffine: degrees must lie in [0, "));
  CHECK_THROWS_WITH(RandomAffine({.scale = 1}),
                    ContainsSubstring("scale must lie in [0, 1), got 1"));
  CHECK_THROWS_AS(RandomAffine({.shear = 90}), Error);
  CHECK_THROWS_AS(RandomAffine({.translate = std::nan("")}), Error);
  CHECK_THROWS_WITH(RandomAffine({.height = 8}), ContainsSubstring("got 8 and 0"));
  const Ints two{0, 1};
  const BatchKey key{.seed = 0, .epoch = 0, .indices = two};
  CHECK_THROWS_WITH(RandomAffine({}).apply(ones({2, 64}), key),
                    ContainsSubstring("give height and width for flat rows"));
  CHECK_THROWS_WITH(RandomAffine({.height = 8, .width = 9}).apply(ones({2, 64}), key),
                    ContainsSubstring("rows of 8 x 9 = 72 pixels expected, got (2, 64)"));
  CHECK_THROWS_WITH(RandomAffine({}).apply(ones({3, 8, 8}), key),
                    ContainsSubstring("the batch has 3 samples, the key 2"));
  CHECK_THROWS_WITH(RandomAffine({}).apply(ones({2, 8, 8}, uint8), key),
                    ContainsSubstring("float32 data expected, got uint8"));
}

TEST_CASE("normalize takes one or all channels", "[nn][data]") {
  const Tensor x = tensor({{{1, 2}, {3, 4}}});
  CHECK(Normalize({1}, {2}).apply(x, {}).to_vector<float>() == Floats{0, 0.5f, 1, 1.5f});
  CHECK(Normalize({1, 3}, {2, 0.5}).apply(x, {}).to_vector<float>() == Floats{0, 0.5f, 0, 2});
  CHECK(Normalize({1, 3}, {2, 0.5}).apply(x, {}).dtype() == float32);
  CHECK_THROWS_WITH(Normalize({1, 2, 3}, {1, 1, 1}).apply(x, {}),
                    "Normalize: data (n, 3, ...) expected, got (1, 2, 2)");
  CHECK_THROWS_WITH(Normalize({1}, {1, 1}), ContainsSubstring("got 1 and 2"));
  CHECK_THROWS_WITH(Normalize({1}, {0}), ContainsSubstring("> 0 expected, got 1 and 0"));
  CHECK_THROWS_AS(Normalize({}, {}), Error);
  CHECK_THROWS_WITH(Normalize({1}, {1}).apply(ones({2}, int64), {}),
                    ContainsSubstring("floats expected, got int64"));
}

TEST_CASE("a loader applies composed transforms", "[nn][data]") {
  const auto transform = compose(Normalize({1}, {2}), Normalize({0}, {0.5}));
  DataLoader loader(TensorDataset(tensor({{1, 2}, {3, 4}})),
                    {.batch_size = 2, .transform = transform});
  CHECK(loader.begin()->data.to_vector<float>() == Floats{0, 1, 2, 3});
  CHECK_THROWS_WITH(Compose({nullptr}), ContainsSubstring("is null"));
}
