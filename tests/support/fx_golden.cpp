#include "support/fx_golden.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>

#include "adze/ao/nn/quantized/linear.h"
#include "adze/ao/nn/quantized/reference/linear.h"
#include "adze/ao/quantization/fake_quantize.h"
#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/fx/scope.h"
#include "adze/nn/state_dict.h"
#include "adze/nn/traversal.h"

#include "support/fx_networks.h"

namespace adze::test {
namespace {

using ao::quantization::GraphModulePtr;
using nlohmann::json;
namespace tq = ao::quantization;
namespace nnq = ao::nn::quantized;

// ---- text
// ----------------------------------------------------------------------------------------

// The shortest number that is equal as float32.
std::string text(double v) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, static_cast<float>(v)).ptr;
  return {buffer, end};
}
std::string join(const Lines& parts, const char* between = ", ") {
  std::string out;
  for (const std::string& p : parts) out += (out.empty() ? "" : between) + p;
  return out;
}
template <class List, class F>
std::string bracketed(const List& list, F&& f) {
  Lines parts;
  for (const auto& e : list) parts.push_back(f(e));
  return "[" + join(parts) + "]";
}

std::string text(const json& a) {
  if (a.is_null()) return "None";
  if (a.is_boolean()) return a.get<bool>() ? "true" : "false";
  if (a.is_number()) return text(a.get<double>());
  if (a.is_string()) return a.get<std::string>();
  if (a.contains("dtype")) return a["dtype"].get<std::string>();
  return bracketed(a, [](const json& e) { return text(e); });
}

std::string numbers(const Tensor& t) {
  const std::vector<double> all = t.to(float64).to_vector<double>();
  return all.size() == 1 ? text(all[0]) : bracketed(all, [](double v) { return text(v); });
}

std::string text(const Tensor& t) {
  const auto ints = [](const Tensor& x) { return numbers(x.reshape({-1}).to(float64)); };
  std::string out = detail::concat(t.sizes(), ' ');
  if (!t.is_quantized()) return out + ints(t);
  out += detail::concat(t.dtype(), ' ', ints(t.int_repr()), ", ");
  if (is_per_channel(t.qscheme())) return out + "scales " + numbers(t.q_per_channel_scales());
  return out + "scale " + text(t.q_scale()) + " zero point " +
         text(static_cast<double>(t.q_zero_point()));
}

// Equal weights are written down once.
std::string weight_text(std::set<std::string>& seen, const Tensor& w) {
  const std::string all = text(w.is_quantized() ? w : w.to(float32));
  return seen.insert(all).second ? all : "the same again";
}

std::string node_line(const std::string& name, const std::string& op, const std::string& target,
                      const Lines& args, std::size_t users) {
  std::string out = name + " = ";
  if (op == "call_function")
    out += target + "(" + join(args) + ")";
  else if (op == "call_module")
    out += "module " + target + "(" + join(args) + ")";
  else if (op == "output")
    out = "output " + join(args);
  else
    out += op + (op == "get_attr" ? " " + target : "");
  return users == 1 || op == "output" ? out : out + " -> " + std::to_string(users);
}

// ---- golden
// --------------------------------------------------------------------------------------

json read(const std::string& file) {
  std::ifstream in(ADZE_TEST_DATA_DIR "/fx_quantization/" + file + ".json");
  check(in.good(), "golden file ", file, " is missing");
  return json::parse(in);
}

std::string without_number(const std::string& name) {
  const std::size_t end = name.rfind('_');
  if (end == name.npos || end + 1 == name.size() ||
      name.find_first_not_of("0123456789", end + 1) != name.npos)
    return name;
  return name.substr(0, end);
}

Lines golden_nodes(const json& nodes) {
  Lines lines;
  for (const json& n : nodes) {
    const auto name = n["name"].get<std::string>();
    const auto op = n.value("op", "call_function");
    const auto target = n.value("target", op == "call_function" ? without_number(name) : name);
    Lines args;
    const json given = n.value("args", json::array());
    for (const json& a : given) args.push_back(text(a));
    lines.push_back(node_line(name, op, target, args, n.value("users", std::size_t{1})));
  }
  return lines;
}

