// The program `adze-bench`, as a user runs it.
#ifdef ADZE_BENCH_PATH
#include <algorithm>
#include <cstdio>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <vector>

#include <nlohmann/json.hpp>

#include "support/catch.h"

namespace {

struct Result {
  int code;
  std::string text;
};

/// Runs the program; its standard output, or its standard error if `errors` is set.
Result run(const std::string& arguments, bool errors = false) {
  const std::string command = std::string(ADZE_BENCH_PATH) + " " + arguments +
                              (errors ? " 2>&1 >/dev/null" : " 2>/dev/null") + " </dev/null";
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return {-1, ""};
  Result result{-1, ""};
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
    result.text += static_cast<char>(c);
  }
  const int status = pclose(pipe);
  if (WIFEXITED(status)) result.code = WEXITSTATUS(status);
  return result;
}

/// What it says about wrong input: one line, exit code 2.
std::string refused(const std::string& arguments) {
  const Result result = run(arguments, true);
  CHECK(result.code == 2);
  CHECK(std::count(result.text.begin(), result.text.end(), '\n') == 1);
  return result.text;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  if (!text.empty() && text.back() == separator && separator == ',') parts.emplace_back();
  return parts;
}

/// The lines of CSV, each with as many fields as the first one, which names them.
std::vector<std::vector<std::string>> csv(const std::string& arguments) {
  const Result result = run(arguments + " --csv");
  REQUIRE(result.code == 0);
  std::vector<std::vector<std::string>> lines;
  for (const std::string& line : split(result.text, '\n')) {
    lines.push_back(split(line, ','));
    REQUIRE(lines.back().size() == lines[0].size());
  }
  REQUIRE(lines.size() > 1);
  return lines;
}

nlohmann::json json(const std::string& arguments) {
  const Result result = run(arguments + " --json");
  REQUIRE(result.code == 0);
  return nlohmann::json::parse(result.text);
}

constexpr const char* promised[] = {"op", "kernel", "isa",       "threads", "m",
                                    "n",  "k",      "median_us", "gops"};
/// One tiny run of each sub-command.
const std::vector<std::string> tiny_runs = {
    "gemm --seconds 0.01 m=5 n=17 k=33",
    "gemm --seconds 0.01 --op f32 --form tn m=5 n=17 k=33",
    "sparse --seconds 0.01 m=5 n=17 k=33 block=4x4 sparsity=0.5",
    "elementwise --seconds 0.01 n=300",
    "model --seconds 0.01 layers=8,16,4 batch=2",
    "limits --seconds 0.001 --threads 1 --isa scalar",
};

}  // namespace

TEST_CASE("adze-bench gemm checks, times, and says how to repeat it", "[tools][bench]") {
  const Result result = run("gemm --seconds 0.01 m=5 n=17 k=33");
  CHECK(result.code == 0);
  CHECK_THAT(result.text, ContainsSubstring("equal to the reference, bit for bit, in 5 of 5 rows"));
  CHECK_THAT(result.text, ContainsSubstring("picked"));
  CHECK_THAT(result.text, ContainsSubstring("repeat: adze-bench gemm --op u8s8 --threads 1"));
  CHECK_THAT(result.text, ContainsSubstring("--out u8 m=5 n=17 k=33"));
}

TEST_CASE("adze-bench gemm --isa times the kernel of that instruction set, others with the reason",
          "[tools][bench]") {
  for (const std::string op : {"u8s8", "f32"}) {
    CAPTURE(op);
    const Result result =
        run("gemm --seconds 0.01 --isa scalar --op " + op + " m=3 n=4 k=5 --json");
    REQUIRE(result.code == 0);
    const auto reports = nlohmann::json::parse(result.text);
    REQUIRE(reports.size() == 1);
    const auto& rows = reports[0]["rows"];
    REQUIRE(rows.size() == 1);
    CHECK(rows[0]["op"] == op);
    CHECK(rows[0]["isa"] == "scalar");
    CHECK(rows[0]["picked"] == true);
    CHECK(rows[0]["median_us"].get<double>() > 0);
#if defined(__x86_64__)
    CHECK_FALSE(reports[0]["not_used"].empty());
#endif
  }
}

TEST_CASE("adze-bench gemm --csv writes one line for each problem", "[tools][bench]") {
  const Result result = run("gemm --seconds 0.01 --csv m=1 n=2 k=3 m=4 n=5 k=6");
  CHECK(result.code == 0);
  CHECK(result.text.rfind("op,kernel,isa,threads,m,n,k,median_us,gops\n", 0) == 0);
  CHECK(std::count(result.text.begin(), result.text.end(), '\n') == 3);
  CHECK_THAT(result.text, ContainsSubstring(",1,1,2,3,"));
  CHECK_THAT(result.text, ContainsSubstring(",1,4,5,6,"));
}

