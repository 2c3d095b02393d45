#pragma once

// All ops. Each family header declares the functions; the `Op` objects behind them (for tracing,
// boxing and passes) are in namespace adze::ops under the same names.
#include "adze/core/ops/elementwise.h"
#include "adze/core/ops/functional.h"
#include "adze/core/ops/linalg.h"
#include "adze/core/ops/quantize.h"
#include "adze/core/ops/quantized.h"
#include "adze/core/ops/reduction.h"
#include "adze/core/ops/shape.h"
