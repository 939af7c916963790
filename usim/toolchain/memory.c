/*
 * The four functions that GCC may call in any program and libgcc does not have: struct copies and
 * large initialisers become calls of them. Weak, so that a runtime with better ones may bring them.
 *
 * Contract: the C standard's (C11 7.24); any alignment, any size, memmove alone may overlap.
 */
#include <stddef.h>
#include <stdint.h>

enum { WORD_BYTES = sizeof(uint32_t), WORD_MASK = sizeof(uint32_t) - 1 };

/* Words may alias whatever is copied. */
typedef uint32_t __attribute__((may_alias)) word_t;

#define WEAK __attribute__((weak))

static int both_aligned(const void *first, const void *second) {
    return (((uintptr_t)first | (uintptr_t)second) & WORD_MASK) == 0;
}

WEAK void *memcpy(void *restrict target, const void *restrict source, size_t count) {
    unsigned char *to = target;
    const unsigned char *from = source;
    if (both_aligned(to, from)) {
        for (; count >= WORD_BYTES; count -= WORD_BYTES) {
            *(word_t *)(void *)to = *(const word_t *)(const void *)from;
            to += WORD_BYTES;
            from += WORD_BYTES;
        }
    }
    while (count-- > 0) {
        *to++ = *from++;
    }
    return target;
}

WEAK void *memmove(void *target, const void *source, size_t count) {
    unsigned char *to = target;
    const unsigned char *from = source;
    if ((uintptr_t)to <= (uintptr_t)from || (uintptr_t)to >= (uintptr_t)from + count) {
        while (count-- > 0) {
            *to++ = *from++;
        }
        return target;
    }
    while (count-- > 0) {
        to[count] = from[count];
    }
    return target;
}

WEAK void *memset(void *target, int value, size_t count) {
    unsigned char *to = target;
    const uint32_t word = 0x01010101U * (unsigned char)value;
    if (both_aligned(to, to)) {
        for (; count >= WORD_BYTES; count -= WORD_BYTES) {
            *(word_t *)(void *)to = word;
            to += WORD_BYTES;
        }
    }
    while (count-- > 0) {
        *to++ = (unsigned char)value;
    }
    return target;
}

WEAK int memcmp(const void *first, const void *second, size_t count) {
    const unsigned char *left = first;
    const unsigned char *right = second;
    for (; count > 0; --count, ++left, ++right) {
        if (*left != *right) {
            return *left < *right ? -1 : 1;
        }
    }
    return 0;
}
