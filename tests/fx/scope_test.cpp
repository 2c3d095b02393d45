#include "adze/fx/scope.h"

#include "adze/nn/activation.h"
#include "adze/nn/traversal.h"

#include "support/catch.h"
#include "support/modules.h"

namespace adze {
namespace {

using test::error_of;

TEST_CASE("A scope lists the members that it was given", "[fx][scope]") {
  fx::Scope scope;
  scope.set_child("act", nn::make<nn::ReLU>());
  nn::Parameter w("w", ones({2}));
  scope.set_parameter(w);
  scope.set_parameter(nn::Buffer("b", ones({1})));
  CHECK(scope.find_child("act") != nullptr);
  CHECK(scope.find_parameter("w")->slot() == w.slot());
  CHECK(nn::named_buffers(scope).size() == 1);
  const auto config = scope.config();
  CHECK(config.at("tensors").str() == "[\"w\", \"b\"]");
  CHECK(config.at("buffers").str() == "[\"b\"]");
  CHECK(scope.remove("w"));
  CHECK(scope.remove("act"));
  CHECK_FALSE(scope.remove("act"));
  CHECK(scope.find_parameter("w") == nullptr);
}

TEST_CASE("Handles keep their address and take what is set anew", "[fx][scope]") {
  fx::Scope scope;
  scope.set_child("a", nn::make<nn::ReLU>());
  nn::Submodule* a = scope.find_child("a");
  for (int i = 0; i < 50; ++i) scope.set_child("c" + std::to_string(i), nn::make<nn::ReLU>());
  const auto other = nn::make<nn::Sigmoid>();
  scope.set_child("a", other);
  CHECK(scope.find_child("a") == a);
  CHECK(a->ptr() == other);
  scope.set_parameter(nn::Parameter("w", ones({1})));
  const nn::Parameter* w = scope.find_parameter("w");
  scope.set_parameter(nn::Parameter("w", zeros({3})));
  CHECK(scope.find_parameter("w") == w);
  CHECK(w->value().equal(zeros({3})));
}

TEST_CASE("Names that are none or taken are refused", "[fx][scope]") {
  fx::Scope scope;
  scope.set_child("m", nn::make<nn::ReLU>());
  scope.set_parameter(nn::Parameter("w", ones({1})));
  CHECK(error_of([&] { scope.set_child("a.b", nn::make<nn::ReLU>()); }) ==
        "Scope: 'a.b' is not a name (it may not be empty nor contain a dot)");
  CHECK_THAT(error_of([&] { scope.set_child("", nn::make<nn::ReLU>()); }),
             ContainsSubstring("'' is not a name"));
  CHECK(error_of([&] { scope.set_child("w", nn::make<nn::ReLU>()); }) == "Scope: 'w' is a tensor");
  CHECK(error_of([&] { scope.set_parameter(nn::Parameter("m", ones({1}))); }) ==
        "Scope: 'm' is a module");
  CHECK_THAT(error_of([&] { scope(ones({1})); }), ContainsSubstring("has no forward"));
}

}  // namespace
}  // namespace adze
