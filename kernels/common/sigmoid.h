// 1 / (1 + exp(-x)) and tanh(x) with 16 bits, by interpolation in a table, bit for bit as
// TensorFlow Lite's int16 kernels have them.
//
//   table   [256] uint16_t: 2^16 / (1 + exp(-i / 24)); its neighbours are at most 1023 apart
//
// Arguments count 1/12288, which is three times a number with 12 fraction bits; |x| < 2^30. Results
// have 15 fraction bits.
#ifndef USIM_KERNELS_COMMON_SIGMOID_H
#define USIM_KERNELS_COMMON_SIGMOID_H

#include <stdint.h>

#include "common/simd.h"

#define SIGMOID_LAST 255

// The table at |x| / 2^bits, times 2^bits; `limit` from the last entry on.
KERNEL_INLINE int32_t sigmoid_at(const uint16_t *restrict table, int32_t magnitude, int32_t bits,
                                 int32_t limit) {
    const int32_t index = magnitude >> bits;
    if (index >= SIGMOID_LAST) {
        return limit;
    }
    const int32_t before = table[index];
    const int32_t fraction = magnitude & ((1 << bits) - 1);
    return before * (1 << bits) + fraction * (table[index + 1] - before);
}

KERNEL_INLINE int32_t sigmoid_s16(const uint16_t *restrict table, int32_t x) {
    const int32_t value = sigmoid_at(table, x < 0 ? -x : x, 9, 0x7FFF << 10);
    return (x >= 0 ? value + (1 << 9) : (1 << 25) - value + (1 << 9) - 1) >> 10;
}

// 2 / (1 + exp(-2x)) - 1: the argument of the table is doubled.
KERNEL_INLINE int32_t tanh_s16(const uint16_t *restrict table, int32_t x) {
    const int32_t value = sigmoid_at(table, x < 0 ? -x : x, 8, 0xFFFF << 8) - (1 << 23);
    return (x >= 0 ? value + (1 << 7) : -value + (1 << 7) - 1) >> 8;
}

#endif
