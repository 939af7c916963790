// Rows of int8 times a matrix of int8 weights, requantised to int8: what convolution and fully
// connected layers come down to.
//
//   rows       `count` rows of `depth` bytes, `row_stride` bytes apart
//   weights    [ceil(columns / 2)][ceil(depth / 4)][8]: for each pair of columns and four bytes of
//              depth, 8 bytes in one of two layouts; zeros fill up
//   packed     which layout. 0: four weights of the first column, then four of the second. 1: four
//              int16_t, first + 256 * second, of the bytes 0, 2, 1, 3 in turn
//   channels   [columns, rounded up to even][4] as of requantize.h; the input's offset times the
//              column's weights is already in its bias
//   output     `count` rows of `columns` bytes, `output_stride` bytes apart; overlaps nothing
//
// Two rows by two columns at a time: each loaded word serves twice. A packed word serves both
// columns without being taken apart: times it, a sum becomes first + 256 * second modulo 2^32, and
// the first is summed on its own. Requires of packed weights: the second column's sums, without
// bias, are in
// [-2^23, 2^23), and first + 256 * second fits int16_t.
#ifndef USIM_KERNELS_COMMON_GEMM_H
#define USIM_KERNELS_COMMON_GEMM_H

#include <stdint.h>

#include "common/gemm_inner.h"
#include "common/requantize.h"
#include "common/simd.h"

struct gemm_shape {
    int32_t depth;
    int32_t row_stride;
    int32_t columns;
    int32_t output_stride;
    int32_t packed;
    int32_t even_rows; // 1: every count of rows is even
    struct output_range range;
};

// Adds four bytes of a row times a pair of columns: to the columns' sums, or, where the weights are
// packed, to the first column's and that of both.
KERNEL_INLINE void gemm_step(const struct gemm_shape *shape, uint32_t row,
                             const int8_t *restrict weights, int32_t sums[2]) {
    const uint32_t even = widen_even(row);
    const uint32_t odd = widen_odd(row);
    const uint32_t first = load_s8x4(weights);
    const uint32_t second = load_s8x4(weights + 4);
    if (shape->packed) {
        sums[0] = dot_s16x2(even, widen_even(first), sums[0]);
        sums[1] = dot_s16x2(even, first, sums[1]);
        sums[0] = dot_s16x2(odd, widen_even(second), sums[0]);
        sums[1] = dot_s16x2(odd, second, sums[1]);
    } else {
        sums[0] = dot_s16x2(even, widen_even(first), sums[0]);
        sums[1] = dot_s16x2(even, widen_even(second), sums[1]);
        sums[0] = dot_s16x2(odd, widen_odd(first), sums[0]);
        sums[1] = dot_s16x2(odd, widen_odd(second), sums[1]);
    }
}

KERNEL_INLINE void gemm_dot_1x2(const struct gemm_shape *shape, const int8_t *restrict row,
                                const int8_t *restrict weights, int32_t sums[2]) {
    const int32_t rest = shape->depth % 4;
    for (int32_t i = 0; i < shape->depth / 4; i++) {
        gemm_step(shape, load_s8x4(row), weights, sums);
        row += 4;
        weights += 8;
    }
    if (rest != 0) {
        gemm_step(shape, load_s8_part(row, rest), weights, sums);
    }
}

// Two rows: sums[0] and sums[1] are the first one's, sums[2] and sums[3] the second one's.
KERNEL_INLINE void gemm_dot_2x2(const struct gemm_shape *shape, const int8_t *restrict row,
                                const int8_t *restrict weights, int32_t sums[4]) {
    const int32_t stride = shape->row_stride;
    const int32_t rest = shape->depth % 4;
    int32_t words = shape->depth / 4;
#if GEMM_ASSEMBLY
    if (shape->packed && words >= 2 && stride % 4 == 0 && stride <= GEMM_MAX_STRIDE) {
        gemm_packed_words_2x2(row, stride, weights, words, sums);
        row += 4 * words;
        weights += 8 * words;
        words = 0;
    }
#endif
    for (int32_t i = 0; i < words; i++) {
        gemm_step(shape, load_s8x4(row), weights, sums);
        gemm_step(shape, load_s8x4(row + stride), weights, sums + 2);
        row += 4;
        weights += 8;
    }
    if (rest != 0) {
        gemm_step(shape, load_s8_part(row, rest), weights, sums);
        gemm_step(shape, load_s8_part(row + stride, rest), weights, sums + 2);
    }
}

// The sums of a pair of columns that start with these biases.
KERNEL_INLINE void gemm_begin(const struct gemm_shape *shape, const struct channel pair[2],
                              int32_t sums[2]) {
    sums[0] = pair[0].bias;
    sums[1] = shape->packed ? pair[0].bias : pair[1].bias;
}

// The second column's sum, where sums[0] is the first one's.
KERNEL_INLINE int32_t gemm_second(const struct gemm_shape *shape, const struct channel pair[2],
                                  const int32_t sums[2]) {
    if (!shape->packed) {
        return sums[1];
    }
    return add_wrapping(add_wrapping(sums[1], negate_wrapping(sums[0])) >> 8, pair[1].bias);
}

// Their outputs. `width` is 1 where the pair's second column is only filling.
KERNEL_INLINE void gemm_finish(const struct gemm_shape *shape, const struct channel pair[2],
                               const int32_t sums[2], int32_t width, int8_t *restrict output) {
    output[0] = requantize_channel(&shape->range, sums[0], &pair[0]);
    if (width == 2) {
        output[1] = requantize_channel(&shape->range, gemm_second(shape, pair, sums), &pair[1]);
    }
}

// One pair of columns of all rows.
KERNEL_INLINE void gemm_pair(const struct gemm_shape *shape, const int8_t *restrict rows,
                             int32_t count, const int8_t *restrict weights,
                             const int32_t *restrict channels, int32_t width,
                             int8_t *restrict output) {
    const struct channel pair[2] = {read_channel(channels, 0), read_channel(channels, 1)};
    int32_t row = 0;
    for (; row < count - 1; row += 2) {
        int32_t sums[4];
        gemm_begin(shape, pair, sums);
        gemm_begin(shape, pair, sums + 2);
        gemm_dot_2x2(shape, rows, weights, sums);
        gemm_finish(shape, pair, sums, width, output);
        gemm_finish(shape, pair, sums + 2, width, output + shape->output_stride);
        rows += 2 * shape->row_stride;
        output += 2 * shape->output_stride;
    }
    if (!shape->even_rows && row < count) {
        int32_t sums[2];
        gemm_begin(shape, pair, sums);
        gemm_dot_1x2(shape, rows, weights, sums);
        gemm_finish(shape, pair, sums, width, output);
    }
}

// The columns are the outer loop: a pair's weights stay in the cache while all rows pass by.
KERNEL_INLINE void gemm_s8(const struct gemm_shape *shape, const int8_t *restrict rows,
                           int32_t count, const int8_t *restrict weights,
                           const int32_t *restrict channels, int8_t *restrict output) {
    const int32_t pair_bytes = (shape->depth + 3) / 4 * 8;
    const int32_t even = shape->columns - shape->columns % 2;
    for (int32_t column = 0; column < even; column += 2) {
        gemm_pair(shape, rows, count, weights, channels, 2, output + column);
        weights += pair_bytes;
        channels += 2 * CHANNEL_WORDS;
    }
    if (even < shape->columns) {
        gemm_pair(shape, rows, count, weights, channels, 1, output + even);
    }
}

#endif
