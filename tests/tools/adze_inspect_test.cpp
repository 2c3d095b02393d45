// `adze inspect` and `adze compare`: what is in model files.
#include "tools/adze_program.h"

using namespace adze_program;

namespace {

// A pruned residual network and int8 forms of it.
struct Files {
  Sandbox box;
  std::string data = " --data " + box.write("d.csv", clouds(80)) + " ";
  std::string fp32 = box.path("fp32"), pruned = box.path("pruned"), int8 = box.path("int8"),
              dynamic = box.path("dynamic"), mlp = box.path("mlp"), eager = box.path("eager");

  Files() {
    box.output("train --network residual --layers 3,8,16,2 --epochs 5 --out " + fp32 + data);
    box.output("prune " + fp32 + data + "--block 1x1 --sparsity 0.5 --prune-epochs 2 --out " +
               pruned);
    box.output("quantize " + pruned + data + "--out " + int8);
    box.output("quantize " + pruned + data + "--method dynamic --out " + dynamic);
    box.output("train --layers 3,8,2 --epochs 5 --out " + mlp + data);
    box.output("quantize " + mlp + data + "--mode eager --out " + eager);
  }
};

// The entry of a list with that name.
json named(const json& list, const std::string& name) {
  for (const json& entry : list)
    if (entry.at("name") == name) return entry;
  FAIL("there is no entry " << name);
  return {};
}

json row(const json& comparison, const std::string& name, const std::string& kind) {
  for (const json& r : comparison.at("rows"))
    if (r.at("name") == name && r.at("kind") == kind) return r;
  FAIL("there is no row " << name << " " << kind);
  return {};
}

}  // namespace

TEST_CASE("adze inspect shows graphs, modules, layers and sizes", "[tools][adze]") {
  const Files f;
  const std::string graph = f.box.output("inspect " + f.int8);
  CHECK_THAT(graph, ContainsSubstring("int8 graph") && ContainsSubstring("quantized::add_relu") &&
                        ContainsSubstring("blocks.0.down") && ContainsSubstring("qint8") &&
                        ContainsSubstring("3 features times 0.166667") &&
                        ContainsSubstring("50.0% zeros"));
  const std::string tree = f.box.output("inspect " + f.eager);
  CHECK_THAT(tree, ContainsSubstring("int8 model") && ContainsSubstring("Sequential(") &&
                       ContainsSubstring("(1): LinearReLU(") && ContainsSubstring("qint8"));

  const json shown = f.box.output_json("inspect " + f.int8);
  CHECK(shown.at("form") == "int8");
  CHECK(shown.at("network") == "residual");
  CHECK(shown.at("features") == 3);
  CHECK(shown.at("classes") == 2);
  CHECK(shown.at("input_scale") == 1.0 / 6);
  CHECK(shown.at("file_bytes") == fs::file_size(f.int8));
  // Integers, a scale for each row, and float biases of 8, 16, 8 and 2 outputs.
  CHECK(shown.at("weight_bytes") == 8 * 3 + 16 * 8 + 8 * 16 + 2 * 8 + 2 * 4 * (8 + 16 + 8 + 2));
  CHECK(shown.at("sparsity") == 0.5);
  CHECK(named(shown.at("graph"), "add_relu").at("target") == "quantized::add_relu");
  CHECK(named(shown.at("graph"), "add_relu").at("op") == "call_function");
  CHECK(named(shown.at("graph"), "output").at("args").size() == 1);
  CHECK(f.box.output_json("inspect " + f.dynamic).at("form") == "dynamic");
  CHECK(f.box.output_json("inspect " + f.pruned).at("form") == "float");
  const json down = named(shown.at("report").at("layers"), "blocks.0.down");
  CHECK(down.at("form") == "int8");
  CHECK(down.at("weight_dtype") == "qint8");
  CHECK(down.at("output").at("dtype") == "quint8");
  CHECK(down.at("kept") == 0.5);
  const json pruned =
      named(f.box.output_json("inspect " + f.pruned).at("report").at("layers"), "blocks.0.down");
  CHECK(pruned.at("form") == "float");
  CHECK(pruned.at("why") != "");
  CHECK(pruned.at("sparsity_asked") == 0.5);
  CHECK(pruned.at("kept") == 0.5);
  const json modules = f.box.output_json("inspect " + f.eager).at("modules");
  CHECK(named(modules, "").at("type") == "adze::nn::Sequential");
}

