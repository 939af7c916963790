#include <usim.h>

int32_t scale(const float *input, float factor, float *output, uint32_t count) {
    if (count == 0U) {
        usim_set_last_error("nothing to scale");
        return -3;
    }
    for (uint32_t i = 0; i < count; i++) {
        output[i] = factor * input[i];
    }
    return 0;
}
