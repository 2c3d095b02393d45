// The program `adze`, as a user runs it.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "support/catch.h"

namespace fs = std::filesystem;

namespace {

struct Result {
  int code = -1;
  std::string output, errors;
};

// A directory of its own for each test.
class Sandbox {
 public:
  Sandbox() : path_(fs::temp_directory_path() / ("adze-test-" + std::to_string(::getpid()))) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~Sandbox() { fs::remove_all(path_); }
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  std::string path(const std::string& name) const { return (path_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }
  static std::string read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::set<std::string> files(const std::string& sub = "") const {
    std::set<std::string> out;
    for (const auto& e : fs::directory_iterator(path_ / sub)) out.insert(e.path().filename());
    return out;
  }
  Result run(const std::string& arguments) const {
    const std::string out = path("stdout.txt"), err = path("stderr.txt");
    const std::string command =
        std::string(ADZE_CLI_PATH) + " " + arguments + " >" + out + " 2>" + err + " </dev/null";
    const int status = std::system(command.c_str());
    Result r{WIFEXITED(status) ? WEXITSTATUS(status) : -1, read(out), read(err)};
    fs::remove(out);
    fs::remove(err);
    return r;
  }
  // Runs what must be refused: exit code 2, one line on standard error, nothing on the other.
  std::string refused(const std::string& arguments) const {
    const Result r = run(arguments);
    CHECK(r.code == 2);
    CHECK(r.output.empty());
    CHECK(std::count(r.errors.begin(), r.errors.end(), '\n') == 1);
    return r.errors;
  }

 private:
  fs::path path_;
};

// Two well separated clouds with three features.
std::string clouds(int rows) {
  std::ostringstream csv;
  for (int i = 0; i < rows; ++i) {
    const int label = i % 2;
    csv << (label ? 4 : 1) + i % 3 << ',' << (label ? 0 : 5) + i % 2 << ',' << i % 5 << ',' << label
        << '\n';
  }
  return csv.str();
}

const char* const quick = " --epochs 3 --prune-epochs 2 --qat-epochs 1 ";

}  // namespace

TEST_CASE("adze compress writes six models and a report that eval repeats", "[tools][adze][slow]") {
  const Sandbox box;
  const Result r = box.run("compress" + std::string(quick) + "--seed 3 --out " + box.path("demo"));
  INFO(r.errors);
  REQUIRE(r.code == 0);
  const auto report = nlohmann::json::parse(Sandbox::read(box.path("demo/report.json")));
  const std::vector<std::string> names{"fp32",   "int8_ptq",        "int8_qat",
                                       "pruned", "pruned_int8_ptq", "pruned_int8_qat"};
  REQUIRE(report.at("rows").size() == names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto& row = report["rows"][i];
    INFO(row.dump());
    CHECK(row.at("name") == names[i]);
    CHECK(r.output.find(names[i]) != std::string::npos);
    const std::string file = box.path("demo/" + names[i] + ".safetensors");
    CHECK(row.at("file_bytes") == fs::file_size(file));
    CHECK(row.at("us_per_sample").at("1") > 0);
    CHECK(row.at("us_per_sample").at("64") > 0);
    const bool pruned = names[i].starts_with("pruned");
    CHECK((row.at("sparsity") > 0.79) == pruned);
    const bool int8 = names[i].find("int8") != std::string::npos;
    CHECK((row.at("weight_bytes") < 60000) == int8);
    CHECK(row.at("accuracy") > 0.5);

    const Result eval = box.run("eval " + file + " --predictions " + box.path("classes.txt"));
    REQUIRE(eval.code == 0);
    char accuracy[32];
    std::snprintf(accuracy, sizeof accuracy, "accuracy %.2f%%",
                  100 * row.at("accuracy").get<double>());
    CHECK(eval.output.find(accuracy) != std::string::npos);
    const std::string classes = Sandbox::read(box.path("classes.txt"));
    CHECK(std::count(classes.begin(), classes.end(), '\n') == 500);
  }
  CHECK(box.files() == std::set<std::string>{"demo", "classes.txt"});
}

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
  std::string other = bytes;
  const auto layers = other.find("[3,4,2]");
  REQUIRE(layers != std::string::npos);
  other.replace(layers, 7, "[3,5,2]");
  CHECK_THAT(eval(other), ContainsSubstring("shape of '1.weight'"));

  const std::string wide = box.write("wide.csv", "1,2,3,4,0\n4,3,2,1,1\n1,2,3,4,0\n");
  CHECK_THAT(box.refused("eval " + model + " --data " + wide),
             ContainsSubstring("the model takes 3 features, the data has 4"));
}
