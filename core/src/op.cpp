#include "adze/core/op.h"

#include <unordered_map>

#include "ops/families.h"

namespace adze {

const std::vector<const OpBase*>& all_ops() {
  static const std::vector<const OpBase*> ops = [] {
    std::vector<const OpBase*> all;
    for (const auto family : {elementwise_ops, reduction_ops, linalg_ops, functional_ops, shape_ops,
                              quantize_ops, quantized_ops}) {
      const std::vector<const OpBase*> part = family();
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }();
  return ops;
}

const OpBase* find_op(std::string_view name) {
  static const std::unordered_map<std::string_view, const OpBase*> by_name = [] {
    std::unordered_map<std::string_view, const OpBase*> map;
    for (const OpBase* op : all_ops()) map.emplace(op->name(), op);
    return map;
  }();
  const auto found = by_name.find(name);
  return found == by_name.end() ? nullptr : found->second;
}

}  // namespace adze
