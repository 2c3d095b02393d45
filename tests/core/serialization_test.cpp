#include "adze/core/serialization.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include <nlohmann/json.hpp>

#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"
#include "adze/core/tensor_impl.h"

#include "support/catch.h"
#include "support/folder.h"

using namespace adze;
using adze::testing::Folder;
namespace fs = std::filesystem;

namespace {

using Bytes = std::vector<std::byte>;

// A file with that header and `data` zero bytes.
Bytes file(const std::string& json, std::size_t data = 0) {
  Bytes bytes(8 + json.size() + data);
  const std::uint64_t length = json.size();
  std::memcpy(bytes.data(), &length, 8);
  std::memcpy(bytes.data() + 8, json.data(), json.size());
  return bytes;
}

std::string error_of(const Bytes& bytes) {
  try {
    parse_safetensors(bytes, "x");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}
std::string error_of(const std::string& json, std::size_t data = 0) {
  return error_of(file(json, data));
}

const std::string prefix = "parse_safetensors: x: ";

std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}}";
}

std::string golden(const std::string& name) {
  return ADZE_TEST_DATA_DIR "/safetensors/" + name;
}

SafeTensors sample() {
  SafeTensors content;
  content.tensors["weight"] = tensor({{1, -2.5}, {3, 4}});
  content.tensors["bytes"] = tensor_of<std::uint8_t>({1, 2, 255});
  content.tensors["long"] = tensor_of<std::int64_t>({-7});
  content.tensors["flags"] = from_vector<bool>({true, false, true}, {3});
  content.tensors["scalar"] = tensor(2.5);
  content.tensors["none"] = zeros({0, 4}, float64);
  content.tensors["half"] = tensor({0.5, -3}).to(float16);
  content.tensors["act"] = quantize_per_tensor(tensor({0.5, -3}), 0.1, 100, quint8);
  content.tensors["w8"] = quantize_per_channel(tensor({{0.5, -3}, {1, 2}}), tensor({0.1, 0.03}),
                                               tensor_of<std::int64_t>({0, -5}), 0, qint8);
  content.metadata["note"] = "größe";
  return content;
}

void check_equal(const SafeTensors& a, const SafeTensors& b) {
  CHECK(a.metadata == b.metadata);
  REQUIRE(a.tensors.size() == b.tensors.size());
  for (const auto& [name, tensor] : a.tensors) {
    CAPTURE(name);
    REQUIRE(b.tensors.contains(name));
    CHECK(tensor.equal(b.tensors.at(name)));
    CHECK(tensor.dtype() == b.tensors.at(name).dtype());
    CHECK(tensor.sizes() == b.tensors.at(name).sizes());
  }
}

}  // namespace

// ---- round trips --------------------------------------------------------------------------------

TEST_CASE("what is serialized comes back", "[core][serialization]") {
  const SafeTensors content = sample();
  check_equal(parse_safetensors(serialize_safetensors(content)), content);
  const Folder folder;
  save_safetensors(folder.path("a.safetensors"), content);
  check_equal(load_safetensors(folder.path("a.safetensors")), content);
  check_equal(parse_safetensors(serialize_safetensors({})), {});
}

TEST_CASE("quantizers come back exactly", "[core][serialization]") {
  SafeTensors content;
  const double scale = std::nextafter(0.1, 1);
  const Tensor x = tensor({{0.5, -3}, {1, 2}});
  content.tensors["tensor"] = quantize_per_tensor(x, scale, -7, qint8);
  content.tensors["channel"] = quantize_per_channel(x, from_vector<double>({scale, 1.0 / 3}, {2}),
                                                    tensor_of<std::int64_t>({3, 255}), 1, quint8);
  content.tensors["floats"] =
      quantize_per_channel(x, tensor({0.1, 0.3}), tensor({0.5, 1.0 / 3}), 0, quint8);
  content.tensors["wide"] = quantize_per_tensor(x, 1e-4, -2147483648LL, qint32);
  const SafeTensors loaded = parse_safetensors(serialize_safetensors(content));
  CHECK(loaded.metadata.empty());
  for (const auto& [name, expected] : content.tensors) {
    CAPTURE(name);
    CHECK(*loaded.tensors.at(name).quantizer() == *expected.quantizer());
    CHECK(loaded.tensors.at(name).int_repr().equal(expected.int_repr()));
  }
}

