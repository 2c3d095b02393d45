#include "adze/ao/pruning/sparse_group.h"

#include "pruning_test_support.h"

using namespace adze;
using namespace adze::ao::pruning;
using adze::test::error_of;
using adze::test::FirstRowSparsifier;
using adze::test::SimpleLinear;

namespace {

class SpecialLinear : public nn::ModuleOf<SpecialLinear, nn::Linear> {
 public:
  SpecialLinear() : ModuleOf(4, 4) {}
  using nn::Linear::forward;
};

std::vector<std::string> names(const std::vector<SparseConfig>& config) {
  std::vector<std::string> out;
  for (const SparseConfig& c : config) out.push_back(c.tensor_fqn);
  return out;
}

}  // namespace

TEST_CASE("make_config_from_model lists the weights of linear layers in the order of the modules",
          "[ao][pruning]") {
  SimpleLinear net;
  CHECK(names(make_config_from_model(net)) ==
        std::vector<std::string>{"seq.0.weight", "seq.1.weight", "seq.2.weight", "linear1.weight",
                                 "linear2.weight"});
}

TEST_CASE("make_config_from_model finds a bare root, derived layers and parametrized tensors",
          "[ao][pruning]") {
  nn::Linear root(4, 4);
  CHECK(names(make_config_from_model(root)) == std::vector<std::string>{"weight"});
  root.weight.slot()->push(std::make_shared<FakeSparsity>(ones({4, 4})));
  CHECK(names(make_config_from_model(root)) == std::vector<std::string>{"weight"});

  nn::Sequential net{nn::Linear(4, 4), SpecialLinear(), nn::ReLU()};
  CHECK(names(make_config_from_model(net)) == std::vector<std::string>{"0.weight", "1.weight"});
  CHECK(names(make_config_from_model(net, is_exactly<nn::Linear>())) ==
        std::vector<std::string>{"0.weight"});
  CHECK(names(make_config_from_model(net, is_a<SpecialLinear, adze::test::Affine>())) ==
        std::vector<std::string>{"1.weight"});
}

TEST_CASE("make_config_from_model lists a weight that layers share once", "[ao][pruning]") {
  nn::ModulePtr shared = nn::make<nn::Linear>(4, 4);
  auto tied = nn::make<nn::Linear>(4, 4);
  tied->weight.rebind(shared->as<nn::Linear>().weight.slot());
  nn::Sequential net{nn::make<nn::Sequential>(shared), shared, tied};
  CHECK(names(make_config_from_model(net)) == std::vector<std::string>{"0.0.weight"});
}

TEST_CASE("A group tells its tensor, its settings and its mask", "[ao][pruning]") {
  SimpleLinear net;
  FirstRowSparsifier sparsifier({{"test", 3}, {"sparsity_level", 0.5}});
  sparsifier.prepare(net, {{.tensor_fqn = "seq.0.weight", .extras = {{"test", 42}}}});
  const SparseGroup& group = sparsifier.groups().at(0);
  CHECK(group.tensor_fqn() == "seq.0.weight");
  CHECK(group.module_fqn() == "seq.0");
  CHECK(group.tensor_name() == "weight");
  CHECK(group.current_fqn(net) == "seq.0.weight");
  CHECK(group.at("test").to_int() == 42);
  CHECK(group.sparsity_level() == 0.5);
  CHECK(group.mask().equal(ones({5, 7})));
  CHECK(group.is_active());
  CHECK_FALSE(group.squashed());
  CHECK(error_of([&] { group.zeros_per_block(); }) ==
        "'seq.0.weight' has no setting 'zeros_per_block'; it has sparsity_level, test");
}

TEST_CASE("A group follows its tensor to another place in the network", "[ao][pruning]") {
  nn::Sequential net{nn::Linear(4, 4), nn::ReLU()};
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(net, {{"0.weight"}});
  net.set(0, nn::make<nn::Sequential>(net.child(0).ptr(), nn::make<nn::ReLU>()));
  CHECK(sparsifier.groups()[0].current_fqn(net) == "0.0.weight");
  CHECK(sparsifier.groups()[0].tensor_fqn() == "0.weight");
  net.set(0, nn::make<nn::ReLU>());
  CHECK(sparsifier.groups()[0].current_fqn(net).empty());
  CHECK_FALSE(sparsifier.groups()[0].is_active());
}
