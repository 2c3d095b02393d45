#include "adze/fx/module_types.h"

#include "adze/ao/module_types.h"
#include "adze/ao/pruning/utils.h"
#include "adze/ao/pruning/weight_norm_sparsifier.h"
#include "adze/ao/quantization/quantize_fx.h"
#include "adze/fx/hook_point.h"
#include "adze/fx/tracer.h"
#include "adze/nn/activation.h"
#include "adze/nn/container.h"
#include "adze/nn/dropout.h"
#include "adze/nn/linear.h"
#include "adze/nn/state_dict.h"
#include "adze/nn/traversal.h"

#include "support/catch.h"
#include "support/folder.h"
#include "support/modules.h"

namespace adze {
namespace {

namespace tq = ao::quantization;
using test::error_of;

// Layers, a functional layer with its own weight, a residual path, a list of results.
class Mixed : public nn::ModuleOf<Mixed> {
 public:
  nn::Submodule fc{"fc", nn::Linear(6, 6)}, act{"act", nn::ReLU()}, drop{"drop", nn::Dropout(0.5)},
      head{"head", nn::Sequential(nn::Linear(12, 4), nn::Softmax(1))};
  nn::Parameter w{"w", randn({6, 6})};
  nn::Buffer shift{"shift", ones({6}), {.persistent = false}};
  Tensor forward(const Tensor& x) {
    const Tensor y = act(fc(x)) + x;
    const Tensor z = relu(linear(drop(y), w)) * 0.5;
    return head(cat({z, y + shift}, 1));
  }

 protected:
  void fields(nn::FieldList& f) override { f(fc, act, drop, head, w, shift); }
};

nn::ModulePtr network() {
  manual_seed(7);
  auto net = nn::make<Mixed>();
  net->eval();
  return net;
}

std::shared_ptr<fx::GraphModule> reload(const std::shared_ptr<fx::GraphModule>& module) {
  return std::static_pointer_cast<fx::GraphModule>(
      nn::parse_model(nn::serialize_model(*module, ao::module_types()), ao::module_types()));
}

void check_same(const std::shared_ptr<fx::GraphModule>& a,
                const std::shared_ptr<fx::GraphModule>& b, const Tensor& x) {
  CHECK(b->graph().str() == a->graph().str());
  CHECK(nn::to_string(*b) == nn::to_string(*a));
  CHECK((*b)(x).equal((*a)(x)));
  const nn::StateDict before = nn::state_dict(*a), after = nn::state_dict(*b);
  REQUIRE(after.tensors.size() == before.tensors.size());
  for (std::size_t i = 0; i < before.tensors.size(); ++i) {
    CHECK(after.tensors[i].first == before.tensors[i].first);
    CHECK(after.tensors[i].second.equal(before.tensors[i].second));
  }
  CHECK(b->notes.size() == a->notes.size());
  CHECK(b->training() == a->training());
}

TEST_CASE("A graph module in a file needs no code of the network it was traced from",
          "[fx][module_types]") {
  const testing::Folder folder;
  const auto net = network();
  const auto traced = fx::symbolic_trace(net);
  const std::string path = folder.path("net.safetensors");
  nn::save_model(*traced, path, fx::module_types(), {{"who", "test"}});
  std::map<std::string, std::string> metadata;
  const auto loaded = nn::load_model(path, fx::module_types(), &metadata);
  CHECK(metadata.at("who") == "test");
  const Tensor x = randn({5, 6});
  CHECK((*loaded)(x).equal((*net)(x)));
  check_same(traced, std::static_pointer_cast<fx::GraphModule>(loaded), x);
}

TEST_CASE("Graph modules come back from files at every stage of quantization",
          "[fx][module_types][quantization]") {
  const auto net = network();
  const Tensor x = randn({16, 6}), y = randn({16, 6});
  ao::pruning::WeightNormSparsifier sparsifier({.sparsity_level = 0.5});
  sparsifier.prepare(*net, {{.tensor_fqn = "fc.weight"}, {.tensor_fqn = "w"}});
  sparsifier.step();

  check_same(tq::fuse_fx(net), reload(tq::fuse_fx(net)), x);
  const auto prepared = tq::prepare_fx(net, tq::get_default_qconfig_mapping(), {x});
  const auto early = reload(prepared);
  (*prepared)(x);
  (*early)(x);
  check_same(prepared, early, y);
  const auto late = reload(prepared);
  check_same(prepared, late, y);
  CHECK(nn::find_parameter(*late, "w")->slot()->is_parametrized());

  const auto reference = tq::convert_to_reference_fx(prepared);
  check_same(reference, reload(reference), y);
  check_same(reference, tq::convert_to_reference_fx(late), y);
  const auto int8 = tq::convert_fx(prepared);
  check_same(int8, reload(int8), y);
  check_same(int8, tq::convert_fx(late), y);
  check_same(int8, tq::lower_to_quantized(reload(reference)), y);
  for (const auto& [name, t] : nn::state_dict(*int8).tensors) {
    if (name != "fc.weight" && name != "_packed_weight_0") continue;
    CAPTURE(name);
    const char* source = name == "fc.weight" ? "fc.weight" : "w";
    CHECK(ao::pruning::sparsity(t) >=
          ao::pruning::sparsity(nn::find_parameter(*net, source)->value()));
  }
}

TEST_CASE("A network that trains with fake-quantizes goes on after a file", "[fx][module_types]") {
  const auto net = network();
  net->train();
  const Tensor x = randn({16, 6});
  const auto prepared = tq::prepare_qat_fx(net, tq::get_default_qat_qconfig_mapping(), {x});
  (*prepared)(x);
  prepared->eval();
  const auto loaded = reload(prepared);
  check_same(prepared, loaded, x);
  check_same(tq::convert_fx(prepared), tq::convert_fx(loaded), x);
}

TEST_CASE("Hooks of users are not in a file; values pass where they stood", "[fx][module_types]") {
  auto block = nn::make<Mixed>();
  block->eval();
  block->register_forward_hook(
      [](nn::Module&, const std::vector<Value>&, Value& out) { out = out.to_tensor() * 2.0; });
  const auto net = nn::make<nn::Sequential>(std::vector<nn::ModulePtr>{block});
  const auto traced = fx::symbolic_trace(net);
  const Tensor x = randn({3, 6});
  CHECK((*reload(traced))(x).allclose((*traced)(x)*0.5));
}

TEST_CASE("A broken description of a graph is one clear error", "[fx][module_types]") {
  fx::Graph graph;
  graph.output(graph.call_module("fc", {graph.placeholder("x")}));
  fx::GraphModule incomplete(graph);
  CHECK_THAT(error_of([&] { nn::serialize_model(incomplete, fx::module_types()); }) + error_of([&] {
               nn::parse_model(nn::serialize_model(incomplete, fx::module_types()),
                               fx::module_types());
             }),
             ContainsSubstring("'fc'"));

  nn::ModuleTypes types = nn::module_types();
  fx::add_module_types(types, [](std::string_view) -> const OpBase* { return nullptr; });
  const auto traced = fx::symbolic_trace(network());
  CHECK_THAT(error_of([&] { nn::parse_model(nn::serialize_model(*traced, types), types); }),
             ContainsSubstring("which is not known here"));
}

}  // namespace
}  // namespace adze
