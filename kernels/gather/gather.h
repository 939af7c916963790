// Rows of a tensor of any type, in the order and as often as a list of indices says.
//
//   input     [outer][extent][run], run in bytes
//   indices   [count], each meant to be 0 to extent - 1; others are taken for the nearest that is
//   output    [outer][count][run]; overlaps no other argument
//
// Requires: every extent, count and run >= 1.
#ifndef USIM_KERNELS_GATHER_GATHER_H
#define USIM_KERNELS_GATHER_GATHER_H

#include <stdint.h>

#include "common/bytes.h"
#include "common/fixed_point.h"

struct gather_shape {
    int32_t outer;
    int32_t extent;
    int32_t count;
    int32_t run;
};

KERNEL_INLINE void gather(const struct gather_shape *shape, const void *restrict input,
                          const int32_t *restrict indices, void *restrict output) {
    const uint8_t *source = (const uint8_t *)input;
    uint8_t *target = (uint8_t *)output;
    for (int32_t i = 0; i < shape->outer; i++) {
        for (int32_t k = 0; k < shape->count; k++) {
            const int32_t index = min_s32(max_s32(indices[k], 0), shape->extent - 1);
            copy_bytes(target, source + index * shape->run, shape->run);
            target += shape->run;
        }
        source += shape->extent * shape->run;
    }
}

#endif