std::string golden_observer(const json& settings, const json& o) {
  const json& s = settings[o["settings"].get<std::size_t>()];
  std::string out = s["class"].get<std::string>();
  if (s.contains("observer")) out += "(" + s["observer"].get<std::string>() + ")";
  out += " " + s["dtype"].get<std::string>();
  if (s.contains("is_dynamic")) return out + (s["is_dynamic"].get<bool>() ? " dynamic" : "");
  out += " " + text(s["quant_min"]) + ".." + text(s["quant_max"]) + " " +
         s["qscheme"].get<std::string>();
  for (const char* key : {"min", "max", "scale", "zero_point"})
    if (o.contains(key)) out += std::string(" ") + key + " " + text(o[key]);
  return out;
}

void add_golden_parts(Parts& parts, const std::string& prefix, const json& settings,
                      const json& graph) {
  const auto add = [&](const char* part, auto line) {
    const json all = graph.value(part, json::object());
    for (const auto& [path, value] : all.items())
      parts[prefix + part].push_back(path + ": " + line(value));
  };
  parts[prefix + "nodes"] = golden_nodes(graph["nodes"]);
  add("modules", [](const json& m) { return m.get<std::string>(); });
  add("observers", [&](const json& o) { return golden_observer(settings, o); });
  const json shared = graph.value("shared", json::array());
  for (const json& group : shared) parts[prefix + "shared"].push_back(join(group.get<Lines>()));
  std::set<std::string> seen;
  add("weights", [&](const json& w) { return weight_text(seen, golden_tensor(w)); });
  // Those of dynamic layers mean nothing.
  const json modules = graph.value("modules", json::object());
  const json qparams = graph.value("qparams", json::object());
  for (const auto& [path, q] : qparams.items())
    if (modules[path].get<std::string>().find("dynamic") == std::string::npos)
      parts[prefix + "qparams"].push_back(path + ": " + text(q["scale"]) + " " +
                                          text(q["zero_point"]));
  const json inner_graphs = graph.value("inner", json::object());
  for (const auto& [path, inner] : inner_graphs.items())
    add_golden_parts(parts, path + "/", settings, inner);
}

// ---- ours
// ----------------------------------------------------------------------------------------

std::string class_name(const nn::Module& module) {
  if (dynamic_cast<const fx::Scope*>(&module) && !dynamic_cast<const fx::GraphModule*>(&module))
    return "Module";
  std::string name = module.qualified_type();
  const std::string room = "adze::ao::nn::";
  if (!name.starts_with(room)) return module.type();
  name.erase(0, room.size());
  return name;
}

std::string observer_text(const tq::ObserverOrFakeQuant& o) {
  std::string out = o.type();
  if (const auto* fake = dynamic_cast<const tq::FakeQuantizeBase*>(&o))
    out += "(" + fake->observer().type() + ")";
  out += detail::concat(" ", o.dtype());
  if (dynamic_cast<const tq::PlaceholderObserver*>(&o))
    return out + (o.is_dynamic() ? " dynamic" : "");
  out += detail::concat(" ", o.quant_min(), "..", o.quant_max(), " ", name(o.qscheme()));
  auto& seen = const_cast<tq::ObserverOrFakeQuant&>(o);
  nn::Module* inner = &seen;
  if (auto* fake = dynamic_cast<tq::FakeQuantizeBase*>(&seen)) inner = &fake->observer();
  if (!o.has_data()) return out;
  for (const char* key : {"min", "max"})
    if (const nn::Parameter* p = inner->find_parameter(std::string(key) + "_val"))
      out += std::string(" ") + key + " " + numbers(p->value());
  const tq::TensorQParams q = o.calculate_qparams();
  return out + " scale " + numbers(q.scale) + " zero_point " + numbers(q.zero_point);
}

