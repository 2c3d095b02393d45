#include "adze/core/serialization.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <system_error>

#include <nlohmann/json.hpp>

#include "adze/core/autograd.h"
#include "adze/core/creation.h"
#include "adze/core/tensor_impl.h"

#include "safetensors_header.h"
#include "tensor_blocks.h"

namespace adze {

static_assert(std::endian::native == std::endian::little,
              "safetensors files are little endian; other machines would have to swap bytes");

using detail::in_quotes;
using detail::SafeTensorsEntry;
using detail::SafeTensorsHeader;

namespace {

using Json = nlohmann::json;

constexpr std::uint64_t length_bytes = 8;
constexpr std::string_view quantizer_prefix = "adze.quantizer.";
constexpr std::string_view blocks_prefix = "adze.blocks.";
constexpr std::string_view values_suffix = ".block_values";
constexpr std::string_view bitmap_suffix = ".block_bitmap";

// ---- quantizers as text -------------------------------------------------------------------------

std::string quantizer_to_text(const Tensor& t) {
  const Quantizer& q = *t.quantizer();
  return Json{{"dtype", name(t.dtype())},
              {"scheme", name(q.scheme)},
              {"scales", q.scales},
              {"zero_points", q.zero_points},
              {"axis", q.axis}}
      .dump();
}

bool is_number_list(const Json& json) {
  return json.is_array() &&
         std::all_of(json.begin(), json.end(), [](const Json& v) { return v.is_number(); });
}

DType quantized_form(DType stored, const std::string& where) {
  for (const DType q : {qint8, quint8, qint32})
    if (underlying(q) == stored) return q;
  fail(where, "a tensor of dtype ", stored, " cannot have a quantizer");
}

// The quantizer in `text` for a tensor of that stored dtype and shape.
QuantizerPtr quantizer_from_text(const std::string& text, DType dtype, const Shape& sizes,
                                 const std::string& where) {
  const Json json = Json::parse(text, nullptr, false);
  const bool well_formed = json.is_object() && json.size() == 5 && json.contains("dtype") &&
                           json.contains("scheme") && json.contains("scales") &&
                           json.contains("zero_points") && json.contains("axis") &&
                           is_number_list(json["scales"]) && is_number_list(json["zero_points"]) &&
                           json["axis"].is_number_integer();
  check(well_formed, where, "the quantizer ", in_quotes(text), " is not of the expected form");
  check(json["dtype"] == name(dtype), where, "the quantizer is for ",
        in_quotes(json["dtype"].dump()), ", the integers are ", underlying(dtype));
  auto scales = json["scales"].get<std::vector<double>>();
  auto zero_points = json["zero_points"].get<std::vector<double>>();
  const Json& scheme = json["scheme"];
  if (scheme == name(per_tensor_affine)) {
    check(scales.size() == 1 && zero_points.size() == 1, where,
          "the per-tensor quantizer must have one scale and one zero point, got ", scales.size(),
          " and ", zero_points.size());
    const double z = zero_points[0];
    check(z == std::trunc(z) && std::fabs(z) <= 0x1p32, where,
          "the zero point must be a 32-bit integer, got ", z);
    return make_per_tensor_quantizer(scales[0], static_cast<std::int64_t>(z), dtype);
  }
  const bool floats = scheme == name(per_channel_affine_float_qparams);
  check(floats || scheme == name(per_channel_affine), where, "the quantizer's scheme ",
        in_quotes(scheme.dump()), " is not known");
  const auto axis = json["axis"].get<std::int64_t>();
  check(axis >= 0 && axis < static_cast<std::int64_t>(sizes.size()), where, "the quantizer's axis ",
        axis, " is none of shape ", sizes);
  const auto channels = static_cast<std::size_t>(sizes[static_cast<std::size_t>(axis)]);
  check(scales.size() == channels && zero_points.size() == channels, where, "the quantizer must ",
        "have ", channels, " scales and zero points for shape ", sizes, ", got ", scales.size(),
        " and ", zero_points.size());
  if (!floats)
    return make_per_channel_quantizer(std::move(scales), std::move(zero_points), axis, dtype);
  // The integer zero point 0 stands in for the float ones, so that the scales are checked.
  make_per_channel_quantizer(scales, std::vector<double>(channels, 0), axis, dtype);
  return std::make_shared<Quantizer>(Quantizer{.scheme = per_channel_affine_float_qparams,
                                               .scales = std::move(scales),
                                               .zero_points = std::move(zero_points),
                                               .axis = axis});
}

// ---- reading ------------------------------------------------------------------------------------

// Copies `count` bytes from byte `offset` of the source to `to`.
using ReadBytes = std::function<void(std::uint64_t offset, void* to, std::uint64_t count)>;

// A tensor for integers or plain elements of dtype `stored`, uninitialised.
Tensor new_tensor(const Shape& sizes, DType stored, const std::string* quantizer,
                  const std::string& prefix) {
  if (!quantizer) return make_tensor(sizes, stored);
  const DType dtype = quantized_form(stored, prefix);
  QuantizerPtr checked;
  try {
    checked = quantizer_from_text(*quantizer, dtype, sizes, prefix);
  } catch (const Error& error) {
    if (error.message().starts_with(prefix)) throw;
    fail(prefix, error.message());
  }
  return make_tensor(sizes, dtype, std::move(checked));
}

// No other byte may ever be read as a bool.
void check_booleans(std::span<const unsigned char> raw, const std::string& prefix) {
  for (std::size_t i = 0; i < raw.size(); ++i)
    check(raw[i] <= 1, prefix, "a boolean must be stored as 0 or 1, got ", int{raw[i]},
          " at element ", i);
}

Tensor read_tensor(const SafeTensorsEntry& entry, std::uint64_t data_start, const ReadBytes& read,
                   const std::string* quantizer, const std::string& where) {
  const std::string prefix = where + "tensor " + in_quotes(entry.name) + ": ";
  Tensor t = new_tensor(entry.sizes, entry.dtype, quantizer, prefix);
  const std::uint64_t count = entry.end - entry.begin;
  if (count == 0) return t;
  auto* bytes = static_cast<unsigned char*>(t.mutable_raw_data());
  if (entry.dtype != boolean) {
    read(data_start + entry.begin, bytes, count);
    return t;
  }
  std::memset(bytes, 0, count);
  std::vector<unsigned char> raw(count);
  read(data_start + entry.begin, raw.data(), count);
  check_booleans(raw, prefix);
  std::memcpy(bytes, raw.data(), count);
  return t;
}

// The tensor `name` from its nonzero blocks, which are taken out of `tensors`.
Tensor read_blocks(const std::string& name, const std::string& text,
                   std::map<std::string, Tensor>& tensors, const std::string* quantizer,
                   const std::string& where) {
  const std::string prefix = where + "tensor " + in_quotes(name) + ": ";
  const auto part = [&](std::string_view suffix) {
    const auto node = tensors.extract(name + std::string(suffix));
    check(!node.empty(), prefix, "its part ", in_quotes(name + std::string(suffix)), " is missing");
    check(!node.mapped().is_quantized(), prefix, "its part ", in_quotes(node.key()),
          " has a quantizer");
    return node.mapped();
  };
  check(!tensors.contains(name), prefix, "is stored both whole and in blocks");
  const Tensor values = part(values_suffix), bitmap = part(bitmap_suffix);
  const detail::TensorBlocks blocks{values, bitmap, text};
  const Shape sizes = detail::checked_shape(blocks, prefix);
  Tensor t = new_tensor(sizes, values.dtype(), quantizer, prefix);
  detail::join_blocks(blocks, t);
  return t;
}

// Takes the entries that begin with `prefix` out of the metadata, by what follows it.
std::map<std::string, std::string> take_metadata(std::map<std::string, std::string>& metadata,
                                                 std::string_view prefix) {
  std::map<std::string, std::string> taken;
  for (auto it = metadata.begin(); it != metadata.end();) {
    if (it->first.starts_with(prefix)) {
      taken.emplace(it->first.substr(prefix.size()), std::move(it->second));
      it = metadata.erase(it);
    } else {
      ++it;
    }
  }
  return taken;
}

SafeTensors read_safetensors(std::uint64_t total, const ReadBytes& read, const std::string& where) {
  check(total >= length_bytes, where, "a file of at least ", length_bytes, " bytes expected, got ",
        total);
  std::uint64_t header_length = 0;
  read(0, &header_length, length_bytes);
  check(header_length <= detail::max_header_bytes, where, "a header of ", header_length,
        " bytes is too long, at most ", detail::max_header_bytes, " are allowed");
  check(header_length <= total - length_bytes, where, "the header has ", header_length,
        " bytes, but only ", total - length_bytes, " follow its length; the file may be cut off");
  std::string json(header_length, '\0');
  read(length_bytes, json.data(), header_length);
  const std::uint64_t data_start = length_bytes + header_length;
  SafeTensorsHeader header = detail::parse_safetensors_header(json, total - data_start, where);

  auto quantizers = take_metadata(header.metadata, quantizer_prefix);
  const auto blocks = take_metadata(header.metadata, blocks_prefix);
  const auto take_quantizer = [&](const std::string& name) {
    const auto node = quantizers.extract(name);
    return node.empty() ? std::optional<std::string>() : std::move(node.mapped());
  };

  SafeTensors content;
  content.metadata = std::move(header.metadata);
  for (const SafeTensorsEntry& entry : header.tensors) {
    const auto quantizer = take_quantizer(entry.name);
    content.tensors.emplace(
        entry.name, read_tensor(entry, data_start, read, quantizer ? &*quantizer : nullptr, where));
  }
  for (const auto& [name, text] : blocks) {
    const auto quantizer = take_quantizer(name);
    Tensor whole =
        read_blocks(name, text, content.tensors, quantizer ? &*quantizer : nullptr, where);
    content.tensors.emplace(name, std::move(whole));
  }
  check(quantizers.empty(), where, "the metadata has a quantizer for ",
        in_quotes(quantizers.empty() ? std::string() : quantizers.begin()->first),
        ", but there is no such tensor");
  return content;
}

// ---- writing ------------------------------------------------------------------------------------

struct Image {
  std::string header;           // its length, and the JSON text
  std::vector<Tensor> tensors;  // contiguous, in the order of their data
};

// What a file with that content consists of.
Image make_image(const SafeTensors& content, SaveOptions options, const std::string& where) {
  const NoGrad guard;
  SafeTensorsHeader header{.metadata = content.metadata};
  for (const auto& [key, value] : content.metadata)
    for (const std::string_view prefix : {quantizer_prefix, blocks_prefix})
      check(!key.starts_with(prefix), where, "metadata ", in_quotes(key),
            ": keys that begin with '", prefix, "' are reserved");
  std::map<std::string, Tensor> stored;
  for (const auto& [name, tensor] : content.tensors) {
    check(tensor.defined() && !tensor.is_symbolic(), where, "tensor ", in_quotes(name), ": ",
          tensor.defined() ? "a traced tensor has no data" : "the tensor is undefined");
    if (tensor.is_quantized())
      header.metadata.emplace(std::string(quantizer_prefix) + name, quantizer_to_text(tensor));
    const Tensor plain = (tensor.is_quantized() ? tensor.int_repr() : tensor).contiguous();
    const auto add = [&](const std::string& key, const Tensor& t) {
      stored.emplace(key, t);
      header.tensors.push_back({key, underlying(t.dtype()), t.sizes()});
    };
    const std::string values = name + std::string(values_suffix);
    const std::string bitmap = name + std::string(bitmap_suffix);
    const bool free = !content.tensors.contains(values) && !content.tensors.contains(bitmap);
    const auto blocks =
        options.leave_out_zero_blocks && free ? detail::split_blocks(plain) : std::nullopt;
    if (blocks) {
      header.metadata.emplace(std::string(blocks_prefix) + name, blocks->description);
      add(values, blocks->values);
      add(bitmap, blocks->bitmap);
    } else {
      add(name, plain);
    }
  }

  // The largest elements first: so each tensor is aligned for its elements, without padding.
  std::stable_sort(header.tensors.begin(), header.tensors.end(), [](const auto& a, const auto& b) {
    return item_size(a.dtype) > item_size(b.dtype);
  });
  Image image;
  std::uint64_t end = 0;
  for (SafeTensorsEntry& entry : header.tensors) {
    const Tensor& tensor = stored.at(entry.name);
    entry.begin = end;
    end += static_cast<std::uint64_t>(tensor.numel()) * item_size(entry.dtype);
    entry.end = end;
    image.tensors.push_back(tensor);
  }

  std::string json = detail::render_safetensors_header(header, where);
  json.resize((json.size() + 7) / 8 * 8, ' ');
  check(json.size() <= detail::max_header_bytes, where, "names and metadata need a header of ",
        json.size(), " bytes, at most ", detail::max_header_bytes, " are allowed");
  const std::uint64_t length = json.size();
  image.header.resize(length_bytes);
  std::memcpy(image.header.data(), &length, length_bytes);
  image.header += json;
  return image;
}

// Hands all bytes of the file to `write(data, count)` piece by piece.
template <class Write>
void emit(const Image& image, Write&& write) {
  write(image.header.data(), image.header.size());
  for (const Tensor& t : image.tensors) {
    const std::size_t count = static_cast<std::size_t>(t.numel()) * item_size(t.dtype());
    if (count > 0) write(t.raw_data(), count);
  }
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

std::string last_system_error() {
  return std::generic_category().message(errno);
}

// A new file beside `path` that exists nowhere yet; its name goes to `name`.
File open_beside(const std::string& path, std::string& name, const std::string& where) {
  static std::atomic<unsigned> counter{0};
  constexpr int attempts = 1000;
  for (int i = 0; i < attempts; ++i) {
    name = path + ".tmp" + std::to_string(counter++);
    if (File file{std::fopen(name.c_str(), "wbx")}) return file;
    if (errno != EEXIST) break;
  }
  fail(where, "cannot be written: ", last_system_error());
}

void write_file(const Image& image, const std::string& path, const std::string& where) {
  std::string temporary;
  File file = open_beside(path, temporary, where);
  try {
    emit(image, [&](const void* data, std::size_t count) {
      check(std::fwrite(data, 1, count, file.get()) == count, where,
            "cannot be written: ", last_system_error());
    });
    check(std::fclose(file.release()) == 0, where, "cannot be written: ", last_system_error());
    std::error_code error;
    std::filesystem::rename(temporary, path, error);
    check(!error, where, "cannot be written: ", error.message());
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw;
  }
}

}  // namespace

SafeTensors load_safetensors(const std::string& path) {
  const std::string where = "load_safetensors: " + path + ": ";
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  check(std::filesystem::exists(status), where, "no such file");
  check(std::filesystem::is_regular_file(status), where, "not a regular file");
  const File file{std::fopen(path.c_str(), "rb")};
  check(file != nullptr, where, "cannot be opened: ", last_system_error());
  const std::uint64_t total = std::filesystem::file_size(path, error);
  check(!error, where, "cannot be read: ", error.message());
  const ReadBytes read = [&](std::uint64_t offset, void* to, std::uint64_t count) {
    check(std::fseek(file.get(), static_cast<long>(offset), SEEK_SET) == 0 &&
              std::fread(to, 1, count, file.get()) == count,
          where, "cannot be read: the file changed, or ", last_system_error());
  };
  return read_safetensors(total, read, where);
}

SafeTensors parse_safetensors(std::span<const std::byte> bytes, const std::string& what) {
  const ReadBytes read = [&](std::uint64_t offset, void* to, std::uint64_t count) {
    if (count > 0) std::memcpy(to, bytes.data() + offset, count);
  };
  return read_safetensors(bytes.size(), read, "parse_safetensors: " + what + ": ");
}

void save_safetensors(const std::string& path, const SafeTensors& content, SaveOptions options) {
  const std::string where = "save_safetensors: " + path + ": ";
  write_file(make_image(content, options, where), path, where);
}

std::vector<std::byte> serialize_safetensors(const SafeTensors& content, SaveOptions options) {
  const Image image = make_image(content, options, "serialize_safetensors: ");
  std::vector<std::byte> bytes;
  emit(image, [&](const void* data, std::size_t count) {
    const auto* first = static_cast<const std::byte*>(data);
    bytes.insert(bytes.end(), first, first + count);
  });
  return bytes;
}

}  // namespace adze
