#include "adze/ao/nn/intrinsic/linear_relu.h"

#include "adze/nn/activation.h"
#include "adze/nn/linear.h"

namespace adze::ao::nn::intrinsic {

LinearReLU::LinearReLU(adze::nn::ModulePtr linear, adze::nn::ModulePtr relu)
    : ModuleOf(std::vector<adze::nn::ModulePtr>{linear, relu}) {
  check(dynamic_cast<adze::nn::Linear*>(linear.get()) && dynamic_cast<adze::nn::ReLU*>(relu.get()),
        "LinearReLU: needs a Linear and a ReLU, got ", linear->type(), " and ", relu->type());
}

}  // namespace adze::ao::nn::intrinsic
