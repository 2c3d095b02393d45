#include "adze/nn/state_dict.h"

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>

#include "adze/nn/deepcopy.h"
#include "adze/nn/parametrize.h"
#include "adze/nn/traversal.h"

#include "support/catch.h"
#include "support/modules.h"

using namespace adze;
using adze::test::Affine;
using adze::test::Block;
using adze::test::error_of;
using adze::test::Mask;
using adze::test::Warnings;

namespace {

std::vector<std::string> keys(const nn::StateDict& s) {
  std::vector<std::string> out;
  for (const auto& [name, t] : s.tensors) out.push_back(name);
  return out;
}
using Names = std::vector<std::string>;

std::shared_ptr<Block> masked_block(const std::string& owner = "test") {
  auto block = nn::make<Block>(2);
  auto mask = std::make_shared<Mask>(tensor({{1, 0}, {1, 1}}), owner);
  mask->key = "fc.weight";
  nn::register_parametrization(*block->fc, "weight", mask);
  return block;
}

class Growing : public nn::ModuleOf<Growing> {
 public:
  nn::Buffer range{"range", zeros({0}), {.resizable = true}};
  nn::Buffer scratch{"scratch", zeros({3}), {.persistent = false}};
  Tensor forward(const Tensor& x) { return x; }

 protected:
  void fields(nn::FieldList& f) override { f(range, scratch); }
};

}  // namespace

TEST_CASE("state_dict has the field's keys and copies of the tensors", "[nn][state_dict]") {
  auto block = masked_block();
  nn::StateDict state = nn::state_dict(*block);
  CHECK(keys(state) == Names{"gain", "fc.parametrizations.weight.original",
                             "fc.parametrizations.weight.0.mask", "fc.bias"});
  state.at("gain").fill_(9);
  CHECK(block->gain.value().equal(ones({2})));
  CHECK(error_of([&] { state.at("nope"); }) == "state_dict: no entry 'nope'");
}

TEST_CASE("A prepared network loads its own state strictly, masks included", "[nn][state_dict]") {
  auto source = masked_block(), target = masked_block();
  auto& mask = dynamic_cast<Mask&>(*target->fc.as<Affine>().weight.slot()->chain()[0]);
  mask.mask().fill_(1);
  mask.key = "other";
  nn::load_state_dict(*target, nn::state_dict(*source));
  CHECK(target->fc.as<Affine>().weight.value().equal(source->fc.as<Affine>().weight.value()));
  CHECK(mask.mask().equal(tensor({{1, 0}, {1, 1}})));
  CHECK(mask.key == "fc.weight");
}

TEST_CASE("Loading checks everything before it writes anything", "[nn][state_dict][errors]") {
  auto block = nn::make<Block>(2);
  const Tensor before = block->gain.value().clone();
  nn::StateDict state = nn::state_dict(*block);
  for (auto& [name, t] : state.tensors) {
    if (name == "gain") t = full({2}, 5.0);
    if (name == "fc.weight") t = ones({3, 2});
    if (name == "fc.bias") name = "fc.bais";
  }
  const std::string message = error_of([&] { nn::load_state_dict(*block, state); });
  CHECK(message ==
        "load_state_dict: nothing was loaded:\n"
        "  shape of 'fc.weight' is (2, 2), the state has (3, 2)\n"
        "  missing 'fc.bias'\n"
        "  unexpected 'fc.bais'");
  CHECK(block->gain.value().equal(before));
}

TEST_CASE("Loading without strictness reports what it skipped", "[nn][state_dict]") {
  auto block = nn::make<Block>(2);
  nn::StateDict state;
  state.tensors = {{"gain", full({2}, 5.0)}, {"stranger", ones({1})}};
  Warnings warnings;
  const auto report = nn::load_state_dict(*block, state, {.strict = false});
  CHECK(report.missing == Names{"fc.weight", "fc.bias"});
  CHECK(report.unexpected == Names{"stranger"});
  CHECK(block->gain.value().equal(full({2}, 5.0)));
  CHECK(warnings.mention("2 names of the network are missing"));
}

TEST_CASE("Masks of another owner or another chain are refused", "[nn][state_dict][errors]") {
  const nn::StateDict state = nn::state_dict(*masked_block("alpha"));
  auto other = masked_block("beta");
  CHECK(error_of([&] {
          nn::load_state_dict(*other, state);
        }).find("parametrization 0 is Mask(beta), the state has Mask(alpha)") != std::string::npos);
  auto plain = nn::make<Block>(2);
  CHECK(error_of([&] {
          nn::load_state_dict(*plain, state);
        }).find("'fc.weight' has 0 parametrizations, the state 1") != std::string::npos);
}

TEST_CASE("Pinned zeros and what squashing kept are saved and loaded", "[nn][state_dict]") {
  auto source = nn::make<Block>(2);
  auto& slot = *source->fc.as<Affine>().weight.slot();
  slot.pin_zeros(tensor({{1, 0}, {0, 1}}));
  slot.sparse_params = {{"sparse_block_shape", Shape{1, 4}},
                        {"sparsity_level", 0.5},
                        {"zeros_per_block", 4},
                        {"note", "kept"},
                        {"flag", true}};
  auto target = nn::make<Block>(2);
  nn::load_state_dict(*target, nn::state_dict(*source));
  auto& loaded = *target->fc.as<Affine>().weight.slot();
  loaded.write(ones({2, 2}));
  CHECK(loaded.value().equal(eye(2)));
  CHECK(loaded.sparse_params.at("sparse_block_shape").to_shape() == Shape{1, 4});
  CHECK(loaded.sparse_params.at("sparsity_level").to_double() == 0.5);
  CHECK(loaded.sparse_params.at("zeros_per_block").to_int() == 4);
  CHECK(loaded.sparse_params.at("note").to_string() == "kept");
  CHECK(loaded.sparse_params.at("flag").to_bool());

  nn::load_state_dict(*target, nn::state_dict(*nn::make<Block>(2)));
  loaded.write(ones({2, 2}));
  CHECK(loaded.value().equal(ones({2, 2})));
}

