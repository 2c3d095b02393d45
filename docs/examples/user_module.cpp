// A network with a forward function of its own. Its members are handles, listed once in fields():
// that is what lets pruning, fusing and quantization reach them.
#include <iostream>

#include <adze/adze.h>

using namespace adze;
namespace tq = adze::ao::quantization;

class Block final : public nn::ModuleOf<Block> {
 public:
  explicit Block(std::int64_t features)
      : fc("fc", nn::Linear(features, features)), gain("gain", ones({features})) {}

  nn::Submodule quant{"quant", tq::QuantStub()}, fc, act{"act", nn::ReLU()},
      dequant{"dequant", tq::DeQuantStub()};
  nn::Parameter gain;  // (features)

  Tensor forward(const Tensor& x) { return dequant(act(fc(quant(x)))) * gain + x; }

 protected:
  void fields(nn::FieldList& f) override { f(quant, fc, act, dequant, gain); }
};

int main() {
  nn::ModulePtr net = nn::make<Block>(16);
  const Tensor x = randn({64, 16});

  ao::pruning::WeightNormSparsifier sparsifier({.sparsity_level = 0.75});
  sparsifier.prepare(*net, {{.tensor_fqn = "fc.weight"}});
  net = tq::fuse_modules(net, {{"fc", "act"}}, {.inplace = true});
  sparsifier.step();  // finds the weight inside the fused pair

  net->qconfig = tq::get_default_qconfig("x86");
  net = tq::prepare(net, {.inplace = true});
  (*net)(x);
  net = tq::convert(net, {.inplace = true});

  std::cout << *net << '\n';
  for (const auto& [name, tensor] : nn::state_dict(*net).tensors)
    std::cout << name << ' ' << tensor.dtype() << ' ' << tensor.sizes() << '\n';
  return nn::find_module(*net, "fc")->type() == "LinearReLU" ? 0 : 1;
}