TEST_CASE("adze-bench writes the promised columns for every sub-command", "[tools][bench]") {
  for (const std::string& arguments : tiny_runs) {
    CAPTURE(arguments);
    const auto lines = csv(arguments);
    REQUIRE(lines[0].size() >= std::size(promised));
    for (std::size_t i = 0; i < std::size(promised); ++i) CHECK(lines[0][i] == promised[i]);
    for (std::size_t i = 1; i < lines.size(); ++i) CHECK(std::stod(lines[i][7]) > 0);

    const auto reports = json(arguments);
    REQUIRE_FALSE(reports.empty());
    for (const auto& report : reports) {
      CHECK_THAT(report["repeat"].get<std::string>(), ContainsSubstring("adze-bench "));
      REQUIRE_FALSE(report["rows"].empty());
      for (const auto& row : report["rows"]) {
        for (const char* column : promised) CHECK(row.contains(column));
        CHECK(row["median_us"].get<double>() > 0);
      }
    }
  }
}

TEST_CASE("adze-bench gemm times all types of weights and results", "[tools][bench]") {
  for (const std::string out : {"u8", "s8", "s32", "f32"}) {
    for (const std::string weights : {"normal", "uniform", "extreme"}) {
      const auto reports = json("gemm --seconds 0.001 --threads 2 --max-activation 255 --out " +
                                out + " --weights " + weights + " m=9 n=20 k=70");
      CHECK_THAT(reports[0]["checked"].get<std::string>(), ContainsSubstring("in 9 of 9 rows"));
    }
  }
}

TEST_CASE("adze-bench gemm times floats that are quantized while they are read, and packed weights",
          "[tools][bench]") {
  for (const std::string form :
       {"f32s8 --max-activation 255", "f32s8 --out f32", "f32 --form packed"}) {
    for (const std::string m : {"1", "9"}) {
      INFO(form << ", m " << m);
      const auto reports = json("gemm --seconds 0.001 --op " + form + " m=" + m + " n=40 k=70");
      CHECK_THAT(reports[0]["checked"].get<std::string>(),
                 ContainsSubstring("in " + m + " of " + m + " rows"));
      CHECK_THAT(reports[0]["repeat"].get<std::string>(),
                 ContainsSubstring("--op " + form.substr(0, form.find(' '))));
    }
  }
}

TEST_CASE("adze-bench gemm holds itself against peers on the same data", "[tools][bench]") {
  const std::string arguments =
      "gemm --seconds 0.01 --op f32 --peer eigen m=1 n=40 k=50 m=30 "
      "n=40 k=50";
  const auto reports = json(arguments);
#if defined(__x86_64__)
  REQUIRE(reports.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& rows = reports[i]["rows"];
    if (rows.size() == 1) continue;  // a machine without AVX2
    CHECK(rows[0]["picked"] == true);
    CHECK(rows[1]["kernel"] == "eigen");
    CHECK(rows[1]["wrong"] == 0.0);
    CHECK(rows[1]["ratio"].get<double>() > 0);
  }
  const auto& summary = reports[1]["summary"];
  CHECK(summary[0]["problems"] == "all");
  CHECK(summary[0]["count"] == 2);
  CHECK(summary[1]["problems"] == "M=1");
  CHECK(summary[1]["count"] == 1);
  const auto lines = csv(arguments);
  CHECK(std::find(lines[0].begin(), lines[0].end(), "ratio") != lines[0].end());
  CHECK(std::find(lines[0].begin(), lines[0].end(), "wrong") != lines[0].end());
#endif
  CHECK_THAT(run("gemm --seconds 0.001 --op f32 --threads 2 --peer eigen m=1 n=2 k=3").text,
             ContainsSubstring("not used: eigen: is compiled without threads"));
}

TEST_CASE("adze-bench --assert-best fails for a slow pick and names it", "[tools][bench]") {
  const std::string problem = " --seconds 0.01 m=16 n=128 k=512";
  std::string portable;
  const auto table = json("gemm --all-kernels" + problem);
  for (const auto& row : table[0]["rows"]) {
    if (row["isa"] == "scalar") portable = row["kernel"];
  }
  const bool only_one = table[0]["rows"].size() == 1;
  const std::string forced = "gemm --kernel " + portable + " --assert-best 10%" + problem;
  CHECK(run(forced).code == (only_one ? 0 : 1));
  if (!only_one) {
    const std::string errors = run(forced, true).text;
    CHECK_THAT(errors, ContainsSubstring("picked " + portable + " takes"));
    CHECK_THAT(errors, ContainsSubstring("m=16 n=128 k=512"));
  }
  CHECK(run("gemm --assert-best 1000%" + problem).code == 0);
}

