// Dot products of int16 rows and int8 weights, four columns at a time.
//
//   weights   [ceil(depth / 4)][4 columns][4]: a column's bytes in the order 0, 2, 1, 3, so that
//             widening gives the pairs that an int16 row has in memory; zeros fill up
#ifndef USIM_KERNELS_COMMON_DOT_S16_H
#define USIM_KERNELS_COMMON_DOT_S16_H

#include <stdint.h>

#include "common/simd.h"

#define DOT_S16_COLUMNS 4
// Products whose sum fits int32: 256 * 2^15 * 2^7 is 2^30.
#define DOT_S16_BLOCK 256

// Adds four elements of a row, in two words, times the columns' weights.
KERNEL_INLINE void dot_s16_step(uint32_t low, uint32_t high, const int8_t *restrict weights,
                                int32_t sums[DOT_S16_COLUMNS]) {
    for (int32_t column = 0; column < DOT_S16_COLUMNS; column++) {
        const uint32_t bytes = load_s8x4(weights + 4 * column);
        sums[column] = dot_s16x2(low, widen_even(bytes), sums[column]);
        sums[column] = dot_s16x2(high, widen_odd(bytes), sums[column]);
    }
}

// Adds the last 1 to 3 elements of a row times the columns' weights.
KERNEL_INLINE void dot_s16_rest(const int16_t *restrict row, int32_t count,
                                const int8_t *restrict weights, int32_t sums[DOT_S16_COLUMNS]) {
    const uint32_t low = pair_s16(row[0], count > 1 ? row[1] : 0);
    const uint32_t high = pair_s16(count > 2 ? row[2] : 0, 0);
    dot_s16_step(low, high, weights, sums);
}

// sums[c] += a row of `depth` elements times column c.
KERNEL_INLINE void dot_s16(const int16_t *restrict row, const int8_t *restrict weights,
                           int32_t depth, int64_t sums[DOT_S16_COLUMNS]) {
    for (int32_t start = 0; start < depth; start += DOT_S16_BLOCK) {
        const int32_t length = min_s32(DOT_S16_BLOCK, depth - start);
        int32_t block[DOT_S16_COLUMNS] = {0, 0, 0, 0};
        UNROLLED(2)
        for (int32_t i = 0; i < length / 4; i++) {
            dot_s16_step(load_s16x2(row), load_s16x2(row + 2), weights, block);
            row += 4;
            weights += 4 * DOT_S16_COLUMNS;
        }
        if (length % 4 != 0) {
            dot_s16_rest(row, length % 4, weights, block);
        }
        for (int32_t column = 0; column < DOT_S16_COLUMNS; column++) {
            sums[column] += block[column];
        }
    }
}

#endif
