#include "adze/nn/model_file.h"

#include <nlohmann/json.hpp>

#include "adze/core/serialization.h"
#include "adze/nn/activation.h"
#include "adze/nn/container.h"
#include "adze/nn/dropout.h"
#include "adze/nn/flatten.h"
#include "adze/nn/identity.h"
#include "adze/nn/linear.h"
#include "adze/nn/loss.h"
#include "adze/nn/parametrize.h"
#include "adze/nn/state_dict.h"
#include "adze/nn/traversal.h"

#include "support/catch.h"
#include "support/folder.h"
#include "support/model_file.h"
#include "support/modules.h"

using namespace adze;
using adze::test::check_same_network;
using adze::test::copy_in_memory;
using adze::test::Doubled;
using adze::test::error_of;
using adze::test::Mask;
using adze::testing::Folder;
using nlohmann::json;

namespace {

// A network with a setting, a child, a parameter and a buffer of its own.
class Scaled : public nn::ModuleOf<Scaled> {
 public:
  explicit Scaled(double factor) : factor_(factor) {}
  nn::Submodule fc{"fc", nn::Linear(3, 3)};
  nn::Parameter gain{"gain", ones({3})};
  nn::Buffer seen{"seen", zeros({0}), {.resizable = true}};
  nn::Buffer scratch{"scratch", zeros({2}), {.persistent = false}};
  Tensor forward(const Tensor& x) { return fc(x) * gain * factor_; }
  std::map<std::string, Value> config() const override { return {{"factor", factor_}}; }

 protected:
  void fields(nn::FieldList& f) override { f(fc, gain, seen, scratch); }

 private:
  double factor_;
};

// Two layers with one weight, and a block that stands at two places.
class Tied : public nn::ModuleOf<Tied> {
 public:
  Tied() {
    b.as<nn::Linear>().weight.rebind(a.as<nn::Linear>().weight.slot());
    again.set(block.ptr());
  }
  nn::Submodule a{"a", nn::Linear(3, 3)}, b{"b", nn::Linear(3, 3)},
      block{"block", nn::Linear(3, 3)}, again{"again", nn::Identity()};
  Tensor forward(const Tensor& x) { return again(block(b(a(x)))); }

 protected:
  void fields(nn::FieldList& f) override { f(a, b, block, again); }
};

// Not derived from ModuleOf: its name is that of its base.
class Nameless : public nn::Linear {
 public:
  using nn::Linear::Linear;
};

nn::ModuleTypes types() {
  nn::ModuleTypes t = nn::module_types();
  t.add<Scaled>(
      [](const nn::ModuleSpec& spec) { return nn::make<Scaled>(spec.at("factor").to_double()); });
  t.add<Tied>();
  t.add_parametrization("Mask", [](const nn::ParametrizationSpec& spec) {
    return std::make_shared<Mask>(spec.require_tensor("mask"), spec.owner);
  });
  t.add_parametrization("Doubled",
                        [](const nn::ParametrizationSpec&) { return std::make_shared<Doubled>(); });
  return t;
}

nn::ModulePtr reload(nn::Module& net) {
  return copy_in_memory(net, types());
}

std::shared_ptr<nn::Sequential> small_net() {
  return nn::make<nn::Sequential>(nn::Linear(3, 4), nn::ReLU(), nn::Linear(4, 2));
}

// What loading says after `change` was made to the content of a file of `small_net`.
std::string error_after(const std::function<void(SafeTensors&)>& change) {
  SafeTensors file = parse_safetensors(nn::serialize_model(*small_net()));
  change(file);
  return error_of([&] { nn::parse_model(serialize_safetensors(file), types()); });
}
// The same for a change of the description.
std::string error_with(const std::function<void(json&)>& change) {
  return error_after([&](SafeTensors& file) {
    json description = json::parse(file.metadata.at("adze.model"));
    change(description);
    file.metadata["adze.model"] = description.dump();
  });
}

}  // namespace

