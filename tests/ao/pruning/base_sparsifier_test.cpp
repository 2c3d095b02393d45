#include "adze/ao/pruning/base_sparsifier.h"

#include <sstream>

#include "adze/nn/optim/sgd.h"
#include "adze/nn/swap.h"

#include "pruning_test_support.h"

using namespace adze;
using namespace adze::ao::pruning;
using adze::test::error_of;
using adze::test::FirstRowSparsifier;
using adze::test::mask_at;
using adze::test::names_of;
using adze::test::SimpleLinear;
using adze::test::slot_at;
using adze::test::Warnings;
using adze::test::zeros_in;

namespace {

// Prunes the first column.
class FirstColumnSparsifier : public BaseSparsifier {
 public:
  explicit FirstColumnSparsifier(std::string name) : BaseSparsifier(std::move(name), {}) {}
  std::string type() const override { return "FirstColumnSparsifier"; }

 protected:
  Tensor update_mask(const SparseGroup& group, const Tensor&) override {
    Tensor mask = group.mask().clone();
    mask.select(1, 0).zero_();
    return mask;
  }
};

// Gives whatever it is told to give.
class GivenSparsifier : public BaseSparsifier {
 public:
  explicit GivenSparsifier(Tensor given) : BaseSparsifier("given", {}), given_(given) {}
  std::string type() const override { return "GivenSparsifier"; }

 protected:
  Tensor update_mask(const SparseGroup&, const Tensor& value) override {
    return given_.defined() ? given_ : ones(value.sizes());
  }

 private:
  Tensor given_;
};

bool same(nn::Module& a, const nn::StateDict& before) {
  const nn::StateDict now = nn::state_dict(a);
  if (now.metadata != before.metadata || now.tensors.size() != before.tensors.size()) return false;
  for (const auto& [name, tensor] : before.tensors)
    if (!now.contains(name) || !now.at(name).equal(tensor)) return false;
  return true;
}

}  // namespace

TEST_CASE("prepare without a config takes all linear layers; with one, those it names",
          "[ao][pruning][upstream]") {
  SimpleLinear all, one;
  FirstRowSparsifier a, b;
  a.prepare(all);
  CHECK(a.groups().size() == 5);
  a.step();
  b.prepare(one, {{.tensor_fqn = "linear1.weight"}});
  REQUIRE(b.groups().size() == 1);
  CHECK(b.groups()[0].tensor_fqn() == "linear1.weight");
  CHECK(b.groups()[0].at("test").to_int() == 3);
  b.step();
}

TEST_CASE("A setting of a config goes before the default; other layers stay as they are",
          "[ao][pruning][upstream]") {
  SimpleLinear net;
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(net, {{.tensor_fqn = "seq.0.weight", .extras = {{"test", 42}}},
                           {.tensor_fqn = "linear2.weight"}});
  CHECK(sparsifier.groups()[0].at("test").to_int() == 42);
  CHECK(sparsifier.groups()[1].at("test").to_int() == 3);
  CHECK(nn::is_parametrized(net.seq->as<nn::Sequential>().at(0)));
  CHECK(nn::is_parametrized(*net.linear2));
  CHECK_FALSE(nn::is_parametrized(*net.linear1));
}

TEST_CASE("step renews the masks", "[ao][pruning][upstream]") {
  SimpleLinear net;
  FirstRowSparsifier sparsifier;
  sparsifier.enable_mask_update = true;
  sparsifier.prepare(net, {{"linear1.weight"}});
  CHECK(mask_at(net, "linear1.weight").equal(ones({4, 4})));
  sparsifier.step();
  CHECK(mask_at(net, "linear1.weight")[0].equal(zeros({4})));
  CHECK(zeros_in(slot_at(net, "linear1.weight").value()) == 4);
}

TEST_CASE("step leaves masks alone while enable_mask_update is off", "[ao][pruning]") {
  SimpleLinear net;
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(net);
  sparsifier.enable_mask_update = false;
  sparsifier.step();
  CHECK(zeros_in(mask_at(net, "linear1.weight")) == 0);
}

TEST_CASE("squash_mask makes the zeros part of the tensor and leaves other layers alone",
          "[ao][pruning][upstream]") {
  SimpleLinear net;
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(net, {{"seq.0.weight"}, {"linear1.weight"}});
  CHECK(nn::is_parametrized(*net.linear1, "weight"));
  sparsifier.step();
  const Tensor before = slot_at(net, "linear2.weight").value().clone();
  sparsifier.squash_mask();
  CHECK_FALSE(nn::is_parametrized(*net.linear1, "weight"));
  CHECK(zeros_in(slot_at(net, "linear1.weight").original()) == 4);
  CHECK(slot_at(net, "linear2.weight").value().equal(before));
  CHECK(sparsifier.groups()[0].squashed());
}

