// Where a filter's window lies inside the input, along one axis.
#ifndef USIM_KERNELS_COMMON_WINDOW_H
#define USIM_KERNELS_COMMON_WINDOW_H

#include <stdint.h>

#include "common/fixed_point.h"

// The taps begin <= k < end whose input position, origin + k * dilation, is in [0, extent).
struct tap_range {
    int32_t begin;
    int32_t end;
};

// Clips a window of `taps` taps that starts at `origin` < `extent` (negative in the padding).
KERNEL_INLINE struct tap_range clip_taps(int32_t origin, int32_t taps, int32_t dilation,
                                         int32_t extent) {
    const int32_t begin = origin < 0 ? (dilation - 1 - origin) / dilation : 0;
    const int32_t end = min_s32(taps, (extent - origin + dilation - 1) / dilation);
    return (struct tap_range){begin, max_s32(begin, end)};
}

#endif
