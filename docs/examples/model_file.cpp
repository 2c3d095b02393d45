// Networks in files: written by the program that made them, loaded without the code that built
// them; and what a class of a program's own needs for that.
//   model_file          writes files and loads them
//   model_file FILE     runs a model that the program `adze` wrote
#include <cstdio>
#include <iostream>

#include <nlohmann/json.hpp>

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

// The classes of some samples.
Tensor classify(const std::string& file, const Tensor& samples) {
  std::map<std::string, std::string> metadata;
  const nn::ModulePtr net = ao::load_model(file, &metadata);
  const auto model = nlohmann::json::parse(metadata.at("model"));
  const NoGrad guard;
  return argmax((*net)(samples * model.at("input_scale").get<double>()), 1);
}

int run(const std::string& file) {
  try {
    const Tensor sample = full({1, 64}, 8.0);  // as in the data file
    std::cout << "class " << classify(file, sample).item<std::int64_t>() << '\n';
    return 0;
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 2;
  }
}

int main(int argc, char** argv) {
  if (argc > 1) return run(argv[1]);
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
