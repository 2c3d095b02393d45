// Tensor::str. The layout is that of torch/_tensor_str.py (PyTorch 2.13): four digits, edge items
// from 1000 elements on, lines of 80 columns.

#include <charconv>
#include <cmath>
#include <numeric>

#include "adze/core/autograd.h"
#include "adze/core/creation.h"
#include "adze/core/ops/quantize.h"
#include "adze/core/ops/shape.h"
#include "adze/core/tensor.h"
#include "adze/core/tensor_impl.h"

namespace adze {

namespace {

constexpr int precision = 4;
constexpr std::int64_t threshold = 1000, edge_items = 3;
constexpr std::size_t line_width = 80;
constexpr std::string_view prefix = "tensor(";

// Independent of the locale, unlike printf.
std::string format(double value, std::chars_format style, int digits) {
  if (std::isnan(value)) return "nan";
  char text[512];
  const auto result = std::to_chars(text, text + sizeof text, value, style, digits);
  return {text, result.ptr};
}

// The shortest text that reads back as `value`, as Python writes it.
std::string shortest(double value) {
  const double magnitude = std::abs(value);
  const bool plain = magnitude == 0 || (magnitude >= 1e-4 && magnitude < 1e16);
  char text[512];
  const auto result =
      std::to_chars(text, text + sizeof text, value,
                    plain ? std::chars_format::fixed : std::chars_format::scientific);
  std::string out(text, result.ptr);
  if (plain && std::isfinite(value) && out.find('.') == std::string::npos) out += ".0";
  return out;
}

// ---- elements -----------------------------------------------------------------------------------

// One notation for all elements: integers with a point, four decimals, or scientific.
std::vector<std::string> format_all(const std::vector<double>& values) {
  double smallest = INFINITY, largest = 0;
  bool integers = true;
  for (double v : values) {
    if (!std::isfinite(v) || v == 0) continue;
    smallest = std::min(smallest, std::abs(v));
    largest = std::max(largest, std::abs(v));
    integers = integers && v == std::ceil(v);
  }
  const bool scientific =
      largest > 0 && (largest / smallest > 1000 || largest > 1e8 || smallest < 1e-4);
  std::vector<std::string> texts;
  for (double v : values) {
    if (scientific) {
      texts.push_back(format(v, std::chars_format::scientific, precision));
    } else if (integers) {
      texts.push_back(format(v, std::chars_format::fixed, 0) + (std::isfinite(v) ? "." : ""));
    } else {
      texts.push_back(format(v, std::chars_format::fixed, precision));
    }
  }
  return texts;
}

// The width to which all are padded. Zeros, infinities and NaN of a floating dtype do not count:
// torch decides it from the other elements, and so do we to print alike.
std::size_t common_width(const std::vector<std::string>& texts, const std::vector<double>& values) {
  std::size_t width = 1;
  for (std::size_t i = 0; i < texts.size(); ++i)
    if (std::isfinite(values[i]) && values[i] != 0) width = std::max(width, texts[i].size());
  return width;
}

// The elements to print, as texts of one width, and the dimensions of which only the ends are left.
struct Grid {
  Shape sizes;
  std::array<bool, max_dims> cut{};
  std::vector<std::string> texts;
  std::size_t width = 1;
};

Grid grid_of(Tensor t) {
  Grid grid;
  if (t.numel() > threshold) {
    for (std::size_t d = 0; d < t.sizes().size(); ++d) {
      const std::int64_t size = t.sizes()[d];
      if (size <= 2 * edge_items) continue;
      grid.cut[d] = true;
      const auto dim = static_cast<std::int64_t>(d);
      t = cat({slice(t, dim, 0, edge_items), slice(t, dim, size - edge_items)}, dim);
    }
  }
  grid.sizes = t.sizes();
  if (t.is_floating_point()) {
    const std::vector<double> values = t.to_vector<double>();
    grid.texts = format_all(values);
    grid.width = common_width(grid.texts, values);
  } else {
    for (std::int64_t v : t.to_vector<std::int64_t>()) {
      grid.texts.push_back(t.dtype() != DType::boolean ? std::to_string(v) : v ? "True" : "False");
      grid.width = std::max(grid.width, grid.texts.back().size());
    }
  }
  for (std::string& text : grid.texts)
    if (text.size() < grid.width) text.insert(0, grid.width - text.size(), ' ');
  return grid;
}

// ---- layout -------------------------------------------------------------------------------------

std::string join(const std::vector<std::string>& parts, const std::string& separator) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) out += (i > 0 ? separator : "") + parts[i];
  return out;
}

