#include "lanes_neon.h"
#include "quantize_loops.h"

namespace adze::kernels {

const QuantizeTable quantize_neon = QuantizeLoops<NeonLanes>::table("quantize_neon");

}  // namespace adze::kernels
