#include "adze/ao/ns/numeric_suite.h"

#include <algorithm>
#include <cmath>

#include "adze/ao/ns/utils.h"
#include "adze/nn/dropout.h"
#include "adze/nn/identity.h"

#include "ao/composability_support.h"
#include "support/catch.h"

using namespace adze;
using namespace adze::test;
namespace ns = ao::ns;

namespace {

Tensor data(std::uint64_t seed = 2, std::int64_t rows = 16) {
  Generator g(seed);
  return randn({rows, 4}, &g);
}

// Everything from the QuantStub on quantized; `fused`: layer 5 with its ReLU.
nn::ModulePtr to_int8(const nn::ModulePtr& model, bool fused = false, bool reference = false) {
  nn::ModulePtr net = fused ? tq::fuse_modules(model, {{"5", "6"}}) : nn::deepcopy(model);
  for (const char* path : {"4", "5", "7"})
    nn::find_module(*net, path)->qconfig = tq::default_qconfig;
  net->eval();
  tq::prepare(net, {.inplace = true});
  (*net)(data());
  return tq::convert(net, {.inplace = true, .is_reference = reference});
}

std::vector<std::string> names(const ns::Comparison& c) {
  std::vector<std::string> out;
  for (const auto& row : c.rows) out.push_back(row.name);
  return out;
}
using Names = std::vector<std::string>;

const ns::ComparisonRow& row(const ns::Comparison& c, const std::string& name) {
  const ns::ComparisonRow* found = c.find(name);
  INFO(c.table());
  REQUIRE(found != nullptr);
  return *found;
}
std::string reason(const ns::Comparison& c, const std::string& name) {
  for (const auto& u : c.unpaired)
    if (u.name == name) return u.reason;
  return {};
}

void check_row(const ns::ComparisonRow& r, const Tensor& x, const Tensor& y) {
  CAPTURE(r.name);
  CHECK(r.sqnr == Approx(ns::compute_sqnr(x, y)));
  CHECK(r.normalized_l2_error == Approx(ns::compute_normalized_l2_error(x, y)));
  CHECK(r.cosine_similarity == Approx(ns::compute_cosine_similarity(x, y)));
  CHECK(r.shape == x.sizes());
}

// The result of the modules up to and with number `last`.
Tensor through(nn::Module& net, Tensor x, std::int64_t last) {
  const NoGrad guard;
  for (std::int64_t i = 0; i <= last; ++i) x = net.as<nn::Sequential>()[i](x);
  return x;
}

// All that may not change: state, modes, hooks.
struct Snapshot {
  explicit Snapshot(nn::Module& net) : net_(&net), state(nn::state_dict(net)), modes(modes_now()) {}
  void check_unchanged() const {
    const nn::StateDict now = nn::state_dict(*net_);
    REQUIRE(now.tensors.size() == state.tensors.size());
    for (const auto& [name, tensor] : now.tensors) {
      CAPTURE(name);
      CHECK(tensor.equal(state.at(name)));
    }
    CHECK(now.metadata == state.metadata);
    CHECK(modes == modes_now());
  }

 private:
  std::vector<std::tuple<std::string, nn::Module*, bool, std::size_t>> modes_now() const {
    std::vector<std::tuple<std::string, nn::Module*, bool, std::size_t>> out;
    for (const auto& [name, m] : nn::named_modules(*net_))
      out.emplace_back(name, m, m->training(), m->user_hooks());
    return out;
  }
  nn::Module* net_;
  nn::StateDict state;
  std::vector<std::tuple<std::string, nn::Module*, bool, std::size_t>> modes;
};

class Throwing : public nn::ModuleOf<Throwing> {
 public:
  Tensor forward(const Tensor&) { fail("not today"); }
};

}  // namespace

// ---- weights ------------------------------------------------------------------------------------

TEST_CASE("Weights of a quantized network are compared with the float ones", "[ao][ns]") {
  auto model = sequential(4);
  nn::ModulePtr q = to_int8(model);
  const ns::Comparison c = ns::compare_weights(*model, *q);
  CHECK(names(c) == Names{"0", "2", "5"});
  CHECK(c.unpaired.empty());
  CHECK(std::isinf(row(c, "0").sqnr));
  check_row(row(c, "5"), effective(*model, "5.weight"), dequantize(effective(*q, "5.weight")));
  CHECK(row(c, "5").sqnr > 30);
  CHECK(row(c, "5").type_a == "nn::Linear");
  CHECK(row(c, "5").type_b == "nn::quantized::Linear");
  CHECK(row(c, "5").kind == ns::ComparisonKind::weight);
}

