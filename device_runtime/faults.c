/*
 * faults.c - keep what the core says about a fault, then go to usim_done, where the host looks.
 */
#include "registers.h"
#include "runtime.h"

usim_fault_t usim_fault;

/* Clear: the frame has room for s0-s15 and FPSCR as well. */
#define EXC_RETURN_BASIC_FRAME (1U << 4)
#define XPSR_PADDED (1U << 9) /* stacking aligned the stack by 4 bytes */

__attribute__((used)) static void record(const uint32_t *frame, uint32_t exc_return) {
    usim_batch_t *batch = (usim_batch_t *)usim_config.batch;
    uint32_t exception;
    __asm volatile("mrs %0, ipsr" : "=r"(exception));

    usim_fault.exception = exception;
    usim_fault.cfsr = SCB_CFSR;
    usim_fault.hfsr = SCB_HFSR;
    usim_fault.mmfar = SCB_MMFAR;
    usim_fault.bfar = SCB_BFAR;
    usim_fault.exc_return = exc_return;
    usim_fault.has_frame = (usim_fault.cfsr & CFSR_STACKING_ERRORS) == 0U;

    uint32_t sp = (uint32_t)(uintptr_t)frame;
    for (uint32_t i = 0; i < 8U; i++) {
        /* After a stacking error the frame may lie where no memory is. */
        usim_fault.frame[i] = usim_fault.has_frame != 0U ? frame[i] : 0U;
    }
    sp += (exc_return & EXC_RETURN_BASIC_FRAME) != 0U ? 32U : 104U;
    if ((usim_fault.frame[7] & XPSR_PADDED) != 0U) {
        sp += 4U;
    }
    usim_fault.sp = sp;
    batch->faulted = 1U;
    batch->workspace_peak = usim_workspace_peak();
    usim_caches_off();
}

__attribute__((naked)) void usim_fault_entry(void) {
    __asm volatile("tst   lr, #4\n" /* EXC_RETURN bit 2: the frame is on the process stack */
                   "ite   eq\n"
                   "mrseq r0, msp\n"
                   "mrsne r0, psp\n"
                   "mov   r1, lr\n"
                   "bl    record\n"
                   "bl    usim_done\n");
}
