#include "adze/ao/ns/comparison.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "adze/core/error.h"

#include "text_table.h"

namespace adze::ao::ns {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(not_finite(value));
}

std::string shown(const std::string& name) {
  return name.empty() ? "(root)" : name;
}

std::string shown_types(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty() || a == b) return a.empty() ? b : a;
  return a + " -> " + b;
}

}  // namespace

std::string_view name(ComparisonKind kind) {
  switch (kind) {
    case ComparisonKind::weight:
      return "weight";
    case ComparisonKind::output:
      return "output";
    case ComparisonKind::shadow:
      return "shadow";
  }
  fail("ComparisonKind: there is no kind ", static_cast<int>(kind));
}

const ComparisonRow* Comparison::find(std::string_view name) const {
  const auto row = std::find_if(rows.begin(), rows.end(),
                                [&](const ComparisonRow& r) { return r.name == name; });
  return row == rows.end() ? nullptr : &*row;
}

std::string Comparison::table() const {
  std::vector<std::vector<std::string>> lines;
  for (const ComparisonRow& r : rows)
    lines.push_back({shown(r.name), std::string(ns::name(r.kind)), shown_types(r.type_a, r.type_b),
                     to_string(r.shape), fixed(r.sqnr, 2), fixed(r.normalized_l2_error, 6),
                     fixed(r.cosine_similarity, 6)});
  std::string text = aligned({{"name"},
                              {"kind"},
                              {"type"},
                              {"shape"},
                              {"SQNR (dB)", true},
                              {"l2 error", true},
                              {"cosine", true}},
                             lines);
  if (unpaired.empty()) return text;
  lines.clear();
  for (const Unpaired& u : unpaired)
    lines.push_back({shown(u.name), shown_types(u.type_a, u.type_b), u.reason});
  return text + '\n' + aligned({{"not compared"}, {"type"}, {"reason"}}, lines);
}

std::string Comparison::json() const {
  Json compared = Json::array(), others = Json::array();
  for (const ComparisonRow& r : rows)
    compared.push_back({{"name", r.name},
                        {"type_a", r.type_a},
                        {"type_b", r.type_b},
                        {"kind", ns::name(r.kind)},
                        {"sqnr", number(r.sqnr)},
                        {"normalized_l2_error", number(r.normalized_l2_error)},
                        {"cosine_similarity", number(r.cosine_similarity)},
                        {"shape", std::vector<std::int64_t>(r.shape.begin(), r.shape.end())}});
  for (const Unpaired& u : unpaired)
    others.push_back(
        {{"name", u.name}, {"type_a", u.type_a}, {"type_b", u.type_b}, {"reason", u.reason}});
  const Json all{{"rows", compared}, {"unpaired", others}};
  return all.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace adze::ao::ns
