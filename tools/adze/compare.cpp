#include <cstdio>
#include <set>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "adze/ao/ns/numeric_suite.h"
#include "adze/commands.h"
#include "adze/core/autograd.h"

namespace adze::cli {
namespace {

namespace ns = ao::ns;

struct Compare {
  DataOptions data;
  RunOptions run;
  std::string a, b;
  bool shadows = false, json = false;

  void add_to(CLI::App& app) {
    app.add_option("a", a, "model file, the float one")->required();
    app.add_option("b", b, "model file of another form of the same network")->required();
    data.add_to(app);
    run.add_to(app);
    app.add_flag("--shadows", shadows,
                 "also what each layer of b alone loses, on the inputs that it gets");
    app.add_flag("--json", json, "JSON instead of a table");
  }
};

// Rows behind those that are there; each name without partner once.
void append(ns::Comparison& all, ns::Comparison more) {
  for (ns::ComparisonRow& row : more.rows) all.rows.push_back(std::move(row));
  std::set<std::string> known;
  for (const ns::Unpaired& u : all.unpaired) known.insert(u.name);
  for (ns::Unpaired& u : more.unpaired)
    if (!known.contains(u.name)) all.unpaired.push_back(std::move(u));
}

// Throws when the networks cannot run on the same data. One from elsewhere takes what the other
// takes.
void check_fit(const Compare& o, const ModelInfo& a, const ModelInfo& b) {
  if (a.features == 0 || b.features == 0) return;
  check(a.features == b.features, o.b, ": the model takes ", b.features, " features, that of ", o.a,
        " ", a.features);
  check(a.input_scale == b.input_scale, o.b, ": the model takes features times ", b.input_scale,
        ", that of ", o.a, " times ", a.input_scale);
}

void compare(const Compare& o) {
  o.run.apply();
  const Model a = load_model(o.a), b = load_model(o.b);
  check_fit(o, a.info, b.info);
  const bool by_a = a.info.features > 0;
  const Data data = data_for(by_a ? a.info : b.info, by_a ? o.a : o.b, o.data);

  const NoGrad guard;
  nn::Module &network_a = *a.network, &network_b = *b.network;
  const TensorList inputs{data.test->data()};
  ns::Comparison all = ns::compare_weights(network_a, network_b);
  append(all, ns::compare_model_outputs(network_a, network_b, inputs));
  if (o.shadows) append(all, ns::compare_model_stub(network_a, network_b, inputs));

  const long long samples = data.test->size();
  if (o.json) {
    nlohmann::ordered_json out{{"a", o.a}, {"b", o.b}, {"samples", samples}};
    out.update(nlohmann::ordered_json::parse(all.json()));
    std::printf("%s\n", out.dump(2).c_str());
    return;
  }
  std::printf("%s (%s, a) and %s (%s, b) on %lld samples\n\n%s", o.a.c_str(),
              form(network_a).c_str(), o.b.c_str(), form(network_b).c_str(), samples,
              all.table().c_str());
}

}  // namespace

void add_compare(CLI::App& program) {
  add_command<Compare>(program, "compare", "compare two forms of a network, layer by layer",
                       compare);
}

}  // namespace adze::cli
