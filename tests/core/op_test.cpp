#include "adze/core/op.h"

#include <set>

#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/core/tensor_impl.h"

#include "support/catch.h"

using namespace adze;

TEST_CASE("every op has a derivative or says that it has none", "[core][op]") {
  for (const OpBase* op : all_ops()) {
    CAPTURE(op->name());
    CHECK((op->derivative() != nullptr) == op->traits().differentiable);
  }
}

TEST_CASE("op names are unique and find their op", "[core][op]") {
  std::set<std::string_view> names;
  for (const OpBase* op : all_ops()) {
    CAPTURE(op->name());
    CHECK_FALSE(op->name().empty());
    CHECK(names.insert(op->name()).second);
    CHECK(find_op(op->name()) == op);
  }
  CHECK(find_op("no_such_op") == nullptr);
  CHECK(find_op("add") == &ops::add);
  CHECK(find_op("max_dim") == &ops::max_dim);
}

TEST_CASE("a wrong number of arguments names the op and both numbers", "[core][op]") {
  for (const OpBase* op : all_ops()) {
    const std::vector<Value> args(op->arity() + 1);
    CHECK_THROWS_WITH(op->call_boxed(args), std::string(op->name()) + ": takes " +
                                                std::to_string(op->arity()) + " arguments, got " +
                                                std::to_string(op->arity() + 1));
  }
}

TEST_CASE("a wrong kind of argument says which kind came", "[core][op]") {
  const std::vector<Value> args{Value("text")};
  CHECK_THROWS_WITH(ops::relu.call_boxed(args),
                    ContainsSubstring("a Tensor was expected, string \"text\" came"));
}

TEST_CASE("a boxed call gives what the typed call gives", "[core][op]") {
  const Tensor a = tensor({{1, -2, 3}, {-4, 5, -6}}), b = tensor({0.5, 2, -1});
  const auto boxed = [](const OpBase& op, std::vector<Value> args) { return op.call_boxed(args); };
  CHECK(boxed(ops::add, {a, b}).to_tensor().equal(add(a, b)));
  CHECK(boxed(ops::mul, {2, b}).to_tensor().equal(2 * b));
  CHECK(boxed(ops::relu, {a}).to_tensor().equal(relu(a)));
  CHECK(boxed(ops::clamp, {a, Value(), 1.5}).to_tensor().equal(clamp(a, {}, 1.5)));
  CHECK(boxed(ops::sum, {a, Shape{1}, true}).to_tensor().equal(sum(a, {1}, true)));
  CHECK(boxed(ops::linear, {a, a, Value()}).to_tensor().equal(linear(a, a)));
  CHECK(boxed(ops::to, {a, float64}).to_tensor().equal(to(a, float64)));
  CHECK(boxed(ops::argmax, {a, 1, false}).to_tensor().equal(argmax(a, 1)));
  CHECK(boxed(ops::cat, {Value(TensorList{a, a}), 0}).to_tensor().equal(cat({a, a})));
  const auto pair = boxed(ops::topk, {a, 2, -1, true}).as<std::tuple<Tensor, Tensor>>();
  CHECK(std::get<0>(pair).equal(std::get<0>(topk(a, 2))));
  CHECK(std::get<1>(pair).equal(std::get<1>(topk(a, 2))));
}

TEST_CASE("a boxed call takes part in autograd", "[core][op]") {
  const Tensor x = tensor({1, 2});
  x.requires_grad_();
  const std::vector<Value> args{x, 3.0};
  ops::mul.call_boxed(args).to_tensor().backward(tensor({1, 10}));
  CHECK(x.grad().equal(tensor({3, 30})));
}

namespace {

class Recorder final : public Interceptor {
 public:
  Value record(const OpBase& op, std::vector<Value> args) override {
    calls.push_back(std::string(op.name()) + "/" + std::to_string(args.size()));
    return fresh();
  }
  Tensor fresh() {
    auto symbol = std::make_shared<Symbol>();
    symbol->interceptor = this;
    return make_symbolic(symbol, std::nullopt);
  }
  std::vector<std::string> calls;
};

}  // namespace

TEST_CASE("a symbolic argument hands the call to its interceptor", "[core][op]") {
  Recorder recorder;
  const Tensor x = recorder.fresh();
  CHECK((2 * x + ones({3})).is_symbolic());
  CHECK(cat({ones({1}), x}).is_symbolic());
  CHECK(linear(x, ones({2, 2})).is_symbolic());
  CHECK(recorder.calls == std::vector<std::string>{"mul/2", "add/2", "cat/2", "linear/3"});
}
