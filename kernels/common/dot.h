// Dot products of int8 vectors with int32 accumulators, which wrap.
#ifndef USIM_KERNELS_COMMON_DOT_H
#define USIM_KERNELS_COMMON_DOT_H

#include <stdint.h>

#include "common/compiler.h"
#include "common/simd.h"

// Output channels that share each load of an input element.
#define DOT_CHANNELS 4

// sum + four bytes of the input, with the offset in `even` and `odd`, times four weights.
KERNEL_INLINE int32_t dot_word(uint32_t even, uint32_t odd, uint32_t weights, int32_t sum) {
    return dot_s16x2(odd, widen_odd(weights), dot_s16x2(even, widen_even(weights), sum));
}

// sums[c] += sum over i < length of (input[i] + offset) * weights[c * stride + i], for `channels`
// c, at most DOT_CHANNELS. Requires: -127 <= offset <= 128.
KERNEL_INLINE void dot_channels(const int8_t *restrict input, int32_t offset,
                                const int8_t *restrict weights, int32_t stride, int32_t length,
                                int32_t channels, int32_t sums[DOT_CHANNELS]) {
    const uint32_t offsets = pair_s16(offset, offset);
    const int32_t words = length & ~3;
    for (int32_t i = 0; i < words; i += 4) {
        const uint32_t word = load_s8x4(input + i);
        const uint32_t even = add_widened_even(offsets, word);
        const uint32_t odd = add_widened_odd(offsets, word);
        for (int32_t c = 0; c < channels; c++) {
            sums[c] = dot_word(even, odd, load_s8x4(weights + c * stride + i), sums[c]);
        }
    }
    for (int32_t i = words; i < length; i++) {
        for (int32_t c = 0; c < channels; c++) {
            sums[c] = add_wrapping(sums[c], (input[i] + offset) * weights[c * stride + i]);
        }
    }
}

// The same for DOT_CHANNELS channels.
KERNEL_INLINE void dot_four_channels(const int8_t *restrict input, int32_t offset,
                                     const int8_t *restrict weights, int32_t stride, int32_t length,
                                     int32_t sums[DOT_CHANNELS]) {
    dot_channels(input, offset, weights, stride, length, DOT_CHANNELS, sums);
}

// sum over i < length of (input[i] + offset) * weights[i].
KERNEL_INLINE int32_t dot(const int8_t *restrict input, int32_t offset,
                          const int8_t *restrict weights, int32_t length) {
    int32_t sums[DOT_CHANNELS] = {0, 0, 0, 0};
    dot_channels(input, offset, weights, 0, length, 1, sums);
    return sums[0];
}

#endif