TEST_CASE("Weights are found whichever of the networks is fused", "[ao][ns]") {
  auto model = sequential(4);
  nn::ModulePtr fused = tq::fuse_modules(model, {{"5", "6"}}), q = to_int8(model, /*fused=*/true);
  const ns::Comparison to_fused = ns::compare_weights(*model, *q);
  CHECK(names(to_fused) == Names{"0", "2", "5"});
  CHECK(row(to_fused, "5").type_b == "nn::intrinsic::quantized::LinearReLU");
  const ns::Comparison both = ns::compare_weights(*fused, *q);
  CHECK(row(both, "5").sqnr == row(to_fused, "5").sqnr);
  CHECK(row(both, "5").type_a == "nn::intrinsic::LinearReLU");
  const ns::Comparison from_fused = ns::compare_weights(*fused, *to_int8(model));
  CHECK(row(from_fused, "5").sqnr == row(to_fused, "5").sqnr);
  for (const ns::Comparison* c : {&to_fused, &both, &from_fused}) CHECK(c->unpaired.empty());
}

TEST_CASE("Weights of qat, dynamic and reference layers are those they compute with", "[ao][ns]") {
  auto model = sequential(4);
  const Tensor float_weight = effective(*model, "5.weight");

  nn::ModulePtr dynamic = tq::quantize_dynamic(model);
  check_row(row(ns::compare_weights(*model, *dynamic), "5"), float_weight,
            dequantize(effective(*dynamic, "5.weight")));
  nn::ModulePtr half = tq::quantize_dynamic(model, {.dtype = float16});
  check_row(row(ns::compare_weights(*model, *half), "5"), float_weight,
            effective(*half, "5.weight"));

  nn::ModulePtr reference = to_int8(model, /*fused=*/true, /*reference=*/true);
  const Tensor on_grid = dequantize(effective(*to_int8(model), "5.weight"));
  check_row(row(ns::compare_weights(*model, *reference), "5"), float_weight, on_grid);

  model->at(5).qconfig = tq::QConfig{tq::default_fake_quant, tq::default_weight_fake_quant};
  nn::ModulePtr qat = tq::prepare_qat(model);
  const Snapshot before(*qat);
  const ns::ComparisonRow r = row(ns::compare_weights(*model, *qat), "5");
  before.check_unchanged();
  check_row(r, float_weight, on_grid);
  CHECK(r.type_b == "nn::qat::Linear");
}

TEST_CASE("Masked weights count with their effective value", "[ao][ns]") {
  auto model = sequential(4);
  auto dense = nn::deepcopy(model);
  auto sparsifier = test::sparsifier();
  sparsifier.prepare(*model, sparse_config());
  sparsifier.step();
  Warnings warnings;
  nn::ModulePtr q = to_int8(model);
  const double agrees = row(ns::compare_weights(*model, *q), "5").sqnr;
  const double pruned = row(ns::compare_weights(*dense, *model), "5").sqnr;
  CHECK(agrees > 30);
  check_row(row(ns::compare_weights(*dense, *model), "5"), effective(*dense, "5.weight"),
            effective(*model, "5.weight"));
  CHECK(pruned < 10);
}

TEST_CASE("Weights without a partner are listed", "[ao][ns]") {
  auto a = nn::make<nn::Sequential>(std::vector<nn::Submodule>{
      nn::Submodule("same", nn::Linear(4, 4)), nn::Submodule("gone", nn::Linear(4, 4)),
      nn::Submodule("other", nn::Linear(4, 4)), nn::Submodule("shape", nn::Linear(4, 4)),
      nn::Submodule("act", nn::ReLU())});
  auto b = nn::make<nn::Sequential>(std::vector<nn::Submodule>{
      nn::Submodule("same", nn::Linear(4, 4)), nn::Submodule("fresh", nn::Linear(4, 4)),
      nn::Submodule("other", nn::ReLU()), nn::Submodule("shape", nn::Linear(4, 3)),
      nn::Submodule("act", nn::Linear(4, 4))});
  const ns::Comparison c = ns::compare_weights(*a, *b);
  CHECK(names(c) == Names{"same"});
  CHECK(c.unpaired.size() == 5);
  CHECK(reason(c, "gone") == "not in b");
  CHECK(reason(c, "fresh") == "not in a");
  CHECK(reason(c, "other") == "no weight in b");
  CHECK(reason(c, "act") == "no weight in a");
  CHECK(reason(c, "shape") == "the shapes differ: (4, 4) and (3, 4)");
}

