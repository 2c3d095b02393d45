#include <algorithm>
#include <fstream>
#include <iomanip>
#include <limits>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>

#include "adze/ao/ns/utils.h"
#include "adze/ao/quantization/fake_quantize.h"
#include "adze/core/ops.h"

#include "support/catch.h"
#include "support/fx_golden.h"
#include "support/fx_networks.h"
#include "support/modules.h"

namespace adze::test {
namespace {

using ao::quantization::GraphModulePtr;
using nlohmann::json;
namespace tq = ao::quantization;

TensorList tensors(const Value& v) {
  return v.is_list() ? v.to_tensor_list() : TensorList{v.to_tensor()};
}

// What the networks of all stages make of the test data, and how it is compared.
void check_equal(const TensorList& got, const json& expected, bool approximate) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const Tensor want = golden_tensor(expected[i]);
    CAPTURE(i, got[i].is_quantized() ? got[i].int_repr() : got[i], want);
    REQUIRE(got[i].sizes() == want.sizes());
    REQUIRE(got[i].dtype() == want.dtype());
    if (want.is_quantized()) {
      CHECK(got[i].int_repr().equal(want.int_repr()));
      CHECK(*got[i].quantizer() == *want.quantizer());
    } else if (expected[i].contains("step") && !approximate) {
      CHECK(got[i].equal(want));  // it lies on a grid
    } else {
      CHECK(got[i].allclose(want, 2e-6, 2e-6));
    }
  }
}