TEST_CASE("Every layer, activation, loss and container comes back as it was", "[nn][model_file]") {
  auto dict = nn::make<nn::ModuleDict>();
  dict->insert("first", nn::Linear(2, 2));
  dict->insert("second", nn::Sigmoid());
  nn::ModuleList all(
      nn::Linear(3, 4), nn::Linear(3, 4, {.bias = false}), nn::ReLU(), nn::Sigmoid(), nn::Tanh(),
      nn::Identity(), nn::Softmax(-1), nn::LogSoftmax(1), nn::Dropout(0.25), nn::Flatten(0, 1),
      nn::Sequential(), nn::ModuleList(), nn::CrossEntropyLoss({.label_smoothing = 0.1}),
      nn::NLLLoss({.reduction = Reduction::sum}), nn::MSELoss({.reduction = Reduction::none}));
  all.append(dict);
  all.append(nn::make<nn::Sequential>(
      std::vector<nn::Submodule>{{"fc", nn::Linear(2, 0)}, {"inner", nn::Sequential(nn::ReLU())}}));
  const nn::ModulePtr loaded = reload(all);
  check_same_network(all, *loaded);
  const nn::ModulePtr empty = reload(*nn::make<nn::Sequential>());
  CHECK(empty->as<nn::Sequential>().empty());
}

TEST_CASE("A loaded network computes the same bits", "[nn][model_file]") {
  manual_seed(1);
  auto net = small_net();
  const Tensor x = randn({5, 3});
  CHECK((*reload(*net))(x).equal((*net)(x)));
}

TEST_CASE("Training and evaluation, frozen parameters and metadata are kept", "[nn][model_file]") {
  const Folder folder;
  auto net = small_net();
  net->at(1).eval();
  net->at(0).as<nn::Linear>().bias.slot()->original().requires_grad_(false);
  nn::save_model(*net, folder.path("m"), types(), {{"author", "me"}});
  std::map<std::string, std::string> metadata{{"old", "gone"}};
  const nn::ModulePtr loaded = nn::load_model(folder.path("m"), types(), &metadata);
  CHECK(metadata == std::map<std::string, std::string>{{"author", "me"}});
  auto& sequence = loaded->as<nn::Sequential>();
  CHECK(loaded->training());
  CHECK_FALSE(sequence[1].training());
  CHECK_FALSE(sequence[0].as<nn::Linear>().bias.slot()->original().requires_grad());
  CHECK(sequence[0].as<nn::Linear>().weight.slot()->original().requires_grad());

  net->eval();
  CHECK_FALSE(reload(*net)->as<nn::Sequential>()[2].training());
}

TEST_CASE("A class of the user comes back by the function that it was added with",
          "[nn][model_file]") {
  Scaled net(0.5);
  net.gain.set(tensor({1.0f, 2.0f, 3.0f}));
  net.seen.slot()->reset(tensor({4.0f, 5.0f}));
  net.fc.set(nn::make<nn::Sequential>(nn::Linear(3, 3), nn::Tanh()));
  net.add_module("watcher", nn::make<nn::Linear>(2, 1));
  const nn::ModulePtr loaded = reload(net);
  check_same_network(net, *loaded);
  CHECK(loaded->added_modules() == 1);
  const Tensor x = randn({2, 3});
  CHECK((*loaded)(x).equal(net(x)));
  CHECK(loaded->as<Scaled>().seen.value().equal(tensor({4.0f, 5.0f})));
}

TEST_CASE("What is shared in a network is shared after loading, and written once",
          "[nn][model_file]") {
  Tied net;
  nn::register_parametrization(*net.a, "weight", std::make_shared<Mask>(ones({3, 3})));
  const auto bytes = nn::serialize_model(net, types());
  const SafeTensors file = parse_safetensors(bytes);
  CHECK(file.tensors.contains("a.parametrizations.weight.original"));
  CHECK_FALSE(file.tensors.contains("b.parametrizations.weight.original"));
  CHECK_FALSE(file.tensors.contains("b.parametrizations.weight.0.mask"));
  CHECK_FALSE(file.tensors.contains("again.weight"));

  const nn::ModulePtr loaded = nn::parse_model(bytes, types());
  check_same_network(net, *loaded);
  auto& t = loaded->as<Tied>();
  CHECK(t.a.as<nn::Linear>().weight.slot() == t.b.as<nn::Linear>().weight.slot());
  CHECK(t.a.as<nn::Linear>().bias.slot() != t.b.as<nn::Linear>().bias.slot());
  CHECK(t.block.ptr() == t.again.ptr());
  CHECK(t.a.as<nn::Linear>().weight.slot()->chain().size() == 1);
}

