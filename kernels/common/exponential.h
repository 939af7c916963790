// exp(x) for x <= 0 and 1 / x in fixed point, bit for bit as TensorFlow Lite's int8 softmax has
// them. The notation Q(n) is that of fixed_point.h.
#ifndef USIM_KERNELS_COMMON_EXPONENTIAL_H
#define USIM_KERNELS_COMMON_EXPONENTIAL_H

#include <stdint.h>

#include "common/fixed_point.h"

// exp(x) in Q0 for x in Q0, -1/4 <= x < 0: the Taylor polynomial of degree 4 around -1/8.
KERNEL_INLINE int32_t exp_on_last_quarter(int32_t x) {
    const int32_t exp_of_minus_one_eighth = 1895147668; // exp(-1/8) * 2^31
    const int32_t one_third = 715827883;                // 2^31 / 3
    const int32_t d = x + (1 << 28);                    // x + 1/8
    const int32_t d2 = multiply_high(d, d);
    const int32_t d3 = multiply_high(d2, d);
    const int32_t d4_over_4 = rounding_divide_by_power_of_two(multiply_high(d2, d2), 2);
    // ((d^4/4 + d^3) / 3 + d^2) / 2 = d^4/24 + d^3/6 + d^2/2
    const int32_t higher_terms =
        rounding_divide_by_power_of_two(multiply_high(d4_over_4 + d3, one_third) + d2, 1);
    return exp_of_minus_one_eighth + multiply_high(exp_of_minus_one_eighth, d + higher_terms);
}

// exp(x) in Q0 for x in Q5, x <= 0; exp(0) is INT32_MAX.
KERNEL_INLINE int32_t exp_of_negative_q5(int32_t x) {
    // exp(-2^k) * 2^31 for k = -2 .. 4: the factors that the bits of -x from 1/4 upwards stand for.
    static const int32_t factors[7] = {1672461947, 1302514674, 790015084, 290630308,
                                       39332535,   720401,     242};
    const int32_t one_quarter = 1 << 24;
    if (x == 0) {
        return INT32_MAX;
    }
    const int32_t last_quarter = (x & (one_quarter - 1)) - one_quarter;
    const int32_t remainder = last_quarter - x;
    int32_t result = exp_on_last_quarter(shift_left_saturating(last_quarter, 5));
    for (int32_t k = 0; k < 7; k++) {
        if ((remainder & (one_quarter << k)) != 0) {
            result = multiply_high(result, factors[k]);
        }
    }
    return result;
}

// 1 / (1 + x) in Q0 for x in Q0, 0 <= x < 1: three Newton-Raphson steps in Q2.
KERNEL_INLINE int32_t one_over_one_plus(int32_t x) {
    const int32_t forty_eight_over_17 = 1515870810;       // 48/17 * 2^29
    const int32_t minus_thirty_two_over_17 = -1010580540; // -32/17 * 2^29
    const int32_t one_q2 = 1 << 29;
    // (1 + x) / 2, the sum rounded up; neither is negative.
    const int32_t half_denominator = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
    int32_t estimate =
        forty_eight_over_17 + multiply_high(half_denominator, minus_thirty_two_over_17);
    for (int32_t step = 0; step < 3; step++) {
        const int32_t error = one_q2 - multiply_high(half_denominator, estimate);
        estimate += shift_left_saturating(multiply_high(estimate, error), 2);
    }
    // estimate is 2 / (1 + x) in Q2; half of it is the same bits in Q1.
    return shift_left_saturating(estimate, 1);
}

#endif
