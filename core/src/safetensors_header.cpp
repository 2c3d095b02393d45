#include "safetensors_header.h"

#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include <nlohmann/json.hpp>

#include "adze/core/error.h"

namespace adze::detail {
namespace {

using Json = nlohmann::json;

constexpr const char* metadata_key = "__metadata__";

struct StoredType {
  std::string_view name;
  DType dtype;
};
constexpr std::array<StoredType, 10> stored_types{{{"F32", DType::float32},
                                                   {"F64", DType::float64},
                                                   {"F16", DType::float16},
                                                   {"BF16", DType::bfloat16},
                                                   {"I8", DType::int8},
                                                   {"I16", DType::int16},
                                                   {"I32", DType::int32},
                                                   {"I64", DType::int64},
                                                   {"U8", DType::uint8},
                                                   {"BOOL", DType::boolean}}};

// What the text says about one tensor.
struct RawEntry {
  std::string name, dtype = {};
  std::vector<std::uint64_t> shape = {}, offsets = {};
  std::set<std::string> keys = {};
};

// Takes the events of the JSON parser and accepts what the format allows, nothing else; nothing is
// kept of deeper structures, so nesting costs nothing.
class HeaderReader final : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(const std::string& where) : where_(where) {}

  std::vector<RawEntry> tensors;
  std::map<std::string, std::string> metadata;

  bool null() override { refuse("null"); }
  bool boolean(bool) override { refuse("a boolean"); }
  bool number_integer(number_integer_t v) override { refuse("the negative number ", v); }
  bool number_float(number_float_t, const string_t& text) override {
    refuse("the number ", in_quotes(text), ", not an integer of 64 bits");
  }
  bool binary(binary_t&) override { refuse("binary data"); }

  bool number_unsigned(number_unsigned_t v) override {
    if (at_ == At::shape) {
      RawEntry& entry = tensors.back();
      check(entry.shape.size() < max_dims, where_, "tensor ", in_quotes(entry.name), ": at most ",
            max_dims, " dimensions are supported");
      entry.shape.push_back(v);
    } else if (at_ == At::offsets) {
      if (tensors.back().offsets.size() == 2) refuse("a third number");
      tensors.back().offsets.push_back(v);
    } else {
      refuse("the number ", v);
    }
    return true;
  }

  bool string(string_t& text) override {
    if (at_ == At::metadata) {
      metadata[key_] = std::move(text);
    } else if (at_ == At::tensor && key_ == "dtype") {
      tensors.back().dtype = std::move(text);
    } else {
      refuse("the string ", in_quotes(text));
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (at_ == At::start) {
      at_ = At::header;
    } else if (at_ == At::header && key_ == metadata_key) {
      at_ = At::metadata;
    } else if (at_ == At::header) {
      at_ = At::tensor;
      tensors.push_back({.name = key_});
    } else {
      refuse("an object");
    }
    return true;
  }

  bool key(string_t& text) override {
    key_ = std::move(text);
    if (at_ == At::header) {
      check(names_.insert(key_).second, where_, "the header names ", in_quotes(key_), " twice");
    } else if (at_ == At::metadata) {
      check(!metadata.contains(key_), where_, "the metadata names ", in_quotes(key_), " twice");
    } else {
      RawEntry& entry = tensors.back();
      check(key_ == "dtype" || key_ == "shape" || key_ == "data_offsets", where_, "tensor ",
            in_quotes(entry.name), ": unknown key ", in_quotes(key_));
      check(entry.keys.insert(key_).second, where_, "tensor ", in_quotes(entry.name), ": key ",
            in_quotes(key_), " comes twice");
    }
    return true;
  }

  bool end_object() override {
    if (at_ == At::tensor) {
      const RawEntry& entry = tensors.back();
      for (const char* needed : {"dtype", "shape", "data_offsets"})
        check(entry.keys.contains(needed), where_, "tensor ", in_quotes(entry.name), ": key '",
              needed, "' is missing");
    }
    at_ = at_ == At::header ? At::start : At::header;
    return true;
  }

  bool start_array(std::size_t) override {
    if (at_ == At::tensor && key_ == "shape") {
      at_ = At::shape;
    } else if (at_ == At::tensor && key_ == "data_offsets") {
      at_ = At::offsets;
    } else {
      refuse("an array");
    }
    return true;
  }

  bool end_array() override {
    at_ = At::tensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    fail(where_, "the header is not valid JSON (at byte ", position, ")");
  }

 private:
  enum class At : std::uint8_t { start, header, metadata, tensor, shape, offsets };

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... came) const {
    switch (at_) {
      case At::start:
        fail(where_, "the header must be a JSON object, got ", came...);
      case At::header:
        fail(where_, in_quotes(key_), " must be an object, got ", came...);
      case At::metadata:
        fail(where_, "metadata ", in_quotes(key_), " must be a string, got ", came...);
      default:
        fail(where_, "tensor ", in_quotes(tensors.back().name), ": '", key_, "' must be ",
             key_ == "dtype"   ? "a string"
             : key_ == "shape" ? "an array of non-negative integers"
                               : "an array of two non-negative integers",
             ", got ", came...);
    }
  }

