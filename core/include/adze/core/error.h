#pragma once

#include <exception>
#include <functional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

namespace adze {

/// The one error type of the library: where, what was expected, what came.
///
/// While it unwinds through modules it collects their names, so `what()` starts with the fully
/// qualified name of the module in which it happened ("encoder.fc1: linear: weight expects ...").
class Error : public std::exception {
 public:
  explicit Error(std::string message) : message_(std::move(message)), what_(message_) {}

  /// Prepends one module name to the path; called innermost first while unwinding.
  void enter(std::string_view module_name);

  const char* what() const noexcept override { return what_.c_str(); }
  /// The text without the module path.
  const std::string& message() const { return message_; }
  /// Dotted path of the module in which the error was met; empty outside any module.
  const std::string& path() const { return path_; }

 private:
  std::string message_, path_, what_;
};

/// A symbolic tensor was asked for something that is only known when the network runs.
class TraceError : public Error {
  using Error::Error;
};

namespace detail {
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream os;
  (os << ... << parts);
  return os.str();
}
/// Text from outside between quotes, for error messages: cut when long, unprintable bytes escaped.
std::string in_quotes(std::string_view text);
}  // namespace detail

/// Throws `Error` with the streamed parts as its message.
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw Error(detail::concat(parts...));
}

/// Throws `Error` with the streamed parts as its message unless `condition` holds.
template <class... Parts>
void check(bool condition, const Parts&... parts) {
  if (!condition) [[unlikely]]
    fail(parts...);
}

using WarningHandler = std::function<void(const std::string&)>;

/// Returns the previous handler. The default handler drops warnings: the library never prints.
/// May be called at any time and from any thread.
WarningHandler set_warning_handler(WarningHandler handler);

/// Hands one message to the warning handler.
void warn(const std::string& message);
/// The same with streamed parts.
template <class First, class Second, class... Rest>
void warn(const First& first, const Second& second, const Rest&... rest) {
  warn(detail::concat(first, second, rest...));
}

}  // namespace adze
