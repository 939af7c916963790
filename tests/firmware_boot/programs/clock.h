/* clock.h - the core at its highest rate. */
#ifndef CLOCK_H
#define CLOCK_H

/* 216 MHz from the HSI, over-drive, 7 wait states, ART and prefetch on. APB1 54 MHz, APB2 108. */
void set_up_216_mhz(void);

#endif
