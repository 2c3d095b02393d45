// Every order of pruning and graph mode quantization: all permutations of
//   S sparsifier.prepare, T step, Q squash_mask, F fuse_fx or fuse_modules, P prepare_fx or
//   prepare_qat_fx, C calibrate, V convert_fx, or convert_to_reference_fx and lower_to_quantized
// with Q and F optional. Legal are S < T < Q, T < V, P < C < V, F < P (which fuses what is not
// fused yet). All legal orders must come to the same int8 weights, those of eager mode, also when
// the network is copied or saved and loaded on the way; all others must throw and leave the network
// as it was.
#include <cmath>

#include "adze/ao/module_types.h"
#include "adze/core/ops.h"
#include "adze/nn/model_file.h"

#include "ao/composability_fx_support.h"
#include "ao/orders_support.h"
#include "support/random_networks.h"

using namespace adze;
using namespace adze::test;

namespace {

constexpr std::int64_t features = 8;

/// A network as a user writes it: a module called twice, a weight of its own, a residual path, a
/// fixed range, a tied weight.
class Block : public nn::ModuleOf<Block> {
 public:
  nn::Submodule fc{"fc", nn::Linear(features, features)}, act{"act", nn::ReLU()};
  nn::Parameter mix{"mix", randn({features, features}) * 0.3};
  Tensor forward(const Tensor& x) { return linear(act(fc(x)), mix) + x; }

 protected:
  void fields(nn::FieldList& f) override { f(fc, act, mix); }
};
class UserNet : public nn::ModuleOf<UserNet> {
 public:
  UserNet() { tied.as<nn::Linear>().weight.rebind(head.as<nn::Linear>().weight.slot()); }
  nn::Submodule block{"block", Block()}, head{"head", nn::Linear(2 * features, 4)},
      tied{"tied", nn::Linear(2 * features, 4)};
  Tensor forward(const Tensor& x) {
    const Tensor y = block(block(x));
    const Tensor z = cat({y, sigmoid(y)}, 1);
    return head(z) + relu(tied(z));
  }

 protected:
  void fields(nn::FieldList& f) override { f(block, head, tied); }
};

/// QuantStub Linear ReLU Linear ReLU Linear DeQuantStub, "0" to "6": what eager mode can do too.
nn::ModulePtr stubbed() {
  const auto fc = [] { return nn::Linear(features, features); };
  return nn::make<nn::Sequential>(tq::QuantStub(), fc(), nn::ReLU(), fc(), nn::ReLU(), fc(),
                                  tq::DeQuantStub());
}

enum class Kind { stubbed, user, random };
struct Setting {
  Kind kind;
  bool qat, in_two_steps, eager_fusing;
  std::uint32_t seed = 0;  // of a random network

  std::string str() const {
    return std::string(kind == Kind::stubbed ? "sequence"
                       : kind == Kind::user  ? "user network"
                                             : "random network ") +
           (seed ? std::to_string(seed) : "") + (qat ? ", QAT" : ", PTQ") +
           (in_two_steps ? ", by the reference network" : "") +
           (eager_fusing ? ", fuse_modules" : "");
  }
};

nn::ModulePtr make_network(const Setting& setting, std::uint64_t seed) {
  manual_seed(seed);
  if (setting.kind == Kind::stubbed) return stubbed();
  if (setting.kind == Kind::user) return nn::make<UserNet>();
  auto net = random_network(setting.seed).net;
  manual_seed(seed);
  nn::for_each_parameter(
      *net, [](const std::string&, nn::Parameter& p) { p.set(randn(p.value().sizes()) * 0.4); });
  return net;
}
std::vector<std::string> pruned(const Setting& setting) {
  if (setting.kind == Kind::stubbed) return {"1.weight", "5.weight"};
  if (setting.kind == Kind::user) return {"block.fc.weight", "block.mix", "head.weight"};
  return random_network(setting.seed).weights;
}

// Element by element, so that every weight has the level, whatever its shape.
pruning::WeightNormSparsifier make_sparsifier() {
  return pruning::WeightNormSparsifier(
      {.sparsity_level = 0.6, .sparse_block_shape = {1, 1}, .zeros_per_block = 1});
}

Tensor data(std::uint64_t seed) {
  Generator generator(seed);
  return randn({16, features}, &generator);
}

/// One network with its sparsifier, on its way through an order.
class Run {
 public:
  Run(const Setting& setting, std::uint64_t seed)
      : setting_(setting), model_(make_network(setting, seed)) {
    model_->train(setting.qat);
  }

