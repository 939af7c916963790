// The shape that both pooling kernels take.
#ifndef USIM_KERNELS_COMMON_POOL_2D_SHAPE_H
#define USIM_KERNELS_COMMON_POOL_2D_SHAPE_H

#include <stdint.h>

struct pool_2d_shape {
    int32_t batches;
    int32_t channels;
    int32_t input_height;
    int32_t input_width;
    int32_t output_height;
    int32_t output_width;
    int32_t filter_height;
    int32_t filter_width;
    int32_t stride_height;
    int32_t stride_width;
    int32_t padding_top;
    int32_t padding_left;
    int32_t activation_min;
    int32_t activation_max;
};

#endif
