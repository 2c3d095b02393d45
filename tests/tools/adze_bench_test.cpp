// The program `adze-bench`, as a user runs it.
#ifdef ADZE_BENCH_PATH
#include <algorithm>
#include <cstdio>
#include <string>
#include <sys/wait.h>

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
  CHECK_THAT(refused("gemm --peer eigen m=1 n=1 k=1"),
             ContainsSubstring("--peer eigen can only be compared with --op f32"));
}
#endif
