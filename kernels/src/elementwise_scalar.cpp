#include "elementwise_loops.h"
#include "lanes_scalar.h"

namespace adze::kernels {

const ElementwiseTable elementwise_scalar =
    ElementwiseLoops<ScalarLanes>::table("elementwise_scalar");

}  // namespace adze::kernels
