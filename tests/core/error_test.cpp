#include "adze/core/error.h"

#include "support/catch.h"

using namespace adze;

TEST_CASE("an error collects the names of the modules it leaves", "[core][error]") {
  Error e("linear: 64 features expected");
  CHECK(std::string(e.what()) == "linear: 64 features expected");
  CHECK(e.path().empty());
  e.enter("fc1");
  e.enter("encoder");
  e.enter("");
  CHECK(e.path() == "encoder.fc1");
  CHECK(std::string(e.what()) == "encoder.fc1: linear: 64 features expected");
  CHECK(e.message() == "linear: 64 features expected");
}

TEST_CASE("check throws the streamed parts", "[core][error]") {
  CHECK_NOTHROW(check(true, "never"));
  CHECK_THROWS_WITH(check(false, "add: got ", 3, " and ", 0.5), "add: got 3 and 0.5");
  CHECK_THROWS_AS(fail("x"), Error);
  CHECK_THROWS_AS(throw TraceError("x"), Error);
}

TEST_CASE("warnings go to the handler, by default nowhere", "[core][error]") {
  std::vector<std::string> heard;
  const WarningHandler before =
      set_warning_handler([&](const std::string& message) { heard.push_back(message); });
  warn("first");
  const WarningHandler mine = set_warning_handler(nullptr);
  warn("lost");
  mine("second");
  set_warning_handler(before);
  CHECK(heard == std::vector<std::string>{"first", "second"});
}

TEST_CASE("a warning handler may warn and set handlers", "[core][error]") {
  std::vector<std::string> heard;
  const WarningHandler before = set_warning_handler([&](const std::string& message) {
    heard.push_back(message);
    set_warning_handler([&](const std::string& inner) { heard.push_back("inner " + inner); });
    warn("again");
  });
  warn("once");
  set_warning_handler(before);
  CHECK(heard == std::vector<std::string>{"once", "inner again"});
}
