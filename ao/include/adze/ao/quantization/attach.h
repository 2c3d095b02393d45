#pragma once

#include "adze/ao/quantization/qconfig.h"
#include "adze/nn/module.h"

namespace adze::ao::quantization {

/// The observer or fake-quantize that is attached to the output of `module`, or nullptr.
ObserverOrFakeQuant* activation_post_process(adze::nn::Module& module);

/// Makes the output of `module` pass through `observer`, which becomes its child
/// "activation_post_process" and runs before all hooks of users. While gradients are not simulated
/// (an observer, not a fake-quantize) it also notes which weights are zero when data comes.
/// Replaces an observer that is attached already.
void attach_observer(adze::nn::Module& module, std::shared_ptr<ObserverOrFakeQuant> observer);
/// Observes again with the observer that the module has as a child added at run time, as after it
/// was loaded from a file.
void resume_observer(adze::nn::Module& module);
/// Removes it; the module is then as if it had never been observed.
void detach_observer(adze::nn::Module& module);

/// True when a weight of `module` has zeros in other places than when the observer last saw data.
bool zeros_changed_since_calibration(adze::nn::Module& module);

}  // namespace adze::ao::quantization
