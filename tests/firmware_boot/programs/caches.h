/* caches.h - the core's caches, as CMSIS' functions switch and maintain them. */
#ifndef CACHES_H
#define CACHES_H

#include <stdint.h>

/* Switches on, emptied, those of CCR_IC and CCR_DC that are given, and the others off. The data
 * cache must not hold changes when it is switched off. */
void caches_enable(uint32_t which);
void caches_invalidate_code(void);
/* Drops changes that are not written back. */
void caches_invalidate_data(void);

#endif