TEST_CASE("adze-bench sparse times blocks beside the dense product", "[tools][bench]") {
  for (const std::string mask : {"random", "norm"}) {
    CAPTURE(mask);
    const auto reports =
        json("sparse --seconds 0.001 m=3 n=32 k=64 block=8x4 sparsity=0.75 mask=" + mask);
    REQUIRE(reports.size() == 1);
    CHECK_THAT(reports[0]["note"].get<std::string>(), ContainsSubstring("cost model: "));
    bool dense = false, blocks = false;
    for (const auto& row : reports[0]["rows"]) {
      CHECK(row["dense_ratio"].get<double>() > 0);
      if (row["block"] == "dense") {
        dense = true;
        CHECK(row["dense_ratio"] == 1.0);
      } else if (row["block"] == "8x4") {
        blocks = true;
        CHECK(row["kept"] == 0.25);
      }
    }
    CHECK(dense);
    CHECK(blocks);
    CHECK(reports[0]["summary"][0]["sparsity"] == 0.75);
  }
}

TEST_CASE("adze-bench sparse --all-kernels has every shape of blocks", "[tools][bench]") {
  const std::string problem = " --seconds 0.001 m=8 n=64 k=256 sparsity=0.9";
  const auto reports = json("sparse --all-kernels --threads 2" + problem);
  std::vector<std::string> shapes;
  for (const auto& row : reports[0]["rows"]) shapes.push_back(row["block"]);
  for (const char* shape : {"dense", "1x4", "4x4", "8x4", "16x4"}) {
    CHECK(std::find(shapes.begin(), shapes.end(), shape) != shapes.end());
  }
#if defined(__x86_64__)
  CHECK(run("sparse --kernel u8s8_sparse_scalar --assert-best 10%" + problem).code == 1);
#endif
  CHECK(run("sparse --kernel dense --assert-best 1000%" + problem).code == 0);
}

TEST_CASE("adze-bench elementwise names the cache and all instruction sets", "[tools][bench]") {
  const auto reports = json(
      "elementwise --seconds 0.001 --all-kernels op=relu n=1000 op=softmax n=256 "
      "op=histogram_observer n=256");
  REQUIRE(reports.size() == 3);
  for (const auto& row : reports[0]["rows"]) {
    CHECK(row["op"] == "relu");
    CHECK(row["level"] == "L1");
    CHECK(row["gb_per_s"].get<double>() > 0);
    CHECK(row["share_of_limit"].get<double>() > 0);
  }
  CHECK(reports[0]["rows"][0]["picked"] == true);
  CHECK_THAT(reports[1]["checked"].get<std::string>(), ContainsSubstring("bit for bit"));
  CHECK_THAT(reports[2]["checked"].get<std::string>(), ContainsSubstring("every value once"));
}

TEST_CASE("adze-bench model has all forms of a network, with their allocations", "[tools][bench]") {
  const auto reports =
      json("model --seconds 0.001 --block 1x4 --sparsity 0.5 layers=12,32,32,5 batch=3");
  REQUIRE(reports.size() == 1);
  const auto& rows = reports[0]["rows"];
  REQUIRE(rows.size() == 6);
  for (const auto& row : rows) {
    CHECK(row["m"] == 3);
    CHECK(row["n"] == 5);
    CHECK(row["k"] == 12);
    CHECK(row["us_per_sample"].get<double>() > 0);
#if !defined(__SANITIZE_ADDRESS__)  // there memory goes back at once, so that misuse is seen
    CHECK(row["allocations"] == 0);
#endif
    if (row["op"] == "fp32") {
      CHECK(row["sqnr_db"].is_null());
    } else {
      CHECK(row["sqnr_db"].get<double>() > 15);
    }
  }
}

TEST_CASE("adze-bench limits measures caches and instructions", "[tools][bench]") {
  const auto reports = json("limits --seconds 0.001 --threads 1");
  const auto& traffic = reports.back()["rows"];
  REQUIRE(traffic.size() == 8);
  CHECK(traffic[0]["kernel"] == "read L1");
  CHECK(traffic[7]["kernel"] == "copy memory");
  for (const auto& row : traffic) CHECK(row["best"].get<double>() > 0);
}

