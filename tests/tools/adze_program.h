#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "support/catch.h"

// The program `adze`, as a user runs it.
namespace adze_program {

namespace fs = std::filesystem;
using nlohmann::json;

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
  // What it prints when all goes well.
  std::string output(const std::string& arguments) const {
    const Result r = run(arguments);
    INFO(arguments << ": " << r.errors);
    REQUIRE(r.code == 0);
    return r.output;
  }
  json output_json(const std::string& arguments) const {
    return json::parse(output(arguments + " --json"));
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
inline std::string clouds(int rows) {
  std::ostringstream csv;
  for (int i = 0; i < rows; ++i) {
    const int label = i % 2;
    csv << (label ? 4 : 1) + i % 3 << ',' << (label ? 0 : 5) + i % 2 << ',' << i % 5 << ',' << label
        << '\n';
  }
  return csv.str();
}

}  // namespace adze_program
