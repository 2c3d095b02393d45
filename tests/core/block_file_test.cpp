// Tensors that are stored as their nonzero blocks.

#include <cstring>

#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"
#include "adze/core/serialization.h"

#include "support/catch.h"

using namespace adze;

namespace {

using Bytes = std::vector<std::byte>;

constexpr SaveOptions in_blocks{.leave_out_zero_blocks = true};

Bytes bytes_of(const std::string& name, const Tensor& t, SaveOptions options = in_blocks) {
  SafeTensors content;
  content.tensors[name] = t;
  return serialize_safetensors(content, options);
}

// A matrix whose blocks are zero with that probability.
Tensor pruned(std::int64_t n, std::int64_t k, std::int64_t rows, std::int64_t cols, double sparsity,
              std::uint64_t seed) {
  Generator random(seed);
  Tensor w = randn({n, k}, &random);
  const Tensor keep = rand({(n + rows - 1) / rows, (k + cols - 1) / cols}, &random);
  auto* v = w.mutable_data<float>();
  const auto* p = keep.data<float>();
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < k; ++j)
      if (p[i / rows * keep.size(1) + j / cols] < sparsity) v[i * k + j] = 0;
  return w;
}

Tensor int8_weight(const Tensor& w) {
  return quantize_per_channel(w, full({w.size(0)}, 0.02), zeros({w.size(0)}, int64), 0, qint8);
}

SafeTensors parts(const std::string& name, const Tensor& values, const Tensor& bitmap) {
  SafeTensors content;
  content.tensors[name + ".block_values"] = values;
  content.tensors[name + ".block_bitmap"] = bitmap;
  return content;
}

// The file with those parts and that description of tensor "w"; written by hand, as the key is
// reserved.
Bytes file_of(const SafeTensors& content, const std::string& description) {
  SafeTensors marked = content;
  marked.metadata["adze_blocks_w"] = description;
  Bytes bytes = serialize_safetensors(marked);
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  text.replace(text.find("adze_blocks_w"), 13, "adze.blocks.w");
  std::memcpy(bytes.data(), text.data(), text.size());
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

}  // namespace

TEST_CASE("pruned tensors come back from their nonzero blocks, bit for bit",
          "[core][serialization]") {
  const std::int64_t shapes[][2] = {{1, 1}, {3, 5}, {17, 33}, {64, 64}, {1, 100}, {100, 1}};
  const std::int64_t blocks[][2] = {{1, 1}, {1, 4}, {4, 4}, {8, 1}, {16, 4}, {5, 3}};
  std::uint64_t seed = 0;
  for (const auto& [n, k] : shapes)
    for (const auto& [rows, cols] : blocks)
      for (const double sparsity : {0.0, 0.5, 0.9, 1.0}) {
        CAPTURE(n, k, rows, cols, sparsity);
        const Tensor w = pruned(n, k, rows, cols, sparsity, ++seed);
        for (const Tensor& t :
             {w, int8_weight(w), w.to(float16), w.to(float64), w.reshape({n, 1, k}), w.t()}) {
          const Tensor back = parse_safetensors(bytes_of("w", t)).tensors.at("w");
          CHECK(back.equal(t));
          CHECK(back.dtype() == t.dtype());
          CHECK(back.sizes() == t.sizes());
          if (t.is_quantized()) CHECK(*back.quantizer() == *t.quantizer());
        }
      }
}

TEST_CASE("negative zeros are kept", "[core][serialization]") {
  const Tensor w = zeros({8, 8});
  Tensor(w).mutable_data<float>()[9] = -0.0f;
  const Tensor back = parse_safetensors(bytes_of("w", w)).tensors.at("w");
  CHECK(std::memcmp(back.raw_data(), w.raw_data(), 8 * 8 * sizeof(float)) == 0);
}

TEST_CASE("a weight with 80% zero blocks takes less than a third of the dense file",
          "[core][serialization]") {
  const std::int64_t blocks[][2] = {{1, 4}, {4, 4}, {8, 4}, {16, 4}, {1, 16}, {8, 1}};
  for (const auto& [rows, cols] : blocks) {
    CAPTURE(rows, cols);
    const Tensor w = pruned(256, 512, rows, cols, 0.8, 3);
    const Tensor q = quantize_per_tensor(w, 0.02, 0, qint8);
    CHECK(bytes_of("w", q).size() * 3 < bytes_of("w", q, {}).size());
    CHECK(bytes_of("w", w).size() * 3 < bytes_of("w", w, {}).size());
  }
}

TEST_CASE("dense tensors, vectors and booleans are stored as they are", "[core][serialization]") {
  for (const Tensor& t :
       {randn({16, 16}), zeros({100}), zeros({10, 10}, boolean), zeros({0, 4}), tensor(0.0)}) {
    CHECK(bytes_of("w", t) == bytes_of("w", t, {}));
  }
  // Half of the elements: four bytes and a bit against eight.
  CHECK(bytes_of("w", pruned(64, 64, 1, 1, 0.5, 1)).size() <
        bytes_of("w", pruned(64, 64, 1, 1, 0.5, 1), {}).size());
}

