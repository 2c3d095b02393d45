#pragma once

#include <map>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "adze/core/value.h"

namespace adze::nn {

// Values as JSON. What JSON has no form for is an object with one key: {"dtype": "qint8"},
// {"list": [...]}, {"double": "inf"}; a plain array is a shape.
nlohmann::json values_to_json(const std::map<std::string, Value>& values, std::string_view where);
std::map<std::string, Value> values_from_json(const nlohmann::json& json, std::string_view where);
nlohmann::json value_to_json(const Value& value, std::string_view where);
Value value_from_json(const nlohmann::json& json, std::string_view where);

// The text of `json`; throws when a string in it is not UTF-8.
std::string json_to_text(const nlohmann::json& json, std::string_view where);
// The JSON in a text that may come from anywhere: throws when it is none, or deeper than any that
// is written.
nlohmann::json json_from_text(const std::string& text, std::string_view where);

}  // namespace adze::nn
