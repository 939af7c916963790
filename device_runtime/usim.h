/*
 * usim.h - what a kernel on the device may use.
 *
 * A kernel is an ordinary C function. The host calls it by name with tensors and scalars:
 *
 *     int32_t scale(const float *input, float factor, float *output, uint32_t count);
 *     int32_t softmax(const DLTensor *input, DLTensor *output);
 *
 * A tensor arrives as a pointer to its first element where the parameter is a pointer to a number
 * (the host checks the element type), or with its shape and type as a DLPack DLTensor. Results go
 * to tensors that the caller passed. The return type is int32_t, 0 for success, or void; any other
 * value fails the task, and the tasks queued behind it do not run.
 */
#ifndef USIM_H
#define USIM_H

#include <stddef.h>
#include <stdint.h>

/* DLPack, as laid out on 32-bit Arm: 40 bytes, byte_offset (64 bits) at offset 32. */
typedef enum { kDLCPU = 1 } DLDeviceType;
typedef enum { kDLInt = 0U, kDLUInt = 1U, kDLFloat = 2U, kDLBool = 6U } DLDataTypeCode;

typedef struct {
    int32_t device_type;
    int32_t device_id;
} DLDevice;

typedef struct {
    uint8_t code;
    uint8_t bits;
    uint16_t lanes;
} DLDataType;

typedef struct {
    void *data;
    DLDevice device;
    int32_t ndim;
    DLDataType dtype;
    int64_t *shape;
    int64_t *strides; /* NULL: compact, row-major */
    uint64_t byte_offset;
} DLTensor;

_Static_assert(sizeof(void *) != 4 || sizeof(DLTensor) == 40, "DLTensor on 32-bit Arm");
_Static_assert(sizeof(void *) != 4 || offsetof(DLTensor, byte_offset) == 32, "byte_offset");

/* What usim_workspace_free returns. */
#define USIM_OK 0
#define USIM_ERROR_BAD_POINTER (-1)

/*
 * The runtime's helpers. The host writes their addresses into these pointers when it loads the
 * module, wherever module and runtime lie.
 *
 * usim_workspace_alloc: `size_bytes` of scratch memory, aligned to 8 bytes; NULL if there is no
 * room. What a task forgets to free is freed after it.
 *
 * usim_workspace_free: gives such a block back. USIM_OK, or USIM_ERROR_BAD_POINTER for what was not
 * allocated; NULL is fine.
 *
 * usim_set_last_error: a text for the error that the host will raise. It must outlive the task.
 *
 * usim_cycles: DWT CYCCNT, 32 bits, wraps; on a core without one, what the device counts instead.
 */
#define USIM_HELPER __attribute__((weak))
USIM_HELPER void *(*usim_workspace_alloc)(uint32_t size_bytes);
USIM_HELPER int32_t (*usim_workspace_free)(void *block);
USIM_HELPER void (*usim_set_last_error)(const char *text);
USIM_HELPER uint32_t (*usim_cycles)(void);

#endif
