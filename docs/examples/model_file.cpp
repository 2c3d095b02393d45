// Networks in files: written by the program that made them, loaded without the code that built
// them; and what a class of a program's own needs for that.
#include <cstdio>
#include <iostream>

#include <adze/adze.h>

using namespace adze;
namespace tq = adze::ao::quantization;

class Residual final : public nn::ModuleOf<Residual> {
 public:
  explicit Residual(nn::ModulePtr inner, double gain = 1) : body("body", inner), gain_(gain) {}
  nn::Submodule body;
  Tensor forward(const Tensor& x) { return body(x) * gain_ + x; }
  std::map<std::string, Value> config() const override { return {{"gain", gain_}}; }

 protected:
  void fields(nn::FieldList& f) override { f(body); }

 private:
  double gain_;
};

// An int8 network of the library's own layers.
nn::ModulePtr int8_network() {
  nn::ModulePtr net = nn::make<nn::Sequential>(tq::QuantStub(), nn::Linear(64, 32), nn::ReLU(),
                                               nn::Linear(32, 10), tq::DeQuantStub());
  net->qconfig = tq::get_default_qconfig("x86");
  return tq::quantize(net, [](nn::Module& m) { m(randn({100, 64})); });
}

int main() {
  const std::string path = "docs_model_file.safetensors";
  const Tensor x = randn({5, 64});
  const NoGrad guard;

  nn::ModulePtr net = int8_network();
  ao::save_model(*net, path, {{"input", "64 numbers around 0"}});

  std::map<std::string, std::string> metadata;
  const nn::ModulePtr loaded = ao::load_model(path, &metadata);
  const Tensor scores = (*loaded)(x);
  std::cout << *loaded << '\n' << metadata.at("input") << '\n';
  const bool same = scores.equal((*net)(x));

  nn::ModuleTypes types = ao::module_types();
  types.add<Residual>([](const nn::ModuleSpec& spec) {
    return nn::make<Residual>(spec.child("body"), spec.at("gain").to_double());
  });
  Residual residual(nn::make<nn::Linear>(64, 64), 0.5);
  nn::save_model(residual, path, types);
  const nn::ModulePtr copy = nn::load_model(path, types);
  const bool same_residual = (*copy)(x).equal(residual(x));

  std::remove(path.c_str());
  return same && same_residual ? 0 : 1;
}