TEST_CASE("Two slots around one tensor stay around one tensor", "[nn][model_file]") {
  auto first = nn::make<nn::Linear>(2, 2);
  auto second = nn::make<nn::Linear>(first->weight.slot()->original());
  nn::register_parametrization(*second, "weight", std::make_shared<Mask>(tensor({{1, 0}, {0, 1}})));
  nn::Sequential net{nn::ModulePtr(first), nn::ModulePtr(second)};
  const nn::ModulePtr loaded = reload(net);
  check_same_network(net, *loaded);
  auto& a = loaded->as<nn::Sequential>()[0].as<nn::Linear>();
  auto& b = loaded->as<nn::Sequential>()[1].as<nn::Linear>();
  CHECK(a.weight.slot() != b.weight.slot());
  CHECK(a.weight.slot()->original().is_same(b.weight.slot()->original()));
  CHECK_FALSE(a.weight.slot()->is_parametrized());
}

TEST_CASE("A model file of a network with tied weights is a state file too", "[nn][model_file]") {
  const Folder folder;
  Tied net, other;
  nn::save_model(net, folder.path("m"), types());
  nn::load(other, folder.path("m"));
  CHECK(other.b.as<nn::Linear>().weight.value().equal(net.a.as<nn::Linear>().weight.value()));
}

TEST_CASE("Chains of parametrizations, pinned zeros and kept parameters come back",
          "[nn][model_file]") {
  auto net = small_net();
  auto mask = std::make_shared<Mask>(tensor({{1, 0, 1}, {0, 1, 1}, {1, 1, 1}, {0, 0, 0}}), "p");
  mask->key = "0.weight";
  nn::register_parametrization(net->at(0), "weight", std::make_shared<Doubled>());
  nn::register_parametrization(net->at(0), "weight", mask);
  nn::Slot& pinned = *net->at(2).as<nn::Linear>().weight.slot();
  pinned.pin_zeros(tensor({{1, 1, 0, 0}, {0, 1, 1, 1}}));
  pinned.sparse_params = {{"sparsity", 0.5}, {"block", Shape{1, 4}}, {"dtype", qint8}};

  const nn::ModulePtr loaded = reload(*net);
  check_same_network(*net, *loaded);
  auto& l = loaded->as<nn::Sequential>();
  const auto& chain = l[0].as<nn::Linear>().weight.slot()->chain();
  REQUIRE(chain.size() == 2);
  CHECK(chain[0]->type() == "Doubled");
  CHECK(chain[1]->owner() == "p");
  CHECK(chain[1]->extra_state() == "0.weight");
  const Tensor x = randn({4, 3});
  CHECK((*loaded)(x).equal((*net)(x)));
  nn::Slot& slot = *l[2].as<nn::Linear>().weight.slot();
  slot.write(ones({2, 4}));
  CHECK(slot.value().equal(tensor({{1.0f, 1.0f, 0.0f, 0.0f}, {0.0f, 1.0f, 1.0f, 1.0f}})));
  CHECK(slot.sparse_params.at("block").to_shape() == Shape{1, 4});
  CHECK(slot.sparse_params.at("dtype").to_dtype() == qint8);
}

TEST_CASE("A loaded network has no part of the one that was saved", "[nn][model_file]") {
  auto net = small_net();
  const nn::ModulePtr loaded = reload(*net);
  const Tensor before = loaded->as<nn::Sequential>()[0].as<nn::Linear>().weight.value().clone();
  net->at(0).as<nn::Linear>().weight.slot()->write(zeros({4, 3}));
  CHECK(loaded->as<nn::Sequential>()[0].as<nn::Linear>().weight.value().equal(before));
}

TEST_CASE("Saving names the module, the class and the way out", "[nn][model_file][errors]") {
  const auto error = [](nn::Module& net) { return error_of([&] { nn::serialize_model(net); }); };
  nn::Sequential unknown(nn::ReLU(), nn::Sequential(test::Block(2)));
  CHECK_THAT(error(unknown), ContainsSubstring("'1.0' (adze::test::Block)") &&
                                 ContainsSubstring("ModuleTypes::add<adze::test::Block>"));
  nn::Sequential nameless(nn::ModulePtr(nn::make<Nameless>(2, 2)));
  CHECK_THAT(error(nameless), ContainsSubstring("'0'") && ContainsSubstring("ModuleOf"));
  auto masked = small_net();
  nn::register_parametrization(masked->at(0), "weight", std::make_shared<Doubled>());
  CHECK_THAT(error(*masked), ContainsSubstring("'0' (adze::nn::Linear)") &&
                                 ContainsSubstring("Doubled on 'weight'") &&
                                 ContainsSubstring("add_parametrization"));
  auto with_qconfig = small_net();
  with_qconfig->at(2).qconfig = 1;
  CHECK_THAT(error(*with_qconfig), ContainsSubstring("'2'") && ContainsSubstring("has a qconfig") &&
                                       ContainsSubstring("adze::ao::module_types()"));
  CHECK_THAT(error_of([] {
               nn::serialize_model(*small_net(), types(), {{"adze.x", ""}});
             }),
             ContainsSubstring("'adze.x' is reserved"));
}

