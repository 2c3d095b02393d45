#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "adze/ao/quantization/report.h"

#include "text_table.h"

namespace adze::ao::quantization {
namespace {

using Json = nlohmann::ordered_json;

std::string shown(double value) {
  std::string text = fixed(value, 8);
  if (text.find('.') != text.npos) text.erase(text.find_last_not_of('0') + 1);
  return text.ends_with('.') ? text + '0' : text;
}

std::string shown(const std::optional<GridReport>& grid) {
  if (!grid) return "";
  std::string text = adze::detail::concat(grid->dtype, ' ', shown(grid->min_scale));
  if (is_per_channel(grid->qscheme)) return text + ".." + shown(grid->max_scale);
  return text + ", " + shown(grid->min_zero_point).substr(0, shown(grid->min_zero_point).find('.'));
}

std::string percent(const std::optional<double>& value) {
  return value ? fixed(*value * 100, 1) : "";
}

Json number(const std::optional<double>& value) {
  if (!value) return nullptr;
  return std::isfinite(*value) ? Json(*value) : Json(not_finite(*value));
}

Json json_of(const std::optional<GridReport>& grid) {
  if (!grid) return nullptr;
  return {{"dtype", adze::detail::concat(grid->dtype)},
          {"qscheme", adze::name(grid->qscheme)},
          {"min_scale", grid->min_scale},
          {"max_scale", grid->max_scale},
          {"min_zero_point", grid->min_zero_point},
          {"max_zero_point", grid->max_zero_point}};
}

Json json_of(const LayerReport& r) {
  return {{"name", r.name},
          {"type", r.type},
          {"form", name(r.form)},
          {"why", r.why},
          {"weight_dtype",
           r.weight_dtype ? Json(adze::detail::concat(*r.weight_dtype)) : Json(nullptr)},
          {"weight", json_of(r.weight)},
          {"input", json_of(r.input)},
          {"output", json_of(r.output)},
          {"sparsity_asked", number(r.sparsity_asked)},
          {"masked", number(r.masked)},
          {"kept", number(r.kept)},
          {"kernel", r.kernel},
          {"layout", r.layout},
          {"layout_why", r.layout_why},
          {"uncalibrated", r.uncalibrated},
          {"hooks", r.hooks},
          {"sqnr", number(r.sqnr)},
          {"clipped", number(r.clipped)},
          {"range_used", number(r.range_used)}};
}

}  // namespace

std::string_view name(LayerForm form) {
  switch (form) {
    case LayerForm::floating:
      return "float";
    case LayerForm::observed:
      return "observed";
    case LayerForm::fake_quantized:
      return "fake-quantized";
    case LayerForm::reference:
      return "reference";
    case LayerForm::int8:
      return "int8";
    case LayerForm::dynamic:
      return "dynamic";
    case LayerForm::weight_only:
      return "weight only";
  }
  fail("LayerForm: there is no form ", static_cast<int>(form));
}

const LayerReport* Report::find(std::string_view name) const {
  const auto layer = std::find_if(layers.begin(), layers.end(),
                                  [&](const LayerReport& l) { return l.name == name; });
  return layer == layers.end() ? nullptr : &*layer;
}

std::string Report::table() const {
  const std::vector<Column> columns{{"name"},
                                    {"type"},
                                    {"form"},
                                    {"weight"},
                                    {"input"},
                                    {"output"},
                                    {"asked %", true},
                                    {"masked %", true},
                                    {"zeros %", true},
                                    {"kernel"},
                                    {"layout"},
                                    {"SQNR (dB)", true},
                                    {"clipped %", true},
                                    {"range %", true},
                                    {"why"}};
  std::vector<std::vector<std::string>> lines;
  for (const LayerReport& r : layers)
    lines.push_back({r.name.empty() ? "(root)" : r.name, r.type,
                     std::string(quantization::name(r.form)),
                     r.weight         ? shown(r.weight)
                     : r.weight_dtype ? adze::detail::concat(*r.weight_dtype)
                                      : "",
                     shown(r.input), shown(r.output), percent(r.sparsity_asked), percent(r.masked),
                     percent(r.kept), r.kernel, r.layout, r.sqnr ? fixed(*r.sqnr, 2) : "",
                     percent(r.clipped), percent(r.range_used), r.why});
  std::string text = aligned(columns, lines);
  for (const std::string& remark : remarks) text += remark + '\n';
  return text;
}

std::string Report::json() const {
  Json all_layers = Json::array();
  for (const LayerReport& r : layers) all_layers.push_back(json_of(r));
  const Json all{{"stage", stage}, {"layers", all_layers}, {"remarks", remarks}};
  return all.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace adze::ao::quantization
