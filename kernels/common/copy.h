// Runs of bytes between tensors and scratch memory.
#ifndef USIM_KERNELS_COMMON_COPY_H
#define USIM_KERNELS_COMMON_COPY_H

#include <stdint.h>

#include "common/compiler.h"

#ifndef COPY_UNROLLING
#define COPY_UNROLLING 4
#endif

// Copies `size` bytes and returns the end of the target. `in_words`: the size is a multiple of 4,
// and so, for speed only, are the addresses.
KERNEL_INLINE int8_t *copy_run(int8_t *restrict target, const int8_t *restrict source, int32_t size,
                               int32_t in_words) {
    if (in_words) {
        UNROLLED(COPY_UNROLLING)
        for (int32_t i = 0; i < size; i += 4) {
            __builtin_memcpy(target + i, source + i, 4);
        }
    } else {
        UNROLLED(COPY_UNROLLING)
        for (int32_t i = 0; i < size; i++) {
            target[i] = source[i];
        }
    }
    return target + size;
}

// As copy_run, with a value for all bytes.
KERNEL_INLINE int8_t *fill_run(int8_t *restrict target, int32_t value, int32_t size,
                               int32_t in_words) {
    if (in_words) {
        const uint32_t word = (uint32_t)(uint8_t)value * UINT32_C(0x01010101);
        UNROLLED(1)
        for (int32_t i = 0; i < size; i += 4) {
            __builtin_memcpy(target + i, &word, 4);
        }
    } else {
        UNROLLED(1)
        for (int32_t i = 0; i < size; i++) {
            target[i] = (int8_t)value;
        }
    }
    return target + size;
}

#endif