TEST_CASE("Saving refuses networks that contain themselves or are too deep",
          "[nn][model_file][errors]") {
  auto outer = nn::make<nn::Sequential>(nn::Identity());
  outer->set(0, outer);
  CHECK_THAT(error_of([&] { nn::serialize_model(*outer); }), ContainsSubstring("deeper than 256"));
  outer->set(0, nn::make<nn::Identity>());
}

TEST_CASE("A refused or failed save leaves the old file and nothing else",
          "[nn][model_file][errors]") {
  const Folder folder;
  auto net = small_net();
  nn::save_model(*net, folder.path("m"));
  CHECK(folder.entries() == 1);
  test::Block unknown(2);
  CHECK_FALSE(error_of([&] { nn::save_model(unknown, folder.path("m")); }).empty());
  CHECK(folder.entries() == 1);
  check_same_network(*net, *nn::load_model(folder.path("m")));
  CHECK_FALSE(error_of([&] { nn::save_model(*net, folder.path("none/m")); }).empty());
  CHECK(folder.entries() == 1);
}

TEST_CASE("A file without a description says how to load it", "[nn][model_file][errors]") {
  const Folder folder;
  auto net = small_net();
  nn::save(*net, folder.path("plain"));
  CHECK_THAT(
      error_of([&] { nn::load_model(folder.path("plain")); }),
      ContainsSubstring(folder.path("plain")) && ContainsSubstring("build the network and use"));
  CHECK_THAT(error_of([&] { nn::load_model(folder.path("absent")); }),
             ContainsSubstring("no such file"));
}

TEST_CASE("Each fault of a description is told", "[nn][model_file][errors]") {
  CHECK(error_with([](json&) {}).empty());
  CHECK_THAT(error_with([](json& d) { d = json::array(); }),
             ContainsSubstring("must be an object"));
  CHECK_THAT(error_with([](json& d) { d["version"] = 2; }), ContainsSubstring("version '2'"));
  CHECK_THAT(error_with([](json& d) { d["modules"] = json::array(); }),
             ContainsSubstring("'modules' must be a list"));
  CHECK_THAT(error_with([](json& d) { d["modules"][1]["type"] = "Nothing"; }),
             ContainsSubstring("'1' ('Nothing')") && ContainsSubstring("is not known"));
  CHECK_THAT(error_with([](json& d) { d["modules"][1].erase("type"); }),
             ContainsSubstring("module 1 of the description: 'type' is missing"));
  CHECK_THAT(error_with([](json& d) { d["modules"][1]["surprise"] = 1; }),
             ContainsSubstring("unknown key 'surprise'"));
  CHECK_THAT(error_with([](json& d) { d["modules"][1]["type"] = "adze::nn::Dropout"; }),
             ContainsSubstring("'1' ('adze::nn::Dropout'): the setting 'p' is missing"));
  CHECK_THAT(error_with([](json& d) {
               d["modules"][1]["type"] = "adze::nn::Dropout";
               d["modules"][1]["config"]["p"] = "half";
             }),
             ContainsSubstring("a double was expected"));
  CHECK_THAT(error_with([](json& d) {
               d["modules"][1]["type"] = "adze::nn::Dropout";
               d["modules"][1]["config"]["p"] = 2;
             }),
             ContainsSubstring("between 0 and 1"));
  CHECK_THAT(error_with([](json& d) { d["modules"][0]["tensors"] = {"bias"}; }),
             ContainsSubstring("'0'") && ContainsSubstring("weight must be a matrix"));
  CHECK_THAT(error_with([](json& d) { d["modules"][0]["tensors"] = {"weight"}; }),
             ContainsSubstring("unexpected '0.bias'"));
  CHECK_THAT(error_with([](json& d) { d["modules"][0]["tensors"] = 3; }),
             ContainsSubstring("'tensors' must be a list"));
  CHECK_THAT(error_with([](json& d) { d["modules"][1]["tensors"] = {"weight"}; }),
             ContainsSubstring("the tensor '1.weight' is not in the file"));
  CHECK_THAT(error_with([](json& d) { d["modules"][1]["frozen"] = {"weight"}; }),
             ContainsSubstring("'1' has no stored tensor 'weight'"));
  CHECK_THAT(error_with([](json& d) { d["modules"][1]["training"] = 1; }),
             ContainsSubstring("'training' must hold true or false"));
  CHECK_THAT(error_with([](json& d) { d["modules"][0]["qconfig"] = 0; }),
             ContainsSubstring("'qconfig' must refer to one of the 0"));
  CHECK_THAT(error_with([](json& d) {
               d["qconfigs"] = {1};
               d["modules"][0]["qconfig"] = 0;
             }),
             ContainsSubstring("'0'") && ContainsSubstring("do not say how one is read"));
  CHECK_THAT(error_with([](json& d) { d["modules"][3]["children"].erase(1); }),
             ContainsSubstring("belongs to no other"));
}