  const std::string& where_;
  At at_ = At::start;
  std::string key_;
  std::set<std::string> names_;
};

DType dtype_of_entry(const RawEntry& raw, const std::string& where) {
  for (const StoredType& type : stored_types)
    if (type.name == raw.dtype) return type.dtype;
  std::string known;
  for (const StoredType& type : stored_types) (known += ' ') += type.name;
  fail(where, "dtype ", in_quotes(raw.dtype), " is not one of", known);
}

SafeTensorsEntry checked_entry(const RawEntry& raw, std::uint64_t data_bytes,
                               const std::string& prefix) {
  const std::string where = prefix + "tensor " + in_quotes(raw.name) + ": ";
  SafeTensorsEntry entry{.name = raw.name, .dtype = dtype_of_entry(raw, where)};
  // Dimensions of 0 do not hide what the others would need: strides are computed from these.
  const std::uint64_t item = item_size(entry.dtype);
  std::uint64_t bytes = item;
  bool none = false;
  for (const std::uint64_t size : raw.shape) {
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    check(size == 0 || bytes <= most / size, where, "the shape is too large for any memory");
    if (size > 0) bytes *= size;
    none = none || size == 0;
    entry.sizes.push_back(static_cast<std::int64_t>(size));
  }
  if (none) bytes = 0;

  check(raw.offsets.size() == 2, where, "'data_offsets' must be two integers, got ",
        raw.offsets.size());
  entry.begin = raw.offsets[0];
  entry.end = raw.offsets[1];
  check(entry.begin <= entry.end, where, "the data begins at byte ", entry.begin,
        " and ends before, at ", entry.end);
  check(entry.end <= data_bytes, where, "the data ends at byte ", entry.end, ", but only ",
        data_bytes, " bytes follow the header; the file may be cut off");
  check(entry.end - entry.begin == bytes, where, "shape ", entry.sizes, " of ", raw.dtype,
        " needs ", bytes, " bytes, its offsets hold ", entry.end - entry.begin);
  return entry;
}

// Entries in the order of their data must cover it.
void check_coverage(const std::vector<SafeTensorsEntry>& tensors, std::uint64_t data_bytes,
                    const std::string& where) {
  std::uint64_t covered = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const SafeTensorsEntry& entry = tensors[i];
    if (entry.begin < covered)
      fail(where, "tensors ", in_quotes(tensors[i - 1].name), " and ", in_quotes(entry.name),
           " overlap: one ends at byte ", covered, " of the data, the other begins at ",
           entry.begin);
    check(entry.begin == covered, where, "bytes ", covered, " to ", entry.begin,
          " of the data belong to no tensor");
    covered = entry.end;
  }
  check(covered == data_bytes, where, data_bytes - covered,
        " bytes after the last tensor belong to no tensor");
}

std::string_view stored_name(DType dtype) {
  for (const StoredType& type : stored_types)
    if (type.dtype == dtype) return type.name;
  fail("safetensors: dtype ", dtype, " cannot be stored");
}

}  // namespace

SafeTensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_bytes,
                                           const std::string& where) {
  check(json.starts_with('{'), where, "the header must begin with '{'");
  // The parser would take a zero byte for the end of the text.
  const std::size_t zero = json.find('\0');
  check(zero == json.npos, where, "the header is not valid JSON (at byte ", zero + 1, ")");
  HeaderReader reader(where);
  Json::sax_parse(json.begin(), json.end(), &reader);

  SafeTensorsHeader header{.metadata = std::move(reader.metadata)};
  for (const RawEntry& raw : reader.tensors)
    header.tensors.push_back(checked_entry(raw, data_bytes, where));
  std::sort(header.tensors.begin(), header.tensors.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  check_coverage(header.tensors, data_bytes, where);
  return header;
}

std::string render_safetensors_header(const SafeTensorsHeader& header, const std::string& where) {
  Json json = Json::object();
  if (!header.metadata.empty()) json[metadata_key] = header.metadata;
  for (const SafeTensorsEntry& entry : header.tensors) {
    check(entry.name != metadata_key, where, "no tensor can be named '", metadata_key, "'");
    json[entry.name] = {
        {"dtype", stored_name(entry.dtype)},
        {"shape", std::vector<std::int64_t>(entry.sizes.begin(), entry.sizes.end())},
        {"data_offsets", {entry.begin, entry.end}}};
  }
  try {
    return json.dump();
  } catch (const Json::type_error&) {
    fail(where, "names and metadata must be UTF-8 text");
  }
}

}  // namespace adze::detail
