#include "elementwise_loops.h"
#include "lanes_avx2.h"

namespace adze::kernels {

const ElementwiseTable elementwise_avx2 = ElementwiseLoops<Avx2Lanes>::table("elementwise_avx2");

}  // namespace adze::kernels
