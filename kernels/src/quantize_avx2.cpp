#include "lanes_avx2.h"
#include "quantize_loops.h"

namespace adze::kernels {

const QuantizeTable quantize_avx2 = QuantizeLoops<Avx2Lanes>::table("quantize_avx2");

}  // namespace adze::kernels