bool is_quantized_linear(const fx::Node& n) {
  return n.function() && n.function()->name().starts_with("quantized::linear");
}
// Nodes that only give layers on quantized tensors their bias.
std::set<const fx::Node*> bias_nodes(const fx::Graph& graph) {
  std::set<const fx::Node*> biases;
  for (const fx::Node& n : graph.nodes())
    if (is_quantized_linear(n) && n.arg(2).is_node()) biases.insert(n.arg(2).node());
  std::erase_if(biases, [](const fx::Node* n) {
    return !std::all_of(n->users().begin(), n->users().end(),
                        [](const fx::Node* u) { return is_quantized_linear(*u); });
  });
  return biases;
}

// The parts of one graph; graphs inside it are told apart by their path.
class Describer {
 public:
  Describer(Parts& parts, std::string prefix, fx::GraphModule& module)
      : parts_(parts),
        prefix_(std::move(prefix)),
        module_(module),
        biases_(bias_nodes(module.graph())) {}

  void run() {
    for (const fx::Node& n : module_.graph().nodes()) add_node(n);
    nn::for_each_child(module_, [&](const std::string& path, nn::Submodule& at) {
      if (auto inner = std::dynamic_pointer_cast<fx::GraphModule>(at.ptr())) {
        put("modules", path, class_name(*at));
        Describer(parts_, prefix_ + path + "/", *inner).run();
        return false;
      }
      return add_module(path, *at);
    });
    for (const auto& [module, paths] : paths_)
      if (paths.size() > 1) parts_[prefix_ + "shared"].push_back(join(paths));
    std::sort(parts_[prefix_ + "shared"].begin(), parts_[prefix_ + "shared"].end());
    if (parts_[prefix_ + "shared"].empty()) parts_.erase(prefix_ + "shared");
  }

 private:
  void put(const char* part, const std::string& path, const std::string& what) {
    parts_[prefix_ + part].push_back(path + ": " + what);
  }

  void put_weight(const std::string& path, const Tensor& w) {
    put("weights", path, weight_text(weights_, w));
  }

  bool is_qparam(const fx::Node& n) {
    if (!n.is_get_attr()) return false;
    const std::string stem = without_number(n.target());
    return stem != n.target() && (stem.ends_with("_scale") || stem.ends_with("_zero_point"));
  }

  std::string argument(const fx::Argument& a) {
    if (a.is_node()) {
      if (is_qparam(*a.node())) return numbers(module_.parameter(*a.node()).value());
      return a.node()->name();
    }
    if (a.is_list()) return bracketed(a.list(), [&](const fx::Argument& e) { return argument(e); });
    return constant(a.constant());
  }
  static std::string constant(const Value& v) {
    if (v.is_none()) return "None";
    if (v.is_bool()) return v.to_bool() ? "true" : "false";
    if (v.is_int() || v.is_double()) return text(v.to_double());
    if (v.is_dtype()) return std::string(name(v.to_dtype()));
    if (v.is_shape())
      return bracketed(v.to_shape(), [](std::int64_t n) { return std::to_string(n); });
    if (v.is_list()) return bracketed(v.to_list(), [](const Value& e) { return constant(e); });
    return v.str();
  }

  void add_node(const fx::Node& n) {
    if (is_qparam(n) || biases_.contains(&n)) return;
    Lines args;
    for (std::size_t i = 0; i < n.args().size(); ++i) {
      if (is_quantized_linear(n) && (i == 2 || i == 5)) continue;
      if (n.is_placeholder()) continue;
      args.push_back(argument(n.args()[i]));
    }
    parts_[prefix_ + "nodes"].push_back(
        node_line(n.name(), std::string(name(n.op())), n.target(), args, n.users().size()));
    if (!n.is_get_attr()) return;
    const Tensor value = module_.parameter(n).value();
    if (n.target().starts_with("_packed_weight_") && packed_.insert(n.target()).second)
      put_weight(n.target(), value);
  }

