// What the kernels ask of the compiler beyond C11.
#ifndef USIM_KERNELS_COMMON_COMPILER_H
#define USIM_KERNELS_COMMON_COMPILER_H

// A kernel is generic C over a shape structure. Every call site passes a constant one, and inlining
// there turns it into code for that one shape; a shared out-of-line copy would lose that.
#define KERNEL_INLINE static inline __attribute__((always_inline))

// Before a loop: four turns at once, for an in-order core to have independent work in a turn.
#ifdef __clang__
#define KERNEL_SEVERAL_AT_ONCE _Pragma("clang loop unroll_count(4)")
#else
#define KERNEL_SEVERAL_AT_ONCE _Pragma("GCC unroll 4")
#endif

#endif
