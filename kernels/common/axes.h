// Walks over some of a tensor's axes, for kernels that broadcast or reduce.
#ifndef USIM_KERNELS_COMMON_AXES_H
#define USIM_KERNELS_COMMON_AXES_H

#include <stdint.h>

#include "common/compiler.h"

#define AXES_LIMIT 8

// `count` axes, 1 <= count <= AXES_LIMIT, the innermost first. Every extent is at least 1; a stride
// is the distance, in elements, of neighbours along an axis (0 where the tensor is repeated).
struct axes {
    int32_t count;
    int32_t extent[AXES_LIMIT];
    int32_t stride[AXES_LIMIT];
};

// The offset of element `index` of the walk, 0 <= index < the product of the extents.
KERNEL_INLINE int32_t axes_offset(const struct axes *axes, int32_t index) {
    uint32_t rest = (uint32_t)index;
    int32_t offset = 0;
    for (int32_t i = 0; i + 1 < axes->count; i++) {
        const uint32_t extent = (uint32_t)axes->extent[i];
        offset += (int32_t)(rest % extent) * axes->stride[i];
        rest /= extent;
    }
    return offset + (int32_t)rest * axes->stride[axes->count - 1];
}

#endif