TEST_CASE("strided tensors and views are written in row-major order", "[core][serialization]") {
  const Tensor base = arange(12).reshape({3, 4});
  SafeTensors content;
  content.tensors["transposed"] = base.t();
  content.tensors["part"] = base.slice(1, 1, 3);
  content.tensors["expanded"] = tensor({1, 2}).expand({3, 2});
  check_equal(parse_safetensors(serialize_safetensors(content)), content);
}

TEST_CASE("tensors that require gradients are stored as they are", "[core][serialization]") {
  const Tensor leaf = tensor({1, 2});
  leaf.requires_grad_();
  SafeTensors content;
  content.tensors["leaf"] = leaf;
  content.tensors["result"] = (leaf * 2).reshape({2, 1});
  const SafeTensors loaded = parse_safetensors(serialize_safetensors(content));
  CHECK_FALSE(loaded.tensors.at("leaf").requires_grad());
  CHECK(loaded.tensors.at("result").to_vector<float>() == std::vector<float>{2, 4});
}

TEST_CASE("loaded tensors own aligned storages", "[core][serialization]") {
  Bytes bytes = serialize_safetensors(sample());
  bytes.insert(bytes.begin(), std::byte{0});
  const SafeTensors loaded = parse_safetensors(std::span(bytes).subspan(1));
  bytes.assign(bytes.size(), std::byte{0xff});
  check_equal(loaded, sample());
  for (const auto& [name, tensor] : loaded.tensors)
    if (tensor.numel() > 0) CHECK(reinterpret_cast<std::uintptr_t>(tensor.raw_data()) % 64 == 0);
  loaded.tensors.at("weight").fill_(0);
  CHECK(loaded.tensors.at("scalar").item() == 2.5);
}

TEST_CASE("the bytes have the layout of the format", "[core][serialization]") {
  const Bytes bytes = serialize_safetensors(sample());
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  CHECK(length % 8 == 0);
  const auto* text = reinterpret_cast<const char*>(bytes.data()) + 8;
  const auto json = nlohmann::json::parse(text, text + length);
  CHECK(json["weight"]["dtype"] == "F32");
  CHECK(json["weight"]["shape"] == std::vector<int>{2, 2});
  CHECK(json["w8"]["dtype"] == "I8");
  CHECK(json["__metadata__"]["note"] == "größe");
  CHECK(json["__metadata__"].contains("adze.quantizer.w8"));
  // Each tensor is aligned for its elements, though the data has no holes.
  for (const auto& [name, width] : std::map<std::string, std::uint64_t>{
           {"none", 8}, {"long", 8}, {"weight", 4}, {"scalar", 4}, {"half", 2}, {"bytes", 1}}) {
    CAPTURE(name);
    CHECK((8 + length + json[name]["data_offsets"][0].get<std::uint64_t>()) % width == 0);
  }
}

// ---- files of other writers ---------------------------------------------------------------------

