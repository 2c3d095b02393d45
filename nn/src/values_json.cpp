#include "values_json.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include "adze/core/error.h"
#include "adze/nn/state_dict.h"

namespace adze::nn {
namespace {

using adze::detail::concat;
using adze::detail::in_quotes;
using nlohmann::json;

// Arrays and objects inside each other. Reading is recursive, so the stack sets the bound.
constexpr int max_depth = 200;

std::string member(std::string_view where, const std::string& name) {
  return concat(where, ": ", in_quotes(name));
}

std::int64_t integer(const json& j, std::string_view where) {
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  check(j.is_number_integer() && (!j.is_number_unsigned() || j.get<std::uint64_t>() <= most), where,
        " is not an integer of 64 bits");
  return j.get<std::int64_t>();
}

Value tagged_from_json(const json& j, std::string_view where) {
  check(j.size() == 1, where, " has no form of a value");
  const std::string& tag = j.begin().key();
  const json& content = j.begin().value();
  if (tag == "dtype" && content.is_string()) return dtype_from_name(content.get<std::string>());
  if (tag == "list" && content.is_array()) {
    Value::List list;
    for (const json& v : content) list.push_back(value_from_json(v, where));
    return list;
  }
  if (tag == "double") {
    if (content == "inf") return std::numeric_limits<double>::infinity();
    if (content == "-inf") return -std::numeric_limits<double>::infinity();
    if (content == "nan") return std::numeric_limits<double>::quiet_NaN();
  }
  fail(where, " has no form of a value");
}

}  // namespace

json value_to_json(const Value& value, std::string_view where) {
  if (value.is_none()) return nullptr;
  if (value.is_bool()) return value.to_bool();
  if (value.is_int()) return value.to_int();
  if (value.is_string()) return value.to_string();
  if (value.is_dtype()) return {{"dtype", name(value.to_dtype())}};
  if (value.is_double()) {
    const double d = value.to_double();
    if (std::isfinite(d)) return d;
    return {{"double", std::isnan(d) ? "nan" : d > 0 ? "inf" : "-inf"}};
  }
  if (value.is_shape()) {
    const Shape shape = value.to_shape();
    return std::vector<std::int64_t>(shape.begin(), shape.end());
  }
  check(value.is_list(), where, " is a ", value.type_name(), ", which has no form in a file");
  json list = json::array();
  for (const Value& v : value.to_list()) list.push_back(value_to_json(v, where));
  return {{"list", std::move(list)}};
}

Value value_from_json(const json& j, std::string_view where) {
  if (j.is_null()) return {};
  if (j.is_boolean()) return j.get<bool>();
  if (j.is_number_float()) return j.get<double>();
  if (j.is_number()) return integer(j, where);
  if (j.is_string()) return j.get<std::string>();
  if (j.is_object()) return tagged_from_json(j, where);
  Shape shape;
  for (const json& d : j) {
    check(d.is_number_integer(), where, " is not a list of integers");
    shape.push_back(integer(d, where));
  }
  return shape;
}

json values_to_json(const std::map<std::string, Value>& values, std::string_view where) {
  json out = json::object();
  for (const auto& [name, v] : values) out[name] = value_to_json(v, member(where, name));
  return out;
}

std::map<std::string, Value> values_from_json(const json& j, std::string_view where) {
  check(j.is_object(), where, ": not a JSON object");
  std::map<std::string, Value> out;
  for (const auto& [name, v] : j.items()) out[name] = value_from_json(v, member(where, name));
  return out;
}

std::string json_to_text(const json& j, std::string_view where) {
  try {
    return j.dump();
  } catch (const json::type_error&) {
    fail(where, ": names and texts must be UTF-8");
  }
}

json json_from_text(const std::string& text, std::string_view where) {
  const auto shallow = [&](int depth, json::parse_event_t, json&) {
    check(depth <= max_depth, where, ": nested deeper than ", max_depth);
    return true;
  };
  json parsed = json::parse(text, shallow, /*allow_exceptions=*/false);
  check(!parsed.is_discarded(), where, ": not JSON: ", in_quotes(text));
  return parsed;
}

std::string values_to_text(const std::map<std::string, Value>& values, std::string_view where) {
  return json_to_text(values_to_json(values, where), where);
}

std::map<std::string, Value> values_from_text(const std::string& text, std::string_view where) {
  const json parsed = json_from_text(text, where);
  check(parsed.is_object(), where, ": not a JSON object: ", in_quotes(text));
  return values_from_json(parsed, where);
}

}  // namespace adze::nn
