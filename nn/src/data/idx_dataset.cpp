#include "adze/nn/data/idx_dataset.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include <zlib.h>

#include "adze/core/creation.h"
#include "adze/core/ops/elementwise.h"
#include "adze/core/ops/reduction.h"

#include "data/input_file.h"

namespace adze::nn::data {
namespace {

struct CloseGzip {
  void operator()(gzFile file) const { gzclose_r(file); }
};

// A file, read through zlib, which hands files without the signature of gzip over as they are.
class Input {
 public:
  Input(const std::string& path, std::string where) : where_(std::move(where)) {
    check_regular_file(path, where_);
    file_.reset(gzopen(path.c_str(), "rb"));
    check(file_ != nullptr, where_, "cannot be opened");
    gzbuffer(file_.get(), 1 << 17);
  }

  /// Reads up to `count` bytes; fewer only at the end of the file.
  std::size_t read(unsigned char* to, std::size_t count) {
    constexpr std::size_t most = 1 << 30;
    std::size_t done = 0;
    while (done < count) {
      const auto piece = static_cast<unsigned>(std::min(most, count - done));
      const int got = gzread(file_.get(), to + done, piece);
      int code = Z_OK;
      const char* message = gzerror(file_.get(), &code);
      check(got >= 0 && (code == Z_OK || code == Z_STREAM_END), where_,
            "cannot be read: ", code == Z_BUF_ERROR ? "the compressed data is cut off" : message);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  const std::string& where() const { return where_; }

 private:
  std::string where_;
  std::unique_ptr<std::remove_pointer_t<gzFile>, CloseGzip> file_;
};

DType element_type(unsigned char code, const std::string& where) {
  switch (code) {
    case 0x08:
      return uint8;
    case 0x09:
      return int8;
    case 0x0b:
      return int16;
    case 0x0c:
      return int32;
    case 0x0d:
      return float32;
    case 0x0e:
      return float64;
    default:
      fail(where, "not an IDX file: element type ", int{code}, " is not known");
  }
}

// The sizes in the header of an IDX file; the number of bytes that they need fits 63 bits.
Shape read_sizes(Input& in, std::size_t dims, std::size_t item) {
  std::array<unsigned char, max_dims * 4> raw{};
  check(in.read(raw.data(), dims * 4) == dims * 4, in.where(), "the header is cut off");
  Shape sizes;
  std::uint64_t bytes = item;
  for (std::size_t d = 0; d < dims; ++d) {
    std::uint64_t size = 0;
    for (std::size_t k = 0; k < 4; ++k) size = size << 8 | raw[d * 4 + k];
    check(size == 0 || bytes <= std::uint64_t{std::numeric_limits<std::int64_t>::max()} / size,
          in.where(), "the sizes are too large for any memory");
    if (size > 0) bytes *= size;
    sizes.push_back(static_cast<std::int64_t>(size));
  }
  return sizes;
}

// `count` bytes, which must be the rest of the file. Memory grows with what was read, not with what
// the header promised.
std::vector<unsigned char> read_rest(Input& in, std::size_t count) {
  constexpr std::size_t first_piece = 1 << 20;
  std::vector<unsigned char> bytes;
  while (bytes.size() < count) {
    const std::size_t before = bytes.size();
    bytes.resize(std::min(count, std::max(first_piece, before * 2)));
    const std::size_t got = in.read(bytes.data() + before, bytes.size() - before);
    check(got == bytes.size() - before, in.where(), "the file is cut off: ", count,
          " bytes of elements expected, got ", before + got);
  }
  unsigned char extra = 0;
  check(in.read(&extra, 1) == 0, in.where(), "the file goes on after its ", count,
        " bytes of elements");
  return bytes;
}

// Between big endian and the order of this machine.
void reverse_elements(std::vector<unsigned char>& bytes, std::size_t item) {
  if (item == 1 || std::endian::native == std::endian::big) return;
  for (auto at = bytes.begin(); at != bytes.end(); at += static_cast<std::ptrdiff_t>(item))
    std::reverse(at, at + static_cast<std::ptrdiff_t>(item));
}

TensorDataset read_pair(const std::string& images, const std::string& labels,
                        const IdxOptions& options) {
  const std::string where = "IdxDataset: " + images + ": ";
  const std::string labels_where = "IdxDataset: " + labels + ": ";
  check(std::isfinite(options.scale), where, "the scale must be finite, got ", options.scale);
  check(options.classes >= 0, where, "classes must not be negative, got ", options.classes);
  const Tensor pixels = read_idx(images), classes = read_idx(labels);
  check(pixels.numel() > 0, where, "the file has no samples, its sizes are ", pixels.sizes());
  check(classes.dim() == 1 && is_integral(classes.dtype()), labels_where,
        "one-dimensional integer labels expected, got ", classes.dtype(), " ", classes.sizes());
  const std::int64_t n = pixels.size(0);
  check(classes.size(0) == n, labels_where, n, " labels expected, one for each sample in ", images,
        ", got ", classes.size(0));

  const Tensor target = classes.to(int64);
  const std::int64_t lowest = target.min().item<std::int64_t>();
  const std::int64_t highest = target.max().item<std::int64_t>();
  check(lowest >= 0, labels_where, "labels must be >= 0, got ", lowest);
  check(options.classes == 0 || highest < options.classes, labels_where, "labels must lie in [0, ",
        options.classes, "), got ", highest);

  const Tensor data = pixels.to(float32) * options.scale;
  check(isfinite(data).equal(ones(data.sizes(), boolean)), where,
        "the elements must be finite numbers");
  if (options.sample_shape.empty()) return TensorDataset(data, target);
  return TensorDataset(
      data.reshape(batch_shape(n, pixels.numel() / n, options.sample_shape, where)), target);
}

}  // namespace

Tensor read_idx(const std::string& path) {
  Input in(path, "read_idx: " + path + ": ");
  std::array<unsigned char, 4> magic{};
  const std::size_t got = in.read(magic.data(), magic.size());
  check(got == magic.size() && magic[0] == 0 && magic[1] == 0, in.where(),
        "not an IDX file: it must begin with two zero bytes, element type and dimensions");
  const DType dtype = element_type(magic[2], in.where());
  const std::size_t dims = magic[3], item = item_size(dtype);
  check(dims >= 1 && dims <= max_dims, in.where(), "1 to ", max_dims,
        " dimensions are supported, got ", dims);
  const Shape sizes = read_sizes(in, dims, item);
  std::vector<unsigned char> bytes = read_rest(in, static_cast<std::size_t>(numel(sizes)) * item);
  reverse_elements(bytes, item);
  const Tensor t = empty(sizes, dtype);
  if (!bytes.empty()) std::memcpy(t.mutable_raw_data(), bytes.data(), bytes.size());
  return t;
}

IdxDataset::IdxDataset(const std::string& images, const std::string& labels,
                       const IdxOptions& options)
    : TensorDataset(read_pair(images, labels, options)) {}

}  // namespace adze::nn::data
