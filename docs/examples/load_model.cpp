// Runs a model that the program `adze` wrote:
//   load_model FILE.safetensors
#include <iostream>
#include <string>

#include <nlohmann/json.hpp>

#include <adze/adze.h>

using namespace adze;
namespace tq = adze::ao::quantization;

// The network of `adze`: stubs around linear layers, a ReLU and a Dropout behind each but the last.
nn::ModulePtr build(const std::vector<std::int64_t>& layers, double dropout) {
  nn::Sequential net;
  net.append(tq::QuantStub());
  for (std::size_t i = 0; i + 2 < layers.size(); ++i)
    net.append(nn::Linear(layers[i], layers[i + 1]))
        .append(nn::ReLU())
        .append(nn::Dropout(dropout));
  net.append(nn::Linear(layers[layers.size() - 2], layers.back())).append(tq::DeQuantStub());
  return nn::make<nn::Sequential>(std::move(net));
}

// The int8 form of such a network with the values still to come.
nn::ModulePtr int8_skeleton(nn::ModulePtr net, const std::string& backend) {
  std::vector<std::vector<std::string>> pairs;
  auto& children = net->as<nn::Sequential>();
  for (std::int64_t i = 1; i + 2 < static_cast<std::int64_t>(children.size()); i += 3)
    pairs.push_back({std::to_string(i), std::to_string(i + 1)});
  net->eval();
  net = tq::fuse_modules(net, pairs);
  net->qconfig = tq::get_default_qconfig(backend);
  return tq::convert(tq::prepare(net), {.allow_uncalibrated = true});
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    const nn::StateDict state = nn::load_state(argv[1]);
    const auto spec = nlohmann::json::parse(state.metadata.at("model"));
    const std::vector<std::int64_t> layers = spec.at("layers");
    const std::string form = spec.at("form");
    nn::ModulePtr net = build(layers, spec.at("dropout"));
    if (form == "int8") net = int8_skeleton(net, spec.at("qconfig"));
    if (form == "dynamic") net = tq::quantize_dynamic(net);
    nn::load_state_dict(*net, state);
    net->eval();

    NoGrad guard;
    const Tensor raw = full({1, layers.front()}, 8.0);  // one sample, as in the data file
    const Tensor scores = (*net)(raw * spec.at("input_scale").get<double>());
    std::cout << form << ": class " << scores.argmax(1).item<std::int64_t>() << " of "
              << scores.size(1) << '\n';
    return 0;
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 2;
  }
}