TEST_CASE("adze compare shows layer by layer what int8 loses", "[tools][adze]") {
  const Files f;
  const std::string both = f.pruned + " " + f.int8 + f.data;
  const std::string text = f.box.output("compare " + both);
  CHECK_THAT(text, ContainsSubstring("(float, a)") &&
                       ContainsSubstring("(int8, b) on 16 samples") &&
                       ContainsSubstring("SQNR (dB)") && ContainsSubstring("blocks.0.up"));
  CHECK(text.find("shadow") == std::string::npos);

  const json shown = f.box.output_json("compare --shadows " + both);
  CHECK(shown.at("a") == f.pruned);
  CHECK(shown.at("b") == f.int8);
  CHECK(shown.at("samples") == 16);
  for (const char* kind : {"weight", "output", "shadow"})
    for (const char* layer : {"stem", "blocks.0.up", "blocks.0.down", "head"}) {
      const json r = row(shown, layer, kind);
      INFO(r.dump());
      CHECK(r.at("sqnr") > 15);
      CHECK(r.at("sqnr") < 80);
      CHECK(r.at("cosine_similarity") > 0.98);
      CHECK(r.at("normalized_l2_error") > 0);
    }
  CHECK(row(shown, "", "output").at("shape") == json{16, 2});

  // A network and itself; a dynamic one, in whose layers only the weights differ.
  const json same = f.box.output_json("compare " + f.int8 + " " + f.int8 + f.data);
  for (const json& r : same.at("rows")) CHECK(r.at("sqnr") == "inf");
  CHECK(row(f.box.output_json("compare " + f.fp32 + " " + f.dynamic + f.data), "head", "weight")
            .at("sqnr") < 10);
}

TEST_CASE("adze compare tells what stands in one network only", "[tools][adze]") {
  const Files f;
  const json shown = f.box.output_json("compare " + f.mlp + " " + f.int8 + f.data);
  CHECK(named(shown.at("unpaired"), "head").at("reason") == "not in a");
  CHECK(named(shown.at("unpaired"), "1").at("reason") == "not in b");
}

TEST_CASE("adze compare refuses files that do not fit", "[tools][adze][errors]") {
  const Files f;
  const std::string wide = f.box.write("wide.csv", "1,2,3,4,0\n4,3,2,1,1\n1,2,3,4,0\n");
  const std::string other = f.box.path("other");
  f.box.output("train --layers 4,4,2 --epochs 0 --out " + other + " --data " + wide);
  const std::string far = f.box.write("far.csv", "1,2,300,0\n4,3,2,1\n1,2,3,0\n");
  const std::string scaled = f.box.path("scaled");
  f.box.output("train --layers 3,4,2 --epochs 0 --out " + scaled + " --data " + far);

  CHECK_THAT(f.box.refused("compare " + f.fp32), ContainsSubstring("b is required"));
  CHECK_THAT(f.box.refused("compare " + f.fp32 + " " + f.box.path("none") + f.data),
             ContainsSubstring("none"));
  CHECK_THAT(f.box.refused("compare " + f.fp32 + " " + other + f.data),
             ContainsSubstring("the model takes 4 features, that of " + f.fp32 + " 3"));
  CHECK_THAT(f.box.refused("compare " + f.fp32 + " " + scaled + f.data),
             ContainsSubstring("the model takes features times"));
  CHECK_THAT(
      f.box.refused("compare " + f.fp32 + " " + f.int8),
      ContainsSubstring(
          "the model takes 3 features, the digits that come with adze have 64; give --data"));
}
