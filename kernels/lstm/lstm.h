// Long short-term memory over a sequence, int8 activations and weights, int16 cell state.
//
//   input                [batches][steps][depth], or any order of the first two, by strides
//   input_weights        [units][ceil(depth / 4)][2][8]: gemm.h's weights of a unit's four gates
//                        (input, forget, cell, output), the two pairs of columns by turns
//   recurrent_weights    the same with units in place of depth
//   input_channels       [units][4 gates][4] as of requantize.h, the gates' biases in them
//   recurrent_channels   the same, without biases
//   sigmoid              the table of sigmoid.h
//   hidden               [batches][units], the last step's output; updated in place
//   cell                 [batches][units], updated in place
//   output               [batches][steps][units], or any order of the first two
//
// Nothing overlaps. Gates' sums are int16 with 12 fraction bits, gates have 15. A step reads the
// one before from the output, so that no scratch memory is needed. Requires: every extent >= 1; no
// gate's accumulator leaves int32_t (the caller checks this); the cell's scale is 2^p with
// -29 <= p <= 2, and p + 12 is its left shift.
#ifndef USIM_KERNELS_LSTM_LSTM_H
#define USIM_KERNELS_LSTM_LSTM_H

#include <stdint.h>

#include "common/bounded_scaling.h"
#include "common/copy.h"
#include "common/gemm.h"
#include "common/requantize_s16.h"
#include "common/sigmoid.h"

#define LSTM_GATES 4

struct lstm_shape {
    int32_t batches;
    int32_t steps;
    int32_t depth;
    int32_t units;
    int32_t input_strides[2]; // of a batch and of a step, in elements
    int32_t output_strides[2];
    int32_t input_packed;
    int32_t input_narrow;
    int32_t recurrent_packed;
    int32_t recurrent_narrow;
    int32_t cell_left_shift;
    int32_t cell_min;
    int32_t cell_max;
    int32_t forget_multiplier; // forget gate times cell, to the cell's scale
    int32_t forget_shift;
    int32_t input_multiplier; // input gate times cell gate, to the cell's scale
    int32_t input_shift;
    int32_t output_multiplier; // output gate times tanh(cell), to the output's scale
    int32_t output_shift;
    int32_t output_offset;
};

struct lstm_weights {
    const int8_t *restrict input;
    const int32_t *restrict input_channels;
    const int8_t *restrict recurrent;
    const int32_t *restrict recurrent_channels;
    const uint16_t *restrict sigmoid;
};

// A unit's four sums for one row, in the gates' scale, added to `gates`.
KERNEL_INLINE void lstm_add_row(const struct gemm_shape *shape, const int8_t *restrict row,
                                const int8_t *restrict weights, const int32_t *restrict channels,
                                int32_t gates[LSTM_GATES]) {
    const int32_t rest = shape->depth % 4;
    int32_t sums[LSTM_GATES];
    for (int32_t i = 0; i < LSTM_GATES; i += 2) {
        const struct channel pair[2] = {read_channel(channels, i), read_channel(channels, i + 1)};
        gemm_begin(shape, pair, sums + i);
    }
    for (int32_t i = 0; i < shape->depth / 4; i++) {
        const uint32_t word = load_s8x4(row + 4 * i);
        gemm_step(shape, word, weights, sums);
        gemm_step(shape, word, weights + 8, sums + 2);
        weights += 16;
    }
    if (rest != 0) {
        const uint32_t word = load_s8_part(row + shape->depth - rest, rest);
        gemm_step(shape, word, weights, sums);
        gemm_step(shape, word, weights + 8, sums + 2);
    }
    for (int32_t i = 0; i < LSTM_GATES; i += 2) {
        const struct channel pair[2] = {read_channel(channels, i), read_channel(channels, i + 1)};
        const int32_t second = gemm_second(shape, pair, sums + i);
        gates[i] += saturate_s16(scale_channel(&shape->range, sums[i], &pair[0]));
        gates[i + 1] += saturate_s16(scale_channel(&shape->range, second, &pair[1]));
    }
}

