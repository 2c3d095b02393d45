// Every order of pruning and eager quantization: all permutations of
//   S sparsifier.prepare, T step, Q squash_mask, F fuse, P prepare or prepare_qat, C calibrate,
//   V convert
// with Q and F optional. Legal are S < T < Q, T < V, P < C < V, F < C. All legal orders must come
// to the same int8 weights, also when the network is copied or saved and loaded on the way; all
// others must throw and leave the network as it was.
#include "ao/orders_support.h"

using namespace adze;
using namespace adze::test;

namespace {

constexpr std::int64_t features = 8;

/// A network as a user writes it, with a weight of its own that is pruned too.
class UserNet : public nn::ModuleOf<UserNet> {
 public:
  nn::Submodule quant{"quant", tq::QuantStub()}, fc{"fc", nn::Linear(features, features)},
      act{"act", nn::ReLU()}, dequant{"dequant", tq::DeQuantStub()};
  nn::Parameter mix{"mix", randn({features, features})};
  Tensor forward(const Tensor& x) { return linear(dequant(act(fc(quant(x)))), mix); }

 protected:
  void fields(nn::FieldList& f) override { f(quant, fc, act, dequant, mix); }
};

struct Setting {
  bool user_net, qat;
  std::string quantized() const { return user_net ? "fc" : "5"; }  // layer that becomes int8
  std::string activation() const { return user_net ? "act" : "6"; }
  std::string floating() const { return user_net ? "mix" : "0.weight"; }  // stays float
};

/// One network with its sparsifier, on its way through an order.
class Run {
 public:
  Run(const Setting& setting, std::uint64_t seed) : setting_(setting) {
    manual_seed(seed);
    model_ = setting.user_net ? nn::ModulePtr(nn::make<UserNet>()) : sequential(features);
    const tq::QConfig qconfig =
        setting.qat ? tq::QConfig{tq::default_fake_quant, tq::default_per_channel_weight_fake_quant}
                    : tq::default_per_channel_qconfig;
    for (const std::string& name :
         {setting.quantized(), std::string(setting.user_net ? "quant" : "4")})
      nn::find_module(*model_, name)->qconfig = qconfig;
  }

  void apply(char op) {
    const std::string layer = setting_.quantized();
    switch (op) {
      case 'S':
        sparsifier_.prepare(*model_, {{.tensor_fqn = layer + ".weight", .sparsity_level = 0.7},
                                      {.tensor_fqn = setting_.floating()}});
        break;
      case 'T':
        sparsifier_.step();
        break;
      case 'Q':
        sparsifier_.squash_mask();
        break;
      case 'F':
        model_ = tq::fuse_modules(model_, {{layer, setting_.activation()}}, {.inplace = true});
        break;
      case 'P':
        model_ = setting_.qat ? tq::prepare_qat(model_, {.inplace = true})
                              : tq::prepare(model_, {.inplace = true});
        break;
      case 'C':
        (*model_)(data(31));
        break;
      case 'V':
        model_ = tq::convert(model_, {.inplace = true});
        break;
      default:
        FAIL("unknown operation");
    }
  }
  void copy() {
    model_ = nn::deepcopy(model_);
    if (sparsifier_.is_prepared()) sparsifier_.rebind(*model_);
  }
  /// Goes on with another network, which went through the same operations, after loading the state
  /// of this one.
  void save_and_load(const std::string& so_far) {
    Run other(setting_, 99);
    for (char op : so_far) other.apply(op);
    nn::load_state_dict(*other.model_, nn::state_dict(*model_));
    if (sparsifier_.is_prepared()) {
      auto fresh = make_sparsifier();
      fresh.load_state_dict(*other.model_, sparsifier_.state_dict());
      other.sparsifier_ = fresh;
    }
    *this = other;
  }

  nn::Module& model() { return *model_; }
  Tensor output() {
    NoGrad guard;
    return (*model_)(data(77));
  }

