// `adze compress`, the demo.
#include "tools/adze_program.h"

using namespace adze_program;

namespace {

const char* const quick = " --epochs 3 --prune-epochs 4 --qat-epochs 1 ";

const std::vector<std::string> names{"fp32",   "int8_ptq",        "int8_qat",
                                     "pruned", "pruned_int8_ptq", "pruned_int8_qat"};

// Each layer computes in int8, near enough to the float network it was made of.
void check_report(const json& report, bool pruned, bool residual) {
  std::set<std::string> layers;
  for (const json& l : report.at("layers")) {
    INFO(l.dump());
    layers.insert(l.at("name"));
    if (!l.at("weight_dtype").is_string()) continue;
    CHECK(l.at("form") == "int8");
    CHECK(l.at("why") == "");
    CHECK(l.at("weight_dtype") == "qint8");
    CHECK((l.at("kept") > 0.75) == pruned);
    CHECK(l.at("sqnr") > 5);
  }
  for (const char* name : {"1", "4", "7"}) CHECK(layers.contains(name) == !residual);
  for (const char* name : {"stem", "blocks.0.up", "blocks.1.down", "head"})
    CHECK(layers.contains(name) == residual);
}

}  // namespace

TEST_CASE("adze compress writes six models and a report that eval repeats", "[tools][adze][slow]") {
  const std::string way = GENERATE(as<std::string>{}, "", "--mode eager", "--network residual");
  INFO(way);
  const bool eager = way == "--mode eager", residual = way == "--network residual";
  const Sandbox box;
  const std::string output =
      box.output("compress" + std::string(quick) + way + " --seed 3 --out " + box.path("demo"));
  const json report = json::parse(Sandbox::read(box.path("demo/report.json")));
  CHECK(report.at("mode") == (eager ? "eager" : "fx"));
  CHECK(report.at("network") == (residual ? "residual" : "mlp"));
  REQUIRE(report.at("rows").size() == names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const json& row = report["rows"][i];
    INFO(row.dump());
    CHECK(row.at("name") == names[i]);
    CHECK(output.find(names[i]) != std::string::npos);
    const std::string file = box.path("demo/" + names[i] + ".safetensors");
    CHECK(row.at("file_bytes") == fs::file_size(file));
    CHECK(row.at("us_per_sample").at("1") > 0);
    CHECK(row.at("us_per_sample").at("64") > 0);
    const bool pruned = names[i].starts_with("pruned");
    CHECK((row.at("sparsity") > 0.79) == pruned);
    const bool int8 = names[i].find("int8") != std::string::npos;
    CHECK((row.at("weight_bytes") < 60000) == int8);
    CHECK(row.at("accuracy") > 0.5);
    REQUIRE(row.contains("report") == int8);
    if (int8) check_report(row.at("report"), pruned, residual);

    char accuracy[32];
    std::snprintf(accuracy, sizeof accuracy, "accuracy %.2f%%",
                  100 * row.at("accuracy").get<double>());
    CHECK_THAT(box.output("eval " + file + " --predictions " + box.path("classes.txt")),
               ContainsSubstring(accuracy));
    const std::string classes = Sandbox::read(box.path("classes.txt"));
    CHECK(std::count(classes.begin(), classes.end(), '\n') == 500);

    const json shown = box.output_json("inspect " + file);
    CHECK(shown.at("form") == (int8 ? "int8" : "float"));
    CHECK(shown.contains("graph") == (residual || (int8 && !eager)));
    CHECK(shown.at("sparsity") == row.at("sparsity"));
  }
  CHECK_THAT(output, ContainsSubstring("layers of pruned_int8_qat:") &&
                         ContainsSubstring(residual ? "blocks.1.down" : "SQNR"));
  CHECK(box.files() == std::set<std::string>{"demo", "classes.txt"});
}

TEST_CASE("adze compress refuses what it cannot do before it begins", "[tools][adze][errors]") {
  const Sandbox box;
  const std::string data =
      "compress --data " + box.write("d.csv", clouds(40)) + " --out " + box.path("demo") + " ";
  const auto before = box.files();
  CHECK_THAT(box.refused(data + "--mode eager --network residual"),
             ContainsSubstring("--mode eager: the network has no QuantStub"));
  CHECK_THAT(box.refused(data + "--mode graph"), ContainsSubstring("--mode"));
  CHECK_THAT(box.refused(data + "--network resnet"), ContainsSubstring("--network"));
  CHECK(box.files() == before);
}
