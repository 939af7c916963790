// Each row of int8 values divided by its Euclidean length; the results' scale is 1/128, with zero
// point 0.
//
//   input, output   [rows][depth]; the output does not overlap the input
//
// input_offset is minus the input's zero point. Requires: depth <= 8192, so that the sum of the
// squares, of 8 bits and a sign each, stays below 2^29.
#ifndef USIM_KERNELS_L2_NORMALIZATION_L2_NORMALIZATION_H
#define USIM_KERNELS_L2_NORMALIZATION_L2_NORMALIZATION_H

#include <stdint.h>

#include "common/fixed_point.h"

#define L2_NORMALIZATION_ROOT_OF_ONE_HALF 1518500250 // sqrt(1/2) in Q0
#define L2_NORMALIZATION_OUTPUT_BITS 7

struct l2_normalization_shape {
    int32_t rows;
    int32_t depth;
    int32_t input_offset;
};

// (multiplier, shift) of 1 / sqrt(value) for value < 2^29: five Newton-Raphson steps in Q3.
KERNEL_INLINE void l2_inverse_square_root(int32_t value, int32_t *multiplier, int32_t *shift) {
    if (value <= 1) {
        *multiplier = INT32_MAX;
        *shift = 0;
        return;
    }
    int32_t pairs = 0; // of bits, by which the value can be shifted and stay below 2^29
    while (value < (1 << 27)) {
        value *= 4;
        pairs++;
    }
    const int32_t half = rounding_divide_by_power_of_two(value >> 1, 1);
    int32_t root = 1 << 28;
    for (int32_t i = 0; i < 5; i++) {
        const int32_t cube =
            shift_left_saturating(multiply_high(multiply_high(root, root), root), 6);
        root = shift_left_saturating(multiply_high(3 << 27, root) - multiply_high(half, cube), 3);
    }
    *multiplier = multiply_high(root, L2_NORMALIZATION_ROOT_OF_ONE_HALF);
    *shift = pairs - 11;
}

KERNEL_INLINE void l2_normalization_s8(const struct l2_normalization_shape *shape,
                                       const int8_t *restrict input, int8_t *restrict output) {
    for (int32_t row = 0; row < shape->rows; row++) {
        int32_t sum = 0;
        for (int32_t i = 0; i < shape->depth; i++) {
            const int32_t value = input[i] + shape->input_offset;
            sum += value * value;
        }
        int32_t multiplier;
        int32_t shift;
        l2_inverse_square_root(sum, &multiplier, &shift);
        for (int32_t i = 0; i < shape->depth; i++) {
            output[i] = requantize_s8(input[i] + shape->input_offset, multiplier,
                                      shift + L2_NORMALIZATION_OUTPUT_BITS, 0, INT8_MIN, INT8_MAX);
        }
        input += shape->depth;
        output += shape->depth;
    }
}

#endif
