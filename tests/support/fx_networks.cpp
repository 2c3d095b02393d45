#include "support/fx_networks.h"

#include <map>

#include "adze/ao/quantization/stubs.h"
#include "adze/core/ops.h"
#include "adze/nn/activation.h"
#include "adze/nn/container.h"
#include "adze/nn/dropout.h"
#include "adze/nn/flatten.h"
#include "adze/nn/identity.h"

#include "support/net.h"

namespace adze::test {
namespace {

using Factory = std::function<nn::ModulePtr()>;
using Table = std::map<std::string, Factory>;

Factory net(std::vector<Part> parts, Net::One f) {
  return [parts = std::move(parts), f = std::move(f)] { return nn::make<Net>(parts, f); };
}
Factory net(std::vector<Part> parts, Net::Two f) {
  return [parts = std::move(parts), f = std::move(f)] { return nn::make<Net>(parts, f); };
}
template <class... M>
Factory sequential(M... modules) {
  // Copies of modules share their handles; each call needs layers of its own.
  return [... make = modules] { return nn::make<nn::Sequential>(make()...); };
}
auto fc(std::int64_t in, std::int64_t out) {
  return [in, out] { return nn::Linear(in, out); };
}
template <class M>
auto plain() {
  return [] { return M(); };
}
Part fc(std::string name, std::int64_t in, std::int64_t out) {
  return test::fc(std::move(name), in, out);
}
Part relu_part() {
  return module<nn::ReLU>("relu");
}

void add_layers(Table& t) {
  t["linear"] = net({fc("a", 6, 4)}, [](Net& n, const Tensor& x) { return n("a", x); });
  t["linear_three_dimensions"] = t["linear"];
  t["root_linear"] = [] { return nn::make<nn::Linear>(6, 4); };
  t["linear_module_relu"] = net({fc("a", 6, 4), relu_part()},
                                [](Net& n, const Tensor& x) { return n("relu", n("a", x)); });
  t["linear_functional_relu"] =
      net({fc("a", 6, 4)}, [](Net& n, const Tensor& x) { return relu(n("a", x)); });
  t["linear_torch_relu"] = t["linear_functional_relu"];
  t["linear_method_relu"] =
      net({fc("a", 6, 4)}, [](Net& n, const Tensor& x) { return n("a", x).relu(); });
  t["relu_alone"] = net({}, [](Net&, const Tensor& x) { return relu(x); });
  t["relu_first"] = net({fc("a", 6, 4)}, [](Net& n, const Tensor& x) { return n("a", relu(x)); });
  t["relu_twice"] =
      net({fc("a", 6, 4)}, [](Net& n, const Tensor& x) { return relu(relu(n("a", x))); });
  t["relu_and_before"] = net({fc("a", 6, 4)}, [](Net& n, const Tensor& x) {
    const Tensor h = n("a", x);
    return relu(h) + h;
  });
  t["relu_and_layer"] = net({fc("a", 6, 4), fc("b", 4, 4)}, [](Net& n, const Tensor& x) {
    const Tensor h = n("a", x);
    const Tensor r = relu(h);
    return Value::List{r, n("b", h)};
  });
}

void add_sequences(Table& t) {
  const auto relu_module = plain<nn::ReLU>();
  t["mlp"] = sequential(fc(6, 5), relu_module, fc(5, 4));
  t["mlp_three"] = sequential(fc(6, 5), relu_module, fc(5, 5), relu_module, fc(5, 4));
  t["sequential_in_sequential"] = [] {
    return nn::make<nn::Sequential>(
        nn::ModulePtr(nn::make<nn::Sequential>(nn::Linear(6, 5), nn::ReLU())),
        nn::ModulePtr(nn::make<nn::Sequential>(nn::Linear(5, 4), nn::ReLU())));
  };
  t["flatten_module"] = sequential(plain<nn::Flatten>(), fc(6, 5), relu_module, fc(5, 4));
  t["stubs"] =
      sequential(fc(6, 6), relu_module, fc(6, 6), relu_module, plain<ao::quantization::QuantStub>(),
                 fc(6, 6), relu_module, plain<ao::quantization::DeQuantStub>());
  t["functions_mlp"] =
      net({fc("a", 6, 5), fc("b", 5, 5), fc("c", 5, 4)},
          [](Net& n, const Tensor& x) { return n("c", relu(n("b", relu(n("a", x))))); });
  const Factory middle = net({module<Inner>("inner"), fc("b", 6, 6)},
                             [](Net& n, const Tensor& x) { return n("b", n("inner", x)) + x; });
  t["nested"] = net({{"first", middle}, {"second", middle}, fc("c", 6, 4)},
                    [](Net& n, const Tensor& x) { return n("c", n("second", n("first", x))); });
  t["identity"] = net({fc("a", 6, 5), module<nn::Identity>("skip"), fc("b", 5, 4)},
                      [](Net& n, const Tensor& x) { return n("b", n("skip", n("a", x))); });
  t["dropout_module"] =
      net({fc("a", 6, 5), module<nn::Dropout>("dropout"), fc("b", 5, 4)},
          [](Net& n, const Tensor& x) { return n("b", n("dropout", relu(n("a", x)))); });
  t["dropout_function"] = net({fc("a", 6, 5), fc("b", 5, 4)}, [](Net& n, const Tensor& x) {
    return n("b", dropout(n("a", x), 0.5, n.training()));
  });
  t["unused_module"] =
      net({fc("a", 6, 5), fc("b", 6, 4)}, [](Net& n, const Tensor& x) { return n("b", x); });
  t["unused_result"] = net({fc("a", 6, 5), fc("b", 6, 4)}, [](Net& n, const Tensor& x) {
    n("a", x);
    return n("b", x);
  });
}

void add_sums_and_products(Table& t) {
  const std::vector<Part> mlp{fc("a", 6, 5), fc("b", 5, 6)};
  const std::vector<Part> two{fc("a", 6, 4), fc("b", 6, 4)};
  const std::vector<Part> chain{fc("a", 6, 5), fc("b", 5, 4)};
  const std::vector<Part> one{fc("a", 6, 4)};
  t["residual"] = net(mlp, [](Net& n, const Tensor& x) { return x + n("b", relu(n("a", x))); });
  t["residual_relu"] =
      net(mlp, [](Net& n, const Tensor& x) { return relu(x + n("b", relu(n("a", x)))); });
  t["residual_module_relu"] = net({fc("a", 6, 6), relu_part()},
                                  [](Net& n, const Tensor& x) { return n("relu", n("a", x) + x); });
  const Factory block = t["residual_relu"];
  const auto blocks = [block] {
    return nn::make<nn::Sequential>(std::vector<nn::ModulePtr>{block(), block(), block()});
  };
  t["residual_blocks"] =
      net({{"blocks", blocks}}, [](Net& n, const Tensor& x) { return n("blocks", x); });
  t["add_of_linears_relu"] = net(two, [](Net& n, const Tensor& x, const Tensor& y) {
    const Tensor h = n("a", x);
    return relu(h + n("b", y));
  });
  t["add_of_linears_torch_relu"] = net(two, [](Net& n, const Tensor& x, const Tensor& y) {
    const Tensor h = n("a", x);
    return relu(add(h, n("b", y)));
  });
  t["add_of_linears_method_relu"] = net(two, [](Net& n, const Tensor& x, const Tensor& y) {
    const Tensor h = n("a", x);
    return (h + n("b", y)).relu();
  });
  t["add_of_inputs"] = net({}, [](Net&, const Tensor& x, const Tensor& y) { return x + y; });
  t["add_to_itself"] = net(one, [](Net& n, const Tensor& x) {
    const Tensor h = n("a", x);
    return h + h;
  });
  t["add_relu_and_before"] = net(two, [](Net& n, const Tensor& x) {
    const Tensor h = n("a", x);
    const Tensor s = h + n("b", x);
    return relu(s) * s;
  });
  t["mul_of_linears"] = net(two, [](Net& n, const Tensor& x) {
    const Tensor h = n("a", x);
    return h * n("b", x);
  });
  t["mul_of_linears_relu"] = net(two, [](Net& n, const Tensor& x) {
    const Tensor h = n("a", x);
    return relu(h * n("b", x));
  });
  t["sub_of_linears"] =
      net({fc("a", 6, 4), fc("b", 6, 4), fc("c", 4, 4)}, [](Net& n, const Tensor& x) {
        const Tensor h = n("a", x);
        return n("c", h - n("b", x));
      });
  t["mul_scalar"] = net(chain, [](Net& n, const Tensor& x) { return n("b", n("a", x) * 0.37); });
  t["add_scalar"] = net(chain, [](Net& n, const Tensor& x) { return n("b", n("a", x) + 1); });
  t["scalar_first"] = net(chain, [](Net& n, const Tensor& x) { return n("b", 2 * n("a", x)); });
  t["scalar_chain"] = net(one, [](Net& n, const Tensor& x) { return n("a", x) * 2 + 1; });
  t["add_scalar_relu"] = net(one, [](Net& n, const Tensor& x) { return relu(n("a", x) + 0.25); });
  t["mul_scalar_relu"] = net(one, [](Net& n, const Tensor& x) { return relu(n("a", x) * -2.0); });
  t["add_parameter"] = net({fc("a", 6, 4), parameter("p", {4})},
                           [](Net& n, const Tensor& x) { return n("a", x) + n["p"]; });
}

void add_shared(Table& t) {
  const std::vector<Part> one{fc("a", 6, 6)};
  t["shared_layer"] = net(one, [](Net& n, const Tensor& x) { return n("a", n("a", x)); });
  t["shared_layer_relu"] =
      net(one, [](Net& n, const Tensor& x) { return relu(n("a", relu(n("a", x)))); });
  t["shared_layer_one_relu"] =
      net(one, [](Net& n, const Tensor& x) { return n("a", relu(n("a", x))); });
  t["shared_weight"] = [] {
    auto n =
        nn::make<Net>(std::vector<Part>{fc("a", 6, 6), fc("b", 6, 6)},
                      Net::One([](Net& m, const Tensor& x) { return m("b", relu(m("a", x))); }));
    auto& a = n->handle("a").as<nn::Linear>();
    n->handle("b").as<nn::Linear>().weight.rebind(a.weight.slot());
    return n;
  };
  const Part w = parameter("w", {4, 6}), p = parameter("p", {4});
  t["functional_linear"] =
      net({w, p}, [](Net& n, const Tensor& x) { return linear(x, n["w"], n["p"]); });
  t["functional_linear_no_bias"] =
      net({w}, [](Net& n, const Tensor& x) { return linear(x, n["w"]); });
  t["functional_linear_relu"] =
      net({w, p}, [](Net& n, const Tensor& x) { return relu(linear(x, n["w"], n["p"])); });
  t["functional_linear_shared"] = net({parameter("w", {6, 6})}, [](Net& n, const Tensor& x) {
    return linear(linear(x, n["w"]), n["w"]);
  });
}

void add_branches(Table& t) {
  t["fan_out"] = net({fc("a", 6, 4), fc("b", 6, 4), fc("c", 6, 4)}, [](Net& n, const Tensor& x) {
    const Tensor h = n("a", x);
    const Tensor s = h + n("b", x);
    return s + n("c", x);
  });
  t["two_inputs"] =
      net({fc("a", 6, 4), fc("b", 5, 4)}, [](Net& n, const Tensor& x, const Tensor& y) {
        const Tensor h = n("a", x);
        return h * n("b", y);
      });
  t["two_outputs"] = net({fc("a", 6, 4), fc("b", 6, 4)}, [](Net& n, const Tensor& x) {
    const Tensor h = n("a", x);
    return Value::List{h, relu(n("b", x))};
  });
  t["output_twice"] = net({fc("a", 6, 4)}, [](Net& n, const Tensor& x) {
    const Tensor h = n("a", x);
    return Value::List{h, h};
  });
  t["output_and_on"] = net({fc("a", 6, 5), fc("b", 5, 4)}, [](Net& n, const Tensor& x) {
    const Tensor h = relu(n("a", x));
    return Value::List{h, n("b", h)};
  });
  t["output_is_input"] = net({fc("a", 6, 4)}, [](Net& n, const Tensor& x) {
    return Value::List{x, n("a", x)};
  });
}

void add_lists_and_shapes(Table& t) {
  const std::vector<Part> two{fc("a", 6, 4), fc("b", 6, 4)};
  t["cat_of_branches"] =
      net({fc("a", 6, 4), fc("b", 6, 3), fc("c", 7, 4)}, [](Net& n, const Tensor& x) {
        const Tensor h = relu(n("a", x));
        return n("c", cat({h, n("b", x)}, 1));
      });
  t["cat_of_three"] =
      net({fc("a", 6, 2), fc("b", 6, 3), fc("c", 6, 4)}, [](Net& n, const Tensor& x) {
        const Tensor a = n("a", x), b = n("b", x), c = n("c", x);
        return cat({a, b, c}, 1);
      });
  t["cat_with_itself"] = net({fc("a", 6, 4)}, [](Net& n, const Tensor& x) {
    const Tensor h = n("a", x);
    return cat({h, h}, 1);
  });
  t["cat_with_input"] = net({fc("a", 6, 4), fc("b", 10, 4)}, [](Net& n, const Tensor& x) {
    return n("b", cat({x, n("a", x)}, 1));
  });
  t["cat_relu"] = net(two, [](Net& n, const Tensor& x) {
    const Tensor h = n("a", x);
    return relu(cat({h, n("b", x)}, 1));
  });
  t["cat_of_operand"] = net(two, [](Net& n, const Tensor& x) {
    const Tensor h = n("a", x), g = n("b", x);
    return cat({h, h + g}, 1);
  });
  t["cat_of_cat"] = net({fc("a", 6, 4), fc("b", 6, 4), fc("c", 6, 4)}, [](Net& n, const Tensor& x) {
    const Tensor a = n("a", x), b = n("b", x);
    const Tensor h = cat({a, b}, 1);
    return cat({h, n("c", x)}, 1);
  });
  t["chunk"] = net({fc("a", 6, 6), fc("b", 3, 3)}, [](Net& n, const Tensor& x) {
    const TensorList c = chunk(n("a", x), 2, 1);
    return n("b", c[0]) + c[1];
  });
  t["split"] = net({fc("a", 6, 6), fc("b", 4, 4)}, [](Net& n, const Tensor& x) {
    return n("b", split(n("a", x), {4, 2}, 1)[0]);
  });
  t["reshape_chain"] = net({fc("a", 6, 5), fc("b", 10, 4)}, [](Net& n, const Tensor& x) {
    const Tensor h = relu(n("a", x));
    return n("b", h.transpose(1, 2).reshape({x.size(0), 10}));
  });
  t["view_size"] = net({fc("a", 6, 5), fc("b", 10, 4)}, [](Net& n, const Tensor& x) {
    const Tensor h = n("a", x);
    return n("b", h.reshape({h.size(0), -1}));
  });
  t["permute_squeeze"] = net({fc("a", 6, 5), fc("b", 3, 3)}, [](Net& n, const Tensor& x) {
    return n("b", n("a", x).unsqueeze(0).permute({0, 2, 1}).squeeze(0));
  });
  t["flatten_function"] =
      net({fc("a", 6, 5)}, [](Net& n, const Tensor& x) { return n("a", flatten(x, 1)); });
  t["flatten_end"] =
      net({fc("a", 6, 5)}, [](Net& n, const Tensor& x) { return flatten(n("a", x), 1); });
}

void add_fixed_and_float(Table& t) {
  const std::vector<Part> chain{fc("a", 6, 5), fc("b", 5, 4)}, one{fc("a", 6, 4)};
  t["sigmoid_module"] =
      net({fc("a", 6, 5), module<nn::Sigmoid>("sigmoid"), fc("b", 5, 4)},
          [](Net& n, const Tensor& x) { return n("b", n("sigmoid", n("a", x))); });
  t["sigmoid_function"] =
      net(chain, [](Net& n, const Tensor& x) { return n("b", sigmoid(n("a", x))); });
  t["sigmoid_method"] = t["sigmoid_function"];
  t["tanh_module"] = net({fc("a", 6, 4), module<nn::Tanh>("tanh")},
                         [](Net& n, const Tensor& x) { return n("tanh", n("a", x)); });
  t["tanh_function"] = net(one, [](Net& n, const Tensor& x) { return tanh(n("a", x)); });
  t["softmax_module"] = net({fc("a", 6, 4), module<nn::Softmax>("softmax", 1)},
                            [](Net& n, const Tensor& x) { return n("softmax", n("a", x)); });
  t["softmax_function"] = net(one, [](Net& n, const Tensor& x) { return softmax(n("a", x), 1); });
  t["exp_middle"] = net(chain, [](Net& n, const Tensor& x) { return n("b", exp(n("a", x))); });
  t["exp_end"] = net(one, [](Net& n, const Tensor& x) { return exp(n("a", x)); });
  t["relu_of_exp"] =
      net(chain, [](Net& n, const Tensor& x) { return n("b", relu(exp(n("a", x)))); });
  t["flatten_of_exp"] =
      net(chain, [](Net& n, const Tensor& x) { return n("b", flatten(exp(n("a", x)), 1)); });
  t["cat_with_exp"] = net({fc("a", 6, 4), fc("b", 6, 4)}, [](Net& n, const Tensor& x) {
    const Tensor h = n("a", x);
    return cat({h, exp(n("b", x))}, 1);
  });
}

// `note` is an attribute that no step of the network uses.
Factory with_gate() {
  return [] {
    auto n = nn::make<Net>(
        std::vector<Part>{fc("a", 6, 6), module<Gate>("gate"), module<nn::Identity>("note"),
                          fc("b", 6, 4)},
        Net::One([](Net& m, const Tensor& x) { return m("b", m("gate", m("a", x))); }));
    return n;
  };
}

const Table& networks() {
  static const Table table = [] {
    Table t;
    add_layers(t);
    add_sequences(t);
    add_sums_and_products(t);
    add_shared(t);
    add_branches(t);
    add_lists_and_shapes(t);
    add_fixed_and_float(t);
    t["with_gate"] = with_gate();
    t["with_block"] = net({fc("a", 6, 6), module<Inner>("block"), fc("b", 6, 4)},
                          [](Net& n, const Tensor& x) { return n("b", n("block", n("a", x))); });
    return t;
  }();
  return table;
}

}  // namespace

Tensor Gate::forward(const Tensor& x) {
  return x.sum().item() > 0 ? inner(x) : x;
}

Tensor Inner::forward(const Tensor& x) {
  return relu(a(x));
}

nn::ModulePtr fx_network(const std::string& name) {
  const auto it = networks().find(name);
  check(it != networks().end(), "there is no network '", name, "'");
  nn::ModulePtr n = it->second();
  n->eval();
  return n;
}

std::vector<std::string> fx_network_names() {
  std::vector<std::string> names;
  for (const auto& [name, make] : networks()) names.push_back(name);
  return names;
}

}  // namespace adze::test
