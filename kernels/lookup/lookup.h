// Any function of one 8-bit value, signed or not, by a table of its 256 results.
//
//   input    [size] bytes
//   table    [256] bytes: the result for each input byte, taken as unsigned
//   output   [size] bytes: the input's own, or such as overlap none of them
#ifndef USIM_KERNELS_LOOKUP_LOOKUP_H
#define USIM_KERNELS_LOOKUP_LOOKUP_H

#include <stdint.h>

#include "common/compiler.h"

#ifndef LOOKUP_RUN
#define LOOKUP_RUN 4
#endif

struct lookup_shape {
    int32_t size;
};

KERNEL_INLINE void lookup_s8(const struct lookup_shape *shape, const void *input,
                             const uint8_t *restrict table, void *output) {
    const uint8_t *from = input;
    uint8_t *to = output;
    int32_t i = 0;
    for (; i <= shape->size - LOOKUP_RUN; i += LOOKUP_RUN) {
        // All of a run is loaded before the first store, which may go where it comes from.
        uint8_t results[LOOKUP_RUN];
        UNROLLED(LOOKUP_RUN)
        for (int32_t j = 0; j < LOOKUP_RUN; j++) {
            results[j] = table[from[i + j]];
        }
        UNROLLED(LOOKUP_RUN)
        for (int32_t j = 0; j < LOOKUP_RUN; j++) {
            to[i + j] = results[j];
        }
    }
    for (; i < shape->size; i++) {
        to[i] = table[from[i]];
    }
}

#endif