std::string vector_text(const Grid& grid, std::size_t first, std::size_t count, bool cut,
                        std::size_t indent) {
  std::vector<std::string> items(grid.texts.begin() + static_cast<std::ptrdiff_t>(first),
                                 grid.texts.begin() + static_cast<std::ptrdiff_t>(first + count));
  if (cut) items.insert(items.begin() + edge_items, " ...");
  const std::size_t per_line = std::max<std::size_t>(1, (line_width - indent) / (grid.width + 2));
  std::string out = "[";
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += i % per_line == 0 ? ",\n" + std::string(indent + 1, ' ') : ", ";
    out += items[i];
  }
  return out + "]";
}

// The block of elements from `first` on whose dimensions are those from `dim` on.
std::string block_text(const Grid& grid, std::size_t dim, std::size_t first, std::size_t indent) {
  const std::size_t dims = grid.sizes.size() - dim;
  if (dims == 0) return grid.texts[first];
  const auto count = static_cast<std::size_t>(grid.sizes[dim]);
  if (dims == 1) return vector_text(grid, first, count, grid.cut[dim], indent);
  const auto inner = static_cast<std::size_t>(std::accumulate(
      grid.sizes.begin() + dim + 1, grid.sizes.end(), std::int64_t{1}, std::multiplies<>()));
  std::vector<std::string> blocks;
  for (std::size_t i = 0; i < count; ++i) {
    if (grid.cut[dim] && i == edge_items) blocks.emplace_back("...");
    blocks.push_back(block_text(grid, dim + 1, first + i * inner, indent + 1));
  }
  return "[" + join(blocks, "," + std::string(dims - 1, '\n') + std::string(indent + 1, ' ')) + "]";
}

// ---- suffixes -----------------------------------------------------------------------------------

// "masked_select" -> "MaskedSelectBackward0".
std::string backward_name(std::string_view op) {
  std::string out;
  bool upper = true;
  for (char c : op) {
    if (c == '_') {
      upper = true;
      continue;
    }
    out += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    upper = false;
  }
  return out + "Backward0";
}

std::vector<std::string> suffixes_of(const Tensor& t) {
  std::vector<std::string> out;
  const DType dtype = t.dtype();
  if (t.is_quantized() || (t.numel() == 0 && t.dim() != 1))
    out.push_back("size=" + to_string(t.sizes()));
  // Without elements nothing shows whether they are integers, so only the default goes unsaid.
  const bool obvious = dtype == DType::float32 ||
                       (t.numel() > 0 && (dtype == DType::int64 || dtype == DType::boolean));
  if (!obvious) out.push_back("dtype=" + std::string(name(dtype)));
  if (t.is_quantized()) {
    out.push_back("quantization_scheme=" + std::string(name(t.qscheme())));
    if (is_per_channel(t.qscheme())) {
      out.push_back("scale=" + t.q_per_channel_scales().str());
      out.push_back("zero_point=" + t.q_per_channel_zero_points().str());
      out.push_back("axis=" + std::to_string(t.q_per_channel_axis()));
    } else {
      out.push_back("scale=" + shortest(t.q_scale()));
      out.push_back("zero_point=" + std::to_string(t.q_zero_point()));
    }
  }
  if (t.grad_fn()) {
    out.push_back("grad_fn=<" + backward_name(autograd::node_name(*t.grad_fn())) + ">");
  } else if (t.requires_grad()) {
    out.push_back("requires_grad=True");
  }
  return out;
}

std::string with_suffixes(std::string text, const std::vector<std::string>& suffixes) {
  const std::size_t break_at = text.rfind('\n');
  std::size_t line = break_at == std::string::npos ? text.size() + 2 : text.size() - break_at + 1;
  for (const std::string& suffix : suffixes) {
    if (line + suffix.size() + 2 > line_width) {
      text += ",\n" + std::string(prefix.size(), ' ') + suffix;
      line = prefix.size() + suffix.size();
    } else {
      text += ", " + suffix;
      line += suffix.size() + 2;
    }
  }
  return text + ")";
}

std::string symbol_text(const Tensor& t) {
  const TensorImpl& impl = t.impl();
  std::string out = "tensor(<traced>";
  if (impl.sizes_known) out += ", size=" + to_string(impl.sizes);
  if (impl.dtype != DType::float32) out += ", dtype=" + std::string(name(impl.dtype));
  return out + ")";
}

}  // namespace

std::string Tensor::str() const {
  if (!defined()) return "tensor(<undefined>)";
  if (is_symbolic()) return symbol_text(*this);
  NoGrad guard;
  std::string text = "[]";
  if (numel() > 0) {
    const Tensor values = is_quantized() ? adze::dequantize(*this) : adze::detach(*this);
    text = block_text(grid_of(values), 0, 0, prefix.size());
  }
  return with_suffixes(std::string(prefix) + text, suffixes_of(*this));
}

std::ostream& operator<<(std::ostream& os, const Tensor& tensor) {
  return os << tensor.str();
}

}  // namespace adze