TEST_CASE("Squashing before any step keeps every bit", "[ao][pruning]") {
  SimpleLinear net;
  const Tensor before = slot_at(net, "linear1.weight").value().clone();
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(net);
  sparsifier.squash_mask();
  CHECK(slot_at(net, "linear1.weight").value().equal(before));
}

TEST_CASE("squash_mask keeps the settings that are asked for", "[ao][pruning][upstream]") {
  using Names = std::vector<std::string>;
  const std::map<std::string, Names> per_layer = {{"linear1", {"foo", "bar"}}, {"seq.0", {"baz"}}};
  struct Case {
    SquashOptions options;
    Names linear1, seq0;
  };
  const Case cases[] = {
      {{.params_to_keep_per_layer = per_layer}, {"bar", "foo"}, {"baz"}},
      {{.params_to_keep = {"foo", "bar"}}, {"bar", "foo"}, {"bar", "foo"}},
      {{.params_to_keep = {"foo", "bar"}, .params_to_keep_per_layer = {{"seq.0", {"baz"}}}},
       {"bar", "foo"},
       {"bar", "baz", "foo"}},
      {{}, {}, {}},
  };
  const auto kept = [](nn::Module& net, const std::string& fqn) {
    Names names;
    for (const auto& [name, value] : slot_at(net, fqn).sparse_params) names.push_back(name);
    return names;
  };
  for (const Case& c : cases) {
    SimpleLinear net;
    FirstRowSparsifier sparsifier({{"foo", 3}, {"bar", 2}, {"baz", 1}});
    sparsifier.prepare(net, {{"linear1.weight"}, {"seq.0.weight"}});
    sparsifier.squash_mask(c.options);
    CHECK(kept(net, "linear1.weight") == c.linear1);
    CHECK(kept(net, "seq.0.weight") == c.seq0);
    for (const auto& [name, value] : slot_at(net, "linear1.weight").sparse_params)
      CHECK(value.to_int() == (name == "foo" ? 3 : 2));
  }
}

TEST_CASE("A name that squash_mask is to keep and does not know stops it before it begins",
          "[ao][pruning][errors]") {
  SimpleLinear net;
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(net, {{"linear1.weight"}, {"seq.0.weight"}});
  CHECK(error_of([&] { sparsifier.squash_mask({.params_to_keep = {"foo"}}); }) ==
        "FirstRowSparsifier.squash_mask: 'linear1.weight': 'linear1.weight' has no setting 'foo'; "
        "it has test");
  CHECK(error_of([&] {
          sparsifier.squash_mask({.params_to_keep_per_layer = {{"linear3", {"test"}}}});
        }) ==
        "FirstRowSparsifier.squash_mask: params_to_keep_per_layer: no tensor of a module "
        "'linear3' was prepared");
  CHECK(nn::is_parametrized(*net.linear1));
}

TEST_CASE("A refused prepare leaves the network and the sparsifier as they were",
          "[ao][pruning][errors]") {
  nn::Sequential net{SimpleLinear(), nn::Linear(4, 4)};
  const nn::StateDict before = nn::state_dict(net);
  FirstRowSparsifier sparsifier;
  const auto refused = [&](const SparseConfig& bad) {
    const std::string message = error_of([&] {
      sparsifier.prepare(net, {{"0.linear1.weight"}, bad});
    });
    CHECK(same(net, before));
    CHECK(sparsifier.groups().empty());
    CHECK_FALSE(sparsifier.is_prepared());
    return message;
  };
  CHECK(refused({"0.linear3.weight"}) ==
        "FirstRowSparsifier.prepare: there is no tensor '0.linear3.weight'; the nearest names are "
        "'0.linear1.weight', '0.linear2.weight', '0.seq.0.weight'");
  CHECK_THAT(refused({"1"}), ContainsSubstring("there is no tensor '1'"));
  CHECK_THAT(refused({"foo.bar.baz"}), ContainsSubstring("there is no tensor 'foo.bar.baz'"));
  CHECK_THAT(refused({""}), ContainsSubstring("tensor_fqn is a required argument"));
  CHECK(refused({"0.linear1.weight"}) ==
        "FirstRowSparsifier.prepare: '0.linear1.weight' is given twice");
  CHECK(refused({.tensor_fqn = "1.weight", .mask = ones({4})}) ==
        "FirstRowSparsifier.prepare: '1.weight': mask is (4,), the tensor (4, 4)");
  CHECK_THAT(refused({.tensor_fqn = "1.weight", .mask = full({4, 4}, 0.5)}),
             ContainsSubstring("a mask holds zeros and ones, got 0.5"));
}

