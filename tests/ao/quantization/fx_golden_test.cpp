// Graph mode against PyTorch 2.x: golden/fx_quantization/*.json, written by
// golden/fx_quantization.py; golden/fx_quantization/deviations.txt says where this library differs.
#include "support/fx_golden.h"

#include <set>

#include "adze/ao/quantization/fake_quantize.h"
#include "adze/fx/tracer.h"

#include "support/catch.h"
#include "support/fx_networks.h"

using namespace adze;
using namespace adze::test;
namespace tq = ao::quantization;

namespace {

TensorList tensors(const Value& v) {
  return v.is_list() ? v.to_tensor_list() : TensorList{v.to_tensor()};
}

}  // namespace

TEST_CASE("Networks compute what PyTorch's do, traced or not", "[ao][quantization][fx][golden]") {
  for (const auto& [name, golden] : fx_golden("networks")["networks"].items()) {
    CAPTURE(name);
    const auto net = golden_network(name);
    const auto inputs = golden_tensors(golden["test"]);
    const auto check = [&, &g = golden](nn::Module& m) {
      const TensorList got = tensors(m.call(inputs));
      REQUIRE(got.size() == g["float"].size());
      for (std::size_t i = 0; i < got.size(); ++i)
        CHECK(got[i].allclose(golden_tensor(g["float"][i]), 1e-6, 1e-6));
    };
    check(*net);
    const auto example = golden_tensors(golden["calibration"][0]);
    if (name != "with_gate") check(*fx::symbolic_trace(net, {.example_inputs = example}));
  }
}

TEST_CASE("One qconfig for all: every stage is as PyTorch makes it, but for listed deviations",
          "[ao][quantization][fx][golden]") {
  check_golden_file("static");
}

TEST_CASE("Mappings and custom configs act as PyTorch's, but for listed deviations",
          "[ao][quantization][fx][golden]") {
  check_golden_file("mappings");
}

TEST_CASE("Dynamic and float16 networks are as PyTorch makes them, but for listed deviations",
          "[ao][quantization][fx][golden]") {
  check_golden_file("dynamic");
}

TEST_CASE("QAT: every stage is as PyTorch makes it, but for listed deviations",
          "[ao][quantization][fx][golden]") {
  check_golden_file("qat");
}

TEST_CASE("Deviations are of cases that there are", "[ao][quantization][fx][golden]") {
  std::set<std::string> names;
  for (const char* file : {"static", "mappings", "dynamic", "qat"})
    for (const auto& c : fx_golden(file)["cases"]) names.insert(c["name"].get<std::string>());
  CHECK(names.size() == 173);
  for (const std::string& name : golden_deviations()) {
    CAPTURE(name);
    CHECK(names.contains(name));
  }
}

TEST_CASE("In QAT the fused fake-quantize gives the network that the plain one gives, to the bit",
          "[ao][quantization][fx][golden]") {
  const auto network = [](const std::string& name, const std::string& mapping) {
    const auto& golden = fx_golden("networks")["networks"][name];
    const auto net = golden_network(name);
    net->train();
    const auto prepared = tq::prepare_qat_fx(net, fx_mapping(mapping).prepare,
                                             golden_tensors(golden["calibration"][0]));
    for (const auto& batch : golden["calibration"]) prepared->call(golden_tensors(batch));
    return prepared;
  };
  for (const auto& c : fx_golden("qat")["cases"]) {
    if (c["mapping"] != "qat") continue;
    const auto name = c["network"].get<std::string>();
    CAPTURE(name);
    const auto fused = network(name, "qat"), plain = network(name, "qat_version_0");
    Parts parts = parts_of(fused);
    for (auto& [key, lines] : parts)
      for (std::string& line : lines)
        if (const auto at = line.find("FusedMovingAvgObsFakeQuantize"); at != line.npos)
          line.replace(at, 29, "FakeQuantize");
    CHECK(parts == parts_of(plain));
    CHECK(parts_of(tq::convert_fx(fused)) == parts_of(tq::convert_fx(plain)));
  }
}
