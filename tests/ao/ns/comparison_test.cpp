#include "adze/ao/ns/comparison.h"

#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

#include "support/catch.h"

using namespace adze;
namespace ns = ao::ns;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

ns::Comparison example() {
  ns::Comparison c;
  c.rows = {
      {"fc1",
       "nn::Linear",
       "nn::quantized::Linear",
       ns::ComparisonKind::weight,
       41.23456,
       .0086,
       .999962,
       {64, 784}},
      {"", "nn::Sequential", "nn::Sequential", ns::ComparisonKind::output, infinity, 0, 1, {}}};
  return c;
}

}  // namespace

TEST_CASE("A comparison prints as a table with aligned columns", "[ao][ns]") {
  ns::Comparison c = example();
  CHECK(c.table() ==
        "name    kind    type                                 shape      SQNR (dB)  l2 error"
        "    cosine\n"
        "fc1     weight  nn::Linear -> nn::quantized::Linear  (64, 784)      41.23  0.008600"
        "  0.999962\n"
        "(root)  output  nn::Sequential                       ()               inf  0.000000"
        "  1.000000\n");
  c.rows.clear();
  c.unpaired = {{"fc3", "nn::Linear", "", "not in b"}, {"act", "nn::ReLU", "nn::Tanh", "odd"}};
  CHECK(c.table() ==
        "name  kind  type  shape  SQNR (dB)  l2 error  cosine\n"
        "\n"
        "not compared  type                  reason\n"
        "fc3           nn::Linear            not in b\n"
        "act           nn::ReLU -> nn::Tanh  odd\n");
}

TEST_CASE("A comparison is JSON that any parser reads", "[ao][ns]") {
  ns::Comparison c = example();
  c.rows[0].sqnr = std::nan("");
  c.rows[1].normalized_l2_error = -infinity;
  c.unpaired = {{"a \"quoted\"\n\\ name", "", "nn::ReLU", "not in a"}};
  const auto j = nlohmann::json::parse(c.json());
  REQUIRE(j["rows"].size() == 2);
  CHECK(j["rows"][0]["name"] == "fc1");
  CHECK(j["rows"][0]["type_a"] == "nn::Linear");
  CHECK(j["rows"][0]["type_b"] == "nn::quantized::Linear");
  CHECK(j["rows"][0]["kind"] == "weight");
  CHECK(j["rows"][0]["sqnr"] == "nan");
  CHECK(j["rows"][0]["normalized_l2_error"] == .0086);
  CHECK(j["rows"][0]["cosine_similarity"] == .999962);
  CHECK(j["rows"][0]["shape"] == std::vector<int>{64, 784});
  CHECK(j["rows"][1]["sqnr"] == "inf");
  CHECK(j["rows"][1]["normalized_l2_error"] == "-inf");
  CHECK(j["rows"][1]["shape"].empty());
  CHECK(j["unpaired"][0]["name"] == "a \"quoted\"\n\\ name");
  CHECK(j["unpaired"][0]["reason"] == "not in a");
}

TEST_CASE("JSON survives names that are no UTF-8", "[ao][ns]") {
  ns::Comparison c = example();
  c.rows[0].name = "fc\xff";
  CHECK_NOTHROW(nlohmann::json::parse(c.json()));
}

TEST_CASE("An empty comparison is valid", "[ao][ns]") {
  const auto j = nlohmann::json::parse(ns::Comparison{}.json());
  CHECK(j["rows"].is_array());
  CHECK(j["unpaired"].is_array());
}

TEST_CASE("Rows are found by name", "[ao][ns]") {
  const ns::Comparison c = example();
  REQUIRE(c.find("") != nullptr);
  CHECK(c.find("")->kind == ns::ComparisonKind::output);
  CHECK(c.find("fc") == nullptr);
  CHECK(name(ns::ComparisonKind::shadow) == "shadow");
}
