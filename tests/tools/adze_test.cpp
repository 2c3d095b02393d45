// The program `adze`: training, and its single steps.
#include "adze/ao/module_types.h"
#include "adze/core/creation.h"
#include "adze/nn/container.h"
#include "adze/nn/linear.h"
#include "adze/nn/state_dict.h"
#include "adze/nn/traversal.h"

#include "tools/adze_program.h"

using namespace adze;
using namespace adze_program;

TEST_CASE("adze gives the same networks for the same seed, and others for another",
          "[tools][adze]") {
  const Sandbox box;
  const std::string data = box.write("d.csv", clouds(60));
  const auto train = [&](const std::string& name, int seed) {
    const Result r = box.run("train --data " + data + " --layers 3,8,2 --epochs 4 --seed " +
                             std::to_string(seed) + " --out " + box.path(name));
    INFO(r.errors);
    CHECK(r.code == 0);
    return Sandbox::read(box.path(name));
  };
  const std::string a = train("a", 1), b = train("b", 1), c = train("c", 2);
  CHECK(a == b);
  CHECK(a != c);
}

TEST_CASE("adze trains, prunes, quantizes, evaluates and inspects step by step", "[tools][adze]") {
  const Sandbox box;
  const std::string data = " --data " + box.write("d.csv", clouds(80)) + " --test-rows 20 ";
  const std::string model = box.path("m"), pruned = box.path("p"), out = box.path("q");
  REQUIRE(box.run("train --layers 3,16,2 --epochs 30" + data + "--out " + model).code == 0);
  CHECK(box.run("eval " + model + data).output.find("accuracy 100.00% on 20 samples") !=
        std::string::npos);
  REQUIRE(box.run("prune " + model + data + "--sparsity 0.5 --block 1x1 --prune-epochs 8 --out " +
                  pruned)
              .code == 0);
  CHECK(box.run("inspect " + pruned).output.find("50.0% zeros") != std::string::npos);
  for (const char* method : {"static", "qat --epochs 2", "dynamic"}) {
    INFO(method);
    const Result r = box.run("quantize " + pruned + data + "--method " + method + " --out " + out);
    INFO(r.errors);
    REQUIRE(r.code == 0);
    const Result shown = box.run("inspect " + out);
    CHECK(shown.code == 0);
    CHECK(shown.output.find("qint8") != std::string::npos);
    CHECK(box.run("eval " + out + data).output.find("accuracy 100.00%") != std::string::npos);
  }
}

TEST_CASE("adze refuses wrong input with one clear line and exit code 2", "[tools][adze][errors]") {
  const Sandbox box;
  const std::string good = box.write("good.csv", clouds(40));
  const std::string model = box.path("m");
  REQUIRE(box.run("train --layers 3,4,2 --epochs 1 --data " + good + " --out " + model).code == 0);
  const auto before = box.files();

  CHECK_THAT(box.refused("compress --data " + box.path("none.csv")),
             ContainsSubstring("none.csv: no such file"));
  CHECK_THAT(box.refused("frobnicate"), ContainsSubstring("there is no command 'frobnicate'"));
  CHECK_THAT(box.refused("compress --frobnicate"), ContainsSubstring("--frobnicate"));
  CHECK_THAT(box.refused(""), ContainsSubstring("subcommand is required"));
  CHECK_THAT(box.refused("train --data " + good), ContainsSubstring("--out is required"));
  CHECK_THAT(box.refused("train --data " + good + " --layers 4,2 --out " + box.path("x")),
             ContainsSubstring("the data has 3 features"));
  CHECK_THAT(box.refused("train --data " + good + " --layers 3,1 --out " + box.path("x")),
             ContainsSubstring("label"));
  CHECK_THAT(box.refused("train --data " + good + " --layers 3,a --out " + box.path("x")),
             ContainsSubstring("--layers: expected positive numbers"));
  CHECK_THAT(box.refused("train --data " + good + " --test-rows 40 --out " + box.path("x")),
             ContainsSubstring("leave none to train with"));
  CHECK_THAT(box.refused("train --data " + good + " --out " + box.path("no/x")),
             ContainsSubstring("there is no directory"));
  CHECK_THAT(box.refused("compress --data " + good + " --block 1by4"),
             ContainsSubstring("--block"));
  CHECK_THAT(box.refused("compress --data " + good + " --out " + good),
             ContainsSubstring("is not a directory"));
  CHECK_THAT(box.refused("quantize " + model + " --data " + good + " --qconfig tpu --out " +
                         box.path("x")),
             ContainsSubstring("--qconfig"));
  CHECK(box.files() == before);

  const std::string ragged = box.write("ragged.csv", "1,2,3,0\n1,2,0\n");
  CHECK_THAT(box.refused("train --data " + ragged + " --out " + box.path("x")),
             ContainsSubstring("ragged.csv: row 2"));
  const std::string label = box.write("label.csv", "1,2,3,0\n1,2,3,zero\n");
  CHECK_THAT(box.refused("train --data " + label + " --out " + box.path("x")),
             ContainsSubstring("label.csv: row 2"));
  const std::string empty = box.write("empty.csv", "");
  CHECK_THAT(box.refused("train --data " + empty + " --out " + box.path("x")),
             ContainsSubstring("empty.csv"));
  CHECK_FALSE(fs::exists(box.path("x")));
}

