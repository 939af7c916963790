// What the kernels ask of the compiler beyond C11.
#ifndef USIM_KERNELS_COMMON_COMPILER_H
#define USIM_KERNELS_COMMON_COMPILER_H

// A kernel is generic C over a shape structure. Every call site passes a constant one, and inlining
// there turns it into code for that one shape; a shared out-of-line copy would lose that.
#define KERNEL_INLINE static inline __attribute__((always_inline))

// Before a loop: so many turns in one, 1 to leave it alone.
#define COMPILER_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define UNROLLED(count) COMPILER_PRAGMA(clang loop unroll_count(count))
#else
#define UNROLLED(count) COMPILER_PRAGMA(GCC unroll count)
#endif

// Four turns, for an in-order core to have independent work in each.
#define KERNEL_SEVERAL_AT_ONCE UNROLLED(4)

#endif
