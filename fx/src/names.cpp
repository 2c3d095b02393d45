#include "names.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace adze::fx {
namespace {

constexpr auto reserved = std::to_array<std::string_view>({"ArithmeticError",
                                                           "Ellipsis",
                                                           "Exception",
                                                           "False",
                                                           "None",
                                                           "NoneType",
                                                           "NotImplemented",
                                                           "True",
                                                           "abs",
                                                           "aiter",
                                                           "all",
                                                           "and",
                                                           "anext",
                                                           "any",
                                                           "as",
                                                           "ascii",
                                                           "assert",
                                                           "async",
                                                           "await",
                                                           "bin",
                                                           "bool",
                                                           "break",
                                                           "breakpoint",
                                                           "bytearray",
                                                           "bytes",
                                                           "callable",
                                                           "chr",
                                                           "class",
                                                           "classmethod",
                                                           "compile",
                                                           "complex",
                                                           "continue",
                                                           "copyright",
                                                           "credits",
                                                           "def",
                                                           "del",
                                                           "delattr",
                                                           "device",
                                                           "dict",
                                                           "dir",
                                                           "divmod",
                                                           "elif",
                                                           "else",
                                                           "enumerate",
                                                           "eval",
                                                           "except",
                                                           "exec",
                                                           "exit",
                                                           "filter",
                                                           "finally",
                                                           "float",
                                                           "for",
                                                           "format",
                                                           "from",
                                                           "frozenset",
                                                           "fx_pytree",
                                                           "getattr",
                                                           "global",
                                                           "globals",
                                                           "hasattr",
                                                           "hash",
                                                           "help",
                                                           "hex",
                                                           "id",
                                                           "if",
                                                           "import",
                                                           "in",
                                                           "inf",
                                                           "input",
                                                           "int",
                                                           "is",
                                                           "isinstance",
                                                           "issubclass",
                                                           "iter",
                                                           "lambda",
                                                           "len",
                                                           "license",
                                                           "list",
                                                           "locals",
                                                           "map",
                                                           "max",
                                                           "memoryview",
                                                           "min",
                                                           "nan",
                                                           "next",
                                                           "nonlocal",
                                                           "not",
                                                           "object",
                                                           "oct",
                                                           "open",
                                                           "or",
                                                           "ord",
                                                           "pass",
                                                           "pow",
                                                           "print",
                                                           "property",
                                                           "pytree",
                                                           "quit",
                                                           "raise",
                                                           "range",
                                                           "repr",
                                                           "return",
                                                           "reversed",
                                                           "round",
                                                           "set",
                                                           "setattr",
                                                           "slice",
                                                           "sorted",
                                                           "staticmethod",
                                                           "str",
                                                           "sum",
                                                           "super",
                                                           "torch",
                                                           "try",
                                                           "tuple",
                                                           "type",
                                                           "vars",
                                                           "while",
                                                           "with",
                                                           "yield",
                                                           "zip"});
static_assert(std::is_sorted(reserved.begin(), reserved.end()));

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

NumberedName numbered_name(const std::string& candidate) {
  std::string name;
  for (char c : candidate) {
    const bool legal = std::isalnum(static_cast<unsigned char>(c)) || c == '_';
    if (legal)
      name += c;
    else if (name.empty() || name.back() != '_')
      name += '_';
  }
  if (name.empty()) name = "_unnamed";
  if (is_digit(name[0])) name.insert(name.begin(), '_');

  std::size_t digits = name.size();
  while (digits > 0 && is_digit(name[digits - 1])) --digits;
  const std::size_t count = name.size() - digits;
  // More than 18 digits do not fit the counter; such a name is taken as it is.
  if (count == 0 || count > 18 || digits < 1 || name[digits - 1] != '_') return {name, {}};
  return {name.substr(0, digits - 1), std::stoll(name.substr(digits))};
}

std::string snake_case(const std::string& text) {
  std::string out;
  char previous = 0;
  for (char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (std::isupper(u) && std::islower(static_cast<unsigned char>(previous))) out += '_';
    out += static_cast<char>(std::tolower(u));
    previous = c;
  }
  return out;
}

std::string function_name(std::string_view op_name) {
  const std::size_t colon = op_name.rfind("::");
  std::string name(colon == op_name.npos ? op_name : op_name.substr(colon + 2));
  while (name.size() > 4 && name.starts_with("__") && name.ends_with("__"))
    name = name.substr(2, name.size() - 4);
  return snake_case(name);
}

bool is_reserved_name(std::string_view name) {
  return std::binary_search(reserved.begin(), reserved.end(), name);
}

}  // namespace adze::fx
