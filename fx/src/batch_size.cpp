#include "batch_size.h"

#include <algorithm>

#include "adze/core/ops.h"

namespace adze::fx {
namespace {

bool has_rows(const Value& v) {
  return v.is_tensor() && v.to_tensor().defined() && v.to_tensor().dim() > 0;
}

std::optional<std::int64_t> as_int(const Argument& a) {
  if (!a.is_constant() || !a.constant().is_int()) return std::nullopt;
  return a.constant().to_int();
}

// A shape or list constant as a list of arguments, so that its elements can be compared.
Argument spread(const Argument& a) {
  if (!a.is_constant()) return a;
  Argument::List list;
  if (a.constant().is_shape()) {
    for (std::int64_t d : a.constant().to_shape()) list.emplace_back(d);
  } else if (a.constant().is_list()) {
    for (const Value& v : a.constant().to_list()) list.emplace_back(v);
  } else {
    return a;
  }
  return list;
}

class Follower {
 public:
  Follower(const BatchTrace& trace, const std::vector<BatchTrace>& others,
           const std::vector<Value>& inputs)
      : trace_(trace), others_(others), inputs_(inputs) {}

  void run() {
    for (const BatchTrace& other : others_) {
      if (other.graph->size() != trace_.graph->size()) return depends("other steps");
      if (!std::equal(other.constants.begin(), other.constants.end(), trace_.constants.begin(),
                      trace_.constants.end(),
                      [](const Tensor& a, const Tensor& b) { return a.equal(b); }))
        return depends("with other constants");
    }
    std::vector<std::vector<Node*>> columns;
    for (const BatchTrace& other : others_) columns.push_back(other.graph->node_list());
    const std::vector<Node*> nodes = trace_.graph->node_list();
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      std::vector<const Node*> same;
      for (const auto& column : columns) same.push_back(column[i]);
      if (!follow(*nodes[i], same)) return;
    }
  }

 private:
  void depends(const std::string& how) {
    warn("trace: for another number of rows the network computes ", how,
         "; the graph holds for inputs with ", trace_.rows, " rows only");
  }

  bool follow(Node& node, const std::vector<const Node*>& same) {
    for (const Node* other : same)
      if (other->op() != node.op() || other->target() != node.target() ||
          other->args().size() != node.args().size()) {
        depends("other steps");
        return false;
      }
    std::vector<Argument> args = node.args();
    bool changed = false;
    for (std::size_t i = 0; i < args.size(); ++i) {
      std::vector<Argument> versions;
      for (const Node* other : same) versions.push_back(other->args()[i]);
      const std::optional<Argument> followed = follow(args[i], versions, node);
      if (!followed) {
        depends(node.target() + " with other arguments");
        return false;
      }
      if (!(*followed == args[i])) {
        args[i] = *followed;
        changed = true;
      }
    }
    if (changed) node.set_args(std::move(args));
    return true;
  }

  // The argument with what follows the rows replaced; nothing when that cannot be said.
  std::optional<Argument> follow(const Argument& a, const std::vector<Argument>& versions,
                                 Node& user) {
    if (a.is_node()) return a;
    if (std::all_of(versions.begin(), versions.end(),
                    [&](const Argument& v) { return !contains_nodes(a) && v == a; }))
      return a;
    if (const auto value = as_int(a)) {
      std::vector<std::int64_t> values;
      for (const Argument& v : versions) {
        if (!as_int(v)) return std::nullopt;
        values.push_back(*as_int(v));
      }
      return grown(*value, values, user);
    }
    const Argument list = spread(a);
    if (!list.is_list()) return std::nullopt;
    Argument::List out;
    for (std::size_t i = 0; i < list.list().size(); ++i) {
      std::vector<Argument> elements;
      for (const Argument& v : versions) {
        const Argument other = spread(v);
        if (!other.is_list() || other.list().size() != list.list().size()) return std::nullopt;
        elements.push_back(other.list()[i]);
      }
      std::optional<Argument> element = follow(list.list()[i], elements, user);
      if (!element) return std::nullopt;
      out.push_back(std::move(*element));
    }
    return Argument(std::move(out));
  }

  static bool contains_nodes(const Argument& a) {
    bool found = false;
    for_each_node(a, [&](Node*) { found = true; });
    return found;
  }

  // value = factor * rows + offset, which all traces must agree on.
  std::optional<Argument> grown(std::int64_t value, const std::vector<std::int64_t>& values,
                                Node& user) {
    const std::int64_t step = others_[0].rows - trace_.rows;
    if ((values[0] - value) % step != 0) return std::nullopt;
    const std::int64_t factor = (values[0] - value) / step, offset = value - factor * trace_.rows;
    for (std::size_t i = 0; i < values.size(); ++i)
      if (values[i] != factor * others_[i].rows + offset) return std::nullopt;
    Node* result = size_node(user);
    if (!result) return std::nullopt;
    const auto at = trace_.graph->inserting_before(user);
    if (factor != 1) result = &trace_.graph->call_function(ops::mul, {result, factor});
    if (offset != 0) result = &trace_.graph->call_function(ops::add, {result, offset});
    return Argument(result);
  }

  Node* size_node(Node& user) {
    if (size_) return size_;
    const std::vector<Node*> placeholders = trace_.graph->placeholders();
    for (std::size_t i = 0; i < placeholders.size() && i < inputs_.size(); ++i) {
      if (!has_rows(inputs_[i])) continue;
      const auto at = trace_.graph->inserting_before(user);
      size_ = &trace_.graph->call_function(ops::size, {placeholders[i], 0});
      size_->meta.module_path = user.meta.module_path;
      size_->meta.module_type = user.meta.module_type;
      return size_;
    }
    return nullptr;
  }

  const BatchTrace& trace_;
  const std::vector<BatchTrace>& others_;
  const std::vector<Value>& inputs_;
  Node* size_ = nullptr;
};

}  // namespace

std::optional<std::int64_t> common_rows(const std::vector<Value>& inputs) {
  std::optional<std::int64_t> rows;
  for (const Value& v : inputs) {
    if (!has_rows(v)) continue;
    const std::int64_t n = v.to_tensor().size(0);
    if (rows && *rows != n) return std::nullopt;
    rows = n;
  }
  if (rows == 0) return std::nullopt;
  return rows;
}

std::vector<Value> with_more_rows(const std::vector<Value>& inputs, std::int64_t rows,
                                  std::int64_t more) {
  std::vector<Value> out = inputs;
  for (Value& v : out) {
    if (!has_rows(v)) continue;
    TensorList parts{v.to_tensor()};
    for (std::int64_t left = more; left > 0; left -= rows)
      parts.push_back(slice(v.to_tensor(), 0, 0, std::min(left, rows)));
    v = cat(parts, 0);
  }
  return out;
}

void follow_batch_size(const BatchTrace& trace, const std::vector<BatchTrace>& others,
                       const std::vector<Value>& inputs) {
  Follower(trace, others, inputs).run();
}

}  // namespace adze::fx
