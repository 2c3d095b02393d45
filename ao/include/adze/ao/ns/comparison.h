#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adze/core/shape.h"

namespace adze::ao::ns {

/// What of two modules was compared: their weights, their outputs in runs of both networks, or the
/// output of one on the inputs of the other.
enum class ComparisonKind : std::uint8_t { weight, output, shadow };
/// "weight", "output" or "shadow".
std::string_view name(ComparisonKind kind);

/// How well something in network b agrees with its partner in network a.
struct ComparisonRow {
  std::string name;            // fully qualified, "" for the whole network
  std::string type_a, type_b;  // "nn::Linear", "nn::quantized::Linear"
  ComparisonKind kind = ComparisonKind::weight;
  double sqnr = 0;                 // decibels
  double normalized_l2_error = 0;  // of what is in b, relative to a
  double cosine_similarity = 0;
  Shape shape;  // of several outputs: of their concatenation along dimension 0
};

/// What could not be compared, and why. The type is "" where there is no such module.
struct Unpaired {
  std::string name;
  std::string type_a, type_b;
  std::string reason;  // "not in b", "the shapes differ: (2, 4) and (2, 3)", ...
};

/// The result of comparing two networks.
struct Comparison {
  std::vector<ComparisonRow> rows;
  std::vector<Unpaired> unpaired;

  /// The first row of that name, or nullptr.
  const ComparisonRow* find(std::string_view name) const;
  /// Text with one line for each row, in aligned columns, and one for each name without partner.
  std::string table() const;
  /// The same as JSON: {"rows": [...], "unpaired": [...]}. Numbers that JSON does not know are the
  /// strings "inf", "-inf" and "nan".
  std::string json() const;
};

}  // namespace adze::ao::ns
