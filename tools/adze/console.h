#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

// What the program shows to people: progress on standard error, results on standard output.
namespace adze::cli {

/// The progress of one phase: a bar on a terminal, one line at the end elsewhere.
class Progress {
 public:
  Progress(std::string label, std::int64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// `note` stands behind the bar ("loss 0.52").
  void step(const std::string& note = {});

 private:
  void draw() const;

  std::string label_, note_;
  std::int64_t total_, done_ = 0;
  std::chrono::steady_clock::time_point start_, drawn_;
};

/// Columns of text, right-aligned but for the first.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string str() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// Writes a small text file at once: under another name first, then renamed. Throws naming the
/// file.
void write_file(const std::string& path, const std::string& text);

/// Throws unless the directory of a file that is to be written exists.
void check_directory_of(const std::string& path);

/// "12.35": `value` with that many decimals.
std::string fixed(double value, int decimals);
/// "51,338"
std::string grouped(std::int64_t value);

}  // namespace adze::cli
