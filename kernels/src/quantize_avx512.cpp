#include "lanes_avx512.h"
#include "quantize_loops.h"

namespace adze::kernels {

const QuantizeTable quantize_avx512 = QuantizeLoops<Avx512Lanes>::table("quantize_avx512");

}  // namespace adze::kernels
