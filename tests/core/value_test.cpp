#include "adze/core/value.h"

#include "adze/core/creation.h"
#include "adze/core/op.h"

#include "support/catch.h"

using namespace adze;

TEST_CASE("a value knows its kind and writes itself as code", "[core][value]") {
  const auto is = [](const Value& v, std::string_view type, std::string_view text) {
    CHECK(v.type_name() == type);
    CHECK(v.str() == text);
  };
  is(Value(), "None", "None");
  is(Value(zeros({2, 3})), "Tensor", "Tensor(2, 3)");
  is(Value(Tensor()), "Tensor", "None");
  is(Value(true), "bool", "true");
  is(Value(7), "int", "7");
  is(Value(2.0), "double", "2.0");
  is(Value(0.1), "double", "0.1");
  is(Value(1e300), "double", "1e+300");
  is(Value(-std::numeric_limits<double>::infinity()), "double", "-inf");
  is(Value("a \"b\""), "string", "\"a \\\"b\\\"\"");
  is(Value(qint8), "dtype", "qint8");
  is(Value(Shape{4}), "shape", "(4,)");
  is(Value(Value::List{1, Value(), 2.5}), "list", "[1, None, 2.5]");
}

TEST_CASE("numbers convert where nothing is lost", "[core][value]") {
  CHECK(Value(true).to_int() == 1);
  CHECK(Value(3).to_double() == 3.0);
  CHECK(Value(true).to_scalar().kind() == Scalar::Kind::logical);
  CHECK(Value(Scalar(4)).is_int());
  CHECK(Value(Scalar(false)).is_bool());
  CHECK(Value(Scalar(1.5f)).to_double() == 1.5);
  CHECK_THROWS_WITH(Value(2.5).to_int(), "Value: an int was expected, double 2.5 came");
  CHECK_THROWS_WITH(Value(1).to_bool(), "Value: a bool was expected, int 1 came");
  CHECK_THROWS_WITH(Value("x").to_double(), "Value: a double was expected, string \"x\" came");
}

TEST_CASE("asking for another kind names what the value is", "[core][value]") {
  CHECK_THROWS_WITH(Value(1).to_tensor(), "Value: a Tensor was expected, int 1 came");
  CHECK_THROWS_WITH(Value(zeros({2})).to_tensor_list(),
                    "Value: a list of Tensors was expected, Tensor Tensor(2,) came");
  CHECK_THROWS_WITH(Value(1).to_string(), "Value: a string was expected, int 1 came");
  CHECK_THROWS_WITH(Value(1).to_dtype(), "Value: a dtype was expected, int 1 came");
  CHECK_THROWS_WITH(Value(1).to_shape(), "Value: a shape was expected, int 1 came");
  CHECK_THROWS_WITH(Value(1).to_list(), "Value: a list was expected, int 1 came");
  CHECK_THROWS_WITH(Value().to_scalar(), "Value: a number was expected, None None came");
}

TEST_CASE("none stands for an undefined tensor and for an empty optional", "[core][value]") {
  CHECK_FALSE(Value().to_tensor().defined());
  CHECK_FALSE(Value().as<std::optional<double>>().has_value());
  CHECK(Value(std::optional<int>()).is_none());
  CHECK(Value(std::optional<double>(2.5)).as<std::optional<double>>() == 2.5);
}

TEST_CASE("lists hold tensors and integers, tuples are lists of their length", "[core][value]") {
  const Tensor a = zeros({1}), b = zeros({2});
  const Value list(TensorList{a, b});
  CHECK(list.to_tensor_list()[1].is_same(b));
  CHECK(Value(Value::List{2, 3}).to_shape() == Shape{2, 3});
  const auto [x, y] = list.as<std::tuple<Tensor, Tensor>>();
  CHECK((x.is_same(a) && y.is_same(b)));
  using Triple = std::tuple<Tensor, Tensor, Tensor>;
  CHECK_THROWS_WITH(list.as<Triple>(), "Value: a tuple of 3 was expected, a list of 2 came");
}

TEST_CASE("an operand is a tensor or a number", "[core][value]") {
  CHECK(Value(2).as<Operand>().scalar() == Scalar(2));
  const Tensor t = zeros({2});
  CHECK(Value(t).as<Operand>().tensor().is_same(t));
  CHECK(detail::box(Operand(t)).is_tensor());
  CHECK(detail::box(Operand(2.5)).to_double() == 2.5);
  CHECK(Operand(Tensor()).is_tensor());
}