TEST_CASE("References of a description go backwards only, to what is there",
          "[nn][model_file][errors]") {
  CHECK_THAT(error_with([](json& d) { d["modules"][3]["children"][0][1] = 3; }),
             ContainsSubstring("one of the 3 that stand before, got '3'"));
  CHECK_THAT(error_with([](json& d) { d["modules"][3]["children"][0][1] = -1; }),
             ContainsSubstring("got '-1'"));
  CHECK_THAT(error_with([](json& d) { d["modules"][3]["children"][0][0] = "a.b"; }),
             ContainsSubstring("'a.b.weight' is not in the file"));
  CHECK_THAT(error_with([](json& d) { d["modules"][3]["children"][1][0] = "0"; }),
             ContainsSubstring("there already is a module '0'"));
  CHECK_THAT(error_with([](json& d) {
               d["modules"][1]["children"] = json::array({json::array({"x", 0})});
             }),
             ContainsSubstring("'1'") && ContainsSubstring("its children are none"));
  CHECK_THAT(error_with([](json& d) {
               d["modules"][2]["tied"] = json::array({{"weight", 0, "weight", true}});
             }),
             ContainsSubstring("cannot be the same"));
  CHECK_THAT(error_with([](json& d) {
               d["modules"][1]["tied"] = json::array({{"weight", 0, "weight", true}});
             }),
             ContainsSubstring("no stored tensor 'weight'"));
}

TEST_CASE("Descriptions of absurd extent are refused before anything is built",
          "[nn][model_file][errors]") {
  const auto nest = [](std::size_t levels, bool twice) {
    return error_with([&](json& d) {
      d["modules"] = json::array({{{"type", "adze::nn::Identity"}}});
      for (std::size_t i = 0; i < levels; ++i) {
        json children = json::array({json::array({"0", i})});
        if (twice) children.push_back(json::array({"1", i}));
        d["modules"].push_back({{"type", "adze::nn::Sequential"}, {"children", children}});
      }
    });
  };
  CHECK_THAT(nest(300, false), ContainsSubstring("deeper than 256"));
  CHECK_THAT(nest(40, true), ContainsSubstring("more than 262144 positions"));
  CHECK_THAT(error_after([](SafeTensors& file) {
               file.metadata["adze.model"] = std::string(1 << 20, '[');
             }),
             ContainsSubstring("nested deeper"));
  CHECK_THAT(error_after([](SafeTensors& file) { file.metadata["adze.model"] = "{"; }),
             ContainsSubstring("not JSON"));
}

TEST_CASE("Tensors that do not fit the description are told", "[nn][model_file][errors]") {
  CHECK_THAT(error_after([](SafeTensors& file) { file.tensors.erase("2.bias"); }),
             ContainsSubstring("the tensor '2.bias' is not in the file"));
  CHECK_THAT(error_after([](SafeTensors& file) { file.tensors["2.bias"] = zeros({3}); }),
             ContainsSubstring("'2'") && ContainsSubstring("bias must have shape (2,)"));
  CHECK_THAT(error_after([](SafeTensors& file) { file.tensors["more"] = zeros({3}); }),
             ContainsSubstring("unexpected 'more'"));
  CHECK_THAT(
      error_after([](SafeTensors& file) { file.tensors["constraints.pinned_zeros"] = zeros({3}); }),
      ContainsSubstring("unexpected"));
  CHECK_THAT(error_after([](SafeTensors& file) {
               file.tensors["0.constraints.weight.pinned_zeros"] = zeros({3});
             }),
             ContainsSubstring("shape of '0.constraints.weight.pinned_zeros'"));
}