TEST_CASE("A layer without bias has no bias to prune", "[ao][pruning][errors]") {
  SimpleLinear net;
  CHECK_THAT(error_of([&] { FirstRowSparsifier().prepare(net, {{"linear1.bias"}}); }),
             ContainsSubstring("there is no tensor 'linear1.bias'"));
}

TEST_CASE("Quantized and integer tensors are not pruned", "[ao][pruning][errors]") {
  class Holder : public nn::ModuleOf<Holder> {
   public:
    nn::Buffer q{"q", quantize_per_tensor(ones({2, 2}), 0.1, 0, qint8)};
    nn::Buffer i{"i", ones({2, 2}, int64)};
    Tensor forward(const Tensor& x) { return x; }

   protected:
    void fields(nn::FieldList& f) override { f(q, i); }
  };
  Holder holder;
  CHECK(error_of([&] { FirstRowSparsifier().prepare(holder, {{"q"}}); }) ==
        "FirstRowSparsifier.prepare: 'q' must be of a floating dtype to be pruned, it is qint8");
  CHECK_THAT(error_of([&] { FirstRowSparsifier().prepare(holder, {{"i"}}); }),
             ContainsSubstring("it is int64"));
}

TEST_CASE("An empty list of tensors is accepted; a network without linear layers gives a warning",
          "[ao][pruning]") {
  SimpleLinear net;
  FirstRowSparsifier a, b;
  a.prepare(net, {});
  a.step();
  a.squash_mask();
  CHECK(a.groups().empty());
  Warnings warnings;
  nn::Sequential none{nn::ReLU()};
  b.prepare(none);
  CHECK(warnings.mention("the network has no linear layer to prune"));
}

TEST_CASE("step and squash_mask need prepare first", "[ao][pruning][errors]") {
  FirstRowSparsifier sparsifier;
  CHECK(error_of([&] { sparsifier.step(); }) == "FirstRowSparsifier.step: prepare() comes first");
  CHECK(error_of([&] { sparsifier.squash_mask(); }) ==
        "FirstRowSparsifier.squash_mask: prepare() comes first");
}

TEST_CASE("A config may bring a mask to start with, which is copied", "[ao][pruning]") {
  SimpleLinear net;
  const Tensor mask = eye(4, boolean);
  GivenSparsifier sparsifier{Tensor()};
  sparsifier.prepare(net, {{.tensor_fqn = "linear1.weight", .mask = mask}});
  CHECK(mask_at(net, "linear1.weight").equal(eye(4)));
  sparsifier.step();
  CHECK(mask_at(net, "linear1.weight").equal(ones({4, 4})));
  CHECK(mask.equal(eye(4, boolean)));
}

TEST_CASE("prepare may be called again with other tensors, not with the same", "[ao][pruning]") {
  SimpleLinear net;
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(net, {{"linear1.weight"}});
  sparsifier.prepare(net, {{"linear2.weight"}});
  CHECK(names_of(sparsifier) == std::vector<std::string>{"linear1.weight", "linear2.weight"});
  CHECK(slot_at(net, "linear1.weight").chain().size() == 1);
  CHECK(error_of([&] { sparsifier.prepare(net, {{"linear1.weight"}}); }) ==
        "FirstRowSparsifier.prepare: 'linear1.weight': it has a mask of a sparsifier named "
        "'FirstRowSparsifier' already; two sparsifiers on one tensor need different names");
  SimpleLinear other;
  CHECK(error_of([&] { sparsifier.prepare(other, {{"linear1.weight"}}); }) ==
        "FirstRowSparsifier.prepare: 'linear1.weight' is prepared already, in another network");
}