TEST_CASE("adze refuses model files that are broken or do not fit", "[tools][adze][errors]") {
  const Sandbox box;
  const std::string data = box.write("d.csv", clouds(40));
  const std::string model = box.path("m");
  REQUIRE(box.run("train --layers 3,4,2 --epochs 1 --data " + data + " --out " + model).code == 0);
  const std::string bytes = Sandbox::read(model);

  const auto eval = [&](const std::string& content) {
    return box.refused("eval " + box.write("broken", content) + " --data " + data);
  };
  CHECK_THAT(eval(""), ContainsSubstring("broken"));
  CHECK_THAT(eval("not a model at all"), ContainsSubstring("broken"));
  CHECK_THAT(eval(bytes.substr(0, bytes.size() - 7)), ContainsSubstring("broken"));
  CHECK_THAT(eval(bytes + "tail"), ContainsSubstring("broken"));
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string other = bytes;
    const auto at = other.find(from);
    REQUIRE(at != std::string::npos);
    return eval(other.replace(at, from.size(), to));
  };
  CHECK_THAT(changed("[4,3]", "[3,4]"), ContainsSubstring("broken"));
  CHECK_THAT(changed("nn::Linear", "nn::Lynear"), ContainsSubstring("adze::nn::Lynear"));
  CHECK_THAT(changed("\\\"features\\\":3", "\\\"features\\\":4"),
             ContainsSubstring("the model takes 4 features, the data has 3"));
  CHECK_THAT(changed("\\\"classes\\\":2", "\\\"classes\\\":1"), ContainsSubstring("label"));
  CHECK_THAT(changed("\\\"test_rows\\\"", "\\\"test_rowz\\\""),
             ContainsSubstring("the description of the model is broken"));
  CHECK_THAT(changed("\\\"test_rows\\\":-1", "\\\"test_rows\\\":-2"),
             ContainsSubstring("a number in the description of the model is out of range"));
  CHECK_THAT(changed("\\\"test_rows\\\":-1", "\\\"test_rows\\\":.5"), ContainsSubstring("broken"));
  CHECK_THAT(changed("\\\"format\\\":2", "\\\"format\\\":3"),
             ContainsSubstring("written by another version of adze (format 3, this one reads 2)"));

  const std::string wide = box.write("wide.csv", "1,2,3,4,0\n4,3,2,1,1\n1,2,3,4,0\n");
  CHECK_THAT(box.refused("eval " + model + " --data " + wide),
             ContainsSubstring("the model takes 3 features, the data has 4"));
}

TEST_CASE("adze refuses files of the first format and plain tensors by name",
          "[tools][adze][errors]") {
  const Sandbox box;
  const auto net = nn::make<nn::Sequential>(nn::Linear(3, 2));
  nn::save(*net, box.path("old"), {{"model", R"({"format":1,"layers":[3,2],"form":"float"})"}});
  nn::save(*net, box.path("tensors"));
  for (const char* command : {"eval ", "inspect ", "prune --out x ", "quantize --out x "}) {
    CHECK_THAT(box.refused(command + box.path("old")),
               ContainsSubstring("old: written by another version of adze (format 1"));
    CHECK_THAT(
        box.refused(command + box.path("tensors")),
        ContainsSubstring("tensors: the file holds tensors, but does not describe a network"));
  }
}

