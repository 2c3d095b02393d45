#include <string>
#include <vector>

#include "adze/ao/quantization/observer.h"
#include "adze/nn/traversal.h"

namespace adze::ao::quantization {
namespace {

// The observers of a network, as if they were the children of one module, under their paths.
class Observers : public adze::nn::ModuleOf<Observers> {
 public:
  explicit Observers(adze::nn::Module& root) {
    adze::nn::for_each_child(root, [&](const std::string& path, adze::nn::Submodule& child) {
      if (path.find("activation_post_process") == std::string::npos ||
          !dynamic_cast<ObserverOrFakeQuant*>(&*child))
        return true;
      children_.emplace_back(path, child.ptr());
      return false;
    });
  }
  Tensor forward(const Tensor& x) { return x; }

 protected:
  void fields(adze::nn::FieldList& f) override { f(children_); }

 private:
  std::vector<adze::nn::Submodule> children_;
};

}  // namespace

adze::nn::StateDict get_observer_state_dict(adze::nn::Module& root) {
  Observers observers(root);
  return adze::nn::state_dict(observers);
}

void load_observer_state_dict(adze::nn::Module& root, const adze::nn::StateDict& state) {
  Observers observers(root);
  adze::nn::load_state_dict(observers, state);
}

}  // namespace adze::ao::quantization
