// Graph mode: a network with functions and a residual connection, quantized after training, while
// training, dynamically; what stays float and how far each layer is off.
#include <filesystem>
#include <iostream>

#include <adze/adze.h>

using namespace adze;
namespace tq = adze::ao::quantization;
namespace ns = adze::ao::ns;

class Block final : public nn::ModuleOf<Block> {
 public:
  nn::Submodule up{"up", nn::Linear(16, 32)}, down{"down", nn::Linear(32, 16)};

  Tensor forward(const Tensor& x) { return relu(down(relu(up(x))) + x); }

 protected:
  void fields(nn::FieldList& f) override { f(up, down); }
};

int main() {
  manual_seed(1);
  nn::ModulePtr model =
      nn::make<nn::Sequential>(Block(), Block(), nn::Linear(16, 4), nn::Softmax(1));
  const Tensor x = randn({128, 16});

  auto prepared = tq::prepare_fx(model, tq::get_default_qconfig_mapping("x86"), {x});
  (*prepared)(x);  // calibration
  auto int8 = tq::convert_fx(prepared);
  std::cout << int8->graph().tabular() << '\n';

  std::cout << tq::report(*int8, {.float_model = model.get(), .inputs = {x}}).table() << '\n';

  std::cout << ns::compare_model_outputs(*model, *int8, {x}).table() << '\n';

  tq::QConfigMapping mapping = tq::get_default_qconfig_mapping("x86");
  mapping
      .set_module_name("0.up", std::nullopt)  // stays float
      .set_object_type(ops::add, tq::default_qconfig);
  auto mixed = tq::convert_fx(tq::prepare_fx(model, mapping, {x}), {.allow_uncalibrated = true});
  std::cout << *nn::find_module(*mixed, "0") << '\n';

  model->train();
  auto qat = tq::prepare_qat_fx(model, tq::get_default_qat_qconfig_mapping("x86"), {x});
  optim::SGD optimizer(nn::parameters(*qat), {.lr = 0.01});
  for (int step = 0; step < 3; ++step) {
    optimizer.zero_grad();
    mse_loss((*qat)(x), full({128, 4}, 0.25)).backward();
    optimizer.step();
  }
  qat->eval();
  auto trained = tq::convert_fx(qat);

  auto dynamic = tq::convert_fx(
      tq::prepare_fx(model, tq::QConfigMapping().set_global(tq::default_dynamic_qconfig), {x}));

  auto reference = tq::convert_to_reference_fx(prepared);

  const std::string path =
      (std::filesystem::temp_directory_path() / "docs_int8.safetensors").string();
  ao::save_model(*int8, path);
  nn::ModulePtr loaded = ao::load_model(path);
  std::filesystem::remove(path);

  const bool same = (*loaded)(x).equal((*int8)(x));
  const double error = sub((*int8)(x), (*reference)(x)).abs().max().item();
  return same && error < 0.01 && (*trained)(x).dtype() == float32 &&
                 (*dynamic)(x).dtype() == float32
             ? 0
             : 1;
}
