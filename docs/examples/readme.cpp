#include <iostream>

#include <adze/adze.h>

using namespace adze;
namespace tq = adze::ao::quantization;

int main() {
  nn::ModulePtr net = nn::make<nn::Sequential>(tq::QuantStub(), nn::Linear(64, 128), nn::ReLU(),
                                               nn::Linear(128, 10), tq::DeQuantStub());
  ao::pruning::WeightNormSparsifier sparsifier(
      {.sparsity_level = 0.8, .sparse_block_shape = {1, 4}});
  sparsifier.prepare(*net);  // a mask on the weight of each linear layer
  sparsifier.step();         // train between steps, to win the accuracy back

  const Tensor x = randn({256, 64}), floats = (*net)(x);
  net->qconfig = tq::get_default_qconfig("x86");
  net = tq::prepare(tq::fuse_modules(net, {{"1", "2"}}));
  (*net)(x);  // calibration: observers see typical data
  net = tq::convert(net);

  std::cout << *net << "\nzeros in the int8 weight: "
            << ao::pruning::sparsity(nn::find_parameter(*net, "1.weight")->value())
            << "\nlargest output error: " << sub((*net)(x), floats).abs().max().item() << '\n';
}