TEST_CASE("Pruning goes on after a squash: the tensor is prepared again", "[ao][pruning]") {
  SimpleLinear net;
  FirstRowSparsifier sparsifier;
  for (int round = 0; round < 3; ++round) {
    sparsifier.prepare(net);
    CHECK(sparsifier.groups().size() == 5);
    CHECK(slot_at(net, "linear1.weight").chain().size() == 1);
    sparsifier.step();
    sparsifier.squash_mask();
    CHECK(zeros_in(slot_at(net, "linear1.weight").original()) == 4);
  }
  // Tensors that were squashed do not keep others from being stepped.
  sparsifier.prepare(net, {{"linear2.weight"}});
  sparsifier.step();
  CHECK(zeros_in(mask_at(net, "linear2.weight")) == 4);
}

TEST_CASE("A mask that update_mask gives must fit; nothing is written when one does not",
          "[ao][pruning][errors]") {
  nn::Sequential net{nn::Linear(4, 4), nn::Linear(4, 2)};
  GivenSparsifier sparsifier(zeros({4, 4}));
  sparsifier.prepare(net);
  CHECK(error_of([&] { sparsifier.step(); }) ==
        "GivenSparsifier.step: '1.weight': mask is (4, 4), the tensor (2, 4)");
  CHECK(zeros_in(mask_at(net, "0.weight")) == 0);
  CHECK(sparsifier.step_count() == 0);
}

TEST_CASE("A step that leaves a mask as it is does not count as a change of the tensor",
          "[ao][pruning]") {
  SimpleLinear net;
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(net);
  sparsifier.step();
  const std::uint64_t version = slot_at(net, "linear1.weight").version();
  sparsifier.step();
  CHECK(slot_at(net, "linear1.weight").version() == version);
}

TEST_CASE("Two sparsifiers on one tensor: the product of their masks; each removes only its own",
          "[ao][pruning]") {
  for (const bool rows_first : {true, false}) {
    SimpleLinear net;
    FirstRowSparsifier rows;
    FirstColumnSparsifier columns("columns");
    rows.prepare(net, {{"linear1.weight"}});
    columns.prepare(net, {{"linear1.weight"}});
    rows.step();
    columns.step();
    nn::Slot& slot = slot_at(net, "linear1.weight");
    CHECK(zeros_in(slot.value()) == 7);
    CHECK(zeros_in(mask_at(net, "linear1.weight", 0)) == 4);
    CHECK(zeros_in(mask_at(net, "linear1.weight", 1)) == 4);
    const Tensor both = slot.value().clone();
    BaseSparsifier &first = rows_first ? static_cast<BaseSparsifier&>(rows) : columns,
                   &second = rows_first ? static_cast<BaseSparsifier&>(columns) : rows;
    first.squash_mask();
    CHECK(slot.chain().size() == 1);
    CHECK(zeros_in(slot.original()) == 4);
    CHECK(slot.value().equal(both));
    second.step();
    second.squash_mask();
    CHECK(slot.original().equal(both));
  }
}

TEST_CASE("Two sparsifiers of one name do not share a tensor", "[ao][pruning][errors]") {
  SimpleLinear net;
  FirstRowSparsifier a, b, c({}, "c");
  a.prepare(net, {{"linear1.weight"}});
  CHECK_THAT(error_of([&] { b.prepare(net, {{"linear1.weight"}}); }),
             ContainsSubstring("need different names"));
  c.prepare(net, {{"linear1.weight"}});
  b.prepare(net, {{"linear2.weight"}});
  CHECK(slot_at(net, "linear1.weight").chain().size() == 2);
}

TEST_CASE("A parametrization of another kind may stand before or behind the mask",
          "[ao][pruning]") {
  for (const bool before : {true, false}) {
    SimpleLinear net;
    nn::Slot& slot = slot_at(net, "linear1.weight");
    FirstRowSparsifier sparsifier;
    if (before) slot.push(std::make_shared<adze::test::Doubled>());
    sparsifier.prepare(net, {{"linear1.weight"}});
    if (!before) slot.push(std::make_shared<adze::test::Doubled>());
    sparsifier.step();
    const Tensor value = slot.value().clone();
    CHECK(zeros_in(value) == 4);
    sparsifier.squash_mask();
    CHECK(slot.value().equal(value));
    CHECK(slot.chain().size() == (before ? 0 : 1));
  }
}

