#include "text_table.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>
#include <string_view>

namespace adze::ao {

std::string not_finite(double value) {
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

std::string fixed(double value, int decimals) {
  if (!std::isfinite(value)) return not_finite(value);
  std::ostringstream os;
  os << std::fixed << std::setprecision(decimals) << value;
  return os.str();
}

std::string aligned(const std::vector<Column>& columns,
                    const std::vector<std::vector<std::string>>& lines) {
  std::vector<std::size_t> width;
  for (const Column& c : columns) width.push_back(std::string_view(c.title).size());
  for (const auto& line : lines)
    for (std::size_t i = 0; i < line.size(); ++i) width[i] = std::max(width[i], line[i].size());

  std::string text;
  const auto add = [&](auto&& cell) {
    std::string line;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::string value = cell(i);
      const std::string blanks(width[i] - value.size(), ' ');
      if (i > 0) line += "  ";
      line += columns[i].right ? blanks + value : value + blanks;
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  };
  add([&](std::size_t i) { return std::string(columns[i].title); });
  for (const auto& line : lines) add([&](std::size_t i) { return line[i]; });
  return text;
}

}  // namespace adze::ao