TEST_CASE("Tied names of a file are checked", "[nn][model_file][errors]") {
  const auto tie = [](const std::string& text, const char* erased) {
    return error_after([&](SafeTensors& file) {
      file.metadata["adze.tied"] = text;
      file.tensors.erase(erased);
    });
  };
  CHECK_THAT(tie("[]", ""), ContainsSubstring("not a JSON object"));
  CHECK_THAT(tie(R"({"2.bias": "absent"})", "2.bias"), ContainsSubstring("'2.bias' stands for no"));
  CHECK_THAT(tie(R"({"2.bias": 3})", "2.bias"), ContainsSubstring("'2.bias' stands for no"));
  CHECK_THAT(tie(R"({"2.bias": "0.bias"})", ""), ContainsSubstring("'2.bias' stands for no"));
  CHECK_THAT(tie(R"({"more": "0.bias"})", ""),
             ContainsSubstring("'more' and '0.bias' are one tensor in the file, but not in"));
}

TEST_CASE("Chains of a file are checked", "[nn][model_file][errors]") {
  const auto chain = [](const std::string& text, const Tensor& mask) {
    return error_after([&](SafeTensors& file) {
      file.metadata["adze.parametrizations.0.weight"] = text;
      auto node = file.tensors.extract("0.weight");
      node.key() = "0.parametrizations.weight.original";
      file.tensors.insert(std::move(node));
      if (mask.defined()) file.tensors["0.parametrizations.weight.0.mask"] = mask;
    });
  };
  const std::string mask = R"([{"type": "Mask", "owner": "x", "state": ""}])";
  CHECK(chain(mask, ones({4, 3})).empty());
  CHECK_THAT(chain(mask, {}), ContainsSubstring("the tensor 'mask' is missing"));
  CHECK_THAT(chain(mask, ones({3, 3, 3})), ContainsSubstring("'0' ('adze::nn::Linear')"));
  CHECK_THAT(chain(R"([{"type": "Odd", "owner": "", "state": ""}])", {}),
             ContainsSubstring("the parametrization 'Odd' is not known"));
  CHECK_THAT(chain(R"([{"type": 1, "owner": "", "state": ""}])", {}), ContainsSubstring("broken"));
  CHECK_THAT(chain("[1]", {}), ContainsSubstring("broken"));
  std::string longest = "[";
  for (int i = 0; i < 65; ++i) longest += R"({"type": "Doubled", "owner": "", "state": ""},)";
  longest.back() = ']';
  CHECK_THAT(chain(longest, {}), ContainsSubstring("broken"));
}

TEST_CASE("What a builder gives is checked", "[nn][model_file][errors]") {
  const auto bytes = nn::serialize_model(*small_net());
  nn::ModuleTypes wrong = nn::module_types();
  wrong.add<nn::ReLU>([](const nn::ModuleSpec&) { return nn::make<nn::Tanh>(); });
  CHECK_THAT(
      error_of([&] { nn::parse_model(bytes, wrong); }),
      ContainsSubstring("'1' ('adze::nn::ReLU')") && ContainsSubstring("gave a adze::nn::Tanh"));
  wrong.add<nn::ReLU>([](const nn::ModuleSpec&) { return nn::ModulePtr(); });
  CHECK_THAT(error_of([&] { nn::parse_model(bytes, wrong); }), ContainsSubstring("gave none"));
  wrong.add<nn::ReLU>(
      [](const nn::ModuleSpec&) -> nn::ModulePtr { throw std::runtime_error("no luck"); });
  CHECK_THAT(error_of([&] { nn::parse_model(bytes, wrong); }), ContainsSubstring("no luck"));
  CHECK_THAT(error_of([&] { wrong.add<nn::ReLU>(nn::ModuleTypes::Build()); }),
             ContainsSubstring("is empty"));
}

TEST_CASE("The children of a container and those added to it stay apart", "[nn][model_file]") {
  auto net = small_net();
  net->add_module("watcher", nn::make<nn::Identity>());
  const nn::ModulePtr loaded = reload(*net);
  check_same_network(*net, *loaded);
  CHECK(loaded->as<nn::Sequential>().size() == 3);
  CHECK(loaded->added_modules() == 1);
}

TEST_CASE("Thousands of damaged files give an Error or a network, never anything else",
          "[nn][model_file][errors]") {
  Tied net;
  nn::register_parametrization(*net.a, "weight", std::make_shared<Mask>(ones({3, 3})));
  net.block.as<nn::Linear>().weight.slot()->pin_zeros(ones({3, 3}));
  const int loaded = test::load_damaged(nn::serialize_model(net, types()), types(), 3000);
  CHECK(loaded > 0);
  CHECK(loaded < 3000);
}
