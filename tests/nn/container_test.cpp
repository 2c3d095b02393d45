#include "adze/nn/container.h"

#include <cmath>

#include "adze/nn/activation.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/flatten.h"
#include "adze/nn/linear.h"
#include "adze/nn/state_dict.h"
#include "adze/nn/traversal.h"

#include "support/catch.h"
#include "support/modules.h"

using namespace adze;
using adze::test::error_of;

namespace {

std::vector<std::string> parameter_names(nn::Module& m) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : nn::named_parameters(m)) names.push_back(name);
  return names;
}

// A layer that derives from a container, as fused pairs do.
class LinearReLU : public nn::ModuleOf<LinearReLU, nn::Sequential> {
 public:
  using ModuleOf::ModuleOf;
};

class Stack : public nn::ModuleOf<Stack> {
 public:
  nn::Submodule layers{"layers", nn::ModuleList(nn::Linear(2, 2), nn::Linear(2, 2))};
  Tensor forward(const Tensor& x) {
    Tensor y = x;
    for (nn::Submodule& layer : layers.as<nn::ModuleList>()) y = layer(y);
    return y;
  }

 protected:
  void fields(nn::FieldList& f) override { f(layers); }
};

}  // namespace

TEST_CASE("Sequential calls its modules in order", "[nn][container]") {
  nn::Sequential net(nn::Linear(tensor({{2}})), nn::ReLU(),
                     nn::Linear(tensor({{-3}}), tensor({1})));
  CHECK(net(tensor({{5}, {-5}})).equal(tensor({{-29}, {1}})));
  CHECK(net.size() == 3);
  CHECK_FALSE(net.empty());
  nn::Sequential nothing;
  const Tensor x = tensor({1});
  CHECK(nothing(x).is_same(x));
}

TEST_CASE("Sequential names its modules by position or as told", "[nn][container]") {
  nn::Sequential net(nn::Linear(4, 8), nn::ReLU(), nn::Linear(8, 2, {.bias = false}));
  CHECK(parameter_names(net) == std::vector<std::string>{"0.weight", "0.bias", "2.weight"});
  nn::Sequential named({{"fc", nn::Linear(4, 8)}, {"act", nn::ReLU()}});
  CHECK(parameter_names(named) == std::vector<std::string>{"fc.weight", "fc.bias"});
  CHECK(nn::find_module(named, "act")->type() == "ReLU");
  named.push_back("head", nn::make<nn::Linear>(8, 2));
  named.append(nn::ReLU()).append(nn::make<nn::ReLU>());
  CHECK(named.child(2).name() == "head");
  CHECK(named.child(-1).name() == "4");
}

TEST_CASE("Sequential takes pointers and vectors of them", "[nn][container]") {
  const auto shared = nn::make<nn::Linear>(3, 3);
  nn::Sequential both(shared, nn::ReLU(), shared);
  CHECK(&both[0] == &both[2]);
  CHECK(nn::parameters(both).size() == 2);
  nn::Sequential from_vector(std::vector<nn::ModulePtr>{shared, nn::make<nn::ReLU>()});
  CHECK(&from_vector[0] == shared.get());
}

TEST_CASE("Sequential gives its modules by index, also from the back", "[nn][container]") {
  nn::Sequential net(nn::Linear(4, 8), nn::ReLU());
  CHECK(net[0].as<nn::Linear>().out_features() == 8);
  CHECK(net[-1].type() == "ReLU");
  CHECK(&net.at(1) == net.child(1).ptr().get());
  std::vector<std::string> types;
  for (const nn::Submodule& m : net) types.push_back(m->type());
  CHECK(types == std::vector<std::string>{"Linear", "ReLU"});
  CHECK_THAT(error_of([&] { net[2]; }), ContainsSubstring("Sequential: there is no module 2"));
  CHECK_THAT(error_of([&] { net[-3]; }), ContainsSubstring("it has 2"));
  CHECK_THAT(error_of([&] { net[1].as<nn::Linear>(); }), ContainsSubstring("adze::nn::ReLU"));
}

TEST_CASE("A module that is set or pushed later takes part in the next call", "[nn][container]") {
  nn::Sequential net(nn::Linear(tensor({{2}})));
  CHECK(net(tensor({{-1}})).item() == -2);
  net.push_back(nn::ReLU());
  CHECK(net(tensor({{-1}})).item() == 0);
  net.set(1, nn::make<nn::Tanh>());
  CHECK(net(tensor({{-1}})).item() == Approx(std::tanh(-2.0)));
  CHECK(net.child(1).name() == "1");
}

TEST_CASE("Containers print as PyTorch's", "[nn][container]") {
  nn::Sequential net(nn::Flatten(), nn::Sequential(nn::Linear(4, 2), nn::ReLU()));
  CHECK(nn::to_string(net) ==
        "Sequential(\n"
        "  (0): Flatten(start_dim=1, end_dim=-1)\n"
        "  (1): Sequential(\n"
        "    (0): Linear(in_features=4, out_features=2, bias=True)\n"
        "    (1): ReLU()\n"
        "  )\n"
        ")");
}

