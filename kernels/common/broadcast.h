// Rows of two tensors that are broadcast against each other.
#ifndef USIM_KERNELS_COMMON_BROADCAST_H
#define USIM_KERNELS_COMMON_BROADCAST_H

#include <stdint.h>

#include "common/axes.h"

// The output is [rows][columns], without gaps. Along a row an operand's elements are `step` apart:
// 1, or 0 for an operand that has one element a row. `left` and `right` tell where an operand's row
// begins.
struct broadcast {
    int32_t rows;
    int32_t columns;
    int32_t left_step;
    int32_t right_step;
    struct axes left;
    struct axes right;
};

#endif
