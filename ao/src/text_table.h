#pragma once

#include <string>
#include <vector>

// Numbers and tables as text, for what is reported to people.
namespace adze::ao {

/// "inf", "-inf" or "nan".
std::string not_finite(double value);
/// With that many decimals; see `not_finite` for what has none.
std::string fixed(double value, int decimals);

struct Column {
  const char* title;
  bool right = false;
};
/// Lines of cells under their titles; trailing blanks are cut.
std::string aligned(const std::vector<Column>& columns,
                    const std::vector<std::vector<std::string>>& lines);

}  // namespace adze::ao
