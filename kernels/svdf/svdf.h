// Singular value decomposition filter: each filter scores the input, remembers its last `memory`
// scores, and weighs them; `rank` filters add up to a unit. int8 activations; scores and their
// weights are both int16 (svdf_s16) or both int8 (svdf_s8).
//
//   input            [batches][depth]
//   feature_weights  [units * rank][depth], zero point 0
//   time_weights     [units * rank][memory], zero point 0
//   bias             [units]
//   state            [batches][units * rank][memory], the scores, oldest first; updated in place
//   output           [batches][units]; overlaps no other argument, nor does the state
//
// input_offset and state_offset are minus the zero points. The sums over time wrap, as TensorFlow
// Lite Micro's do on every machine that it runs on: real models' weights allow for more than 32
// bits. So does an int8 score whose zero point is not 0: it is clamped to int8, and then the zero
// point is added. Requires: every extent >= 1; no score's accumulator leaves int32_t (the caller
// checks this).
#ifndef USIM_KERNELS_SVDF_SVDF_H
#define USIM_KERNELS_SVDF_SVDF_H

#include <stdint.h>

#include "common/dot.h"
#include "common/fixed_point.h"

struct svdf_shape {
    int32_t batches;
    int32_t depth;
    int32_t units;
    int32_t rank;
    int32_t memory;
    int32_t input_offset;
    int32_t state_offset;
    int32_t score_multiplier;
    int32_t score_shift;
    int32_t output_offset;
    int32_t output_multiplier;
    int32_t output_shift;
};

// The score of one filter for one input, before its zero point and its type's range are applied.
KERNEL_INLINE int32_t svdf_score(const struct svdf_shape *shape, const int8_t *restrict input,
                                 const int8_t *restrict weights) {
    const int32_t sum = dot(input, shape->input_offset, weights, shape->depth);
    return multiply_by_quantized_multiplier(sum, shape->score_multiplier, shape->score_shift);
}

KERNEL_INLINE int32_t svdf_clamp(int32_t value, int32_t lowest, int32_t highest) {
    return min_s32(max_s32(value, lowest), highest);
}

// sum + weight * (score + offset), modulo 2^32.
KERNEL_INLINE int32_t svdf_weigh(int32_t sum, int32_t weight, int32_t score, int32_t offset) {
    return (int32_t)((uint32_t)sum + (uint32_t)weight * (uint32_t)(score + offset));
}

KERNEL_INLINE int8_t svdf_output(const struct svdf_shape *shape, int32_t sum) {
    return requantize_s8(sum, shape->output_multiplier, shape->output_shift, shape->output_offset,
                         INT8_MIN, INT8_MAX);
}

// The kernel for scores of C type `type`, in LOWEST .. HIGHEST.
#define SVDF_KERNEL(name, type, LOWEST, HIGHEST)                                                   \
    KERNEL_INLINE void name(const struct svdf_shape *shape, const int8_t *restrict input,          \
                            const int8_t *restrict feature_weights,                                \
                            const type *restrict time_weights, const int32_t *restrict bias,       \
                            type *restrict state, int8_t *restrict output) {                       \
        const int32_t memory = shape->memory;                                                      \
        for (int32_t batch = 0; batch < shape->batches; batch++) {                                 \
            for (int32_t unit = 0; unit < shape->units; unit++) {                                  \
                int32_t sum = bias[unit];                                                          \
                for (int32_t k = 0; k < shape->rank; k++) {                                        \
                    const int32_t filter = unit * shape->rank + k;                                 \
                    const type *restrict weights = time_weights + filter * memory;                 \
                    for (int32_t i = 0; i < memory - 1; i++) {                                     \
                        state[i] = state[i + 1];                                                   \
                        sum = svdf_weigh(sum, weights[i], state[i], shape->state_offset);          \
                    }                                                                              \
                    const int32_t score =                                                          \
                        svdf_clamp(svdf_score(shape, input + batch * shape->depth,                 \
                                              feature_weights + filter * shape->depth),            \
                                   LOWEST, HIGHEST);                                               \
                    state[memory - 1] = (type)(score - shape->state_offset);                       \
                    sum = svdf_weigh(sum, weights[memory - 1], state[memory - 1],                  \
                                     shape->state_offset);                                         \
                    state += memory;                                                               \
                }                                                                                  \
                *output++ = svdf_output(shape, sum);                                               \
            }                                                                                      \
        }                                                                                          \
    }

SVDF_KERNEL(svdf_s16, int16_t, INT16_MIN, INT16_MAX)
SVDF_KERNEL(svdf_s8, int8_t, INT8_MIN, INT8_MAX)

#endif