TEST_CASE("Zeros regrow in training after a squash, unless they are pinned", "[ao][pruning]") {
  for (const bool pin : {false, true}) {
    SimpleLinear net;
    FirstRowSparsifier sparsifier;
    sparsifier.prepare(net, {{"linear1.weight"}});
    sparsifier.step();
    sparsifier.squash_mask({.pin_zeros = pin});
    CHECK_FALSE(nn::is_parametrized(*net.linear1));
    optim::SGD sgd(nn::parameters(net), {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01});
    for (int i = 0; i < 3; ++i) {
      sgd.zero_grad();
      square(net(randn({8, 7}))).sum().backward();
      sgd.step();
    }
    CHECK(zeros_in(slot_at(net, "linear1.weight").value()) == (pin ? 4 : 0));
    nn::ModulePtr copy = nn::deepcopy(nn::make<SimpleLinear>(net));
    CHECK(slot_at(*copy, "linear1.weight").pinned().defined() == pin);
  }
}

TEST_CASE("Masked elements stay zero in training while the mask is on", "[ao][pruning]") {
  SimpleLinear net;
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(net, {{"linear1.weight"}});
  sparsifier.step();
  const Tensor stored = slot_at(net, "linear1.weight").original()[0].clone();
  optim::SGD sgd(nn::parameters(net), {.lr = 0.1});
  square(net(randn({8, 7}))).sum().backward();
  sgd.step();
  CHECK(zeros_in(slot_at(net, "linear1.weight").value()) == 4);
  CHECK(slot_at(net, "linear1.weight").original()[0].equal(stored));
  sparsifier.step();
  sparsifier.squash_mask();
  CHECK(zeros_in(slot_at(net, "linear1.weight").value()) == 4);
}

TEST_CASE("A step between forward and backward does not disturb the gradient",
          "[ao][pruning][autograd]") {
  SimpleLinear net;
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(net, {{"linear1.weight"}});
  const Tensor loss = net(ones({1, 7})).sum();
  sparsifier.step();
  CHECK_NOTHROW(loss.backward());
}

TEST_CASE("Weights tied by slot are one weight: one mask for both", "[ao][pruning][ties]") {
  auto a = nn::make<nn::Linear>(4, 4), b = nn::make<nn::Linear>(4, 4);
  b->weight.rebind(a->weight.slot());
  nn::ModulePtr net = nn::make<nn::Sequential>(a, b);
  FirstRowSparsifier sparsifier;
  CHECK(error_of([&] {
          sparsifier.prepare(*net, {{"0.weight"}, {"1.weight"}});
        }) == "FirstRowSparsifier.prepare: '1.weight' is given twice");
  sparsifier.prepare(*net);
  CHECK(names_of(sparsifier) == std::vector<std::string>{"0.weight"});
  sparsifier.step();
  CHECK(zeros_in(b->weight.value()) == 4);
  nn::ModulePtr copy = nn::deepcopy(net);
  sparsifier.rebind(*copy);
  sparsifier.squash_mask();
  CHECK(zeros_in(slot_at(*copy, "1.weight").original()) == 4);
  CHECK(slot_at(*net, "0.weight").is_parametrized());
}

TEST_CASE("Squashing does not touch a partner that shares only the tensor", "[ao][pruning][ties]") {
  const Tensor shared = ones({4, 4});
  nn::Sequential net{nn::Linear(shared), nn::Linear(shared)};
  REQUIRE(slot_at(net, "0.weight").original().is_same(slot_at(net, "1.weight").original()));
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(net, {{"0.weight"}});
  sparsifier.step();
  sparsifier.squash_mask();
  CHECK(zeros_in(slot_at(net, "0.weight").value()) == 4);
  CHECK(zeros_in(slot_at(net, "1.weight").value()) == 0);
}

TEST_CASE("A sparsifier follows its tensor through a swap of the module", "[ao][pruning][swap]") {
  SimpleLinear net;
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(net, {{"linear1.weight"}});
  nn::ModulePtr old = net.linear1.ptr();
  auto to = nn::make<nn::Linear>(4, 4, nn::LinearOptions{.bias = false});
  nn::swap(net.linear1, *old, *old, to, nn::Slots::move);
  old.reset();
  sparsifier.step();
  CHECK(zeros_in(to->weight.value()) == 4);
  sparsifier.squash_mask({.params_to_keep = {"test"}});
  CHECK_FALSE(to->weight.slot()->is_parametrized());
  CHECK(to->weight.slot()->sparse_params.at("test").to_int() == 3);
}

