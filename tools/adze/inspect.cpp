#include <cstdio>
#include <filesystem>
#include <sstream>
#include <string>

#include <nlohmann/json.hpp>

#include "adze/ao/quantization/report.h"
#include "adze/commands.h"
#include "adze/console.h"
#include "adze/fx/graph_module.h"
#include "adze/nn/traversal.h"

namespace adze::cli {
namespace {

using nlohmann::ordered_json;

struct Inspect {
  std::string model;
  bool json = false;

  void add_to(CLI::App& app) {
    app.add_option("model", model, "model file")->required();
    app.add_flag("--json", json, "JSON instead of text");
  }
};

// What of a file is shown.
struct Inspected {
  Model model;
  std::int64_t file_bytes = 0;

  explicit Inspected(const std::string& path) : model(load_model(path)) {
    file_bytes = static_cast<std::int64_t>(std::filesystem::file_size(path));
  }
  nn::Module& network() const { return *model.network; }
  const fx::GraphModule* graph_module() const {
    return dynamic_cast<const fx::GraphModule*>(model.network.get());
  }
};

ordered_json nodes_json(const fx::Graph& graph) {
  ordered_json nodes = ordered_json::array();
  for (const fx::Node& n : graph.nodes()) {
    ordered_json args = ordered_json::array();
    for (const fx::Argument& a : n.args()) args.push_back(a.str());
    nodes.push_back({{"name", n.name()},
                     {"op", fx::name(n.op())},
                     {"target", n.target()},
                     {"args", std::move(args)}});
  }
  return nodes;
}

ordered_json modules_json(nn::Module& network) {
  ordered_json modules = ordered_json::array();
  nn::for_each_module(network, [&](const std::string& path, nn::Module& m) {
    modules.push_back({{"name", path}, {"type", m.qualified_type()}});
  });
  return modules;
}

std::string json_text(const Inspect& o, const Inspected& in) {
  const ModelInfo& info = in.model.info;
  ordered_json out{{"file", o.model},
                   {"form", form(in.network())},
                   {"network", info.network},
                   {"features", info.features},
                   {"classes", info.classes},
                   {"input_scale", info.input_scale},
                   {"file_bytes", in.file_bytes},
                   {"weight_bytes", weight_bytes(in.network())},
                   {"sparsity", weight_sparsity(in.network())}};
  if (const fx::GraphModule* graph = in.graph_module())
    out["graph"] = nodes_json(graph->graph());
  else
    out["modules"] = modules_json(in.network());
  out["report"] = ordered_json::parse(ao::quantization::report(in.network()).json());
  return out.dump(2) + "\n";
}

std::string text(const Inspect& o, const Inspected& in) {
  const ModelInfo& info = in.model.info;
  std::ostringstream os;
  os << o.model << ": " << form(in.network()) << (in.graph_module() ? " graph" : " model") << ", "
     << grouped(in.file_bytes) << " bytes on disk, " << grouped(weight_bytes(in.network()))
     << " bytes of weights, " << fixed(100 * weight_sparsity(in.network()), 1) << "% zeros\n";
  if (info.features > 0)
    os << info.network << " network, " << info.features << " features times " << info.input_scale
       << ", " << info.classes << " classes\n";
  if (const fx::GraphModule* graph = in.graph_module())
    os << '\n' << graph->graph().tabular();
  else
    os << '\n' << in.network() << '\n';
  os << '\n' << ao::quantization::report(in.network()).table();
  return os.str();
}

void inspect(const Inspect& o) {
  const Inspected in(o.model);
  const std::string shown = o.json ? json_text(o, in) : text(o, in);
  std::fputs(shown.c_str(), stdout);
}

}  // namespace

void add_inspect(CLI::App& program) {
  add_command<Inspect>(program, "inspect", "print what is in a model file", inspect);
}

}  // namespace adze::cli
