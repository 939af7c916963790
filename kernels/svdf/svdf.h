// Singular value decomposition filter: each filter scores the input, remembers its last `memory`
// scores, and weighs them; `rank` filters add up to a unit. int8 activations; scores and their
// weights are both int16 (svdf_s16) or both int8 (svdf_s8).
//
//   input            [batches][depth]
//   feature_weights  as of gemm.h, with units * rank columns
//   feature_bias     [units * rank, rounded up to even]: the input's offset times the weights
//   time_weights     [units * rank][memory], zero point 0
//   bias             [units]
//   state            [batches][units * rank][memory], the scores, oldest first; updated in place
//   output           [batches][units]; overlaps no other argument, nor does the state
//
// state_offset is minus the zero point. The sums over time wrap, as TensorFlow
// Lite Micro's do on every machine that it runs on: real models' weights allow for more than 32
// bits. So does an int8 score whose zero point is not 0: it is clamped to int8, and then the zero
// point is added. Requires: every extent >= 1; no score's accumulator leaves int32_t (the caller
// checks this).
#ifndef USIM_KERNELS_SVDF_SVDF_H
#define USIM_KERNELS_SVDF_SVDF_H

#include <stdint.h>

#include "common/fixed_point.h"
#include "common/gemm.h"

struct svdf_shape {
    int32_t batches;
    int32_t depth;
    int32_t units;
    int32_t rank;
    int32_t memory;
    int32_t packed;
    int32_t state_offset;
    int32_t score_multiplier;
    int32_t score_shift;
    int32_t output_offset;
    int32_t output_multiplier;
    int32_t output_shift;
};

// The scores of filters `filter` and the next one, before their zero point and their type's range
// are applied.
KERNEL_INLINE void svdf_scores(const struct svdf_shape *shape, const int8_t *restrict input,
                               const int8_t *restrict weights, const int32_t *restrict bias,
                               int32_t filter, int32_t scores[2]) {
    const struct gemm_shape gemm = {.depth = shape->depth, .packed = shape->packed};
    const struct channel pair[2] = {{.bias = bias[filter]}, {.bias = bias[filter + 1]}};
    const int32_t pair_bytes = (shape->depth + 3) / 4 * 8;
    int32_t sums[2];
    gemm_begin(&gemm, pair, sums);
    gemm_dot_1x2(&gemm, input, weights + filter / 2 * pair_bytes, sums);
    sums[1] = gemm_second(&gemm, pair, sums);
    for (int32_t i = 0; i < 2; i++) {
        scores[i] =
            multiply_by_quantized_multiplier(sums[i], shape->score_multiplier, shape->score_shift);
    }
}

KERNEL_INLINE int32_t svdf_clamp(int32_t value, int32_t lowest, int32_t highest) {
    return min_s32(max_s32(value, lowest), highest);
}

// sum + weight * (score + offset), modulo 2^32.
KERNEL_INLINE int32_t svdf_weigh(int32_t sum, int32_t weight, int32_t score, int32_t offset) {
    return (int32_t)((uint32_t)sum + (uint32_t)weight * (uint32_t)(score + offset));
}

// Moves `memory` scores to the front by one, puts `newest` behind them, and weighs all. (Their
// offset is 0.) Of an even number of scores, two at a time.
KERNEL_INLINE int32_t svdf_age_s16(int32_t sum, const int16_t *restrict weights,
                                   int16_t *restrict state, int32_t memory, int32_t newest) {
    if (memory % 2 != 0) {
        for (int32_t i = 0; i < memory; i++) {
            state[i] = i < memory - 1 ? state[i + 1] : (int16_t)newest;
            sum = svdf_weigh(sum, weights[i], state[i], 0);
        }
        return sum;
    }
    uint32_t word = load_s16x2(state);
    for (int32_t i = 0; i < memory; i += 2) {
        const uint32_t next = i + 2 < memory ? load_s16x2(state + i + 2) : (uint16_t)newest;
        const uint32_t pair = word >> 16 | next << 16;
        __builtin_memcpy(state + i, &pair, sizeof pair);
        sum = dot_s16x2(pair, load_s16x2(weights + i), sum);
        word = next;
    }
    return sum;
}

// The same of int8 scores, four at a time.
KERNEL_INLINE int32_t svdf_age_s8(int32_t sum, const int8_t *restrict weights,
                                  int8_t *restrict state, int32_t memory, int32_t newest,
                                  int32_t offset) {
    const uint32_t offsets = pair_s16(offset, offset);
    int32_t i = 0;
    for (; i < memory - 4; i += 4) {
        const uint32_t word = load_s8x4(state + i + 1);
        __builtin_memcpy(state + i, &word, sizeof word);
        const uint32_t four = load_s8x4(weights + i);
        sum = dot_s16x2(add_widened_even(offsets, word), widen_even(four), sum);
        sum = dot_s16x2(add_widened_odd(offsets, word), widen_odd(four), sum);
    }
    for (; i < memory; i++) {
        state[i] = i < memory - 1 ? state[i + 1] : (int8_t)newest;
        sum = svdf_weigh(sum, weights[i], state[i], offset);
    }
    return sum;
}

KERNEL_INLINE int8_t svdf_output(const struct svdf_shape *shape, int32_t sum) {
    return requantize_s8(sum, shape->output_multiplier, shape->output_shift, shape->output_offset,
                         INT8_MIN, INT8_MAX);
}

// The kernel for scores of C type `type`, in LOWEST .. HIGHEST. `AGE` is the expression that adds a
// filter's weighed scores to `sum`.
#define SVDF_KERNEL(name, type, LOWEST, HIGHEST, AGE)                                              \
    KERNEL_INLINE void name(const struct svdf_shape *shape, const int8_t *restrict input,          \
                            const int8_t *restrict feature_weights,                                \
                            const int32_t *restrict feature_bias,                                  \
                            const type *restrict time_weights, const int32_t *restrict bias,       \
                            type *restrict state, int8_t *restrict output) {                       \
        const int32_t memory = shape->memory;                                                      \
        const int32_t filters = shape->units * shape->rank;                                        \
        for (int32_t batch = 0; batch < shape->batches; batch++) {                                 \
            int32_t scores[2] = {0, 0};                                                            \
            int32_t sum = 0;                                                                       \
            for (int32_t filter = 0; filter < filters; filter++) {                                 \
                if (filter % 2 == 0) {                                                             \
                    svdf_scores(shape, input + batch * shape->depth, feature_weights,              \
                                feature_bias, filter, scores);                                     \
                }                                                                                  \
                const type *restrict weights = time_weights + filter * memory;                     \
                const int32_t newest =                                                             \
                    svdf_clamp(scores[filter % 2], LOWEST, HIGHEST) - shape->state_offset;         \
                sum = filter % shape->rank == 0 ? bias[filter / shape->rank] : sum;                \
                sum = AGE;                                                                         \
                state += memory;                                                                   \
                if (filter % shape->rank == shape->rank - 1) {                                     \
                    *output++ = svdf_output(shape, sum);                                           \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

SVDF_KERNEL(svdf_s16, int16_t, INT16_MIN, INT16_MAX,
            svdf_age_s16(sum, weights, state, memory, newest))
SVDF_KERNEL(svdf_s8, int8_t, INT8_MIN, INT8_MAX,
            svdf_age_s8(sum, weights, state, memory, newest, shape->state_offset))

#endif