TEST_CASE("A step after the mask is gone names the tensor; a squash then has nothing to do",
          "[ao][pruning][errors]") {
  const std::string gone =
      "FirstRowSparsifier.step: no mask of this sparsifier is on 'linear1.weight' any more: it was "
      "squashed, its module was converted, or its network is gone";
  SECTION("squashed") {
    SimpleLinear net;
    FirstRowSparsifier sparsifier;
    sparsifier.prepare(net, {{"linear1.weight"}});
    sparsifier.squash_mask();
    CHECK(error_of([&] { sparsifier.step(); }) == gone);
    CHECK_NOTHROW(sparsifier.squash_mask());
  }
  SECTION("removed by hand, which keeps other tensors as they are") {
    SimpleLinear net;
    FirstRowSparsifier sparsifier;
    sparsifier.prepare(net, {{"linear1.weight"}, {"linear2.weight"}});
    nn::remove_parametrizations(*net.linear1, "weight");
    CHECK(error_of([&] { sparsifier.step(); }) == gone);
    CHECK(zeros_in(mask_at(net, "linear2.weight")) == 0);
  }
  SECTION("converted: another module stands there") {
    SimpleLinear net;
    FirstRowSparsifier sparsifier;
    sparsifier.prepare(net, {{"linear1.weight"}});
    sparsifier.step();
    nn::ModulePtr old = net.linear1.ptr();
    nn::swap(net.linear1, *old, *old, nn::make<nn::Linear>(4, 4), nn::Slots::baked);
    old.reset();
    CHECK(error_of([&] { sparsifier.step(); }) == gone);
    CHECK_NOTHROW(sparsifier.squash_mask());
    CHECK(sparsifier.groups()[0].squashed());
  }
  SECTION("the network is gone") {
    FirstRowSparsifier sparsifier;
    {
      SimpleLinear net;
      sparsifier.prepare(net, {{"linear1.weight"}});
    }
    CHECK(error_of([&] { sparsifier.step(); }) == gone);
  }
}

TEST_CASE("A step after the network was copied warns once; rebind goes over to the copy",
          "[ao][pruning][deepcopy]") {
  auto net = nn::make<SimpleLinear>();
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(*net, {{"linear1.weight"}});
  Warnings warnings;
  sparsifier.step();
  CHECK(warnings.all.empty());
  nn::ModulePtr copy = nn::deepcopy(net);
  slot_at(*copy, "linear1.weight");
  sparsifier.step();
  sparsifier.step();
  REQUIRE(warnings.all.size() == 1);
  CHECK(warnings.mention("the network of 'linear1.weight' was copied"));

  sparsifier.rebind(*copy);
  sparsifier.step();
  CHECK(warnings.all.size() == 1);
  mask_at(*net, "linear1.weight").fill_(1);
  CHECK(zeros_in(mask_at(*copy, "linear1.weight")) == 4);
  sparsifier.squash_mask();
  CHECK(nn::is_parametrized(*net->linear1));
  CHECK_FALSE(slot_at(*copy, "linear1.weight").is_parametrized());
}

TEST_CASE("A network and its sparsifier are copied together by copy and rebind",
          "[ao][pruning][deepcopy]") {
  auto net = nn::make<SimpleLinear>();
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(*net);
  nn::ModulePtr copy = nn::deepcopy(net);
  FirstRowSparsifier of_copy = sparsifier;
  of_copy.rebind(*copy);
  of_copy.step();
  CHECK(zeros_in(mask_at(*net, "linear1.weight")) == 0);
  CHECK(zeros_in(mask_at(*copy, "linear1.weight")) == 4);
  of_copy.squash_mask();
  Warnings warnings;
  sparsifier.step();
  CHECK(zeros_in(mask_at(*net, "linear1.weight")) == 4);
  net.reset();
  CHECK_FALSE(sparsifier.groups()[0].is_active());
  CHECK(zeros_in(slot_at(*copy, "linear1.weight").value()) == 4);
}

TEST_CASE("rebind finds masks by name, whatever the layers are called now",
          "[ao][pruning][deepcopy]") {
  auto net = nn::make<nn::Sequential>(nn::Linear(4, 4), nn::Linear(4, 4));
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(*net, {{"1.weight"}});
  nn::ModulePtr copy = nn::deepcopy(net);
  copy->as<nn::Sequential>().set(
      1, nn::make<nn::Sequential>(copy->as<nn::Sequential>().child(1).ptr(), nn::make<nn::ReLU>()));
  sparsifier.rebind(*copy);
  CHECK(sparsifier.groups()[0].current_fqn(*copy) == "1.0.weight");
  CHECK(sparsifier.groups()[0].current_fqn(*net).empty());
}