 private:
  static pruning::WeightNormSparsifier make_sparsifier() { return test::sparsifier(); }
  static Tensor data(std::uint64_t seed) {
    Generator generator(seed);
    return randn({16, features}, &generator);
  }
  Setting setting_;
  nn::ModulePtr model_;
  pruning::WeightNormSparsifier sparsifier_ = make_sparsifier();
};

bool is_legal(const std::string& o) {
  return before(o, 'S', 'T') && before(o, 'T', 'Q') && before(o, 'T', 'V') && before(o, 'P', 'C') &&
         before(o, 'C', 'V') && before(o, 'F', 'C');
}
std::vector<std::string> all_orders(bool legal) {
  return orders({"STPCV", "STPCVQ", "STPCVF", "STPCVQF"}, is_legal, legal);
}

// What must not depend on the order.
struct Outcome {
  Tensor ints, scales, floating;
};
Outcome outcome(Run& run, const Setting& setting) {
  const Tensor w = effective(run.model(), setting.quantized() + ".weight");
  return {w.int_repr(), w.q_per_channel_scales(), effective(run.model(), setting.floating())};
}

std::string output_class(const std::string& order) {
  return (order.find('F') != order.npos ? "fused, " : "apart, ") + when_calibrated(order);
}

void check_end(Run& run, const Setting& setting, const std::string& order, const Outcome& expected,
               std::map<std::string, Tensor>& outputs) {
  const bool fused = order.find('F') != order.npos;
  nn::Module& layer = *nn::find_module(run.model(), setting.quantized());
  REQUIRE((fused ? is_exactly<nniq::LinearReLU>(layer) : is_exactly<nnq::Linear>(layer)));
  const Outcome got = outcome(run, setting);
  REQUIRE(got.ints.equal(expected.ints));
  REQUIRE(got.scales.equal(expected.scales));
  REQUIRE(got.floating.equal(expected.floating));
  REQUIRE_FALSE(anything_parametrized(run.model()));
  Tensor& y = outputs[output_class(order)];
  if (!y.defined()) y = run.output();
  REQUIRE(run.output().equal(y));
}

// The reference is made without fusing and without the library's sparsifier being in the network
// when it is quantized: prune, bake, then quantize.
Outcome reference(const Setting& setting) {
  Run run(setting, 1);
  for (char op : std::string("STQPCV")) run.apply(op);
  return outcome(run, setting);
}

}  // namespace

TEST_CASE("All legal orders of pruning, fusing and quantization give the same integers",
          "[ao][composability][orders]") {
  const Setting setting{GENERATE(false, true), GENERATE(false, true)};
  const Outcome expected = reference(setting);
  REQUIRE(pruning::sparsity(expected.ints) >= 11.0 / 16);
  REQUIRE(pruning::sparsity(expected.floating) == 13.0 / 16);
  const auto legal = all_orders(true);
  REQUIRE(legal.size() == 102);
  std::map<std::string, Tensor> outputs;
  for (const std::string& order : legal) {
    INFO(order << (setting.user_net ? ", user network" : ", sequential")
               << (setting.qat ? ", QAT" : ", PTQ"));
    Run run(setting, 1);
    for (char op : order) run.apply(op);
    check_end(run, setting, order, expected, outputs);
  }
  CHECK(outputs.size() == 4);
}

TEST_CASE("A deepcopy, or saving and loading, at any point of any order changes nothing",
          "[ao][composability][orders][slow]") {
  const Setting setting{GENERATE(false, true), GENERATE(false, true)};
  const bool load = GENERATE(false, true);
  const Outcome expected = reference(setting);
  std::map<std::string, Tensor> outputs;
  for (const std::string& order : all_orders(true)) {
    for (std::size_t at = 0; at <= order.size(); ++at) {
      INFO(order << (load ? ", saved and loaded after " : ", copied after ") << at
                 << (setting.user_net ? ", user network" : ", sequential")
                 << (setting.qat ? ", QAT" : ", PTQ"));
      Run run(setting, 1);
      for (std::size_t i = 0; i < order.size(); ++i) {
        if (i == at) load ? run.save_and_load(order.substr(0, i)) : run.copy();
        run.apply(order[i]);
      }
      if (at == order.size()) load ? run.save_and_load(order) : run.copy();
      check_end(run, setting, order, expected, outputs);
    }
  }
}

TEST_CASE("Every illegal order throws, and the refused call changes nothing",
          "[ao][composability][orders][slow]") {
  const Setting setting{false, GENERATE(false, true)};
  INFO((setting.qat ? "QAT" : "PTQ"));
  check_all_refused(all_orders(false), [&] { return Run(setting, 1); });
}
