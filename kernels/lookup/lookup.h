// Any function of one 8-bit value, signed or not, by a table of its 256 results.
//
//   input    [size] bytes
//   table    [256] bytes: the result for each input byte, taken as unsigned
//   output   [size] bytes, does not overlap input
#ifndef USIM_KERNELS_LOOKUP_LOOKUP_H
#define USIM_KERNELS_LOOKUP_LOOKUP_H

#include <stdint.h>

#include "common/compiler.h"

struct lookup_shape {
    int32_t size;
};

KERNEL_INLINE void lookup_s8(const struct lookup_shape *shape, const void *restrict input,
                             const uint8_t *restrict table, void *restrict output) {
    const uint8_t *restrict from = input;
    uint8_t *restrict to = output;
    for (int32_t i = 0; i < shape->size; i++) {
        to[i] = table[from[i]];
    }
}

#endif
