#include "adze/console.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <unistd.h>
#include <utility>

#include "adze/core/error.h"

namespace adze::cli {
namespace {

bool on_terminal() {
  static const bool yes = isatty(STDERR_FILENO) == 1;
  return yes;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Width on screen: continuation bytes of UTF-8 take none.
std::size_t width(const std::string& s) {
  return static_cast<std::size_t>(std::count_if(
      s.begin(), s.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

Progress::Progress(std::string label, std::int64_t total)
    : label_(std::move(label)), total_(total), start_(std::chrono::steady_clock::now()) {}

void Progress::step(const std::string& note) {
  ++done_;
  note_ = note;
  if (!on_terminal()) return;
  if (done_ < total_ && seconds_since(drawn_) < 0.05) return;
  drawn_ = std::chrono::steady_clock::now();
  draw();
}

void Progress::draw() const {
  constexpr std::int64_t cells = 30;
  const std::int64_t full = total_ > 0 ? cells * done_ / total_ : cells;
  std::string bar;
  for (std::int64_t i = 0; i < cells; ++i) bar += i < full ? "█" : "░";
  std::fprintf(stderr, "\r\033[K%-34s %s %3lld%%  %s", label_.c_str(), bar.c_str(),
               static_cast<long long>(total_ > 0 ? 100 * done_ / total_ : 100), note_.c_str());
  std::fflush(stderr);
}

Progress::~Progress() {
  const std::string time = fixed(seconds_since(start_), 1) + " s";
  if (on_terminal()) std::fprintf(stderr, "\r\033[K");
  std::fprintf(stderr, "%-34s %7s%s%s\n", label_.c_str(), time.c_str(), note_.empty() ? "" : "  ",
               note_.c_str());
}

std::string Table::str() const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (widths.size() <= i) widths.push_back(0);
      widths[i] = std::max(widths[i], width(row[i]));
    }
  std::string out;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    std::string line;
    for (std::size_t i = 0; i < rows_[r].size(); ++i) {
      const std::string pad(widths[i] - width(rows_[r][i]), ' ');
      line += (i ? "  " : "") + (i ? pad + rows_[r][i] : rows_[r][i] + pad);
    }
    out += line + "\n";
    if (r == 0) {
      for (std::size_t i = 0; i < widths.size(); ++i)
        out += (i ? "  " : "") + std::string(widths[i], '-');
      out += "\n";
    }
  }
  return out;
}

void write_file(const std::string& path, const std::string& text) {
  const std::string partial = path + ".partial";
  std::FILE* file = std::fopen(partial.c_str(), "wb");
  check(file != nullptr, path, ": cannot be written");
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const bool closed = std::fclose(file) == 0;
  if (written && closed && std::rename(partial.c_str(), path.c_str()) == 0) return;
  std::remove(partial.c_str());
  fail(path, ": cannot be written");
}

void check_directory_of(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  check(parent.empty() || std::filesystem::is_directory(parent), path, ": there is no directory ",
        parent.string());
}

std::string fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string grouped(std::int64_t value) {
  std::string digits = std::to_string(value);
  for (std::ptrdiff_t i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > (value < 0 ? 1 : 0);
       i -= 3)
    digits.insert(static_cast<std::size_t>(i), ",");
  return digits;
}

}  // namespace adze::cli