TEST_CASE("adze runs, prunes and quantizes model files that other programs wrote",
          "[tools][adze]") {
  const Sandbox box;
  const std::string data = " --data " + box.write("d.csv", clouds(80));
  nn::ModulePtr net = nn::make<nn::Sequential>(nn::Linear(3, 2));
  // Class 1 where the first feature is larger than the second.
  nn::find_parameter(*net, "0.weight")->slot()->write(tensor({{-1, 1, 0}, {1, -1, 0}}));
  nn::find_parameter(*net, "0.bias")->slot()->write(zeros({2}));
  ao::save_model(*net, box.path("m"));
  CHECK_THAT(box.output("eval " + box.path("m") + data),
             ContainsSubstring("accuracy 100.00% on 16"));
  box.output("quantize " + box.path("m") + data + " --out " + box.path("q"));
  CHECK_THAT(box.output("eval " + box.path("q") + data),
             ContainsSubstring("accuracy 100.00% on 16"));
  box.output("prune " + box.path("m") + data +
             " --block 1x1 --sparsity 0.3 --prune-epochs 1 --out " + box.path("p"));
  CHECK(box.output_json("inspect " + box.path("p")).at("sparsity") > 0.1);
}

TEST_CASE("adze remembers in the file how the data was split", "[tools][adze]") {
  const Sandbox box;
  const std::string data = " --data " + box.write("d.csv", clouds(80));
  box.output("train --layers 3,4,2 --epochs 1 --test-rows 30 --out " + box.path("m") + data);
  CHECK_THAT(box.output("eval " + box.path("m") + data), ContainsSubstring("on 30 samples"));
  CHECK_THAT(box.output("eval " + box.path("m") + data + " --test-rows 10"),
             ContainsSubstring("on 10 samples"));
}

TEST_CASE("adze keeps the zeros of a pruned file through training for int8", "[tools][adze]") {
  const Sandbox box;
  const std::string data = " --data " + box.write("d.csv", clouds(80));
  const std::string network =
      GENERATE(as<std::string>{}, "mlp --layers 3,16,2", "residual --layers 3,8,8,2");
  INFO(network);
  const std::string model = box.path("m"), pruned = box.path("p"), int8 = box.path("q");
  box.output("train --epochs 5 --out " + model + data + " --network " + network);
  box.output("prune " + model + data + " --block 1x1 --sparsity 0.5 --prune-epochs 2 --out " +
             pruned);
  CHECK(box.output_json("inspect " + pruned).at("sparsity") == 0.5);
  box.output("quantize " + pruned + data + " --method qat --epochs 3 --out " + int8);
  const json shown = box.output_json("inspect " + int8);
  CHECK(shown.at("form") == "int8");
  CHECK(shown.at("sparsity") >= 0.5);
}

TEST_CASE("adze quantizes in both modes, and says when eager mode has no place to begin",
          "[tools][adze][errors]") {
  const Sandbox box;
  const std::string data = " --data " + box.write("d.csv", clouds(80));
  const std::string mlp = box.path("mlp"), residual = box.path("residual"), out = box.path("q");
  box.output("train --layers 3,16,2 --epochs 20 --out " + mlp + data);
  box.output("train --network residual --layers 3,8,8,2 --epochs 20 --out " + residual + data);
  for (const std::string method : {"static", "qat --epochs 1", "dynamic"}) {
    INFO(method);
    for (const std::string mode : {"fx", "eager"}) {
      box.output("quantize " + mlp + data + " --mode " + mode + " --method " + method + " --out " +
                 out);
      const json shown = box.output_json("inspect " + out);
      CHECK(shown.contains("graph") == (mode == "fx"));
      CHECK(shown.at("form") == (method == "dynamic" ? "dynamic" : "int8"));
      CHECK_THAT(box.output("eval " + out + data), ContainsSubstring("accuracy 100.00%"));
    }
    box.output("quantize " + residual + data + " --method " + method + " --out " + out);
    CHECK_THAT(box.output("eval " + out + data), ContainsSubstring("accuracy 100.00%"));
  }
  const std::string before = Sandbox::read(out);
  CHECK_THAT(box.refused("quantize " + residual + data + " --mode eager --out " + out),
             ContainsSubstring("--mode eager: the network has no QuantStub"));
  CHECK_THAT(box.refused("quantize " + out + data + " --out " + out),
             ContainsSubstring("quantize needs a float model, this one is dynamic"));
  CHECK_THAT(box.refused("prune " + out + data + " --out " + out),
             ContainsSubstring("prune needs a float model"));
  CHECK_THAT(box.refused("train --network residual --layers 3,8,2 --out " + out + data),
             ContainsSubstring("--layers: a residual network needs"));
  CHECK(Sandbox::read(out) == before);
}
