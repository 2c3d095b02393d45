#include "adze/ao/pruning/utils.h"

#include "pruning_test_support.h"

using namespace adze;
using namespace adze::ao::pruning;
using adze::test::Block;
using adze::test::SimpleLinear;

namespace {
std::vector<nn::ModulePtr> networks() {
  return {nn::make<nn::Linear>(4, 2), nn::make<SimpleLinear>(), nn::make<Block>(),
          nn::make<nn::Sequential>(nn::Linear(4, 4), nn::ReLU(), nn::Sequential(Block()))};
}
}  // namespace

TEST_CASE("module_to_fqn and fqn_to_module are inverse for every module",
          "[ao][pruning][upstream]") {
  for (const nn::ModulePtr& net : networks()) {
    for (const auto& [path, module] : nn::named_modules(*net)) {
      CHECK(module_to_fqn(*net, *module) == path);
      CHECK(fqn_to_module(*net, path) == module);
    }
  }
}

TEST_CASE("module_to_fqn gives nothing for a module of another network, and \"\" for the network",
          "[ao][pruning][upstream]") {
  const nn::Linear foreign(3, 3);
  for (const nn::ModulePtr& net : networks()) {
    CHECK(module_to_fqn(*net, foreign) == std::nullopt);
    CHECK(module_to_fqn(*net, *net) == "");
  }
}

TEST_CASE("module_to_fqn puts a prefix in front; a shared module has its first path",
          "[ao][pruning]") {
  nn::ModulePtr shared = nn::make<nn::Linear>(4, 4);
  nn::Sequential net{nn::make<nn::Sequential>(shared), shared};
  CHECK(module_to_fqn(net, *shared) == "0.0");
  CHECK(module_to_fqn(net, *shared, "p.") == "p.0.0");
}

TEST_CASE("fqn_to_module gives nullptr where there is no such module", "[ao][pruning][upstream]") {
  for (const nn::ModulePtr& net : networks()) CHECK(fqn_to_module(*net, "foo.bar.baz") == nullptr);
}

TEST_CASE("get_arg_info_from_tensor_fqn takes the name of every parameter apart",
          "[ao][pruning][upstream]") {
  for (const nn::ModulePtr& net : networks()) {
    nn::for_each_parameter(*net, [&](const std::string& path, nn::Parameter& p) {
      const ArgInfo info = get_arg_info_from_tensor_fqn(*net, nn::join_path(path, p.name()));
      CHECK(info.module_fqn == path);
      CHECK(info.module == fqn_to_module(*net, path));
      CHECK(info.tensor_name == p.name());
      CHECK(info.tensor_fqn == nn::join_path(path, p.name()));
    });
  }
}

TEST_CASE("get_arg_info_from_tensor_fqn fills in the names of a tensor that does not exist",
          "[ao][pruning][upstream]") {
  SimpleLinear net;
  const ArgInfo info = get_arg_info_from_tensor_fqn(net, "foo.bar.baz");
  CHECK(info.module == nullptr);
  CHECK(info.module_fqn == "foo.bar");
  CHECK(info.tensor_name == "baz");
  CHECK(info.tensor_fqn == "foo.bar.baz");
}

TEST_CASE("sparsity is the fraction of elements that are zero, also of quantized tensors",
          "[ao][pruning]") {
  CHECK(sparsity(tensor({0, 1, 0, 2})) == 0.5);
  CHECK(sparsity(zeros({3})) == 1);
  CHECK(sparsity(empty({0})) == 0);
  // 0.01 rounds to the zero point, 5.
  const Tensor q = quantize_per_tensor(tensor({0, 0.01, 1, 2}), 0.1, 5, quint8);
  CHECK(sparsity(q) == 0.5);
}
