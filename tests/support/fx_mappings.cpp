#include <functional>
#include <map>

#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/nn/activation.h"

#include "support/fx_networks.h"

namespace adze::test {
namespace {

namespace tq = ao::quantization;
using tq::ObjectType;
using Mapping = tq::QConfigMapping;
using Custom = tq::PrepareCustomConfig;

constexpr const char* engine = "fbgemm";

const tq::QConfig per_tensor = tq::default_qconfig;
const tq::QConfig per_channel = tq::default_per_channel_qconfig;

tq::QConfig with_activation(const tq::ObserverOptions& options) {
  return {tq::MinMaxObserver::with_args(options), tq::default_weight_observer};
}
tq::QConfig full_range() {
  return with_activation({.dtype = quint8});
}

Mapping all(const tq::QConfig& qconfig) {
  return Mapping().set_global(qconfig);
}
Mapping standard(const Mapping::Config& qconfig = per_channel) {
  return tq::get_default_qconfig_mapping(engine).set_global(qconfig);
}
Mapping names_4_and_5(const tq::QConfig& qconfig) {
  return Mapping().set_module_name("4", qconfig).set_module_name("5", qconfig);
}

using Mappings = std::map<std::string, NamedMapping>;

void add_object_types(Mappings& m) {
  const auto linear = ObjectType::of<nn::Linear>(), relu = ObjectType::of<nn::ReLU>();
  m["type_none"].prepare =
      standard().set_object_type(linear, std::nullopt).set_object_type(relu, std::nullopt);
  m["type_linear"].prepare = Mapping().set_object_type(linear, per_channel);
  m["type_linear_and_relu"].prepare =
      Mapping().set_object_type(linear, per_channel).set_object_type(relu, per_channel);
  m["type_functions"].prepare =
      Mapping().set_object_type(ops::linear, per_channel).set_object_type(ops::relu, per_channel);
  m["type_add"].prepare = Mapping().set_object_type(ops::add, per_channel);
  m["type_linear_add"].prepare =
      Mapping().set_object_type(linear, per_channel).set_object_type(ops::add, per_channel);
  m["order_second_linear"].prepare =
      standard().set_module_name_object_type_order("", ops::linear, 1, std::nullopt);
  m["order_first_add"].prepare =
      standard().set_module_name_object_type_order("", ops::add, 0, std::nullopt);
  m["order_in_module"].prepare =
      standard().set_module_name_object_type_order("first", linear, 0, std::nullopt);
  m["convert_function_none"] = {standard().set_object_type(ops::add, per_channel),
                                standard().set_object_type(ops::add, std::nullopt)};
}

void add_names(Mappings& m) {
  const tq::QConfig reduced = with_activation({.dtype = quint8, .reduce_range = true});
  m["name_none"].prepare = standard().set_module_name("2", std::nullopt);
  m["name_only"].prepare = Mapping().set_module_name("2", per_channel);
  m["names_4_and_5"].prepare = names_4_and_5(per_channel);
  m["names_4_and_5_histogram"].prepare = names_4_and_5(tq::get_default_qconfig(engine));
  m["names_4_and_5_qat"].prepare = names_4_and_5(tq::get_default_qat_qconfig(engine));
  m["name_of_parent"].prepare = Mapping().set_module_name("first", per_channel);
  m["name_of_parent_none"].prepare = standard().set_module_name("first", std::nullopt);
  m["name_of_child_over_parent"].prepare = standard()
                                               .set_module_name("first", std::nullopt)
                                               .set_module_name("first.inner.a", per_tensor);
  m["name_of_relu"].prepare = Mapping().set_module_name("1", per_channel);
  m["regex"].prepare = Mapping().set_module_name_regex("(a|b)", per_channel);
  m["regex_inner"].prepare = standard().set_module_name_regex(R"(.*\.inner\..*)", std::nullopt);
  m["regex_first_wins"].prepare = Mapping()
                                      .set_module_name_regex("[ab]", per_tensor)
                                      .set_module_name_regex("[abc]", full_range());
  m["neighbours"].prepare =
      standard(reduced).set_module_name("a", full_range()).set_module_name("c", per_channel);
  m["neighbours_none"].prepare = standard().set_module_name("b", std::nullopt);
  m["dynamic_and_static"].prepare = standard().set_module_name("a", tq::default_dynamic_qconfig);
  m["convert_name_none"] = {standard().set_module_name("2", per_channel),
                            standard().set_module_name("2", std::nullopt)};
}

Mappings make_mappings() {
  Mappings m;
  m["per_channel"].prepare = standard();
  m["per_tensor"].prepare = standard(per_tensor);
  m["full_range"].prepare = standard(full_range());
  m["signed"].prepare = standard(with_activation({.dtype = qint8}));
  m["histogram"].prepare = tq::get_default_qconfig_mapping(engine);
  m["onednn"].prepare = tq::get_default_qconfig_mapping("onednn");
  m["bare_global"].prepare = all(per_channel);
  m["none"] = {};
  m["convert_all_none"] = {standard(), standard(std::nullopt)};
  m["dynamic"].prepare = all(tq::default_dynamic_qconfig);
  m["dynamic_per_channel"].prepare = all(tq::per_channel_dynamic_qconfig);
  m["dynamic_type"].prepare =
      Mapping().set_object_type(ObjectType::of<nn::Linear>(), tq::default_dynamic_qconfig);
  m["float16_dynamic"].prepare = all(tq::float16_dynamic_qconfig);
  m["float16_static"].prepare = all(tq::float16_static_qconfig);
  m["weight_only"].prepare = all(tq::default_weight_only_qconfig);
  m["qat"].prepare = tq::get_default_qat_qconfig_mapping(engine);
  m["qat_version_0"].prepare = tq::get_default_qat_qconfig_mapping(engine, 0);
  m["qat_dynamic"].prepare = all(tq::default_dynamic_qat_qconfig);
  add_object_types(m);
  add_names(m);
  return m;
}

std::map<std::string, Custom> make_customs() {
  const std::vector<Value> example{Value(zeros({3, 6}))};
  std::map<std::string, Custom> c;
  c[""] = {};
  c["input_quantized"].set_input_quantized_indexes({0});
  c["output_quantized"].set_output_quantized_indexes({0});
  c["input_and_output_quantized"].set_input_quantized_indexes({0}).set_output_quantized_indexes(
      {0});
  c["second_output_quantized"].set_output_quantized_indexes({1});
  c["standalone_name"].set_standalone_module_name("block", standard(), example);
  c["standalone_class"].set_standalone_module_class(tq::ModuleType::of<Inner>(), standard(),
                                                    example);
  c["standalone_quantized"].set_standalone_module_name("block", standard(), example,
                                                       c["input_and_output_quantized"]);
  c["non_traceable_name"].set_non_traceable_module_names({"gate"});
  c["non_traceable_class"].set_non_traceable_module_classes({tq::ModuleType::of<Gate>()});
  c["preserved"].set_non_traceable_module_names({"gate"}).set_preserved_attributes({"note"});
  return c;
}

}  // namespace

NamedMapping fx_mapping(const std::string& name) {
  static const Mappings mappings = make_mappings();
  const auto it = mappings.find(name);
  check(it != mappings.end(), "there is no mapping '", name, "'");
  return it->second;
}

ao::quantization::PrepareCustomConfig fx_custom(const std::string& name) {
  static const std::map<std::string, Custom> customs = make_customs();
  const auto it = customs.find(name);
  check(it != customs.end(), "there is no custom config '", name, "'");
  return it->second;
}

}  // namespace adze::test
