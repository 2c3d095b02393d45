#include "adze/core/error.h"

#include <mutex>

namespace adze {

void Error::enter(std::string_view module_name) {
  if (module_name.empty()) return;
  path_ = path_.empty() ? std::string(module_name) : std::string(module_name) + "." + path_;
  what_ = path_ + ": " + message_;
}

namespace detail {

std::string in_quotes(std::string_view text) {
  constexpr std::size_t most = 80;
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out = "'";
  for (const char c : text.substr(0, most)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      out += c;
    } else {
      out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return out + (text.size() > most ? "...'" : "'");
}

}  // namespace detail

namespace {

struct Warnings {
  std::mutex mutex;
  WarningHandler handler;
};

Warnings& warnings() {
  static Warnings instance;
  return instance;
}

}  // namespace

WarningHandler set_warning_handler(WarningHandler handler) {
  Warnings& w = warnings();
  std::lock_guard lock(w.mutex);
  return std::exchange(w.handler, std::move(handler));
}

void warn(const std::string& message) {
  // Called on a copy, so that a handler may warn or set another handler.
  WarningHandler handler;
  {
    Warnings& w = warnings();
    std::lock_guard lock(w.mutex);
    handler = w.handler;
  }
  if (handler) handler(message);
}

}  // namespace adze