KERNEL_INLINE int32_t lstm_tanh_of_cell(const struct lstm_shape *shape,
                                        const uint16_t *restrict table, int32_t cell) {
    const int32_t shift = shape->cell_left_shift;
    if (shift >= 0) {
        return tanh_s16(table, 3 * cell * (1 << shift));
    }
    return tanh_s16(table, (3 * cell + (1 << (-shift - 1))) >> -shift);
}

// The next output of a unit from its gates' sums.
KERNEL_INLINE int8_t lstm_unit(const struct lstm_shape *shape, const uint16_t *restrict table,
                               const int32_t sums[LSTM_GATES], int16_t *restrict cell) {
    const int32_t input = sigmoid_s16(table, 3 * saturate_s16(sums[0]));
    const int32_t forget = sigmoid_s16(table, 3 * saturate_s16(sums[1]));
    const int32_t candidate = tanh_s16(table, 3 * saturate_s16(sums[2]));
    const int32_t output = sigmoid_s16(table, 3 * saturate_s16(sums[3]));
    const int32_t kept =
        saturate_s16(scale_bounded(forget * *cell, shape->forget_multiplier, shape->forget_shift));
    const int32_t added =
        saturate_s16(scale_bounded(input * candidate, shape->input_multiplier, shape->input_shift));
    *cell = (int16_t)min_s32(max_s32(kept + added, shape->cell_min), shape->cell_max);
    return requantize_bounded_s8(output * lstm_tanh_of_cell(shape, table, *cell),
                                 shape->output_multiplier, shape->output_shift,
                                 shape->output_offset, INT8_MIN, INT8_MAX);
}

// One step of one batch: from the output before to the next one.
KERNEL_INLINE void lstm_step(const struct lstm_shape *shape, const int8_t *restrict input,
                             const struct lstm_weights *weights, const int8_t *restrict before,
                             int16_t *restrict cell, int8_t *restrict next) {
    const struct gemm_shape to_input = {.depth = shape->depth,
                                        .packed = shape->input_packed,
                                        .range = {.narrow = shape->input_narrow}};
    const struct gemm_shape to_recurrent = {.depth = shape->units,
                                            .packed = shape->recurrent_packed,
                                            .range = {.narrow = shape->recurrent_narrow}};
    const int32_t input_bytes = (shape->depth + 3) / 4 * 16;
    const int32_t recurrent_bytes = (shape->units + 3) / 4 * 16;
    for (int32_t unit = 0; unit < shape->units; unit++) {
        const int32_t channel = unit * LSTM_GATES * CHANNEL_WORDS;
        int32_t gates[LSTM_GATES] = {0, 0, 0, 0};
        lstm_add_row(&to_input, input, weights->input + unit * input_bytes,
                     weights->input_channels + channel, gates);
        lstm_add_row(&to_recurrent, before, weights->recurrent + unit * recurrent_bytes,
                     weights->recurrent_channels + channel, gates);
        next[unit] = lstm_unit(shape, weights->sigmoid, gates, cell + unit);
    }
}

KERNEL_INLINE void lstm_s8(const struct lstm_shape *shape, const int8_t *restrict input,
                           const int8_t *restrict input_weights,
                           const int32_t *restrict input_channels,
                           const int8_t *restrict recurrent_weights,
                           const int32_t *restrict recurrent_channels,
                           const uint16_t *restrict sigmoid, int8_t *restrict hidden,
                           int16_t *restrict cell, int8_t *restrict output) {
    const struct lstm_weights weights = {input_weights, input_channels, recurrent_weights,
                                         recurrent_channels, sigmoid};
    for (int32_t batch = 0; batch < shape->batches; batch++) {
        const int8_t *before = hidden + batch * shape->units;
        for (int32_t step = 0; step < shape->steps; step++) {
            int8_t *next =
                output + batch * shape->output_strides[0] + step * shape->output_strides[1];
            lstm_step(shape,
                      input + batch * shape->input_strides[0] + step * shape->input_strides[1],
                      &weights, before, cell + batch * shape->units, next);
            before = next;
        }
        copy_run(hidden + batch * shape->units, before, shape->units, shape->units % 4 == 0);
    }
}

#endif
