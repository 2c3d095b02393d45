#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "adze/ao/pruning/base_sparsifier.h"
#include "adze/ao/pruning/utils.h"
#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"
#include "adze/nn/activation.h"
#include "adze/nn/container.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/parametrize.h"
#include "adze/nn/traversal.h"

#include "support/catch.h"
#include "support/modules.h"

// Networks and sparsifiers that the tests of pruning share.
namespace adze::test {

/// Layers 7-5-6-4 in a row, then 4-4 and 4-10, all without bias.
class SimpleLinear : public nn::ModuleOf<SimpleLinear> {
 public:
  nn::Submodule seq{
      "seq", nn::Sequential(nn::Linear(7, 5, {.bias = false}), nn::Linear(5, 6, {.bias = false}),
                            nn::Linear(6, 4, {.bias = false}))};
  nn::Submodule linear1{"linear1", nn::Linear(4, 4, {.bias = false})};
  nn::Submodule linear2{"linear2", nn::Linear(4, 10, {.bias = false})};
  Tensor forward(const Tensor& x) { return linear2(linear1(seq(x))); }

 protected:
  void fields(nn::FieldList& f) override { f(seq, linear1, linear2); }
};

/// Prunes the first row of every tensor.
class FirstRowSparsifier : public ao::pruning::BaseSparsifier {
 public:
  explicit FirstRowSparsifier(ao::pruning::SparseValues defaults = {{"test", 3}},
                              std::string name = "FirstRowSparsifier")
      : BaseSparsifier(std::move(name), std::move(defaults)) {}
  std::string type() const override { return "FirstRowSparsifier"; }

 protected:
  Tensor update_mask(const ao::pruning::SparseGroup& group, const Tensor&) override {
    Tensor mask = group.mask().clone();
    mask[0].zero_();
    return mask;
  }
};

/// One linear layer without bias around `weight`.
inline std::shared_ptr<nn::Sequential> layer_of(const Tensor& weight) {
  return std::make_shared<nn::Sequential>(nn::Linear(weight.clone()));
}
/// (rows, cols) filled with 1, 2, 3, ...
inline Tensor counting(std::int64_t rows, std::int64_t cols) {
  return arange(1, rows * cols + 1).to(float32).reshape({rows, cols});
}
inline nn::Slot& slot_at(nn::Module& model, const std::string& fqn) {
  nn::Parameter* p = nn::find_parameter(model, fqn);
  REQUIRE(p != nullptr);
  return *p->slot();
}
/// The mask number `i` on a tensor of the network.
inline Tensor mask_at(nn::Module& model, const std::string& fqn, std::size_t i = 0) {
  const auto& chain = slot_at(model, fqn).chain();
  REQUIRE(i < chain.size());
  return chain[i]->tensors().at(0).second;
}
inline std::int64_t zeros_in(const Tensor& t) {
  return t.numel() - count_nonzero(t);
}
/// Names of the groups' tensors.
inline std::vector<std::string> names_of(const ao::pruning::BaseSparsifier& sparsifier) {
  std::vector<std::string> names;
  for (const auto& group : sparsifier.groups()) names.push_back(group.tensor_fqn());
  return names;
}

}  // namespace adze::test
