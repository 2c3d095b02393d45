#include "adze/nn/data/csv_dataset.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include "adze/core/creation.h"

#include "data/input_file.h"

namespace adze::nn::data {
namespace {

using detail::in_quotes;

// Goes through the rows of a text, skipping empty lines.
class Rows {
 public:
  Rows(std::string_view text, char separator, const std::string& where)
      : rest_(text), separator_(separator), where_(where) {
    if (rest_.starts_with("\xef\xbb\xbf")) rest_.remove_prefix(3);  // byte order mark
  }

  /// The fields of the next row, without blanks and quotes around them; false after the last row.
  bool next(std::vector<std::string_view>& fields) {
    while (!rest_.empty()) {
      const std::size_t end = rest_.find('\n');
      std::string_view line = rest_.substr(0, end);
      rest_.remove_prefix(end == rest_.npos ? rest_.size() : end + 1);
      ++number_;
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (trimmed(line).empty()) continue;
      divide(line, fields);
      return true;
    }
    return false;
  }

  /// "file: row 7: "
  std::string at() const { return where_ + "row " + std::to_string(number_) + ": "; }

 private:
  std::string_view trimmed(std::string_view s) const {
    const auto blank = [&](char c) { return (c == ' ' || c == '\t') && c != separator_; };
    while (!s.empty() && blank(s.front())) s.remove_prefix(1);
    while (!s.empty() && blank(s.back())) s.remove_suffix(1);
    return s;
  }

  void divide(std::string_view line, std::vector<std::string_view>& fields) const {
    fields.clear();
    while (true) {
      std::size_t end = line.find(separator_);
      const std::string_view start = trimmed(line);
      if (start.starts_with('"')) {
        const auto opening = static_cast<std::size_t>(start.data() - line.data());
        const std::size_t closing = line.find('"', opening + 1);
        if (closing == line.npos) fail(at(), "a quote is not closed");
        end = line.find(separator_, closing);
        const std::string_view after =
            line.substr(closing + 1, end == line.npos ? line.npos : end - closing - 1);
        if (!trimmed(after).empty())
          fail(at(), "field ", fields.size() + 1, " goes on after its closing quote");
        fields.push_back(line.substr(opening + 1, closing - opening - 1));
      } else {
        fields.push_back(trimmed(line.substr(0, end)));
      }
      if (end == line.npos) return;
      line.remove_prefix(end + 1);
    }
  }

  std::string_view rest_;
  char separator_;
  const std::string& where_;
  std::int64_t number_ = 0;
};

// The whole field as a number.
std::optional<double> number(std::string_view field) {
  if (field.starts_with('+') && !field.starts_with("+-")) field.remove_prefix(1);
  double value = 0;
  const char* end = field.data() + field.size();
  const auto [stopped, error] = std::from_chars(field.data(), end, value);
  if (error != std::errc() || stopped != end) return {};
  return value;
}

struct Table {
  std::int64_t rows = 0, features = 0;
  std::vector<float> data;
  std::vector<std::int64_t> labels;
};

std::int64_t label(std::string_view field, const Rows& rows, std::int64_t classes) {
  // Every integer up to here is a double.
  constexpr double largest = 0x1p53;
  const std::optional<double> value = number(field);
  if (!value || *value != std::trunc(*value) || !(std::fabs(*value) <= largest))
    fail(rows.at(), "the label must be an integer, got ", in_quotes(field));
  const auto result = static_cast<std::int64_t>(*value);
  if (result < 0 || (classes > 0 && result >= classes))
    fail(rows.at(), "the label must lie in [0, ", classes > 0 ? std::to_string(classes) : "...",
         "), got ", result);
  return result;
}

Table read_table(const std::string& text, const CsvOptions& options, const std::string& where) {
  Rows rows(text, options.separator, where);
  std::vector<std::string_view> fields;
  check(rows.next(fields), where, "the file has no rows");
  const std::string first_row = rows.at();
  const std::size_t columns = fields.size();
  std::size_t label_column = columns;  // none
  if (options.label_column) {
    label_column = static_cast<std::size_t>(
        wrap_dim(*options.label_column, columns, first_row + "label_column"));
  }
  Table table;
  table.features = static_cast<std::int64_t>(columns - (options.label_column ? 1 : 0));
  check(table.features > 0, first_row, "no columns are left for features");

  const bool header = options.header.value_or(std::none_of(
      fields.begin(), fields.end(), [](auto field) { return number(field).has_value(); }));
  bool more = !header || rows.next(fields);
  check(more, where, "the file has a header, but no rows");
  for (; more; more = rows.next(fields)) {
    if (fields.size() != columns)
      fail(rows.at(), columns, " fields expected as in the first row, got ", fields.size());
    for (std::size_t column = 0; column < columns; ++column) {
      if (column == label_column) {
        table.labels.push_back(label(fields[column], rows, options.classes));
        continue;
      }
      const std::optional<double> value = number(fields[column]);
      const auto feature = static_cast<float>(value.value_or(NAN) * options.scale);
      if (!std::isfinite(feature))
        fail(rows.at(), "field ", column + 1, " must be a finite number, got ",
             in_quotes(fields[column]));
      table.data.push_back(feature);
    }
    ++table.rows;
  }
  return table;
}

TensorDataset read_csv(const std::string& path, const CsvOptions& options) {
  const std::string where = "CsvDataset: " + path + ": ";
  check(std::string_view("\"\r\n+-.0123456789").find(options.separator) == std::string_view::npos,
        where, "the separator cannot be ", in_quotes(std::string(1, options.separator)));
  check(options.classes >= 0, where, "classes must not be negative, got ", options.classes);
  check(std::isfinite(options.scale), where, "the scale must be finite, got ", options.scale);
  const Table table = read_table(read_text(path, where), options, where);
  const Shape shape = batch_shape(table.rows, table.features, options.sample_shape, where);
  return TensorDataset(from_vector(table.data, shape),
                       options.label_column ? from_vector(table.labels, {table.rows}) : Tensor());
}

}  // namespace

CsvDataset::CsvDataset(const std::string& path, const CsvOptions& options)
    : TensorDataset(read_csv(path, options)) {}

}  // namespace adze::nn::data
