// Copies and fills runs of bytes, a word at a time, whatever their alignment.
#ifndef USIM_KERNELS_COMMON_BYTES_H
#define USIM_KERNELS_COMMON_BYTES_H

#include <stdint.h>

#include "common/compiler.h"

// A word at any address, whatever is stored there: an Armv7-M core reads it with one LDR.
struct __attribute__((packed, may_alias)) loose_word {
    uint32_t value;
};

// Copies size >= 0 bytes; the runs do not overlap.
KERNEL_INLINE void copy_bytes(uint8_t *restrict output, const uint8_t *restrict input,
                              int32_t size) {
    const int32_t words = size & ~3;
    for (int32_t i = 0; i < words; i += 4) {
        ((struct loose_word *)(output + i))->value =
            ((const struct loose_word *)(input + i))->value;
    }
    for (int32_t i = words; i < size; i++) {
        output[i] = input[i];
    }
}

// Writes size >= 0 bytes: the four of `pattern`, lowest first, over and over.
KERNEL_INLINE void fill_bytes(uint8_t *output, uint32_t pattern, int32_t size) {
    const int32_t words = size & ~3;
    for (int32_t i = 0; i < words; i += 4) {
        ((struct loose_word *)(output + i))->value = pattern;
    }
    for (int32_t i = words; i < size; i++) {
        output[i] = (uint8_t)(pattern >> (8 * (i - words)));
    }
}

#endif