// What turns the golden lines into ours: lines to take out ("- ...") and to put in ("+ ..."), in
// order; the lines that stay are those of a longest common subsequence.
Lines difference(const Lines& golden, const Lines& ours) {
  const std::size_t n = golden.size(), m = ours.size();
  std::vector<std::vector<std::size_t>> common(n + 1, std::vector<std::size_t>(m + 1));
  for (std::size_t i = n; i-- > 0;)
    for (std::size_t j = m; j-- > 0;)
      common[i][j] = golden[i] == ours[j] ? common[i + 1][j + 1] + 1
                                          : std::max(common[i + 1][j], common[i][j + 1]);
  Lines out;
  std::size_t i = 0, j = 0;
  while (i < n || j < m) {
    if (i < n && j < m && golden[i] == ours[j]) {
      ++i, ++j;
    } else if (i < n && (j == m || common[i + 1][j] >= common[i][j + 1])) {
      out.push_back("- " + golden[i++]);
    } else {
      out.push_back("+ " + ours[j++]);
    }
  }
  return out;
}
std::string text(const Lines& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

// Where functions of the C library or roundings in another order come in, numbers agree to six
// digits.
bool is_approximate(const std::string& network) {
  for (const char* part : {"sigmoid", "tanh", "softmax", "exp", "mul_scalar"})
    if (network.find(part) != network.npos) return true;
  return false;
}
// Fractions as `f` writes them.
template <class F>
Lines with_fractions(const Lines& lines, F&& f) {
  static const std::regex fraction(R"(-?\d+\.\d+(e-?\d+)?)");
  Lines out;
  for (const std::string& line : lines) {
    std::string to;
    auto at = line.cbegin();
    for (std::sregex_iterator m(line.begin(), line.end(), fraction), end; m != end; ++m) {
      to.append(at, (*m)[0].first).append(f(std::stod(m->str())));
      at = (*m)[0].second;
    }
    out.push_back(to.append(at, line.cend()));
  }
  return out;
}
std::string rounded(double v) {
  std::ostringstream number;
  number << std::setprecision(6) << v;
  return number.str();
}

// Where this library differs from PyTorch on purpose; deviations.txt describes the format.
struct Deviation {
  std::string reason, same_as;
  bool other_numbers = false;
  std::set<std::string> other_outputs;                // stages
  std::map<std::string, std::string> changes, as_in;  // by stage and part, "converted/nodes"
};

// What stands behind `start`, when the line starts so.
std::optional<std::string> behind(const std::string& line, const std::string& start) {
  if (!line.starts_with(start)) return std::nullopt;
  return line.substr(start.size());
}

std::map<std::string, Deviation> read_deviations() {
  std::ifstream in(ADZE_TEST_DATA_DIR "/fx_quantization/deviations.txt");
  check(in.good(), "deviations.txt is missing");
  std::map<std::string, Deviation> all;
  Deviation* d = nullptr;
  std::string line, part;
  while (std::getline(in, line)) {
    if (line.empty() || line.starts_with("#")) continue;
    if (const auto name = behind(line, "case: ")) {
      check(!all.contains(*name), "deviations.txt: '", *name, "' stands there twice");
      d = &all[*name];
    } else if (const auto reason = behind(line, "because: ")) {
      d->reason = *reason;
    } else if (const auto same = behind(line, "same as: ")) {
      d->same_as = *same;
    } else if (line == "other outputs") {
      d->other_outputs = {"reference", "converted"};
    } else if (const auto stage = behind(line, "other outputs: ")) {
      d->other_outputs = {*stage};
    } else if (line == "other numbers") {
      d->other_numbers = true;
    } else if (line.starts_with("- ") || line.starts_with("+ ")) {
      d->changes[part] += line + "\n";
    } else if (const auto at = line.find(": as in "); at != line.npos) {
      d->as_in[line.substr(0, at)] = line.substr(at + 8);
    } else {
      check(line.ends_with(":"), "deviations.txt: what is '", line, "'?");
      part = line.substr(0, line.size() - 1);
    }
  }
  return all;
}
const std::map<std::string, Deviation>& deviations() {
  static const std::map<std::string, Deviation> all = read_deviations();
  return all;
}

class GoldenCase {
 public:
  GoldenCase(const json& file, const json& golden, bool qat, const Deviation* deviation)
      : file_(file),
        golden_(golden),
        expected_(&golden),
        network_(network(golden)),
        qat_(qat),
        approximate_(is_approximate(golden["network"])),
        deviation_(deviation) {
    if (!deviation || deviation->same_as.empty()) return;
    expected_ = &case_named(deviation->same_as);
    REQUIRE(expected_ != &golden);
    REQUIRE(network(*expected_) == network_);
  }

  void run() {
    prepare();
    tq::ConvertFxOptions options;
    options.qconfig_mapping = mapping_.convert;
    if (golden_["custom"] == "preserved")
      options.convert_custom_config.set_preserved_attributes({"note"});
    const auto reference = tq::convert_to_reference_fx(prepared_, options);
    const auto converted = tq::convert_fx(prepared_, options);
    check_stage("reference", reference);
    check_stage("converted", converted);
    check_outputs(reference, converted);
    // Nothing was changed by converting copies.
    CHECK(parts_of(prepared_) == prepared_parts_);
  }

 private:
  static const json& network(const json& golden) {
    return fx_golden("networks")["networks"][golden["network"].get<std::string>()];
  }

  void prepare() {
    const auto net = golden_network(golden_["network"]);
    mapping_ = fx_mapping(golden_["mapping"]);
    net->train(qat_);
    const auto example = golden_tensors(network_["calibration"][0]);
    const tq::PrepareFxOptions options{.prepare_custom_config = fx_custom(golden_["custom"])};
    prepared_ = qat_ ? tq::prepare_qat_fx(net, mapping_.prepare, example, options)
                     : tq::prepare_fx(net, mapping_.prepare, example, options);
    for (const json& batch : network_["calibration"]) prepared_->call(golden_tensors(batch));
    prepared_->eval();
    if (qat_) tq::disable_observer(*prepared_);
    check_stage("prepared", prepared_);
    prepared_parts_ = parts_of(prepared_);
    if (output_of("prepared"))
      check_output("prepared", tensors(prepared_->call(golden_tensors(network_["test"]))));
  }

  const json& case_named(const std::string& name) const {
    for (const json& c : file_["cases"])
      if (c["name"] == name) return c;
    fail("there is no golden case '", name, "'");
  }

  // Weights of the reference network are recorded where they differ from the int8 network's.
  Parts golden_stage(const json& golden_case, const std::string& stage) const {
    const json& golden = golden_case[stage];
    if (golden.contains("raises")) return {};
    Parts parts = golden_parts(file_, golden);
    const json& converted = golden_case["converted"];
    if (stage != "reference" || parts.contains("weights") || converted.contains("raises"))
      return parts;
    for (const auto& [key, lines] : golden_parts(file_, converted)) {
      if (key != "weights") continue;
      for (const std::string& line : lines)
        if (!line.starts_with("_packed_weight_")) parts[key].push_back(line);
    }
    return parts;
  }

  static Lines without_paths(Lines lines) {
    for (std::string& line : lines) line.erase(0, line.find(": ") + 2);
    return lines;
  }
  static Lines lines_of(const Parts& parts, const std::string& key) {
    const auto it = parts.find(key);
    return it == parts.end() ? Lines{} : it->second;
  }

  void check_stage(const std::string& stage, const GraphModulePtr& module) {
    const Parts golden = golden_stage(*expected_, stage), ours = parts_of(module);
    std::set<std::string> keys;
    for (const auto& [key, lines] : golden) keys.insert(key);
    for (const auto& [key, lines] : ours) keys.insert(key);
    for (const std::string& key : keys) {
      // The state of the reference network is not recorded.
      if (key == "state" && stage == "reference") continue;
      check_part(stage, key, lines_of(golden, key), lines_of(ours, key));
    }
  }

  void check_part(const std::string& stage, const std::string& part, Lines golden, Lines ours) {
    const std::string key = stage + "/" + part;
    std::string expected;
    if (deviation_) {
      if (const auto at = deviation_->changes.find(key); at != deviation_->changes.end())
        expected = at->second;
      if (const auto at = deviation_->as_in.find(key); at != deviation_->as_in.end())
        golden = lines_of(golden_stage(case_named(at->second), stage), part);
    }
    INFO(key << (deviation_ ? ", differs because " + deviation_->reason : ""));
    // What a layer's class and settings are, other parts tell.
    if (part.ends_with("weights")) {
      golden = without_paths(golden);
      ours = without_paths(ours);
    } else if (deviation_ && deviation_->other_numbers) {
      const auto hidden = [](double) { return "#"; };
      golden = with_fractions(golden, hidden);
      ours = with_fractions(ours, hidden);
    } else if (approximate_) {
      golden = with_fractions(golden, rounded);
      ours = with_fractions(ours, rounded);
    }
    // Which observers, layers and weights there are matters, not their order.
    if (!part.ends_with("nodes")) {
      std::sort(golden.begin(), golden.end());
      std::sort(ours.begin(), ours.end());
    }
    CHECK(text(difference(golden, ours)) == expected);
  }

  std::vector<Value> inputs() const {
    std::vector<Value> test = golden_tensors(network_["test"]);
    if (const auto custom = golden_["custom"].get<std::string>();
        custom == "input_quantized" || custom == "input_and_output_quantized")
      for (Value& v : test) v = quantize_per_tensor(v.to_tensor(), 1.0 / 16, 64, quint8);
    return test;
  }

  void check_outputs(const GraphModulePtr& reference, const GraphModulePtr& converted) {
    const TensorList from_reference = tensors(reference->call(inputs()));
    const TensorList from_int8 = tensors(converted->call(inputs()));
    check_output("reference", from_reference);
    check_output("converted", from_int8);
    // Whatever PyTorch makes of it, both agree, and are no farther from the float network.
    const json& exact = network_["float"];
    const json* golden = output_of("converted");
    REQUIRE(from_int8.size() == exact.size());
    for (std::size_t i = 0; i < exact.size(); ++i) {
      INFO("result " << i);
      CHECK(ao::ns::compute_sqnr(from_reference[i], from_int8[i]) > 30);
      const Tensor want = golden_tensor(exact[i]);
      const double theirs =
          golden ? ao::ns::compute_sqnr(want, golden_tensor((*golden)[i])) : exactly;
      const double least = theirs == exactly ? 15 : theirs - 3;
      CHECK(ao::ns::compute_sqnr(want, from_int8[i]) >= least);
    }
  }
  // What PyTorch's network gives; nullptr where it raises or is not recorded.
  const json* output_of(const std::string& stage) const {
    const json& golden = (*expected_)[stage];
    if (stage == "reference" && !golden.contains("raises") && !golden.contains("output"))
      return output_of("converted");
    const bool recorded = golden.contains("output") && golden["output"].is_array();
    return recorded ? &golden["output"] : nullptr;
  }
  void check_output(const std::string& stage, const TensorList& got) const {
    INFO(stage << ", output");
    const json* golden = output_of(stage);
    const bool other =
        deviation_ && (deviation_->other_outputs.contains(stage) || deviation_->other_numbers);
    if (!golden) {
      CHECK(other);  // PyTorch raises
      return;
    }
    if (!other) check_equal(got, *golden, approximate_);
  }

  static constexpr double exactly = std::numeric_limits<double>::infinity();

  const json& file_;
  const json& golden_;
  const json* expected_;
  const json& network_;
  bool qat_, approximate_;
  const Deviation* deviation_;
  NamedMapping mapping_;
  GraphModulePtr prepared_;
  Parts prepared_parts_;
};

}  // namespace

void check_golden_file(const std::string& file) {
  const json& golden = fx_golden(file);
  for (const json& c : golden["cases"]) {
    const auto name = c["name"].get<std::string>();
    INFO(name);
    const auto deviation = deviations().find(name);
    try {
      GoldenCase(golden, c, file == "qat",
                 deviation == deviations().end() ? nullptr : &deviation->second)
          .run();
    } catch (const Error& e) {
      FAIL_CHECK(e.what());
    }
  }
}

Lines golden_deviations() {
  Lines names;
  for (const auto& [name, d] : deviations()) names.push_back(name);
  return names;
}

}  // namespace adze::test