TEST_CASE("Bare layers are compared too", "[ao][ns]") {
  auto layer = nn::make<nn::Linear>(4, 4);
  nn::ModulePtr q = tq::quantize_dynamic(layer);
  CHECK(names(ns::compare_weights(*layer, *q)) == Names{""});
  check_row(row(ns::compare_model_outputs(*layer, *q, {data()}), ""), (*layer)(data()).detach(),
            (*q)(data()));
  CHECK(names(ns::compare_model_stub(*layer, *q, {data()})) == Names{""});
}

// ---- outputs ------------------------------------------------------------------------------------

TEST_CASE("Outputs are compared module by module, in the order of the run", "[ao][ns]") {
  auto model = sequential(4);
  model->eval();
  nn::ModulePtr q = to_int8(model);
  const Tensor x = data();
  const ns::Comparison c = ns::compare_model_outputs(*model, *q, {x});
  CHECK(names(c) == Names{"0", "1", "2", "3", "4", "5", "6", "7", ""});
  CHECK(c.unpaired.empty());
  for (std::int64_t i = 0; i < 8; ++i)
    check_row(row(c, std::to_string(i)), through(*model, x, i), dequantize(through(*q, x, i)));
  check_row(row(c, ""), through(*model, x, 7), through(*q, x, 7));
  CHECK(std::isinf(row(c, "3").sqnr));
  CHECK(row(c, "5").kind == ns::ComparisonKind::output);
}

TEST_CASE("Outputs for several inputs are compared as one", "[ao][ns]") {
  auto model = sequential(4);
  model->eval();
  nn::ModulePtr q = to_int8(model);
  const Tensor x = data(3, 6), y = data(4, 9), both = cat({x, y}, 0);
  const ns::Comparison parts = ns::compare_model_outputs(*model, *q, {x, y});
  const ns::Comparison whole = ns::compare_model_outputs(*model, *q, {both});
  const ns::Comparison run = ns::compare_model_outputs(*model, *q, [&](nn::Module& m) {
    m(x);
    m(y);
  });
  REQUIRE(parts.rows.size() == whole.rows.size());
  for (const auto& r : whole.rows) {
    CAPTURE(r.name);
    for (const ns::Comparison* c : {&parts, &run}) {
      if (std::isfinite(r.sqnr)) CHECK(row(*c, r.name).sqnr == Approx(r.sqnr));
      CHECK(row(*c, r.name).shape == Shape{15, 4});
    }
  }
  const ns::Comparison mixed = ns::compare_model_outputs(*model, *q, {x, y.reshape({3, 3, 4})});
  CHECK(row(mixed, "5").shape == Shape{60});
}

TEST_CASE("A fused layer is compared behind its ReLU, whichever network it stands in", "[ao][ns]") {
  auto model = sequential(4);
  model->eval();
  nn::ModulePtr fused = tq::fuse_modules(model, {{"5", "6"}});
  nn::ModulePtr q_fused = to_int8(model, /*fused=*/true), q_plain = to_int8(model);
  const Tensor x = data(), wanted = through(*model, x, 6);
  check_row(row(ns::compare_model_outputs(*model, *q_fused, {x}), "5"), wanted,
            dequantize(through(*q_fused, x, 5)));
  check_row(row(ns::compare_model_outputs(*fused, *q_fused, {x}), "5"), wanted,
            dequantize(through(*q_fused, x, 5)));
  check_row(row(ns::compare_model_outputs(*fused, *q_plain, {x}), "5"), wanted,
            dequantize(through(*q_plain, x, 6)));
  const ns::Comparison c = ns::compare_model_outputs(*model, *q_fused, {x});
  CHECK(c.unpaired.empty());
  check_row(row(c, "6"), wanted, dequantize(through(*q_fused, x, 6)));
}

TEST_CASE("A network agrees with itself", "[ao][ns]") {
  auto model = nn::make<nn::Sequential>(nn::Linear(4, 4), nn::Dropout(.5), nn::Linear(4, 4));
  const Snapshot before(*model);
  const ns::Comparison c = ns::compare_model_outputs(*model, *model, {data()});
  before.check_unchanged();
  REQUIRE(c.rows.size() == 4);
  for (const auto& r : c.rows) {
    CAPTURE(r.name);
    CHECK(std::isinf(r.sqnr));
    CHECK(r.cosine_similarity == 1);
  }
  CHECK(ns::compare_model_stub(*model, *model, {data()}).rows.empty());
}

