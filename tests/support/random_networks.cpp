#include "support/random_networks.h"

#include <random>

#include "adze/core/ops.h"
#include "adze/core/random.h"
#include "adze/nn/activation.h"
#include "adze/nn/container.h"
#include "adze/nn/dropout.h"

#include "support/net.h"

namespace adze::test {
namespace {

constexpr std::int64_t input_width = 8;

// One line of a forward: takes values made so far, adds new ones.
using Values = std::vector<Tensor>;
using Step = std::function<void(Net&, Values&)>;

class Writer {
 public:
  Writer(std::uint32_t seed, int depth) : random_(seed), depth_(depth) {}

  RandomNetwork write() {
    widths_.push_back(input_width);
    const int steps = depth_ == 0 ? 5 + below(5) : 2 + below(3);
    for (int i = 0; i < steps; ++i) add_step();
    finish();
    const std::vector<Step> all = steps_;
    const int last = static_cast<int>(widths_.size()) - 1;
    const int second = depth_ == 0 && below(3) == 0 ? last - 1 : last;
    auto net = nn::make<Net>(parts_, Net::One([all, last, second](Net& n, const Tensor& x) {
                               Values v{x};
                               for (const Step& step : all) step(n, v);
                               const Tensor& y = v[static_cast<std::size_t>(last)];
                               if (second == last) return Value(y);
                               return Value(Value::List{y, v[static_cast<std::size_t>(second)]});
                             }));
    for (const auto& [name, of] : ties_) tie(*net, name, of);
    for (nn::Parameter* p : net->list().parameters) p->set(randn(p->value().sizes()) * 0.4);
    net->eval();
    return {net, recipe_, weights_};
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  // A value made so far, newer ones more often.
  int value() {
    const int n = static_cast<int>(widths_.size());
    return std::max(below(n), below(n));
  }
  std::int64_t width(int v) const { return widths_[static_cast<std::size_t>(v)]; }

  void add(const std::string& text, std::int64_t result_width, Step step) {
    recipe_ += "v" + std::to_string(widths_.size()) + " = " + text + "\n";
    widths_.push_back(result_width);
    steps_.push_back(std::move(step));
  }
  // A step with one value and one result.
  void add(const std::string& text, int v, std::int64_t result_width,
           std::function<Tensor(Net&, const Tensor&)> f) {
    add(text + "(v" + std::to_string(v) + ")", result_width,
        [f = std::move(f), i = static_cast<std::size_t>(v)](Net& n, Values& values) {
          const Tensor x = values[i];
          values.push_back(f(n, x));
        });
  }

  std::string new_layer(std::int64_t in, std::int64_t out) {
    const std::string name = "fc" + std::to_string(parts_.size());
    parts_.push_back(fc(name, in, out));
    weights_.push_back(name + ".weight");
    layers_.push_back({name, in, out});
    return name;
  }

  void add_step() {
    const int v = value();
    switch (below(16)) {
      case 0:
      case 1:
        return add_layer(v, 4 + below(6), below(3));
      case 2:
        return add_known_layer(v);
      case 3:
        return add_tied_layer(v);
      case 4:
        return add_functional_layer(v);
      case 5:
      case 6:
        return add_sum_or_product(v);
      case 7:
        return add_with_number(v);
      case 8:
        return add_cat(v);
      case 9:
        return add_parts(v);
      case 10:
        return add_reshape(v);
      case 11:
        return add_fixed(v);
      case 12:
        return add("relu", v, width(v), [](Net&, const Tensor& x) { return relu(x); });
      case 13:
        return add_block(v);
      case 14:
        return add_module(v);
      default:
        return add_residual(v);
    }
  }

  // Without ReLU, with a module, with the op.
  void add_layer(int v, std::int64_t out, int activation) {
    const std::string name = new_layer(width(v), out);
    std::string relu_name;
    if (activation == 1) {
      relu_name = "act" + std::to_string(parts_.size());
      parts_.push_back(module<nn::ReLU>(relu_name));
    }
    add(name + (activation == 0   ? ""
                : activation == 1 ? "+ReLU"
                                  : "+relu"),
        v, out, [name, relu_name, activation](Net& n, const Tensor& x) {
          const Tensor y = n(name, x);
          return activation == 0 ? y : activation == 1 ? n(relu_name, y) : relu(y);
        });
  }
  // A layer that is there already, on another value.
  void add_known_layer(int v) {
    for (const Layer& l : layers_)
      if (l.in == width(v)) {
        add(l.name + " again", v, l.out,
            [name = l.name](Net& n, const Tensor& x) { return n(name, x); });
        return;
      }
    add_layer(v, width(v), 0);
  }
  // A layer with the weight of another.
  void add_tied_layer(int v) {
    for (const Layer& l : std::vector<Layer>(layers_))
      if (l.in == width(v)) {
        const std::string name = new_layer(l.in, l.out);
        weights_.pop_back();
        ties_.emplace_back(name, l.name);
        add(name + " tied to " + l.name, v, l.out,
            [name](Net& n, const Tensor& x) { return n(name, x); });
        return;
      }
    add_layer(v, width(v), 2);
  }
  static void tie(Net& net, const std::string& name, const std::string& of) {
    net.handle(name).as<nn::Linear>().weight.rebind(net.handle(of).as<nn::Linear>().weight.slot());
  }
  void add_functional_layer(int v) {
    const std::int64_t out = 4 + below(4);
    const std::string w = "w" + std::to_string(parts_.size());
    parts_.push_back(parameter(w, {out, width(v)}));
    weights_.push_back(w);
    const bool bias = below(2) == 0, activate = below(2) == 0;
    const std::string b = "b" + std::to_string(parts_.size());
    if (bias) parts_.push_back(parameter(b, {out}));
    add("linear", v, out, [w, b, bias, activate](Net& n, const Tensor& x) {
      const Tensor y = linear(x, n[w], bias ? n[b] : Tensor());
      return activate ? relu(y) : y;
    });
  }
  void add_sum_or_product(int v) {
    const int other = partner(v);
    const bool product = below(3) == 0, activate = below(2) == 0;
    add(std::string(product ? "mul" : "add") + (activate ? "+relu" : "") + " with v" +
            std::to_string(other),
        v, width(v), {});
    steps_.back() = [i = static_cast<std::size_t>(v), j = static_cast<std::size_t>(other), product,
                     activate](Net&, Values& values) {
      const Tensor a = values[i], b = values[j];
      const Tensor y = product ? a * b : a + b;
      values.push_back(activate ? relu(y) : y);
    };
  }
  // A value of the same width, be it the same.
  int partner(int v) {
    for (int i = static_cast<int>(widths_.size()); i-- > 0;)
      if (i != v && width(i) == width(v)) return i;
    return v;
  }
  void add_with_number(int v) {
    const double c = 0.25 * (below(8) - 4);
    const bool product = below(2) == 0;
    add(std::string(product ? "mul " : "add ") + std::to_string(c), v, width(v),
        [c, product](Net&, const Tensor& x) { return product ? x * (c + 0.1) : x + c; });
  }
  void add_cat(int v) {
    const int other = value();
    add("cat with v" + std::to_string(other), v, width(v) + width(other), {});
    steps_.back() = [i = static_cast<std::size_t>(v), j = static_cast<std::size_t>(other)](
                        Net&, Values& values) {
      values.push_back(cat({values[i], values[j]}, 1));
    };
  }
  // Both parts become values, or only the first.
  void add_parts(int v) {
    if (width(v) < 4) return add_layer(v, 5, 0);
    const bool both = below(2) == 0, in_halves = below(2) == 0;
    const std::int64_t first = in_halves ? (width(v) + 1) / 2 : width(v) - 2;
    const std::int64_t rest = width(v) - first;
    add(in_halves ? "chunk" : "split", v, first, {});
    if (both) widths_.push_back(rest);
    steps_.back() = [i = static_cast<std::size_t>(v), both, in_halves, first, rest](
                        Net&, Values& values) {
      const Tensor x = values[i];
      const TensorList parts = in_halves ? chunk(x, 2, 1) : split(x, {first, rest}, 1);
      values.push_back(parts[0]);
      if (both) values.push_back(parts[1]);
    };
  }
  void add_reshape(int v) {
    const std::int64_t w = width(v);
    const bool transposed = below(2) == 0;
    add("reshape", v, w, [w, transposed](Net&, const Tensor& x) {
      const Tensor y = x.reshape({x.size(0), w, 1});
      return transposed ? y.transpose(1, 2).squeeze(1) : y.flatten(1);
    });
  }
  void add_fixed(int v) {
    const int kind = below(3);
    add(kind == 0   ? "sigmoid"
        : kind == 1 ? "tanh"
                    : "softmax",
        v, width(v), [kind](Net&, const Tensor& x) {
          return kind == 0 ? sigmoid(x) : kind == 1 ? tanh(x) : softmax(x, 1);
        });
  }
  void add_module(int v) {
    const int kind = below(4);
    const std::string name = "m" + std::to_string(parts_.size());
    if (kind == 0) parts_.push_back(module<nn::Sigmoid>(name));
    if (kind == 1) parts_.push_back(module<nn::Tanh>(name));
    if (kind == 2) parts_.push_back(module<nn::Dropout>(name, 0.5));
    if (kind == 3) parts_.push_back(module<nn::Softmax>(name, 1));
    add(kind == 0   ? "Sigmoid"
        : kind == 1 ? "Tanh"
        : kind == 2 ? "Dropout"
                    : "Softmax",
        v, width(v), [name](Net& n, const Tensor& x) { return n(name, x); });
  }
  void add_residual(int v) {
    const std::string a = new_layer(width(v), 6), b = new_layer(6, width(v));
    add("residual " + a + " " + b, v, width(v),
        [a, b](Net& n, const Tensor& x) { return relu(n(b, relu(n(a, x))) + x); });
  }
  // A user-written module inside.
  void add_block(int v) {
    if (depth_ > 0 || width(v) != input_width) return add_residual(v);
    const std::string name = "block" + std::to_string(parts_.size());
    const auto seed = static_cast<std::uint32_t>(random_());
    const RandomNetwork inner = Writer(seed, depth_ + 1).write();
    parts_.push_back({name, [net = inner.net] { return net; }});
    for (const std::string& w : inner.weights) weights_.push_back(name + "." + w);
    recipe_ += name + ":\n" + inner.recipe;
    add(name, v, 4, [name](Net& n, const Tensor& x) { return n(name, x); });
  }
  // The last value comes from a layer with four outputs.
  void finish() { add_layer(static_cast<int>(widths_.size()) - 1, 4, 0); }

  struct Layer {
    std::string name;
    std::int64_t in, out;
  };
  std::mt19937 random_;
  int depth_;
  std::vector<Part> parts_;
  std::vector<Step> steps_;
  std::vector<std::int64_t> widths_;
  std::vector<Layer> layers_;
  std::vector<std::pair<std::string, std::string>> ties_;
  std::vector<std::string> weights_;
  std::string recipe_;
};

}  // namespace

RandomNetwork random_network(std::uint32_t seed) {
  manual_seed(seed);
  return Writer(seed, 0).write();
}

}  // namespace adze::test
