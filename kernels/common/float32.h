// Single precision as TensorFlow Lite's reference kernels use it, bit for bit but for NaNs.
//
// Each product and each sum is rounded on its own, in the order written: kernels are compiled with
// -ffp-contract=off, so that no product is fused with a sum. A NaN is a NaN on every machine, but
// its sign and payload are not the same everywhere.
#ifndef USIM_KERNELS_COMMON_FLOAT32_H
#define USIM_KERNELS_COMMON_FLOAT32_H

#include "common/compiler.h"

// A NaN stays one, and so does the sign of a zero that is a bound.
KERNEL_INLINE float clamp_f32(float value, float lowest, float highest) {
    const float raised = value < lowest ? lowest : value;
    return highest < raised ? highest : raised;
}

#endif