  bool add_module(const std::string& path, nn::Module& m) {
    if (auto* observer = dynamic_cast<tq::ObserverOrFakeQuant*>(&m)) {
      if (path.ends_with(".activation_post_process")) return false;
      auto& paths = paths_[&m];
      if (paths.empty()) put("observers", path, observer_text(*observer));
      paths.push_back(path);
      return false;
    }
    put("modules", path, class_name(m));
    if (auto* linear = dynamic_cast<nnq::LinearBase*>(&m)) put_weight(path, linear->weight.value());
    if (auto* linear = dynamic_cast<nnq::reference::Linear*>(&m))
      put_weight(path, linear->quantized_weight());
    if (auto* linear = dynamic_cast<nnq::Linear*>(&m))
      put("qparams", path,
          numbers(linear->scale.value()) + " " + numbers(linear->zero_point.value()));
    return true;
  }

  Parts& parts_;
  std::string prefix_;
  fx::GraphModule& module_;
  std::set<const fx::Node*> biases_;
  std::set<std::string> packed_;
  std::set<std::string> weights_;
  std::map<const nn::Module*, Lines> paths_;
};

Lines state_keys(fx::GraphModule& module) {
  Lines inside;
  std::set<std::string> biases;
  for (const fx::Node* n : bias_nodes(module.graph())) biases.insert(n->target());
  nn::for_each_child(module, [&](const std::string& path, nn::Submodule& at) {
    if (!dynamic_cast<tq::ObserverOrFakeQuant*>(at.ptr().get()) &&
        !dynamic_cast<nnq::LinearBase*>(at.ptr().get()))
      return true;
    inside.push_back(path + ".");
    return false;
  });
  Lines keys;
  for (const auto& [key, t] : nn::state_dict(module).tensors)
    if (!biases.contains(key) &&
        std::none_of(inside.begin(), inside.end(),
                     [&, &k = key](const std::string& p) { return k.starts_with(p); }))
      keys.push_back(key);
  return keys;
}

}  // namespace

const json& fx_golden(const std::string& file) {
  static std::map<std::string, json> files;
  const auto it = files.find(file);
  return it != files.end() ? it->second : files[file] = read(file);
}

Tensor golden_tensor(const json& t) {
  Shape sizes;
  for (const json& n : t["shape"]) sizes.push_back(n.get<std::int64_t>());
  if (t.contains("ints")) {
    const auto ints = from_vector(t["ints"].get<std::vector<std::int64_t>>(), sizes);
    const Tensor small = ints.to(t["dtype"] == "qint8" ? int8 : uint8);
    if (!t.contains("scales"))
      return make_per_tensor_quantized_tensor(small, static_cast<double>(t["scale"].get<float>()),
                                              t["zero_point"]);
    const Tensor scales = from_vector(t["scales"].get<std::vector<float>>(), {sizes[0]});
    return make_per_channel_quantized_tensor(small, scales, zeros({sizes[0]}, int64), 0);
  }
  const Tensor values = from_vector(t["values"].get<std::vector<float>>(), sizes);
  return t.contains("step") ? values * static_cast<double>(t["step"].get<float>()) : values;
}

std::vector<Value> golden_tensors(const json& list) {
  std::vector<Value> all;
  for (const json& t : list) all.emplace_back(golden_tensor(t));
  return all;
}

Parts golden_parts(const json& file, const json& stage) {
  Parts parts;
  add_golden_parts(parts, "", file["settings"], stage);
  if (stage.contains("state")) parts["state"] = stage["state"].get<Lines>();
  return parts;
}

Parts parts_of(GraphModulePtr module) {
  Parts parts;
  Describer(parts, "", *module).run();
  parts["state"] = state_keys(*module);
  return parts;
}

nn::ModulePtr golden_network(const std::string& name) {
  const json& golden = fx_golden("networks")["networks"];
  check(golden.contains(name), "no golden network '", name, "'");
  const nn::ModulePtr net = fx_network(name);
  for (const auto& [key, value] : golden[name]["parameters"].items()) {
    nn::Parameter* p = nn::find_parameter(*net, key);
    check(p != nullptr, "the network '", name, "' has no ", key);
    p->set(golden_tensor(value));
  }
  return net;
}

}  // namespace adze::test