TEST_CASE("adze-bench graph times graphs beside the same calls", "[tools][bench]") {
  const Result table = run("graph --nodes 3 --seconds 0.01");
  CHECK(table.code == 0);
  CHECK(std::count(table.text.begin(), table.text.end(), '\n') == 4);
  CHECK_THAT(table.text, ContainsSubstring("quantized layers"));

  const Result result = run("graph --nodes 3 --seconds 0.01 --json");
  REQUIRE(result.code == 0);
  const auto cases = nlohmann::json::parse(result.text);
  REQUIRE(cases.size() == 3);
  CHECK(cases[0]["case"] == "ops");
  CHECK(cases[0]["nodes"] == 3);
  CHECK(cases[1]["case"] == "layers");
  CHECK(cases[1]["nodes"] == 3);
  for (const auto& c : cases) {
    CHECK(c["graph_ns_per_node"].get<double>() > 0);
    CHECK(c["calls_ns_per_node"].get<double>() > 0);
  }
}

TEST_CASE("adze-bench refuses wrong input with one line", "[tools][bench]") {
  CHECK_THAT(refused(""), ContainsSubstring("subcommand is required"));
  CHECK_THAT(refused("gemm --colour"), ContainsSubstring("--colour"));
  CHECK_THAT(refused("gemm m=3 n=4"), ContainsSubstring("problem 1: k is missing"));
  CHECK_THAT(refused("gemm m=3 n=x k=4"),
             ContainsSubstring("problem 'n=x': expected a whole number"));
  CHECK_THAT(refused("gemm m=0 n=1 k=1"), ContainsSubstring("problem 'm=0'"));
  CHECK_THAT(refused("gemm 3,4,5"), ContainsSubstring("problem '3,4,5': expected m=, n= or k="));
  CHECK_THAT(refused("gemm --isa sse9 m=1 n=1 k=1"),
             ContainsSubstring("unknown instruction set 'sse9', known are scalar, avx2"));
  CHECK_THAT(refused("gemm --op f16 m=1 n=1 k=1"), ContainsSubstring("--op"));
  CHECK_THAT(refused("graph --nodes 0"), ContainsSubstring("--nodes"));
  CHECK_THAT(refused("gemm --threads 0 m=1 n=1 k=1"), ContainsSubstring("--threads"));
  CHECK_THAT(refused("gemm --kernel u8s9 m=1 n=1 k=1"),
             ContainsSubstring("--kernel u8s9 is not known, there are u8s8_gemm_"));
  CHECK_THAT(refused("gemm --assert-best much m=1 n=1 k=1"),
             ContainsSubstring("expected a percentage"));
  CHECK_THAT(refused("gemm --csv --json m=1 n=1 k=1"), ContainsSubstring("--csv"));
  CHECK_THAT(refused("sparse m=1 n=1 k=1 block=3x3"),
             ContainsSubstring("problem 'block=3x3': the shapes of blocks are "));
  CHECK_THAT(refused("sparse m=1 n=1 k=1 sparsity=1"), ContainsSubstring("'sparsity=1': expected"));
  CHECK_THAT(refused("sparse m=1 n=1 k=1 mask=all"), ContainsSubstring("expected random or norm"));
  CHECK_THAT(refused("sparse sparsity=0.5"), ContainsSubstring("m, n and k are missing"));
  CHECK_THAT(refused("sparse --kernel 9x9 m=1 n=1 k=1"), ContainsSubstring("there are dense, "));
  CHECK_THAT(refused("elementwise op=divide"), ContainsSubstring("'op=divide': there is quantize"));
  CHECK_THAT(refused("elementwise n=0"),
             ContainsSubstring("problem 'n=0': expected a whole number"));
  CHECK_THAT(refused("elementwise --peer eigen"),
             ContainsSubstring("--peer eigen has no functions of arrays"));
  CHECK_THAT(refused("elementwise m=3"), ContainsSubstring("problem 'm=3': expected op= or n="));
  CHECK_THAT(refused("model layers=64"), ContainsSubstring("'layers=64': expected sizes"));
  CHECK_THAT(refused("model layers=64,x"), ContainsSubstring("expected a whole number"));
  CHECK_THAT(refused("model --block 4by4 layers=4,4"),
             ContainsSubstring("expected rows x columns"));
  CHECK_THAT(refused("gemm --peer mkl m=1 n=1 k=1"), ContainsSubstring("--peer mkl is not known"));
  CHECK_THAT(refused("gemm --peer eigen m=1 n=1 k=1"),
             ContainsSubstring("--peer eigen can only be compared with --op f32"));
  CHECK_THAT(refused("gemm --op f32s8 --peer eigen m=1 n=1 k=1"),
             ContainsSubstring("--peer eigen can only be compared with --op f32"));
  CHECK_THAT(refused("gemm --op f32 --peer xnnpack m=1 n=1 k=1"),
             ContainsSubstring("--peer xnnpack was not compiled in (CMake: ") ||
                 ContainsSubstring("--peer xnnpack can only be compared with --op u8s8"));
}
#endif
