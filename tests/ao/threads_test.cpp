// One network, many threads: running a network writes nothing that others see.
#include <thread>

#include "ao/composability_support.h"
#include "support/catch.h"

using namespace adze;
using namespace adze::test;

namespace {

// Runs the network in several threads at once, each with data of its own, and compares with what it
// computes alone.
void check_concurrent(nn::Module& model, const std::vector<Tensor>& expected) {
  std::vector<std::thread> threads;
  std::vector<int> wrong(expected.size(), 0);
  for (std::size_t t = 0; t < expected.size(); ++t)
    threads.emplace_back([&, t] {
      NoGrad guard;
      Generator generator(t);
      const Tensor x = randn({4, 8}, &generator);
      for (int i = 0; i < 25; ++i) wrong[t] += !model(x).equal(expected[t]);
    });
  for (std::thread& t : threads) t.join();
  for (int w : wrong) CHECK(w == 0);
}

// What `reference`, an equal network, computes in one thread.
std::vector<Tensor> alone(nn::Module& reference) {
  NoGrad guard;
  std::vector<Tensor> out;
  for (std::uint64_t t = 0; t < 4; ++t) {
    Generator generator(t);
    out.push_back(reference(randn({4, 8}, &generator)));
  }
  return out;
}

nn::ModulePtr masked_network() {
  manual_seed(21);
  auto model = sequential(8);
  auto s = sparsifier();
  s.prepare(*model, sparse_config());
  s.step();
  return model;
}

}  // namespace

TEST_CASE("A masked network runs in several threads from its first call on", "[ao][threads]") {
  auto reference = masked_network(), model = masked_network();
  check_concurrent(*model, alone(*reference));
}

TEST_CASE("A quantized network runs in several threads, also right after loading",
          "[ao][threads]") {
  const auto quantized = [] {
    auto model = masked_network();
    set_qconfig(model->as<nn::Sequential>(), tq::get_default_qconfig("x86"));
    return tq::quantize(model, [](nn::Module& m) {
      Generator generator(5);
      m(randn({16, 8}, &generator));
    });
  };
  auto reference = quantized(), model = quantized();
  nn::load_state_dict(*model, nn::state_dict(*reference));
  check_concurrent(*model, alone(*reference));
}