  void apply(char op) {
    switch (op) {
      case 'S': {
        std::vector<pruning::SparseConfig> config;
        for (const std::string& fqn : pruned(setting_)) config.push_back({.tensor_fqn = fqn});
        sparsifier_.prepare(*model_, config);
        break;
      }
      case 'T':
        sparsifier_.step();
        break;
      case 'Q':
        sparsifier_.squash_mask();
        break;
      case 'F':
        fuse();
        break;
      case 'P':
        prepare();
        break;
      case 'C':
        model_->call({data(31)});
        break;
      case 'V':
        convert();
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
    other.take_over(sparsifier_);
    *this = other;
  }
  /// Goes on with a network from a file; one of user-written classes stays as it is until it is a
  /// graph.
  void through_a_file() {
    if (setting_.kind != Kind::stubbed && !std::dynamic_pointer_cast<fx::GraphModule>(model_))
      return;
    const nn::ModulePtr before = model_;
    model_ = nn::parse_model(nn::serialize_model(*model_, ao::module_types()), ao::module_types());
    take_over(sparsifier_);
  }

  nn::Module& model() { return *model_; }
  Value output() {
    NoGrad guard;
    return model_->call({data(77)});
  }

 private:
  void take_over(const pruning::WeightNormSparsifier& from) {
    if (!from.is_prepared()) return;
    auto fresh = make_sparsifier();
    fresh.load_state_dict(*model_, from.state_dict());
    sparsifier_ = fresh;
  }

  void fuse() {
    if (!setting_.eager_fusing) {
      model_ = tq::fuse_fx(model_, {.example_inputs = {data(1)}, .inplace = true});
    } else if (setting_.kind == Kind::stubbed) {
      model_ = tq::fuse_modules(model_, {{"1", "2"}, {"3", "4"}}, {.inplace = true});
    } else {
      model_ = tq::fuse_modules(model_, {{"block.fc", "block.act"}}, {.inplace = true});
    }
  }
  void prepare() {
    const auto mapping = tq::get_default_qconfig_mapping("onednn");
    model_ =
        setting_.qat
            ? tq::prepare_qat_fx(model_, tq::get_default_qat_qconfig_mapping("onednn"), {data(1)},
                                 {.inplace = true})
            : tq::prepare_fx(
                  model_, tq::QConfigMapping(mapping).set_global(tq::default_per_channel_qconfig),
                  {data(1)}, {.inplace = true});
  }
  void convert() {
    if (!setting_.in_two_steps) {
      model_ = tq::convert_fx(model_, {.inplace = true});
      return;
    }
    const auto reference = tq::convert_to_reference_fx(model_, {.inplace = true});
    model_ =
        tq::lower_to_quantized(std::static_pointer_cast<fx::GraphModule>(nn::deepcopy(reference)));
  }

  Setting setting_;
  nn::ModulePtr model_;
  pruning::WeightNormSparsifier sparsifier_ = make_sparsifier();
};

bool is_legal(const std::string& o) {
  return before(o, 'S', 'T') && before(o, 'T', 'Q') && before(o, 'T', 'V') && before(o, 'P', 'C') &&
         before(o, 'C', 'V') && before(o, 'F', 'P');
}
std::vector<std::string> all_orders(bool legal) {
  return orders({"STPCV", "STPCVQ", "STPCVF", "STPCVQF"}, is_legal, legal);
}

// What must not depend on the order: all integers and scales, by name.
struct Weight {
  Tensor ints, scales;
};
using Outcome = std::map<std::string, Weight>;

Outcome outcome(nn::Module& model) {
  Outcome all;
  nn::for_each_parameter(model, [&](const std::string& path, nn::Parameter& p) {
    const Tensor w = p.value();
    if (w.is_quantized())
      all[nn::join_path(path, p.name())] = {w.int_repr(), is_per_channel(w.qscheme())
                                                              ? w.q_per_channel_scales()
                                                              : full({}, w.q_scale(), float64)};
  });
  return all;
}

void check_end(Run& run, const std::string& order, const Outcome& expected,
               std::map<std::string, TensorList>& outputs) {
  const Outcome got = outcome(run.model());
  REQUIRE(got.size() == expected.size());
  for (const auto& [name, w] : expected) {
    CAPTURE(name);
    REQUIRE(got.contains(name));
    REQUIRE(got.at(name).ints.equal(w.ints));
    REQUIRE(got.at(name).scales.equal(w.scales));
  }
  REQUIRE_FALSE(anything_parametrized(run.model()));
  const Value y = run.output();
  const TensorList list = y.is_list() ? y.to_tensor_list() : TensorList{y.to_tensor()};
  const TensorList& first = outputs.try_emplace(when_calibrated(order), list).first->second;
  for (std::size_t i = 0; i < list.size(); ++i) REQUIRE(list[i].equal(first[i]));
}

// Made without the library's sparsifier being in the network when it is quantized: prune, bake,
// then quantize.
Outcome reference(const Setting& setting) {
  Run run(setting, 1);
  for (char op : std::string("STQPCV")) run.apply(op);
  return outcome(run.model());
}

void run_legal_orders(const Setting& setting) {
  const Outcome expected = reference(setting);
  for (const auto& [name, w] : expected) {
    INFO(name << ", " << setting.str());
    if (name == "3.weight") continue;  // that one is not pruned
    const auto count = static_cast<double>(w.ints.numel());
    REQUIRE(pruning::sparsity(w.ints) * count >= std::nearbyint(0.6 * count));
  }
  std::map<std::string, TensorList> outputs;
  for (const std::string& order : all_orders(true)) {
    INFO(order << ", " << setting.str());
    Run run(setting, 1);
    for (char op : order) run.apply(op);
    check_end(run, order, expected, outputs);
  }
  CHECK(outputs.size() == 2);
}

enum class Detour { copy, load, file };
void run_with_detours(const Setting& setting, Detour detour) {
  const Outcome expected = reference(setting);
  std::map<std::string, TensorList> outputs;
  const auto go = [&](Run& run, const std::string& so_far) {
    if (detour == Detour::copy) run.copy();
    if (detour == Detour::load) run.save_and_load(so_far);
    if (detour == Detour::file) run.through_a_file();
  };
  for (const std::string& order : all_orders(true)) {
    for (std::size_t at = 0; at <= order.size(); ++at) {
      INFO(order << ", detour " << static_cast<int>(detour) << " after " << at << ", "
                 << setting.str());
      Run run(setting, 1);
      for (std::size_t i = 0; i < order.size(); ++i) {
        if (i == at) go(run, order.substr(0, i));
        run.apply(order[i]);
      }
      if (at == order.size()) go(run, order);
      check_end(run, order, expected, outputs);
    }
  }
}

}  // namespace

TEST_CASE("All legal orders of pruning, fusing and graph mode give the same integers",
          "[ao][composability][orders][fx]") {
  REQUIRE(all_orders(true).size() == 62);
  const Setting setting{GENERATE(Kind::stubbed, Kind::user), GENERATE(false, true),
                        GENERATE(false, true), GENERATE(false, true)};
  CHECK(reference(setting).size() == (setting.kind == Kind::stubbed ? 3U : 5U));
  run_legal_orders(setting);
}

TEST_CASE("Graph mode gives the integers and the outputs of eager mode",
          "[ao][composability][orders][fx]") {
  const bool training = GENERATE(false, true);
  const Setting setting{Kind::stubbed, training, false, false};
  Run graph(setting, 1);
  for (char op : std::string("STPCVQ")) graph.apply(op);

  nn::ModulePtr eager = make_network(setting, 1);
  eager->train(training);
  eager->qconfig =
      training ? tq::get_default_qat_qconfig("onednn") : tq::default_per_channel_qconfig;
  auto s = make_sparsifier();
  std::vector<pruning::SparseConfig> config;
  for (const std::string& fqn : pruned(setting)) config.push_back({.tensor_fqn = fqn});
  s.prepare(*eager, config);
  s.step();
  eager = tq::fuse_modules(eager, {{"1", "2"}, {"3", "4"}}, {.inplace = true});
  eager =
      training ? tq::prepare_qat(eager, {.inplace = true}) : tq::prepare(eager, {.inplace = true});
  (*eager)(data(31));
  eager = tq::convert(eager, {.inplace = true});

  const Outcome a = outcome(graph.model()), b = outcome(*eager);
  REQUIRE(a.size() == 3);
  REQUIRE(b.size() == 3);
  for (const auto& [name, w] : a) {
    CAPTURE(name);
    CHECK(w.ints.equal(b.at(name).ints));
    CHECK(w.scales.equal(b.at(name).scales));
  }
  NoGrad guard;
  CHECK(graph.output().to_tensor().equal((*eager)(data(77))));
}

TEST_CASE("All legal orders agree for networks of random make", "[ao][composability][orders][fx]") {
  const bool training = GENERATE(false, true), in_two_steps = GENERATE(false, true);
  for (std::uint32_t seed : {3U, 17U, 29U, 101U})
    run_legal_orders({Kind::random, training, in_two_steps, false, seed});
}

TEST_CASE(
    "A copy, a loaded state or a file at any point of any order of graph mode changes nothing",
    "[ao][composability][orders][fx][slow]") {
  const Detour detour = GENERATE(Detour::copy, Detour::load, Detour::file);
  const bool copy = detour == Detour::copy;
  run_with_detours({Kind::stubbed, !copy, false, copy}, detour);
  run_with_detours({Kind::user, copy, true, !copy}, detour);
  if (copy) run_with_detours({Kind::random, false, true, false, 29}, detour);
}

TEST_CASE("Every illegal order of graph mode throws, and the refused call changes nothing",
          "[ao][composability][orders][fx][slow]") {
  const Setting setting =
      GENERATE(Setting{Kind::stubbed, false, false, false},
               Setting{Kind::stubbed, true, true, true}, Setting{Kind::user, true, false, false});
  INFO(setting.str());
  check_all_refused(all_orders(false), [&] { return Run(setting, 1); });
}
