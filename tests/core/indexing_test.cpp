#include "adze/core/indexing.h"

#include "adze/core/creation.h"
#include "adze/core/op.h"
#include "adze/core/ops.h"
#include "adze/core/tensor_impl.h"

#include "support/catch.h"

using namespace adze;
using Ints = std::vector<int>;

namespace {

// Notes the calls that have a symbolic argument.
struct Recorder : Interceptor {
  Value record(const OpBase& op, std::vector<Value> args) override {
    std::string call(op.name());
    for (std::size_t i = 1; i < args.size(); ++i) call += " " + args[i].str();
    calls.push_back(call);
    return symbol();
  }
  Tensor symbol() {
    auto s = std::make_shared<Symbol>();
    s->interceptor = this;
    return make_symbolic(s, std::nullopt);
  }
  std::vector<std::string> calls;
};

// 0, 1, 2, ... in shape (2, 3, 4).
Tensor cube() {
  return arange(24).reshape({2, 3, 4});
}

}  // namespace

TEST_CASE("integers drop a dimension, slices keep it", "[core][indexing]") {
  const Tensor t = cube();
  CHECK(t.index({1}).equal(t.select(0, 1)));
  CHECK(t.index({1, -1, 2}).item<int>() == 22);
  CHECK(t.index({0, Slice{1, 3}}).to_vector<int>() == Ints{4, 5, 6, 7, 8, 9, 10, 11});
  CHECK(t.index({Slice{}, 0, Slice{.step = 2}}).to_vector<int>() == Ints{0, 2, 12, 14});
  CHECK(t.index({0, 0, Slice{-3, -1}}).to_vector<int>() == Ints{1, 2});
  CHECK(t.index({}).equal(t));
}

TEST_CASE("an ellipsis stands for all other dimensions", "[core][indexing]") {
  const Tensor t = cube();
  CHECK(t.index({ellipsis, 1}).equal(t.select(2, 1)));
  CHECK(t.index({0, ellipsis, 1}).equal(t.select(0, 0).select(1, 1)));
  CHECK(t.index({ellipsis}).equal(t));
  CHECK(t.index({0, 1, ellipsis, 2}).item<int>() == 6);
  CHECK(t.index({0, 1, 2, ellipsis}).item<int>() == 6);
  CHECK_THROWS_WITH(t.index({ellipsis, ellipsis}), ContainsSubstring("at most one ellipsis"));
}

TEST_CASE("newaxis adds a dimension of one", "[core][indexing]") {
  const Tensor t = cube();
  CHECK(t.index({newaxis}).sizes() == Shape{1, 2, 3, 4});
  CHECK(t.index({0, newaxis, 1}).sizes() == Shape{1, 4});
  CHECK(t.index({ellipsis, newaxis}).sizes() == Shape{2, 3, 4, 1});
  CHECK(t.index({ellipsis, newaxis, 0}).sizes() == Shape{2, 3, 1});
  CHECK(t.index({ellipsis, newaxis, Slice{0, 2}, newaxis}).sizes() == Shape{2, 3, 1, 2, 1});
}

TEST_CASE("views by index share storage", "[core][indexing]") {
  const Tensor t = zeros({2, 3});
  t.index({1, Slice{0, 2}}).fill_(5);
  CHECK(t.to_vector<int>() == Ints{0, 0, 0, 5, 5, 0});
}

TEST_CASE("an integer vector picks rows", "[core][indexing]") {
  const Tensor t = cube();
  const Tensor rows = tensor_of<std::int64_t>({2, 0, -1});
  CHECK(t.index({0, rows}).to_vector<int>() == Ints{8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11});
  CHECK(t.index({ellipsis, rows, 0}).to_vector<int>() == Ints{8, 0, 8, 20, 12, 20});
  const Tensor table = rows.reshape({3, 1});
  CHECK(t.index({Slice{}, table, 1}).sizes() == Shape{2, 3, 1});
  CHECK(t.index({ellipsis, table}).sizes() == Shape{2, 3, 3, 1});
  CHECK(t.index({Slice{}, full({}, -1, int64)}).equal(t.select(1, 2)));
  CHECK_THROWS_WITH(t.index({tensor_of<std::int64_t>({2})}),
                    ContainsSubstring("index 2 is out of range for a dimension of 2 elements"));
  CHECK_THROWS_WITH(t.index({tensor({1.0})}), ContainsSubstring("integers or booleans expected"));
  CHECK_THROWS_WITH(t.index({rows, rows}), ContainsSubstring("at most one tensor"));
}

TEST_CASE("a boolean mask picks where it holds", "[core][indexing]") {
  const Tensor t = cube();
  const Tensor mask = from_vector<bool>({true, false, true}, {3});
  CHECK(t.index({1, mask, 0}).to_vector<int>() == Ints{12, 20});
  CHECK(t.index({ellipsis, mask, Slice{0, 1}}).sizes() == Shape{2, 2, 1});
  CHECK(t.index({t > 20}).to_vector<int>() == Ints{21, 22, 23});
  const Tensor plane = (t > 9).index({0});
  CHECK(t.index({ellipsis, plane}).to_vector<int>() == Ints{10, 11, 22, 23});
  CHECK(t.index({Slice{}, plane}).to_vector<int>() == Ints{10, 11, 22, 23});
  CHECK(t.index({Slice{}, zeros({3}, boolean)}).sizes() == Shape{2, 0, 4});
  CHECK_THROWS_WITH(t.index({mask}), ContainsSubstring("the mask of shape (3,) does not fit "
                                                       "dimension 0 of shape (2, 3, 4)"));
}

TEST_CASE("too many or too large indices are refused", "[core][indexing]") {
  const Tensor t = cube();
  CHECK_THROWS_WITH(t.index({0, 0, 0, 0}),
                    ContainsSubstring("4 indices were given for shape (2, 3, 4)"));
  CHECK_THROWS_WITH(t.index({0, 3}), ContainsSubstring("index 3 is out of range"));
  CHECK_THROWS_WITH(t.index({Slice{.step = 0}}), ContainsSubstring("the step must be > 0"));
}

TEST_CASE("indexing is differentiable", "[core][indexing][autograd]") {
  const Tensor x = ones({2, 3});
  x.requires_grad_();
  const Tensor rows = tensor_of<std::int64_t>({1, 1});
  (x.index({rows, Slice{0, 2}}) * tensor({{1, 2}, {3, 4}})).sum().backward();
  CHECK(x.grad().to_vector<int>() == Ints{0, 0, 0, 4, 6, 0});
}

TEST_CASE("indices are traced without knowing the shape", "[core][indexing][trace]") {
  Recorder recorder;
  const Tensor x = recorder.symbol();
  const Tensor rows = tensor_of<std::int64_t>({1, 0});
  x.index({0, Slice{1}, ellipsis, newaxis, -1, Slice{}});
  CHECK(recorder.calls ==
        std::vector<std::string>{"select 0 0", "slice 0 1 None 1", "unsqueeze -3", "select -2 -1"});
  recorder.calls.clear();
  x.index({Slice{}, rows});
  REQUIRE(recorder.calls.size() == 1);
  CHECK_THAT(recorder.calls[0], ContainsSubstring("index_select 1"));
}
