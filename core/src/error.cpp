#include "adze/core/error.h"

#include <mutex>

namespace adze {

void Error::enter(std::string_view module_name) {
  if (module_name.empty()) return;
  path_ = path_.empty() ? std::string(module_name) : std::string(module_name) + "." + path_;
  what_ = path_ + ": " + message_;
}

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