TEST_CASE("rebind refuses a network without the masks, and one that has them twice",
          "[ao][pruning][errors]") {
  auto net = nn::make<SimpleLinear>();
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(*net, {{"linear1.weight"}});
  SimpleLinear other;
  CHECK(error_of([&] { sparsifier.rebind(other); }) ==
        "FirstRowSparsifier.rebind: the network has no mask of a sparsifier 'FirstRowSparsifier' "
        "for 'linear1.weight'");
  nn::Sequential twice{nn::ModulePtr(net), nn::deepcopy(net)};
  CHECK(error_of([&] { sparsifier.rebind(twice); }) ==
        "FirstRowSparsifier.rebind: the network has several masks for 'linear1.weight'");
  CHECK(sparsifier.groups()[0].current_fqn(*net) == "linear1.weight");
  sparsifier.squash_mask();
  CHECK_NOTHROW(sparsifier.rebind(other));
}

TEST_CASE("The state of a sparsifier holds its groups and goes into another one",
          "[ao][pruning][state][upstream]") {
  SimpleLinear net0, net1;
  FirstRowSparsifier s0, s1;
  s0.prepare(net0, {{.tensor_fqn = "linear1.weight", .extras = {{"x", 1.5}}}});
  for (int i = 0; i < 3; ++i) s0.step();
  const nn::StateDict state = s0.state_dict({.masks = true});
  CHECK(state.at("state.linear1.weight.mask").equal(mask_at(net0, "linear1.weight")));

  s1.prepare(net1);
  CHECK_FALSE(mask_at(net1, "linear1.weight").equal(mask_at(net0, "linear1.weight")));
  s1.load_state_dict(net1, state);
  CHECK(s1.step_count() == 3);
  REQUIRE(s1.groups().size() == 1);
  CHECK(s1.groups()[0].tensor_fqn() == "linear1.weight");
  CHECK(s1.groups()[0].at("test").to_int() == 3);
  CHECK(s1.groups()[0].at("x").to_double() == 1.5);
  CHECK(mask_at(net1, "linear1.weight").equal(mask_at(net0, "linear1.weight")));
  // Masks of groups that the state does not have are taken off.
  CHECK_FALSE(nn::is_parametrized(*net1.linear2));
}

TEST_CASE("Saving, loading and saving again loses nothing", "[ao][pruning][state]") {
  SimpleLinear net;
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(net, {{"linear1.weight"}, {"linear2.weight"}});
  sparsifier.step();
  sparsifier.enable_mask_update = false;
  const nn::StateDict first = sparsifier.state_dict({.masks = true});
  for (int i = 0; i < 2; ++i) {
    FirstRowSparsifier loaded;
    loaded.load_state_dict(net, first);
    const nn::StateDict again = loaded.state_dict({.masks = true});
    CHECK(again.metadata == first.metadata);
    REQUIRE(again.tensors.size() == 2);
    for (const auto& [name, tensor] : first.tensors) CHECK(again.at(name).equal(tensor));
    CHECK_FALSE(loaded.enable_mask_update);
  }
  // The state is a copy, not a view of the masks.
  mask_at(net, "linear1.weight").fill_(1);
  CHECK(zeros_in(first.at("state.linear1.weight.mask")) == 4);
}

TEST_CASE("Network and sparsifier states together restore a run in a fresh pair",
          "[ao][pruning][state]") {
  auto net = nn::make<SimpleLinear>();
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(*net);
  sparsifier.step();
  const nn::StateDict network = nn::state_dict(*net), state = sparsifier.state_dict();
  CHECK(state.tensors.empty());

  SimpleLinear fresh;
  FirstRowSparsifier other;
  other.prepare(fresh);
  nn::load_state_dict(fresh, network);
  other.load_state_dict(fresh, state);
  CHECK(zeros_in(slot_at(fresh, "linear1.weight").value()) == 4);
  CHECK(slot_at(fresh, "linear1.weight").value().equal(slot_at(*net, "linear1.weight").value()));
  other.squash_mask();
  CHECK_FALSE(nn::is_parametrized(*fresh.linear1));
}

TEST_CASE("A state with masks puts them on a network that has none", "[ao][pruning][state]") {
  SimpleLinear net, fresh;
  FirstRowSparsifier sparsifier, other;
  sparsifier.prepare(net, {{"linear1.weight"}});
  sparsifier.step();
  other.load_state_dict(fresh, sparsifier.state_dict({.masks = true}));
  CHECK(zeros_in(slot_at(fresh, "linear1.weight").value()) == 4);
  other.step();
  other.squash_mask();
  CHECK(zeros_in(slot_at(fresh, "linear1.weight").original()) == 4);
}

