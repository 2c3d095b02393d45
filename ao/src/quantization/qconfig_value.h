#pragma once

#include <any>
#include <optional>
#include <string>
#include <string_view>

#include "adze/ao/quantization/qconfig.h"

namespace adze::ao::quantization {

// QConfigs as values, as files hold them: a factory is a list of its type and the names and values
// of all its options, an empty one is none.
Value factory_to_value(const ObserverFactory& factory);
ObserverFactory factory_from_value(const Value& value);
// A pair of factories; "do not quantize" is none.
Value qconfig_to_value(const std::any& qconfig);
std::any qconfig_from_value(const Value& value);

// What a Module::qconfig that is set holds; an Error about anything else starts with `where`.
std::optional<QConfig> qconfig_in(const std::any& any, const std::string& where);
// The scheme with that name; throws when there is none.
QScheme qscheme_from_name(std::string_view name);

}  // namespace adze::ao::quantization