TEST_CASE("names that blocks would take keep a tensor whole", "[core][serialization]") {
  SafeTensors content;
  content.tensors["w"] = zeros({16, 16});
  content.tensors["w.block_bitmap"] = tensor({1, 2});
  const SafeTensors back = parse_safetensors(serialize_safetensors(content, in_blocks));
  CHECK(back.tensors.size() == 2);
  CHECK(back.tensors.at("w").equal(content.tensors["w"]));
  CHECK(back.tensors.at("w.block_bitmap").equal(content.tensors["w.block_bitmap"]));
}

TEST_CASE("parts that do not fit each other are refused", "[core][serialization][hostile]") {
  const Tensor values = ones({2, 1, 4}), bitmap = tensor_of<std::uint8_t>({9});
  const std::string at = "parse_safetensors: x: tensor 'w': ";
  const std::string shape = R"({"shape":[2,8]})";
  REQUIRE(error_of(file_of(parts("w", values, bitmap), shape)) == "no error");
  CHECK(parse_safetensors(file_of(parts("w", values, bitmap), shape))
            .tensors.at("w")
            .equal(tensor({{1, 1, 1, 1, 0, 0, 0, 0}, {0, 0, 0, 0, 1, 1, 1, 1}})));

  const auto with = [&](const Tensor& v, const Tensor& b, const std::string& text) {
    return error_of(file_of(parts("w", v, b), text));
  };
  CHECK(with(values, tensor_of<std::uint8_t>({1}), shape) ==
        at + "the map keeps 1 blocks, the file has 2");
  CHECK(with(values, tensor_of<std::uint8_t>({9, 0}), shape) ==
        at + "the map must have 1 bytes for 4 blocks, got 2");
  CHECK(with(values, tensor_of<std::uint8_t>({0x11}), shape) ==
        at + "the map keeps blocks behind the last");
  CHECK_THAT(with(values, tensor({9}), shape),
             ContainsSubstring(at + "the map of its blocks must be"));
  CHECK_THAT(with(ones({2, 4}), bitmap, shape), ContainsSubstring(at + "blocks of float32 (2, 4)"));
  CHECK_THAT(with(ones({2, 1, 65}), bitmap, shape), ContainsSubstring("are not known"));
  CHECK_THAT(with(ones({2, 0, 4}), bitmap, shape), ContainsSubstring("are not known"));
  for (const char* text :
       {"", "{", "[]", "{}", R"({"shape":8})", R"({"shape":[16]})", R"({"shape":[2,-8]})",
        R"({"shape":[2,8.5]})", R"({"shape":[2,8],"more":1})"})
    CHECK_THAT(with(values, bitmap, text), ContainsSubstring("is not of the expected form"));
  CHECK_THAT(with(values, bitmap, R"({"shape":[0,8]})"), ContainsSubstring("no blocks for shape"));
  CHECK_THAT(with(values, bitmap, R"({"shape":[4294967296,4294967296]})"),
             ContainsSubstring("no blocks for shape"));
  CHECK_THAT(with(values, bitmap, R"({"shape":[1099511627776,8]})"),
             ContainsSubstring("the map must have"));

  SafeTensors half = parts("w", values, bitmap);
  half.tensors.erase("w.block_bitmap");
  CHECK(error_of(file_of(half, shape)) == at + "its part 'w.block_bitmap' is missing");
  SafeTensors both = parts("w", values, bitmap);
  both.tensors["w"] = zeros({2, 8});
  CHECK(error_of(file_of(both, shape)) == at + "is stored both whole and in blocks");
  SafeTensors graded = parts("w", quantize_per_tensor(values, 1, 0, qint8), bitmap);
  CHECK(error_of(file_of(graded, shape)) == at + "its part 'w.block_values' has a quantizer");

  SafeTensors reserved;
  reserved.metadata["adze.blocks.w"] = "{}";
  CHECK_THROWS_WITH(serialize_safetensors(reserved), ContainsSubstring("reserved"));
}

TEST_CASE("mutated files with blocks are read or refused, and never do harm",
          "[core][serialization][hostile][fuzz]") {
  SafeTensors content;
  content.tensors["w"] = pruned(12, 9, 4, 4, 0.6, 5);
  content.tensors["q"] = int8_weight(pruned(8, 16, 1, 4, 0.7, 6));
  const Bytes seed = serialize_safetensors(content, in_blocks);
  Generator random(77);
  const std::string likely = "{}[]\":,0123456789-.eFUI";
  int accepted = 0;
  for (int round = 0; round < 4000; ++round) {
    Bytes bytes = seed;
    for (std::uint64_t m = 1 + random.below(3); m > 0; --m) {
      const auto at = static_cast<std::size_t>(random.below(bytes.size()));
      bytes[at] = random.below(2) == 0
                      ? static_cast<std::byte>(random.below(256))
                      : static_cast<std::byte>(likely[random.below(likely.size())]);
    }
    try {
      parse_safetensors(bytes);
      ++accepted;
    } catch (const Error& error) {
      if (std::string(error.what()).find("parse_safetensors: buffer: ") != 0) FAIL(error.what());
    }
  }
  CHECK(accepted > 0);
  CHECK(accepted < 4000);
}
