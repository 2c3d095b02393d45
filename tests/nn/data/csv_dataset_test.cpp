#include "adze/nn/data/csv_dataset.h"

#include "support/catch.h"
#include "support/folder.h"

using namespace adze;
using namespace adze::nn::data;

namespace {

using Ints = std::vector<std::int64_t>;
using Floats = std::vector<float>;

const adze::testing::Folder& folder() {
  static const adze::testing::Folder instance;
  return instance;
}

CsvDataset load(const std::string& text, const CsvOptions& options = {}) {
  return CsvDataset(folder().write("table.csv", text), options);
}

// The error, from behind the path on.
std::string error_of(const std::string& text, const CsvOptions& options = {}) {
  const std::string begin = "CsvDataset: " + folder().path("table.csv") + ": ";
  try {
    load(text, options);
  } catch (const Error& error) {
    const std::string what = error.what();
    CHECK(what.starts_with(begin));
    CHECK(what.find('\n') == std::string::npos);
    return what.substr(begin.size());
  }
  return "no error";
}

}  // namespace

TEST_CASE("CSV rows become features and labels", "[nn][data]") {
  const CsvDataset table = load("1,2.5,0\n-3e-1,4,2\n");
  CHECK(table.size() == 2);
  CHECK(table.data().sizes() == Shape{2, 2});
  CHECK(table.data().to_vector<float>() == Floats{1, 2.5f, -0.3f, 4});
  CHECK(table.targets().dtype() == int64);
  CHECK(table.targets().to_vector<std::int64_t>() == Ints{0, 2});
}

TEST_CASE("a header is found by itself", "[nn][data]") {
  CHECK(load("a,b,label\n1,2,0\n").size() == 1);
  CHECK(load("\"x, y\",\"b\",label\n1,2,0\n").size() == 1);
  CHECK(load("7,8,9\n1,2,0\n").size() == 2);
  CHECK(load("7,8,9\n1,2,0\n", {.header = true}).size() == 1);
  // A row with one broken number is no header.
  CHECK(error_of("1,x,0\n1,2,0\n") == "row 1: field 2 must be a finite number, got 'x'");
  CHECK(error_of("a,b,c\n1,2,0\n", {.header = false}) ==
        "row 1: field 1 must be a finite number, got 'a'");
  CHECK(error_of("a,b,c\n") == "the file has a header, but no rows");
}

TEST_CASE("separators, blanks, quotes, line ends and byte order marks are understood",
          "[nn][data]") {
  CHECK(load("1;2;0\n3;4;1", {.separator = ';'}).data().to_vector<float>() == Floats{1, 2, 3, 4});
  CHECK(load("1\t2\t0\n", {.separator = '\t'}).data().to_vector<float>() == Floats{1, 2});
  CHECK(load("1 2 0\n", {.separator = ' '}).data().to_vector<float>() == Floats{1, 2});
  CHECK(load(" 1 ,\t2,0 \r\n\r\n  \n\"3\", \"+4\" ,1\r\n").data().to_vector<float>() ==
        Floats{1, 2, 3, 4});
  CHECK(load("\xef\xbb\xbf"
             "1,2,0\n")
            .size() == 1);
}

TEST_CASE("the label may stand in any column, or be missing", "[nn][data]") {
  const CsvDataset first = load("3,1,2\n", {.label_column = 0});
  CHECK(first.targets().to_vector<std::int64_t>() == Ints{3});
  CHECK(first.data().to_vector<float>() == Floats{1, 2});
  const CsvDataset middle = load("1,3.0,2\n", {.label_column = -2});
  CHECK(middle.targets().to_vector<std::int64_t>() == Ints{3});
  const CsvDataset none = load("1,2,0.5\n", {.label_column = std::nullopt});
  CHECK_FALSE(none.targets().defined());
  CHECK(none.data().sizes() == Shape{1, 3});
}

TEST_CASE("features are scaled and take the shape of a sample", "[nn][data]") {
  const CsvDataset table =
      load("4,8,12,16,0\n0,0,0,8,1\n", {.scale = 1.0 / 16, .sample_shape = {1, 2, 2}});
  CHECK(table.data().sizes() == Shape{2, 1, 2, 2});
  CHECK(table.data().to_vector<float>() == Floats{0.25f, 0.5f, 0.75f, 1, 0, 0, 0, 0.5f});
  CHECK(error_of("1,2,0\n", {.sample_shape = {3}}) ==
        "sample_shape (3,) has 3 elements, the samples have 2 features");
}

TEST_CASE("broken tables are refused with file and row", "[nn][data]") {
  CHECK(error_of("") == "the file has no rows");
  CHECK(error_of("\n \r\n") == "the file has no rows");
  CHECK(error_of("1,2,0\n\n3,4\n") == "row 3: 3 fields expected as in the first row, got 2");
  CHECK(error_of("1,2,0\n3,4,5,1\n") == "row 2: 3 fields expected as in the first row, got 4");
  CHECK(error_of("1,2,0\n3,,1\n") == "row 2: field 2 must be a finite number, got ''");
  CHECK(error_of("1,2,0\n3,4x,1\n") == "row 2: field 2 must be a finite number, got '4x'");
  CHECK(error_of("1,2,0\n3,nan,1\n") == "row 2: field 2 must be a finite number, got 'nan'");
  CHECK(error_of("1,2,0\n3,1e99,1\n") == "row 2: field 2 must be a finite number, got '1e99'");
  CHECK(error_of("1,2,0\n3,1e999,1\n") == "row 2: field 2 must be a finite number, got '1e999'");
  CHECK(error_of("1,2,0\n3,+-4,1\n") == "row 2: field 2 must be a finite number, got '+-4'");
  CHECK(error_of("1,2,0\n3,\"4,1\n") == "row 2: a quote is not closed");
  CHECK(error_of("1,2,0\n3,\"4\"5,1\n") == "row 2: field 2 goes on after its closing quote");
  CHECK(error_of("0\n1\n") == "row 1: no columns are left for features");
  CHECK_THAT(error_of("1,2,0\n", {.label_column = 3}), ContainsSubstring("row 1: label_column"));
  CHECK_THAT(error_of(std::string("1,\0,0\n", 6) + "1,2,0\n"), ContainsSubstring("got '\\x00'"));
}

TEST_CASE("labels must be integers in their range", "[nn][data]") {
  CHECK(error_of("1,2,0\n1,2,1.5\n") == "row 2: the label must be an integer, got '1.5'");
  CHECK(error_of("1,2,0\n1,2,x\n") == "row 2: the label must be an integer, got 'x'");
  CHECK(error_of("1,2,0\n1,2,1e300\n") == "row 2: the label must be an integer, got '1e300'");
  CHECK(error_of("1,2,0\n1,2,inf\n") == "row 2: the label must be an integer, got 'inf'");
  CHECK(error_of("1,2,0\n1,2,-1\n") == "row 2: the label must lie in [0, ...), got -1");
  CHECK(error_of("1,2,0\n1,2,10\n", {.classes = 10}) ==
        "row 2: the label must lie in [0, 10), got 10");
}

TEST_CASE("files that are none and options that make no sense are refused", "[nn][data]") {
  CHECK_THROWS_WITH(CsvDataset(folder().path("none.csv")),
                    "CsvDataset: " + folder().path("none.csv") + ": no such file");
  CHECK_THROWS_WITH(CsvDataset(folder().path("")), ContainsSubstring("not a regular file"));
  CHECK(error_of("1,2,0\n", {.separator = '.'}) == "the separator cannot be '.'");
  CHECK(error_of("1,2,0\n", {.classes = -1}) == "classes must not be negative, got -1");
}
