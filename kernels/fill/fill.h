// Fills a tensor of any type with one value.
//
//   output   [size_bytes], an element of 1, 2 or 4 bytes over and over
//
// pattern: the element's bytes, repeated to four. Hosts and targets are little-endian.
#ifndef USIM_KERNELS_FILL_FILL_H
#define USIM_KERNELS_FILL_FILL_H

#include <stdint.h>

#include "common/bytes.h"

struct fill_shape {
    int32_t size_bytes;
    int32_t pattern;
};

KERNEL_INLINE void fill(const struct fill_shape *shape, void *output) {
    fill_bytes(output, (uint32_t)shape->pattern, shape->size_bytes);
}

#endif
