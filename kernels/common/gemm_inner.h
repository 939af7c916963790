// The innermost loop of gemm.h for packed weights, in assembly: 18 instructions of work and 10
// cycles for 16 multiplications on a Cortex-M7, which issues two instructions a cycle and one of
// widening or multiplication each. Compilers know neither the pairs nor, with 13 values alive, how
// to do without the stack.
#ifndef USIM_KERNELS_COMMON_GEMM_INNER_H
#define USIM_KERNELS_COMMON_GEMM_INNER_H

#include <stdint.h>

#include "common/simd.h"

// Without optimisation the stride is no constant, which its operand has to be.
#if SIMD_DSP && defined(__thumb2__) && defined(__OPTIMIZE__)
#define GEMM_ASSEMBLY 1
// The largest offset of a load from the row before.
#define GEMM_MAX_STRIDE 4092

// `words` >= 2 words of two rows, `stride` bytes apart, times a pair of columns. Adds to sums[0]
// and sums[2] the first column's products, to sums[1] and sums[3] those of both, as of gemm.h. Each
// line is a pair. Nothing is read beyond the words: the last turn has no loads of the next one's.
KERNEL_INLINE void gemm_packed_words_2x2(const int8_t *row, int32_t stride, const int8_t *weights,
                                         int32_t words, int32_t sums[4]) {
    const int8_t *const last = weights + 8 * (words - 1);
    uint32_t odd0;
    uint32_t odd1;
    uint32_t even0;
    uint32_t even1;
    uint32_t both;
    uint32_t first;
    __asm__ volatile(
        "ldr %[odd0], [%[row]]\n\t"
        "ldr %[odd1], [%[row], %[stride]]\n\t"
        "ldr %[both], [%[weights]]\n\t"
        "sxtb16 %[even0], %[odd0]\n\t"
        "sxtb16 %[even1], %[odd1]\n\t"
        "b 1f\n\t" // emulators see a block of its own, whose addresses its entry tells
        ".p2align 3\n"
        "1:\n\t"
        "sxtb16 %[first], %[both]\n\t"
        "smlad %[sum1], %[even0], %[both], %[sum1]\n\t"
        "smlad %[sum3], %[even1], %[both], %[sum3]\n\t"
        "ldr %[both], [%[weights], #4]\n\t"
        "sxtb16 %[odd0], %[odd0], ror #8\n\t"
        "smlad %[sum0], %[even0], %[first], %[sum0]\n\t"
        "sxtb16 %[odd1], %[odd1], ror #8\n\t"
        "smlad %[sum2], %[even1], %[first], %[sum2]\n\t"
        "sxtb16 %[first], %[both]\n\t"
        "smlad %[sum1], %[odd0], %[both], %[sum1]\n\t"
        "smlad %[sum0], %[odd0], %[first], %[sum0]\n\t"
        "ldr %[odd0], [%[row], #4]!\n\t"
        "smlad %[sum3], %[odd1], %[both], %[sum3]\n\t"
        "ldr %[both], [%[weights], #8]!\n\t"
        "smlad %[sum2], %[odd1], %[first], %[sum2]\n\t"
        "ldr %[odd1], [%[row], %[stride]]\n\t"
        "sxtb16 %[even0], %[odd0]\n\t"
        "cmp %[weights], %[last]\n\t"
        "sxtb16 %[even1], %[odd1]\n\t"
        "bne 1b\n\t"
        "sxtb16 %[first], %[both]\n\t"
        "smlad %[sum1], %[even0], %[both], %[sum1]\n\t"
        "smlad %[sum3], %[even1], %[both], %[sum3]\n\t"
        "ldr %[both], [%[weights], #4]\n\t"
        "sxtb16 %[odd0], %[odd0], ror #8\n\t"
        "smlad %[sum0], %[even0], %[first], %[sum0]\n\t"
        "sxtb16 %[odd1], %[odd1], ror #8\n\t"
        "smlad %[sum2], %[even1], %[first], %[sum2]\n\t"
        "sxtb16 %[first], %[both]\n\t"
        "smlad %[sum1], %[odd0], %[both], %[sum1]\n\t"
        "smlad %[sum0], %[odd0], %[first], %[sum0]\n\t"
        "smlad %[sum3], %[odd1], %[both], %[sum3]\n\t"
        "smlad %[sum2], %[odd1], %[first], %[sum2]\n\t"
        : [sum0] "+r"(sums[0]), [sum1] "+r"(sums[1]), [sum2] "+r"(sums[2]), [sum3] "+r"(sums[3]),
          [row] "+r"(row), [weights] "+r"(weights), [odd0] "=&r"(odd0), [odd1] "=&r"(odd1),
          [even0] "=&r"(even0), [even1] "=&r"(even1), [both] "=&r"(both), [first] "=&r"(first)
        : [stride] "i"(stride), [last] "r"(last)
        : "cc", "memory");
}

#else
#define GEMM_ASSEMBLY 0
#endif

#endif