TEST_CASE("files of the Python package are read", "[core][serialization][golden]") {
  const SafeTensors content = load_safetensors(golden("dtypes.safetensors"));
  CHECK(content.metadata ==
        std::map<std::string, std::string>{{"made by", "safetensors"}, {"schlüssel", "größe ✓"}});
  REQUIRE(content.tensors.size() == 10);
  const auto at = [&](const char* name) { return content.tensors.at(name); };
  CHECK(at("f32").sizes() == Shape{2, 3});
  const auto f32 = at("f32").to_vector<float>();
  CHECK(f32 == std::vector<float>{1.5f, -2.25f, 3e38f, 0, -0.0f, 1e-45f});
  CHECK(std::signbit(f32[4]));
  CHECK(at("f64").dtype() == float64);
  CHECK(at("f64").to_vector<double>() == std::vector<double>{0.1, -1e300});
  CHECK(at("f16").dtype() == float16);
  CHECK(at("f16").to_vector<float>() == std::vector<float>{1.5f, -65504, 0x1p-24f});
  CHECK(at("bf16").dtype() == bfloat16);
  CHECK(at("bf16").to_vector<float>() ==
        std::vector<float>{1.5f, static_cast<float>(BFloat16(-3e38f))});
  CHECK(at("i8").to_vector<std::int64_t>() == std::vector<std::int64_t>{-128, 0, 127});
  CHECK(at("i16").to_vector<std::int64_t>() == std::vector<std::int64_t>{-32768, 32767});
  CHECK(at("i32").to_vector<std::int64_t>() ==
        std::vector<std::int64_t>{-2147483648LL, 2147483647});
  CHECK(at("i64").to_vector<std::int64_t>() ==
        std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::min(),
                                  std::numeric_limits<std::int64_t>::max()});
  CHECK(at("u8").sizes() == Shape{1, 1, 2});
  CHECK(at("u8").to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 255});
  CHECK(at("bool").to_vector<bool>() == std::vector<bool>{true, false, true});

  const SafeTensors shapes = load_safetensors(golden("shapes.safetensors"));
  CHECK(shapes.tensors.at("scalar").sizes() == Shape{});
  CHECK(shapes.tensors.at("scalar").item() == 7);
  CHECK(shapes.tensors.at("none").sizes() == Shape{0, 3});
  CHECK(shapes.tensors.at("größe").sizes() == Shape{1, 1, 2});
  CHECK(load_safetensors(golden("empty.safetensors")).tensors.empty());
}

// ---- writing ------------------------------------------------------------------------------------

TEST_CASE("what cannot be stored is refused before anything is written", "[core][serialization]") {
  const Folder folder;
  const std::string path = folder.path("a.safetensors");
  const auto save = [&](const std::string& name, const Tensor& t) {
    SafeTensors content;
    content.tensors[name] = t;
    save_safetensors(path, content);
  };
  CHECK_THROWS_WITH(save("a", {}),
                    "save_safetensors: " + path + ": tensor 'a': the tensor is undefined");
  CHECK_THROWS_WITH(save("__metadata__", zeros({1})),
                    ContainsSubstring("no tensor can be named '__metadata__'"));
  CHECK_THROWS_WITH(save("\xff", zeros({1})), ContainsSubstring("must be UTF-8"));
  SafeTensors content;
  content.metadata["adze.quantizer.a"] = "";
  CHECK_THROWS_WITH(save_safetensors(path, content), ContainsSubstring("reserved"));
  CHECK(folder.entries() == 0);
}

TEST_CASE("a save that fails leaves the old file and nothing else", "[core][serialization]") {
  const Folder folder;
  const std::string path = folder.path("a.safetensors");
  save_safetensors(path, sample());
  SafeTensors bad = sample();
  bad.tensors["bad"] = {};
  CHECK_THROWS_AS(save_safetensors(path, bad), Error);
  check_equal(load_safetensors(path), sample());
  CHECK(folder.entries() == 1);

  CHECK_THROWS_WITH(save_safetensors(folder.path("none/a.safetensors"), sample()),
                    ContainsSubstring("cannot be written: No such file or directory"));
  // A folder cannot be replaced by a file; the file that was to replace it goes.
  fs::create_directories(folder.path("taken/inside"));
  CHECK_THROWS_WITH(save_safetensors(folder.path("taken"), sample()),
                    ContainsSubstring("cannot be written"));
  CHECK(folder.entries() == 2);

  save_safetensors(path, {});
  CHECK(load_safetensors(path).tensors.empty());
  CHECK(folder.entries() == 2);
}

// ---- hostile files ------------------------------------------------------------------------------

TEST_CASE("files that cannot be read are named", "[core][serialization]") {
  const Folder folder;
  CHECK_THROWS_WITH(load_safetensors(folder.path("none")),
                    "load_safetensors: " + folder.path("none") + ": no such file");
  fs::create_directory(folder.path("folder"));
  CHECK_THROWS_WITH(load_safetensors(folder.path("folder")),
                    ContainsSubstring("not a regular file"));
  std::ofstream(folder.path("short")) << "abc";
  CHECK_THROWS_WITH(load_safetensors(folder.path("short")),
                    ContainsSubstring("a file of at least 8 bytes expected, got 3"));
}