namespace {
// Calls its layer once or twice, and one not at all.
class Choosy : public nn::ModuleOf<Choosy> {
 public:
  explicit Choosy(bool twice) : twice_(twice) {}
  nn::Submodule fc{"fc", nn::Linear(4, 4)}, spare{"spare", nn::Linear(4, 4)},
      parts{"parts", nn::ModuleList(nn::ReLU())};
  Tensor forward(const Tensor& x) {
    const Tensor y = parts.as<nn::ModuleList>().child(0)(fc(x));
    return twice_ ? fc(y) : y;
  }

 protected:
  void fields(nn::FieldList& f) override { f(fc, spare, parts); }

 private:
  bool twice_;
};
}  // namespace

TEST_CASE("Modules that run differently, or not at all, are listed", "[ao][ns]") {
  auto once = nn::make<Choosy>(false), twice = nn::make<Choosy>(true);
  const ns::Comparison c = ns::compare_model_outputs(*once, *twice, {data()});
  CHECK(reason(c, "fc") == "the numbers of calls differ: 1 and 2");
  CHECK(reason(c, "spare") == "does not run");
  CHECK(c.unpaired.size() == 2);
  CHECK(names(c) == Names{"parts.0", ""});
  const ns::Comparison same = ns::compare_model_outputs(*twice, *twice, {data()});
  CHECK(row(same, "fc").shape == Shape{32, 4});
}

TEST_CASE("Outputs of different shapes, and modules of one network only, are listed", "[ao][ns]") {
  auto a = nn::make<nn::Sequential>(nn::Linear(4, 4), nn::Linear(4, 3));
  auto b = nn::make<nn::Sequential>(nn::Linear(4, 4), nn::Linear(4, 2), nn::ReLU());
  const ns::Comparison c = ns::compare_model_outputs(*a, *b, {data()});
  CHECK(names(c) == Names{"0"});
  CHECK(reason(c, "1") == "the shapes differ: (16, 3) and (16, 2)");
  CHECK(reason(c, "2") == "not in a");
  CHECK(reason(ns::compare_model_outputs(*b, *a, {data()}), "2") == "not in b");
}

// ---- shadows ------------------------------------------------------------------------------------

TEST_CASE("A shadow shows what one layer alone loses", "[ao][ns]") {
  auto model = sequential(4);
  model->eval();
  for (const bool fused : {false, true}) {
    CAPTURE(fused);
    nn::ModulePtr q = to_int8(model, fused);
    const Tensor x = data(5);
    const ns::Comparison c = ns::compare_model_stub(*model, *q, {x});
    CHECK(names(c) == Names{"4", "5", "7"});
    Tensor wanted = model->at(5)(dequantize(through(*q, x, 4))).detach();
    if (fused) wanted = relu(wanted);
    check_row(row(c, "5"), wanted, dequantize(through(*q, x, 5)));
    check_row(row(c, "4"), through(*model, x, 3), dequantize(through(*q, x, 4)));
    CHECK(std::isinf(row(c, "7").sqnr));
    CHECK(row(c, "5").kind == ns::ComparisonKind::shadow);
  }
}

TEST_CASE("Shadows stand behind dynamic, qat and reference layers too", "[ao][ns]") {
  auto model = sequential(4);
  nn::ModulePtr dynamic = tq::quantize_dynamic(model);
  CHECK(names(ns::compare_model_stub(*model, *dynamic, {data(1), data(2)})) ==
        Names{"0", "2", "5"});
  CHECK(row(ns::compare_model_stub(*model, *dynamic, {data(1), data(2)}), "2").shape ==
        Shape{32, 4});
  auto fused = tq::fuse_modules(model, {{"5", "6"}});
  nn::ModulePtr reference = to_int8(model, /*fused=*/true, /*reference=*/true);
  CHECK(names(ns::compare_model_stub(*fused, *reference, {data()})) == Names{"5"});
  model->at(5).qconfig = tq::get_default_qat_qconfig();
  nn::ModulePtr qat = tq::prepare_qat(model);
  CHECK(names(ns::compare_model_stub(*model, *qat, {data()})) == Names{"5"});
}

// ---- nothing changes ----------------------------------------------------------------------------

