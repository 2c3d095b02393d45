#include "elementwise_loops.h"
#include "lanes_neon.h"

namespace adze::kernels {

const ElementwiseTable elementwise_neon = ElementwiseLoops<NeonLanes>::table("elementwise_neon");

}  // namespace adze::kernels