TEST_CASE("wrong header lengths are refused", "[core][serialization][hostile]") {
  CHECK(error_of(Bytes{}) == prefix + "a file of at least 8 bytes expected, got 0");
  Bytes bytes = file("{}");
  bytes[0] = std::byte{3};
  CHECK(error_of(bytes) ==
        prefix + "the header has 3 bytes, but only 2 follow its length; the file may be cut off");
  bytes.assign(8, std::byte{0xff});
  CHECK(error_of(bytes) == prefix +
                               "a header of 18446744073709551615 bytes is too long, at most "
                               "100000000 are allowed");
  CHECK(error_of("") == prefix + "the header must begin with '{'");
}

TEST_CASE("headers that are not the expected JSON are refused", "[core][serialization][hostile]") {
  const std::string begin = prefix + "the header must begin with '{'";
  for (const char* json : {"[]", " {}", "null", "7", "\xef\xbb\xbf{}", "x"}) {
    CAPTURE(json);
    CHECK(error_of(json) == begin);
  }
  const std::string tensor = one("F32", "[1]", "[0,4]");
  for (const std::string& json :
       {std::string("{"), std::string("{}{}"), std::string("{}x"), std::string("{\"a\":}"),
        std::string("{} \0 ", 5), std::string("{\"\xff\":{}}"), std::string("{'a':1}"),
        tensor.substr(0, 20), "{\"\\ud800\":" + tensor + "}"}) {
    CAPTURE(json);
    CHECK_THAT(error_of(json, 4), ContainsSubstring("the header is not valid JSON (at byte "));
  }
  CHECK(error_of("{\"a\":1}") == prefix + "'a' must be an object, got the number 1");
  CHECK(error_of("{\"a\":[]}") == prefix + "'a' must be an object, got an array");
  CHECK(error_of("{\"a\":null}") == prefix + "'a' must be an object, got null");
  CHECK(error_of("{\"a\":true}") == prefix + "'a' must be an object, got a boolean");
  CHECK(error_of("{\"a\":\"b\"}") == prefix + "'a' must be an object, got the string 'b'");
}

TEST_CASE("metadata must be strings under different keys", "[core][serialization][hostile]") {
  CHECK(error_of(R"({"__metadata__":7})") ==
        prefix + "'__metadata__' must be an object, got the number 7");
  CHECK(error_of(R"({"__metadata__":{"a":1}})") ==
        prefix + "metadata 'a' must be a string, got the number 1");
  CHECK(error_of(R"({"__metadata__":{"a":{}}})") ==
        prefix + "metadata 'a' must be a string, got an object");
  CHECK(error_of(R"({"__metadata__":{"a":"1","a":"2"}})") ==
        prefix + "the metadata names 'a' twice");
  CHECK(error_of(R"({"__metadata__":{},"__metadata__":{}})") ==
        prefix + "the header names '__metadata__' twice");
}

TEST_CASE("entries of tensors must be complete and nothing else",
          "[core][serialization][hostile]") {
  const std::string at = prefix + "tensor 'a': ";
  CHECK(error_of(R"({"a":{}})") == at + "key 'dtype' is missing");
  CHECK(error_of(R"({"a":{"dtype":"F32","shape":[]}})") == at + "key 'data_offsets' is missing");
  CHECK(error_of(R"({"a":{"dtype":"F32","stride":[]}})") == at + "unknown key 'stride'");
  CHECK(error_of(R"({"a":{"dtype":"F32","dtype":"F32"}})") == at + "key 'dtype' comes twice");
  CHECK(error_of(R"({"a":{"dtype":5}})") == at + "'dtype' must be a string, got the number 5");
  CHECK(error_of(R"({"a":{"dtype":{"a":1}}})") == at + "'dtype' must be a string, got an object");
  CHECK(error_of(R"({"a":{"shape":"x"}})") ==
        at + "'shape' must be an array of non-negative integers, got the string 'x'");
  CHECK(error_of(one("F33", "[1]", "[0,4]"), 4) ==
        at + "dtype 'F33' is not one of F32 F64 F16 BF16 I8 I16 I32 I64 U8 BOOL");
  const std::string entry = R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  CHECK(error_of("{\"a\":" + entry + ",\"a\":" + entry + "}", 1) ==
        prefix + "the header names 'a' twice");
}

