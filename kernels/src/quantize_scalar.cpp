#include "lanes_scalar.h"
#include "quantize_loops.h"

namespace adze::kernels {

const QuantizeTable quantize_scalar = QuantizeLoops<ScalarLanes>::table("quantize_scalar");

}  // namespace adze::kernels
