// From a channel's accumulator to int8, with all that differs between channels in one record.
#ifndef USIM_KERNELS_COMMON_REQUANTIZE_H
#define USIM_KERNELS_COMMON_REQUANTIZE_H

#include <stdint.h>

#include "common/fixed_point.h"
#include "common/simd.h"

// One output channel, four numbers in the host's array: the accumulator's start, and the multiplier
// of fixed_point.h. If `narrow`, which the host decides for all channels of a layer,
//
//   - every accumulator a of the layer has |a| < 2^30, so that it can be doubled, and
//   - `shift` is a right shift of 1 to 31 bits, and `rounding` is 2^(shift - 1);
//
// else `shift` is signed as in fixed_point.h, and `rounding` is unused.
struct channel {
    int32_t bias;
    int32_t multiplier;
    int32_t rounding;
    int32_t shift;
};

#define CHANNEL_WORDS 4

KERNEL_INLINE struct channel read_channel(const int32_t *restrict channels, int32_t index) {
    const int32_t *restrict words = channels + index * CHANNEL_WORDS;
    return (struct channel){words[0], words[1], words[2], words[3]};
}

// What all channels of a layer share.
struct output_range {
    int32_t narrow;
    int32_t offset;
    int32_t lowest;
    int32_t highest;
};

// value clamped to the range; one instruction for all of int8.
KERNEL_INLINE int8_t clamp_s8(int32_t value, int32_t lowest, int32_t highest) {
#if SIMD_DSP
    if (lowest == INT8_MIN && highest == INT8_MAX) {
        return (int8_t)__ssat(value, 8);
    }
#endif
    return (int8_t)min_s32(max_s32(value, lowest), highest);
}

// The high word of a * b, to the nearest, ties upwards.
KERNEL_INLINE int32_t multiply_high_word(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + INT64_C(0x80000000)) >> 32);
}

// A sum in the output's scale, with its offset, not yet clamped.
KERNEL_INLINE int32_t scale_channel(const struct output_range *range, int32_t sum,
                                    const struct channel *channel) {
    if (!range->narrow) {
        return add_wrapping(
            multiply_by_quantized_multiplier(sum, channel->multiplier, channel->shift),
            range->offset);
    }
    // 2a * m / 2^32 is a * m / 2^31 with the same rounding.
    const int32_t scaled = multiply_high_word(sum * 2, channel->multiplier);
    // Half a step more rounds ties upwards; one less for negative numbers, away from zero.
    const int32_t rounded = (scaled + (scaled >> 31) + channel->rounding) >> channel->shift;
    return rounded + range->offset;
}

// fixed_point.h's requantize_s8, and equal to it.
KERNEL_INLINE int8_t requantize_channel(const struct output_range *range, int32_t sum,
                                        const struct channel *channel) {
    return clamp_s8(scale_channel(range, sum, channel), range->lowest, range->highest);
}

#endif
