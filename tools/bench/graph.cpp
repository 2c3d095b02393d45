// adze-bench graph: what running a graph costs beside the calls that it makes.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <adze/ao/quantization/qconfig_mapping.h>
#include <adze/ao/quantization/quantize_fx.h>
#include <adze/core/ops.h>
#include <adze/core/random.h>
#include <adze/fx/graph_module.h>
#include <adze/fx/tracer.h>
#include <adze/kernels/parallel.h>
#include <adze/nn/container.h>
#include <adze/nn/linear.h>

#include "bench/commands.h"
#include "bench/options.h"
#include "bench/timing.h"

namespace adze::bench {

namespace {

using GraphModulePtr = std::shared_ptr<fx::GraphModule>;

constexpr std::int64_t width = 4;  // small, so that ops cost little

struct GraphOptions {
  std::int64_t nodes = 64;
  double seconds = 0.5;
  bool json = false;
};

/// A network as a graph, and the same calls written in C++.
struct GraphCase {
  std::string name;
  GraphModulePtr graph;
  std::function<Tensor(const Tensor&)> calls;
};

GraphCase ops_case(std::int64_t nodes) {
  fx::Graph graph;
  fx::Node& x = graph.placeholder("x");
  fx::Node* at = &x;
  for (std::int64_t i = 0; i < nodes; ++i) {
    at = i % 2 == 0 ? &graph.call_function(ops::add, {at, x})
                    : &graph.call_function(ops::relu, {at});
  }
  graph.output(at);
  return {"ops", std::make_shared<fx::GraphModule>(std::move(graph)), [nodes](const Tensor& input) {
            Tensor y = input;
            for (std::int64_t i = 0; i < nodes; ++i)
              y = i % 2 == 0 ? ops::add(y, input) : ops::relu(y);
            return y;
          }};
}

std::shared_ptr<nn::Sequential> linear_chain(std::int64_t nodes) {
  auto chain = nn::make<nn::Sequential>();
  for (std::int64_t i = 0; i < nodes; ++i) chain->push_back(nn::Linear(width, width));
  chain->eval();
  return chain;
}

std::vector<nn::ModulePtr> called_modules(fx::GraphModule& network) {
  std::vector<nn::ModulePtr> all;
  for (const fx::Node& n : network.graph().nodes())
    if (n.is_module_call()) all.push_back(network.submodule(n).ptr());
  return all;
}

GraphCase layers_case(std::int64_t nodes) {
  const auto graph = fx::symbolic_trace(linear_chain(nodes));
  return {"layers", graph, [modules = called_modules(*graph)](const Tensor& input) {
            Tensor y = input;
            for (const nn::ModulePtr& m : modules) y = (*m)(y);
            return y;
          }};
}

GraphCase quantized_case(std::int64_t nodes) {
  namespace tq = ao::quantization;
  const Tensor example = randn({8, width});
  const auto prepared =
      tq::prepare_fx(linear_chain(nodes), tq::get_default_qconfig_mapping(), {example});
  (*prepared)(example);
  const auto graph = tq::convert_fx(prepared);
  const fx::Node* quantize = nullptr;
  for (const fx::Node& n : graph->graph().nodes())
    if (n.calls(ops::quantize_per_tensor)) quantize = &n;
  check(quantize != nullptr, "graph quantized: the network does not quantize its input");
  const double scale = graph->parameter(*quantize->arg(1).node()).value().item<double>();
  const auto zero_point = graph->parameter(*quantize->arg(2).node()).value().item<std::int64_t>();
  return {"quantized layers", graph,
          [modules = called_modules(*graph), scale, zero_point](const Tensor& input) {
            Tensor y = quantize_per_tensor(input, scale, zero_point, quint8);
            for (const nn::ModulePtr& m : modules) y = (*m)(y);
            return y.dequantize();
          }};
}

struct Result {
  std::string name;
  std::size_t nodes;
  double graph_ns, calls_ns;  // for each node
  double spread;
};

Result measure(const GraphCase& test, const GraphOptions& o) {
  NoGrad guard;
  Generator generator(1);
  const Tensor x = randn({1, width}, &generator);
  check((*test.graph)(x).equal(test.calls(x)), "graph ", test.name,
        ": the graph does not give what its calls give");
  Tensor kept;
  const std::vector<Timing> timings = time_in_turns(
      {{[&] { kept = (*test.graph)(x); }}, {[&] { kept = test.calls(x); }}}, o.seconds);
  const std::size_t nodes = test.graph->graph().size() - 2;  // neither input nor output
  const double to_ns = 1e9 / static_cast<double>(nodes);
  return {test.name, nodes, timings[0].median * to_ns, timings[1].median * to_ns,
          timings[0].spread};
}

int run(const GraphOptions& o) {
  kernels::set_num_threads(1);
  manual_seed(1);
  nlohmann::json all = nlohmann::json::array();
  if (!o.json) {
    std::printf("%-18s %7s %12s %12s %15s %8s\n", "", "nodes", "graph", "calls", "graph - calls",
                "spread");
  }
  for (GraphCase (*const make)(std::int64_t) : {ops_case, layers_case, quantized_case}) {
    const Result r = measure(make(o.nodes), o);
    if (o.json) {
      all.push_back({{"case", r.name},
                     {"nodes", r.nodes},
                     {"graph_ns_per_node", r.graph_ns},
                     {"calls_ns_per_node", r.calls_ns},
                     {"overhead_ns_per_node", r.graph_ns - r.calls_ns},
                     {"spread", r.spread}});
    } else {
      std::printf("%-18s %7zu %9.1f ns %9.1f ns %12.1f ns %6.1f %%\n", r.name.c_str(), r.nodes,
                  r.graph_ns, r.calls_ns, r.graph_ns - r.calls_ns, 100 * r.spread);
    }
  }
  if (o.json) std::printf("%s\n", all.dump(2).c_str());
  return 0;
}

}  // namespace

std::function<int()> add_graph(CLI::App& program) {
  auto options = std::make_shared<GraphOptions>();
  CLI::App* command = program.add_subcommand(
      "graph", "the time of a graph for each of its nodes, beside that of the same calls in C++");
  command->add_option("--nodes", options->nodes, "length of the chain of ops or layers")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  command->add_option("--seconds", options->seconds, "measuring time for each thing that is timed")
      ->check(CLI::Range(0.001, 3600.0))
      ->capture_default_str();
  command->add_flag("--json", options->json, "write JSON");
  return [options] { return run(*options); };
}

}  // namespace adze::bench
