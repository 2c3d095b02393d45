// Train, prune while training goes on, train with simulated quantization, convert.
#include <iostream>

#include <adze/adze.h>

using namespace adze;
namespace tq = adze::ao::quantization;
namespace pruning = adze::ao::pruning;

// One pass over the data.
void run_epoch(nn::Module& net, nn::data::DataLoader& loader, optim::Optimizer& optimizer) {
  net.train();
  for (const auto& [data, target] : loader) {
    optimizer.zero_grad();
    cross_entropy(net(data), target).backward();
    nn::utils::clip_grad_norm_(nn::parameters(net), 1.0);
    optimizer.step();
  }
}

double accuracy(nn::Module& net, const nn::data::TensorDataset& set) {
  NoGrad guard;
  net.eval();
  return (net(set.data()).argmax(1) == set.targets()).to(float32).mean().item();
}

int main() {
  manual_seed(3);
  const Tensor points = randn({400, 2});  // class: inside or outside of a circle
  const Tensor inside = (square(points).sum({1}) < 1.2).to(int64);
  const nn::data::TensorDataset set(points, inside);
  nn::data::DataLoader loader(set, {.batch_size = 40, .shuffle = true, .seed = 1});

  nn::ModulePtr net =
      nn::make<nn::Sequential>(tq::QuantStub(), nn::Linear(2, 32), nn::ReLU(), nn::Linear(32, 32),
                               nn::ReLU(), nn::Linear(32, 2), tq::DeQuantStub());
  optim::AdamW optimizer(nn::parameters(*net), {.lr = 0.01});
  for (int epoch = 0; epoch < 8; ++epoch) run_epoch(*net, loader, optimizer);
  std::cout << "float: " << accuracy(*net, set) << '\n';

  pruning::WeightNormSparsifier sparsifier({.sparsity_level = 0.5});
  sparsifier.prepare(*net, {{.tensor_fqn = "3.weight"}});
  pruning::CubicSL schedule(sparsifier, {.delta_t = 1, .total_t = 4});
  for (int epoch = 0; epoch < 6; ++epoch) {
    run_epoch(*net, loader, optimizer);
    sparsifier.step();
    schedule.step();
  }
  std::cout << "pruned: " << accuracy(*net, set) << '\n';

  net->qconfig = tq::get_default_qat_qconfig("x86");
  net->train();
  net =
      tq::prepare_qat(net, {.inplace = true});  // the masks stay on the weights, the optimiser too
  for (int epoch = 0; epoch < 3; ++epoch) run_epoch(*net, loader, optimizer);
  net->eval();
  net = tq::convert(net, {.inplace = true});

  const double zeros = pruning::sparsity(nn::find_parameter(*net, "3.weight")->value());
  std::cout << "pruned, int8: " << accuracy(*net, set) << ", zeros in layer 3: " << zeros << '\n';
  return accuracy(*net, set) > 0.9 && zeros >= 0.5 ? 0 : 1;
}