TEST_CASE("Buffers may be resized by loading or left out", "[nn][state_dict]") {
  Growing source, target;
  source.range.slot()->reset(tensor({1, 2, 3}));
  nn::StateDict state = nn::state_dict(source);
  CHECK(keys(state) == Names{"range"});
  nn::load_state_dict(target, state);
  CHECK(target.range.value().equal(tensor({1, 2, 3})));
}

TEST_CASE("A network goes through a file unchanged", "[nn][state_dict][serialization]") {
  const auto path = (std::filesystem::temp_directory_path() / "adze_state_dict_test.safetensors");
  auto source = masked_block();
  nn::save(*source, path.string(), {{"note", "hello"}});
  auto target = masked_block();
  nn::load(*target, path.string());
  const Tensor x = randn({3, 2});
  CHECK((*target)(x).equal((*source)(x)));
  CHECK(nn::load_state(path.string()).metadata.at("note") == "hello");
  auto wrong = nn::make<Block>(3);
  CHECK(error_of([&] { nn::load(*wrong, path.string()); }).find(path.string()) == 0);
  CHECK(error_of([&] {
          nn::save(*source, path.string(), {{"adze.x", ""}});
        }) == "save: metadata key 'adze.x' is reserved");
  std::filesystem::remove(path);
}

TEST_CASE("Values are text and come back as the same kind", "[nn][state_dict]") {
  const double inf = std::numeric_limits<double>::infinity();
  const std::map<std::string, Value> values{
      {"bool", true},
      {"double", 2.0},
      {"dtype", qint8},
      {"empty list", Value::List{}},
      {"inf", inf},
      {"int", std::numeric_limits<std::int64_t>::min()},
      {"list", Value::List{1, 2.5, "x", Value(), float16, Shape{2, 3}, Value::List{-inf}}},
      {"list of ints", Value::List{1, 2}},
      {"none", Value()},
      {"shape", Shape{1, 4}},
      {"text", "qint8"}};
  const auto back = nn::values_from_text(nn::values_to_text(values, "here"), "here");
  REQUIRE(back.size() == values.size());
  for (const auto& [name, value] : values) {
    CAPTURE(name);
    CHECK(back.at(name).type_name() == value.type_name());
    CHECK(back.at(name).str() == value.str());
  }
  const auto nan = nn::values_from_text(
      nn::values_to_text({{"nan", std::numeric_limits<double>::quiet_NaN()}}, "here"), "here");
  CHECK(std::isnan(nan.at("nan").to_double()));
}

TEST_CASE("Values without a form and broken texts are told", "[nn][state_dict][errors]") {
  const auto written = [](Value v) {
    return error_of([&] { nn::values_to_text({{"v", std::move(v)}}, "here"); });
  };
  CHECK_THAT(written(ones({2})), ContainsSubstring("here: 'v' is a Tensor, which has no form"));
  CHECK_THAT(written(Value::List{ones({2})}), ContainsSubstring("has no form in a file"));
  CHECK_THAT(written("\xff"), ContainsSubstring("must be UTF-8"));
  const auto read = [](const std::string& text) {
    return error_of([&] { nn::values_from_text(text, "here"); });
  };
  CHECK_THAT(read("{"), ContainsSubstring("here: not JSON"));
  CHECK_THAT(read("[1]"), ContainsSubstring("here: not a JSON object"));
  CHECK_THAT(read(R"({"v": ["x"]})"), ContainsSubstring("'v' is not a list of integers"));
  CHECK_THAT(read(R"({"v": 18446744073709551615})"), ContainsSubstring("not an integer of 64"));
  CHECK_THAT(read(R"({"v": [1,1,1,1,1,1,1,1,1]})"), ContainsSubstring("8"));
  CHECK_THAT(read(R"({"v": {"dtype": "odd"}})"), ContainsSubstring("odd"));
  CHECK_THAT(read(R"({"v": {"double": "big"}})"), ContainsSubstring("has no form of a value"));
  CHECK_THAT(read(R"({"v": {"list": [], "dtype": "int8"}})"),
             ContainsSubstring("has no form of a value"));
  CHECK_THAT(read("{\"v\": " + std::string(1 << 20, '[')), ContainsSubstring("nested deeper"));
}

TEST_CASE("A chain of parametrizations whose description is broken is told",
          "[nn][state_dict][errors]") {
  auto block = masked_block();
  nn::StateDict state = nn::state_dict(*block);
  for (const char* text : {"{", "{}", "[1]", R"([{"type": 1, "owner": "test", "state": ""}])",
                           R"([{"type": "Mask", "owner": "test"}])"}) {
    state.metadata["adze.parametrizations.fc.weight"] = text;
    CHECK_THAT(error_of([&] { nn::load_state_dict(*block, state); }),
               ContainsSubstring("'fc.weight': the description of its parametrizations is broken"));
  }
}