TEST_CASE("States of squashed and converted tensors are loaded as such", "[ao][pruning][state]") {
  SimpleLinear net;
  FirstRowSparsifier sparsifier, other, third;
  sparsifier.prepare(net, {{"linear1.weight"}});
  sparsifier.squash_mask();
  other.load_state_dict(net, sparsifier.state_dict());
  CHECK(other.groups()[0].squashed());
  CHECK_FALSE(other.groups()[0].mask().defined());
  CHECK_NOTHROW(other.squash_mask());
  other.prepare(net, {{"linear1.weight"}});
  CHECK(other.groups().size() == 1);
  nn::remove_parametrizations(*net.linear1, "weight");
  third.load_state_dict(net, other.state_dict());
  CHECK_FALSE(third.groups()[0].squashed());
  CHECK_FALSE(third.groups()[0].is_active());
}

TEST_CASE("A state that does not fit is refused and changes nothing",
          "[ao][pruning][state][errors]") {
  SimpleLinear net;
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(net, {{"linear1.weight"}});
  sparsifier.step();
  const nn::StateDict good = sparsifier.state_dict({.masks = true});
  const nn::StateDict before = nn::state_dict(net);
  const auto refused = [&](BaseSparsifier& s, nn::Module& model, const nn::StateDict& state) {
    const std::string message = error_of([&] { s.load_state_dict(model, state); });
    CHECK(same(net, before));
    CHECK(names_of(sparsifier) == std::vector<std::string>{"linear1.weight"});
    return message;
  };
  FirstRowSparsifier other({}, "other");
  CHECK(refused(other, net, good) ==
        "FirstRowSparsifier.load_state_dict: expected the state of a FirstRowSparsifier named "
        "'other', got that of a FirstRowSparsifier named 'FirstRowSparsifier'");
  CHECK_THAT(refused(sparsifier, net, nn::StateDict()),
             ContainsSubstring("the state lacks 'sparsifier'"));
  nn::StateDict bad = good;
  bad.tensors[0].second = ones({2, 2});
  CHECK(refused(sparsifier, net, bad) ==
        "FirstRowSparsifier.load_state_dict: 'linear1.weight': mask is (2, 2), the tensor (4, 4)");
  bad.tensors[0].second = full({4, 4}, 2);
  CHECK_THAT(refused(sparsifier, net, bad), ContainsSubstring("zeros and ones, got 2"));
  bad = good;
  bad.metadata.erase("groups.0");
  CHECK_THAT(refused(sparsifier, net, bad), ContainsSubstring("the state lacks 'groups.0'"));

  SimpleLinear unmasked;
  nn::StateDict without = sparsifier.state_dict();
  FirstRowSparsifier fresh;
  CHECK(refused(fresh, unmasked, without) ==
        "FirstRowSparsifier.load_state_dict: 'linear1.weight' has no mask, neither in the network "
        "nor in the state");
  fresh.load_state_dict(unmasked, without, {.strict = false});
  CHECK_FALSE(fresh.groups()[0].is_active());
  nn::Sequential nowhere{nn::Linear(4, 4)};
  CHECK_THAT(refused(fresh, nowhere, good), ContainsSubstring("there is no such tensor"));
}

TEST_CASE("set changes a setting of a group", "[ao][pruning]") {
  SimpleLinear net;
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(net, {{"linear1.weight"}});
  sparsifier.set(0, "test", 5);
  CHECK(sparsifier.groups()[0].at("test").to_int() == 5);
  CHECK(error_of([&] { sparsifier.set(1, "test", 5); }) ==
        "FirstRowSparsifier.set: there are 1 groups, got index 1");
}

TEST_CASE("A sparsifier prints its groups and their settings", "[ao][pruning]") {
  SimpleLinear net;
  FirstRowSparsifier sparsifier;
  sparsifier.prepare(net, {{"seq.0.weight"}});
  std::ostringstream os;
  os << sparsifier;
  CHECK(os.str() ==
        "FirstRowSparsifier (\n"
        "\tGroup 0\n"
        "\t    module_fqn: seq.0\n"
        "\t    tensor_fqn: seq.0.weight\n"
        "\t    tensor_name: weight\n"
        "\t    test: 3\n"
        ")");
}
