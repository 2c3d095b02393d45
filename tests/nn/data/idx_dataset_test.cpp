#include "adze/nn/data/idx_dataset.h"

#include <zlib.h>

#include "adze/core/ops.h"
#include "adze/core/random.h"

#include "support/catch.h"
#include "support/folder.h"

using namespace adze;
using namespace adze::nn::data;

namespace {

const adze::testing::Folder& folder() {
  static const adze::testing::Folder instance;
  return instance;
}

// The bytes of an IDX file.
std::string idx(unsigned char type, const std::vector<std::uint32_t>& sizes,
                const std::string& elements) {
  std::string bytes{'\0', '\0', static_cast<char>(type), static_cast<char>(sizes.size())};
  for (const std::uint32_t size : sizes)
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(size >> shift & 255);
  return bytes + elements;
}

std::string gzip(const std::string& bytes) {
  const std::string path = folder().path("packed.gz");
  gzFile out = gzopen(path.c_str(), "wb");
  gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(out);
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Tensor read(const std::string& bytes) {
  return read_idx(folder().write("array.idx", bytes));
}
std::string error_of(const std::string& bytes) {
  const std::string begin = "read_idx: " + folder().path("array.idx") + ": ";
  try {
    read(bytes);
  } catch (const Error& error) {
    const std::string what = error.what();
    CHECK(what.starts_with(begin));
    return what.substr(begin.size());
  }
  return "no error";
}

using Doubles = std::vector<double>;

}  // namespace

TEST_CASE("IDX files of all element types are read", "[nn][data]") {
  using namespace std::string_literals;
  const Tensor bytes = read(idx(0x08, {2, 3}, "\x00\x01\x02\x7f\x80\xff"s));
  CHECK(bytes.dtype() == uint8);
  CHECK(bytes.sizes() == Shape{2, 3});
  CHECK(bytes.to_vector<double>() == Doubles{0, 1, 2, 127, 128, 255});
  const Tensor i8 = read(idx(0x09, {2}, "\x80\x7f"s));
  CHECK(i8.dtype() == int8);
  CHECK(i8.to_vector<double>() == Doubles{-128, 127});
  const Tensor i16 = read(idx(0x0b, {2}, "\x01\x02\xff\xfe"s));
  CHECK(i16.dtype() == int16);
  CHECK(i16.to_vector<double>() == Doubles{258, -2});
  const Tensor i32 = read(idx(0x0c, {1, 2}, "\x00\x00\x01\x00\xff\xff\xff\xff"s));
  CHECK(i32.dtype() == int32);
  CHECK(i32.to_vector<double>() == Doubles{256, -1});
  const Tensor f32 = read(idx(0x0d, {1}, "\x3f\xc0\x00\x00"s));
  CHECK(f32.dtype() == float32);
  CHECK(f32.to_vector<double>() == Doubles{1.5});
  const Tensor f64 = read(idx(0x0e, {1}, "\xc0\x04\x00\x00\x00\x00\x00\x00"s));
  CHECK(f64.dtype() == float64);
  CHECK(f64.to_vector<double>() == Doubles{-2.5});
  CHECK(read(idx(0x08, {0, 3}, "")).sizes() == Shape{0, 3});
}

TEST_CASE("IDX files compressed with gzip are read", "[nn][data]") {
  std::string elements;
  for (int i = 0; i < 3000; ++i) elements += static_cast<char>(i * i % 251);
  const std::string plain = idx(0x08, {30, 10, 10}, elements);
  CHECK(gzip(plain).substr(0, 2) == "\x1f\x8b");
  CHECK(read(gzip(plain)).equal(read(plain)));
}

TEST_CASE("hostile IDX files are refused", "[nn][data][hostile]") {
  using namespace std::string_literals;
  const std::string no_idx =
      "not an IDX file: it must begin with two zero bytes, element type and dimensions";
  CHECK(error_of("") == no_idx);
  CHECK(error_of("\0\0\x08"s) == no_idx);
  CHECK(error_of("\x89PNG and more") == no_idx);
  CHECK(error_of(idx(0x07, {1}, "x")) == "not an IDX file: element type 7 is not known");
  CHECK(error_of(idx(0x08, {}, "")) == "1 to 8 dimensions are supported, got 0");
  CHECK(error_of(idx(0x08, std::vector<std::uint32_t>(9, 1), "x")) ==
        "1 to 8 dimensions are supported, got 9");
  CHECK(error_of(idx(0x08, {1, 2}, "").substr(0, 10)) == "the header is cut off");
  CHECK(error_of(idx(0x08, {2, 2}, "abc")) ==
        "the file is cut off: 4 bytes of elements expected, got 3");
  CHECK(error_of(idx(0x0c, {2}, "abcdefg")) ==
        "the file is cut off: 8 bytes of elements expected, got 7");
  CHECK(error_of(idx(0x08, {2, 2}, "abcde")) == "the file goes on after its 4 bytes of elements");
  CHECK(error_of(idx(0x08, {1}, "").substr(0, 8) + "a" + std::string(5, 'b')) ==
        "the file goes on after its 1 bytes of elements");
  const std::uint32_t most = 0xffffffffu;
  CHECK(error_of(idx(0x08, {most, most}, "x")) == "the sizes are too large for any memory");
  CHECK(error_of(idx(0x08, {0, most, most, most}, "")) == "the sizes are too large for any memory");
  // Nearly 2^62 bytes are promised; memory is taken for what is there.
  CHECK_THAT(error_of(idx(0x08, {0x7fffffffu, 0x7fffffffu}, std::string(5000, 'x'))),
             ContainsSubstring("the file is cut off"));
}

TEST_CASE("damaged gzip data is refused", "[nn][data][hostile]") {
  Generator random(3);
  std::string elements;
  for (int i = 0; i < 5000; ++i) elements += static_cast<char>(random.below(256));
  const std::string packed = gzip(idx(0x08, {5000}, elements));
  CHECK(error_of(packed) == "no error");
  for (const std::size_t length : {packed.size() - 1, packed.size() - 9, packed.size() / 2})
    CHECK(error_of(packed.substr(0, length)) == "cannot be read: the compressed data is cut off");
  std::string wrong = packed;
  wrong[wrong.size() / 2] = static_cast<char>(wrong[wrong.size() / 2] ^ 0x10);
  CHECK_THAT(error_of(wrong), ContainsSubstring("cannot be read: "));
}

TEST_CASE("mutated IDX files are read or refused", "[nn][data][hostile][fuzz]") {
  const std::string plain = idx(0x0c, {3, 4}, std::string(48, 'x')), packed = gzip(plain);
  Generator random(11);
  int accepted = 0;
  for (int round = 0; round < 400; ++round) {
    std::string bytes = round % 2 == 0 ? plain : packed;
    for (std::uint64_t m = 0; m <= random.below(3); ++m) {
      const std::size_t at = random.below(bytes.size());
      if (random.below(4) == 0) {
        bytes.resize(at + 1);
      } else {
        bytes[at] = static_cast<char>(random.below(256));
      }
    }
    accepted += error_of(bytes) == "no error";
  }
  CHECK(accepted > 0);
  CHECK(accepted < 400);
}

TEST_CASE("files that are none are refused", "[nn][data]") {
  CHECK_THROWS_WITH(read_idx(folder().path("none")), ContainsSubstring("none: no such file"));
  CHECK_THROWS_WITH(read_idx(folder().path("")), ContainsSubstring("not a regular file"));
}

TEST_CASE("images and labels make a dataset", "[nn][data]") {
  using namespace std::string_literals;
  const std::string images = folder().write("images", idx(0x08, {2, 1, 2}, "\x00\xff\x33\x66"s));
  const std::string labels = folder().write("labels", gzip(idx(0x08, {2}, "\x07\x01"s)));
  const IdxDataset dataset(images, labels);
  CHECK(dataset.size() == 2);
  CHECK(dataset.data().sizes() == Shape{2, 1, 2});
  CHECK(dataset.data().dtype() == float32);
  CHECK(dataset.data().to_vector<float>()[1] == Approx(1));
  CHECK(dataset.data().to_vector<float>()[2] == Approx(0.2));
  CHECK(dataset.targets().to_vector<std::int64_t>() == std::vector<std::int64_t>{7, 1});
  const IdxDataset flat(images, labels, {.scale = 1, .sample_shape = {2}});
  CHECK(flat.data().sizes() == Shape{2, 2});
  CHECK(flat.data().to_vector<float>() == std::vector<float>{0, 255, 51, 102});

  CHECK_THROWS_WITH(IdxDataset(images, labels, {.classes = 7}),
                    "IdxDataset: " + labels + ": labels must lie in [0, 7), got 7");
  CHECK_THROWS_WITH(IdxDataset(images, images),
                    ContainsSubstring("one-dimensional integer labels expected, got uint8"));
  CHECK_THROWS_WITH(IdxDataset(images, labels, {.sample_shape = {3}}),
                    ContainsSubstring("sample_shape (3,)"));
  const std::string three = folder().write("three", idx(0x08, {3}, "abc"));
  CHECK_THROWS_WITH(
      IdxDataset(images, three),
      "IdxDataset: " + three + ": 2 labels expected, one for each sample in " + images + ", got 3");
  const std::string negative = folder().write("negative", idx(0x09, {2}, "\x01\xff"s));
  CHECK_THROWS_WITH(IdxDataset(images, negative), ContainsSubstring("labels must be >= 0, got -1"));
  const std::string none = folder().write("none_at_all", idx(0x08, {0}, ""));
  CHECK_THROWS_WITH(IdxDataset(none, none), ContainsSubstring("has no samples"));
  const std::string nan = folder().write("nan", idx(0x0d, {2}, "\x7f\xc0\0\0\0\0\0\0"s));
  CHECK_THROWS_WITH(IdxDataset(nan, labels), ContainsSubstring("must be finite"));
}
