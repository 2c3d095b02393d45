#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "adze/core/value.h"

namespace adze::nn {

class Module;

/// Called before forward; may replace the arguments.
using ForwardPreHook = std::function<void(Module&, std::vector<Value>& args)>;
/// Called after forward; may replace the output.
using ForwardHook = std::function<void(Module&, const std::vector<Value>& args, Value& output)>;

template <class F>
struct HookEntry {
  F call;
  bool internal = false;  // set by the library; runs before those of users
  bool alive = true;
};
template <class F>
using HookList = std::vector<std::shared_ptr<HookEntry<F>>>;

/// Removes one hook. It knows the hook, not the module: it works after a swap moved the hook to
/// another module, and does not reach copies made by deepcopy.
class HookHandle {
 public:
  HookHandle() = default;
  template <class F>
  explicit HookHandle(const std::shared_ptr<HookEntry<F>>& entry)
      : kill_([weak = std::weak_ptr(entry)] {
          if (auto e = weak.lock()) e->alive = false;
        }) {}
  void remove() const {
    if (kill_) kill_();
  }

 private:
  std::function<void()> kill_;
};

}  // namespace adze::nn