TEST_CASE("absurd shapes are refused", "[core][serialization][hostile]") {
  const std::string at = prefix + "tensor 'a': ";
  CHECK(error_of(one("F32", "[-1]", "[0,4]"), 4) ==
        at + "'shape' must be an array of non-negative integers, got the negative number -1");
  CHECK(error_of(one("F32", "[1.5]", "[0,4]"), 4) ==
        at + "'shape' must be an array of non-negative integers, got the number '1.5', not an "
             "integer of 64 bits");
  CHECK_THAT(error_of(one("F32", "[18446744073709551616]", "[0,4]"), 4),
             ContainsSubstring("not an integer of 64 bits"));
  CHECK_THAT(error_of(one("F32", "[1e2]", "[0,4]"), 4), ContainsSubstring("got the number '1e2'"));
  CHECK_THAT(error_of(one("F32", "[null]", "[0,4]"), 4), ContainsSubstring("got null"));
  CHECK_THAT(error_of(one("F32", "[[1]]", "[0,4]"), 4), ContainsSubstring("got an array"));
  CHECK(error_of(one("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4) ==
        at + "at most 8 dimensions are supported");
  const std::string large = at + "the shape is too large for any memory";
  for (const char* shape :
       {"[4294967296,4294967296]", "[18446744073709551615]", "[9223372036854775807]",
        "[2305843009213693952]", "[0,4294967296,4294967296]", "[4294967296,0,4294967296]"}) {
    CAPTURE(shape);
    CHECK(error_of(one("F32", shape, "[0,0]")) == large);
  }
  // 2^62 elements that wrap around to 4 bytes.
  CHECK(error_of(one("F32", "[4611686018427387905]", "[0,4]"), 4) == large);
  CHECK(error_of(one("U8", "[1000000000000]", "[0,4]"), 4) ==
        at + "shape (1000000000000,) of U8 needs 1000000000000 bytes, its offsets hold 4");
}

TEST_CASE("offsets must cover the data exactly", "[core][serialization][hostile]") {
  const std::string at = prefix + "tensor 'a': ";
  CHECK(error_of(one("F32", "[1]", "[0,8]"), 4) ==
        at +
            "the data ends at byte 8, but only 4 bytes follow the header; the file may be cut off");
  CHECK(error_of(one("F32", "[1]", "[4,0]"), 4) ==
        at + "the data begins at byte 4 and ends before, at 0");
  CHECK(error_of(one("F32", "[1]", "[0,3]"), 4) ==
        at + "shape (1,) of F32 needs 4 bytes, its offsets hold 3");
  CHECK(error_of(one("F32", "[0]", "[0,4]"), 4) ==
        at + "shape (0,) of F32 needs 0 bytes, its offsets hold 4");
  CHECK(error_of(one("F32", "[1]", "[0]"), 4) == at + "'data_offsets' must be two integers, got 1");
  CHECK(error_of(one("F32", "[1]", "[0,4,8]"), 4) ==
        at + "'data_offsets' must be an array of two non-negative integers, got a third number");
  CHECK_THAT(error_of(one("F32", "[1]", "[-4,0]"), 4), ContainsSubstring("negative number -4"));
  CHECK_THAT(error_of(one("F32", "[1]", "[18446744073709551612,18446744073709551615]"), 4),
             ContainsSubstring("only 4 bytes follow"));
  CHECK(error_of(one("F32", "[1]", "[4,8]"), 8) ==
        prefix + "bytes 0 to 4 of the data belong to no tensor");
  CHECK(error_of(one("F32", "[1]", "[0,4]"), 7) ==
        prefix + "3 bytes after the last tensor belong to no tensor");
  CHECK(error_of("{}", 1) == prefix + "1 bytes after the last tensor belong to no tensor");

  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
  };
  CHECK(error_of(two("[0,4]", "[2,6]"), 6) ==
        prefix +
            "tensors 'a' and 'b' overlap: one ends at byte 4 of the data, the other begins at "
            "2");
  CHECK_THAT(error_of(two("[0,4]", "[0,4]"), 4), ContainsSubstring("overlap"));
  CHECK(error_of(two("[5,9]", "[0,4]"), 9) ==
        prefix + "bytes 4 to 5 of the data belong to no tensor");
  CHECK(error_of(two("[4,8]", "[0,4]"), 8) == "no error");
}

TEST_CASE("nesting bombs are refused at the first level", "[core][serialization][hostile]") {
  const std::size_t deep = 1000000;
  CHECK_THAT(error_of("{\"a\":" + std::string(deep, '[')), ContainsSubstring("got an array"));
  std::string objects;
  for (std::size_t i = 0; i < deep; ++i) objects += "{\"a\":";
  CHECK_THAT(error_of(objects), ContainsSubstring("unknown key 'a'"));
  const std::string bomb = "{\\\"a\\\":";
  std::string quantizer;
  for (int i = 0; i < 100000; ++i) quantizer += bomb;
  CHECK_THAT(error_of(R"({"__metadata__":{"adze.quantizer.a":")" + quantizer + R"("},)" +
                          one("U8", "[1]", "[0,1]").substr(1),
                      1),
             ContainsSubstring("is not of the expected form"));
}

TEST_CASE("names in errors are cut and escaped", "[core][serialization][hostile]") {
  const std::string error = error_of("{\"" + std::string(1000, 'n') + "\":1}");
  CHECK(error.size() < 200);
  CHECK_THAT(error_of("{\"\\n\\u001b[31m\":1}"), ContainsSubstring("'\\x0a\\x1b[31m' must be"));
}

TEST_CASE("booleans other than 0 and 1 are refused", "[core][serialization][hostile]") {
  Bytes bytes = file(one("BOOL", "[3]", "[0,3]"), 3);
  bytes[bytes.size() - 1] = std::byte{2};
  CHECK(error_of(bytes) ==
        prefix + "tensor 'a': a boolean must be stored as 0 or 1, got 2 at element 2");
}

TEST_CASE("quantizers that do not fit their tensor are refused", "[core][serialization][hostile]") {
  const auto with = [](const std::string& quantizer, const char* dtype = "U8",
                       const char* name = "a") {
    const nlohmann::json json{
        {"__metadata__", {{std::string("adze.quantizer.") + name, quantizer}}},
        {"a", {{"dtype", dtype}, {"shape", {2, 3}}, {"data_offsets", {0, 6}}}}};
    return error_of(json.dump(), 6);
  };
  const auto text = [](const char* scheme, const char* scales, const char* zero_points,
                       const char* axis = "0", const char* dtype = "quint8") {
    return std::string(R"({"dtype":")") + dtype + R"(","scheme":")" + scheme + R"(","scales":)" +
           scales + R"(,"zero_points":)" + zero_points + R"(,"axis":)" + axis + "}";
  };
  const std::string at = prefix + "tensor 'a': ";
  CHECK(with(text("per_tensor_affine", "[0.1]", "[3]")) == "no error");
  CHECK(with(text("per_channel_affine", "[0.1,1,2]", "[3,0,0]", "1")) == "no error");
  CHECK(with(text("per_channel_affine_float_qparams", "[0.1,1]", "[3.5,0]")) == "no error");

  CHECK(with(text("per_tensor_affine", "[0.1]", "[3]"), "U8", "b") ==
        prefix + "the metadata has a quantizer for 'b', but there is no such tensor");
  CHECK(with(text("per_tensor_affine", "[0.1]", "[3]"), "I8") ==
        at + "the quantizer is for '\"quint8\"', the integers are int8");
  for (const char* broken : {"", "[]", "{}", "null", "{\"dtype\":\"quint8\"}", "\xc3\xa4"}) {
    CAPTURE(broken);
    CHECK_THAT(with(broken), ContainsSubstring("is not of the expected form"));
  }
  CHECK_THAT(with(text("per_tensor_affine", "[\"1\"]", "[3]")),
             ContainsSubstring("is not of the expected form"));
  CHECK_THAT(with(text("per_tensor_affine", "[0.1]", "[3]", "1.5")),
             ContainsSubstring("is not of the expected form"));
  CHECK(with(text("per_tensor_symmetric", "[0.1]", "[3]")) ==
        at + "the quantizer's scheme '\"per_tensor_symmetric\"' is not known");
  CHECK(with(text("per_tensor_affine", "[0.1,1]", "[3]")) ==
        at + "the per-tensor quantizer must have one scale and one zero point, got 2 and 1");
  CHECK(with(text("per_tensor_affine", "[0]", "[3]")) ==
        at + "quantizer: the scale must be finite and > 0, got 0");
  CHECK_THAT(with(text("per_tensor_affine", "[0.1]", "[256]")),
             ContainsSubstring(at + "quantizer"));
  CHECK_THAT(with(text("per_tensor_affine", "[0.1]", "[1e300]")),
             ContainsSubstring("must be a 32-bit integer"));
  CHECK_THAT(with(text("per_tensor_affine", "[1e999]", "[0]")),
             ContainsSubstring("is not of the expected form"));
  CHECK(with(text("per_channel_affine", "[0.1]", "[3]", "2")) ==
        at + "the quantizer's axis 2 is none of shape (2, 3)");
  CHECK(with(text("per_channel_affine", "[0.1]", "[3]", "-1")) ==
        at + "the quantizer's axis -1 is none of shape (2, 3)");
  CHECK(with(text("per_channel_affine", "[0.1]", "[3]", "0")) ==
        at + "the quantizer must have 2 scales and zero points for shape (2, 3), got 1 and 1");
  CHECK_THAT(with(text("per_channel_affine_float_qparams", "[0.1,-1]", "[3.5,0]")),
             ContainsSubstring("the scale must be finite and > 0"));
}

TEST_CASE("a truncated file is refused at every length", "[core][serialization][hostile]") {
  const Bytes bytes = serialize_safetensors(sample());
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    CAPTURE(length);
    CHECK_THROWS_AS(parse_safetensors(std::span(bytes).first(length)), Error);
  }
}

TEST_CASE("mutated files are read or refused, and never do harm",
          "[core][serialization][hostile][fuzz]") {
  SafeTensors with_text = sample();
  with_text.metadata["text"] = std::string(40, 'x');
  const Bytes seeds[] = {serialize_safetensors(sample()), serialize_safetensors(with_text),
                         file(one("BOOL", "[2,2]", "[0,4]"), 4)};
  Generator random(20240607);
  const std::string likely = "{}[]\":,0123456789-.eFUIBOLa \\u\0\xff";
  int accepted = 0;
  for (int round = 0; round < 6000; ++round) {
    Bytes bytes = seeds[round % 3];
    const std::uint64_t mutations = 1 + random.below(4);
    for (std::uint64_t m = 0; m < mutations && !bytes.empty(); ++m) {
      // Mostly in the header, where the decisions are.
      const std::uint64_t range = random.below(4) == 0 ? bytes.size() : bytes.size() / 2 + 1;
      const auto at = static_cast<std::ptrdiff_t>(random.below(std::min(range, bytes.size())));
      const auto byte = random.below(2) == 0
                            ? static_cast<std::byte>(random.below(256))
                            : static_cast<std::byte>(likely[random.below(likely.size())]);
      switch (random.below(5)) {
        case 0:
          bytes.erase(bytes.begin() + at);
          break;
        case 1:
          bytes.insert(bytes.begin() + at, byte);
          break;
        case 2:
          bytes.resize(static_cast<std::size_t>(at));
          break;
        default:
          bytes[static_cast<std::size_t>(at)] = byte;
      }
    }
    try {
      const SafeTensors content = parse_safetensors(bytes);
      ++accepted;
      check_equal(parse_safetensors(serialize_safetensors(content)), content);
    } catch (const Error& error) {
      if (std::string(error.what()).find("parse_safetensors: buffer: ") != 0) FAIL(error.what());
    }
  }
  CHECK(accepted > 0);
  CHECK(accepted < 6000);
}
