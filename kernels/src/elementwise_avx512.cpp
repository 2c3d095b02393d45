#include "elementwise_loops.h"
#include "lanes_avx512.h"

namespace adze::kernels {

const ElementwiseTable elementwise_avx512 =
    ElementwiseLoops<Avx512Lanes>::table("elementwise_avx512");

}  // namespace adze::kernels