TEST_CASE("Comparing leaves both networks as they were", "[ao][ns]") {
  auto model = sequential(4);
  model->at(2).eval();
  int calls = 0;
  const nn::HookHandle hook = model->at(0).register_forward_hook(
      [&](nn::Module&, const std::vector<Value>&, Value&) { ++calls; });
  auto sparsifier = test::sparsifier();
  sparsifier.prepare(*model, sparse_config());
  model->at(5).qconfig = tq::get_default_qat_qconfig();
  model->at(4).qconfig = tq::get_default_qat_qconfig();
  nn::ModulePtr qat = tq::prepare_qat(model);
  (*qat)(data(1));
  nn::find_module(*qat, "5")->eval();
  const Snapshot float_before(*model), qat_before(*qat);
  const std::uint64_t copies = nn::find_parameter(*model, "0.weight")->slot()->copies();
  const int calls_before = calls;

  ns::compare_weights(*model, *qat);
  ns::compare_model_outputs(*model, *qat, {100.0 * data(2), data(3)});
  CHECK(calls > calls_before);
  ns::compare_model_stub(*model, *qat, {100.0 * data(2), data(3)});

  float_before.check_unchanged();
  qat_before.check_unchanged();
  CHECK(nn::find_parameter(*model, "0.weight")->slot()->copies() == copies);
  CHECK(model->at(0).user_hooks() == 1);
}

TEST_CASE("Calibration is not disturbed by a comparison", "[ao][ns]") {
  auto model = sequential(4);
  set_qconfig(*model, tq::get_default_qconfig());
  nn::ModulePtr prepared = tq::prepare(model), untouched = nn::deepcopy(prepared);
  (*prepared)(data(1));
  (*untouched)(data(1));
  ns::compare_model_outputs(*model, *prepared, {1000.0 * data(2)});
  (*prepared)(data(3));
  (*untouched)(data(3));
  const nn::StateDict state = nn::state_dict(*untouched);
  for (const auto& [name, tensor] : nn::state_dict(*prepared).tensors) {
    CAPTURE(name);
    CHECK(tensor.equal(state.at(name)));
  }
}

TEST_CASE("Errors of a network pass through and leave no trace", "[ao][ns]") {
  auto model = nn::make<nn::Sequential>(nn::Linear(4, 4), nn::ReLU(), nn::Identity());
  nn::ModulePtr q = tq::quantize_dynamic(model);
  q->train();
  q->as<nn::Sequential>().set(2, nn::make<Throwing>());
  const Snapshot a(*model), b(*q);
  CHECK(error_of([&] { ns::compare_model_outputs(*model, *q, {data()}); }) == "2: not today");
  CHECK(error_of([&] { ns::compare_model_outputs(*q, *model, {data()}); }) == "2: not today");
  CHECK(error_of([&] { ns::compare_model_stub(*model, *q, {data()}); }) == "2: not today");
  a.check_unchanged();
  b.check_unchanged();
  // A float partner that throws behind its quantized layer.
  model->set(0, nn::make<Throwing>());
  const Snapshot broken(*model);
  q->as<nn::Sequential>().set(2, nn::make<nn::Identity>());
  const Snapshot whole(*q);
  CHECK(error_of([&] { ns::compare_model_stub(*model, *q, {data()}); }) == "0: not today");
  broken.check_unchanged();
  whole.check_unchanged();
  CHECK_THAT(error_of([&] { ns::compare_model_outputs(*model, *q, TensorList{}); }),
             ContainsSubstring("needs inputs, got none"));
  CHECK_THAT(error_of([&] { ns::compare_model_stub(*model, *q, ao::quantization::RunFunction()); }),
             ContainsSubstring("run function is empty"));
}

TEST_CASE("Modes come back also where modules are shared", "[ao][ns]") {
  auto shared = nn::make<nn::Linear>(4, 4);
  auto left = nn::make<nn::Sequential>(nn::ModulePtr(shared), nn::ModulePtr(nn::make<nn::ReLU>()));
  auto right = nn::make<nn::Sequential>(nn::ModulePtr(shared), nn::ModulePtr(nn::make<nn::ReLU>()));
  auto net = nn::make<nn::Sequential>(nn::ModulePtr(left), nn::ModulePtr(right));
  left->eval();
  shared->train();
  const Snapshot before(*net);
  ns::compare_model_outputs(*net, *net, {data()});
  before.check_unchanged();
  CHECK(shared->training());
  CHECK_FALSE(left->training());
}