TEST_CASE("A copy of a Sequential shares its layers, a deepcopy does not", "[nn][container]") {
  const auto net = nn::make<nn::Sequential>(nn::Linear(2, 2), nn::ReLU());
  nn::Sequential shallow = *net;
  CHECK(&shallow[0] == &(*net)[0]);
  const nn::ModulePtr deep = nn::deepcopy(net);
  auto& copy = deep->as<nn::Sequential>();
  CHECK(&copy[0] != &(*net)[0]);
  const Tensor x = randn({3, 2});
  CHECK(copy(x).equal((*net)(x)));
  copy[0].as<nn::Linear>().weight.set(zeros({2, 2}));
  CHECK_FALSE(copy(x).equal((*net)(x)));
  shallow.push_back(nn::ReLU());
  CHECK(net->size() == 2);
}

TEST_CASE("Errors name the path through a Sequential", "[nn][container][error]") {
  nn::Sequential net({{"body", nn::Sequential(nn::Linear(4, 3), nn::Linear(2, 2))}});
  CHECK_THAT(error_of([&] { net(zeros({1, 4})); }), ContainsSubstring("body.1: linear"));
}

TEST_CASE("Classes that extend Sequential copy and name themselves", "[nn][container]") {
  const auto fused = nn::make<LinearReLU>(nn::Linear(tensor({{-1}})), nn::ReLU());
  CHECK(fused->type() == "LinearReLU");
  CHECK((*fused)(tensor({{-4}, {4}})).equal(tensor({{4}, {0}})));
  const nn::ModulePtr copy = nn::deepcopy(fused);
  CHECK(copy->type() == "LinearReLU");
  CHECK((*copy)(tensor({{-4}, {4}})).equal(tensor({{4}, {0}})));
}

TEST_CASE("Names in containers are unique and have no dots", "[nn][container][error]") {
  nn::Sequential net({{"a", nn::ReLU()}, {"1", nn::ReLU()}});
  CHECK_THAT(error_of([&] { net.push_back("a", nn::make<nn::ReLU>()); }),
             ContainsSubstring("there already is a module 'a'"));
  CHECK_THAT(error_of([&] { net.push_back("b.c", nn::make<nn::ReLU>()); }),
             ContainsSubstring("'b.c' is not a name"));
  CHECK(net.size() == 2);
  CHECK_THAT(error_of([&] { net.push_back(nn::ModulePtr()); }), ContainsSubstring("got none"));
}

TEST_CASE("ModuleList holds layers that a forward calls itself", "[nn][container]") {
  Stack stack;
  CHECK(parameter_names(stack) == std::vector<std::string>{"layers.0.weight", "layers.0.bias",
                                                           "layers.1.weight", "layers.1.bias"});
  stack.layers.as<nn::ModuleList>().append(nn::Linear(tensor({{0, 0}}), tensor({7})));
  CHECK(stack(zeros({1, 2})).equal(tensor({{7}})));
  CHECK_THAT(error_of([&] { nn::ModuleList()(zeros({1})); }), ContainsSubstring("has no forward"));
  nn::ModuleList list(std::vector<nn::ModulePtr>{nn::make<nn::ReLU>()});
  CHECK(list.size() == 1);
}

TEST_CASE("ModuleDict finds its modules by name", "[nn][container]") {
  nn::ModuleDict dict({{"small", nn::Linear(2, 1)}, {"act", nn::ReLU()}});
  dict.insert("large", nn::Linear(2, 5));
  CHECK(dict.keys() == std::vector<std::string>{"small", "act", "large"});
  CHECK(dict["large"].as<nn::Linear>().out_features() == 5);
  CHECK(dict[0].type() == "Linear");
  CHECK(dict.child("act")(tensor({-1})).item() == 0);
  dict.insert("act", nn::Tanh());
  CHECK(dict.size() == 3);
  CHECK(dict.at("act").type() == "Tanh");
  CHECK(dict.contains("small"));
  CHECK_FALSE(dict.contains("none"));
  CHECK_THAT(error_of([&] { dict["none"]; }), ContainsSubstring("there is no module 'none'"));
  CHECK_THAT(error_of([&] { dict(zeros({1})); }), ContainsSubstring("has no forward"));
}

TEST_CASE("A Sequential's state goes into another of the same shape", "[nn][container]") {
  nn::Sequential a(nn::Linear(3, 4), nn::ReLU(), nn::Linear(4, 2)),
      b(nn::Linear(3, 4), nn::ReLU(), nn::Linear(4, 2));
  nn::load_state_dict(b, nn::state_dict(a));
  const Tensor x = randn({5, 3});
  CHECK(a(x).equal(b(x)));
}
