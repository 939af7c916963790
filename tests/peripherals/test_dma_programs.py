"""Firmware that moves bytes by DMA as ST's driver does, against the core's cycle counter."""

from __future__ import annotations

import pytest
from firmware_runs import image_of, run, told

from usim.board import Board

# 115,200 baud from the HSI: a frame of 10 bits of 139 cycles.
FRAME = 1390

DMA = """
#define USART1(offset) REGISTER(0x40011000U + (offset))
#define STREAM(n, offset) REGISTER(0x40026410U + 24U * (n) + (offset))
#define LISR REGISTER(0x40026400U)
#define HISR REGISTER(0x40026404U)
#define LIFCR REGISTER(0x40026408U)
#define HIFCR REGISTER(0x4002640CU)
enum { CR1 = 0, CR3 = 8, BRR = 12, ISR = 28, ICR = 32, RDR = 36, TDR = 40 };
enum { SCR = 0, NDTR = 4, PAR = 8, M0AR = 12, FCR = 20 };
enum { EN = 1, TCIE = 1 << 4, TO_PERIPHERAL = 1 << 6, MEM_TO_MEM = 2 << 6, CIRC = 1 << 8,
       PINC = 1 << 9, MINC = 1 << 10, WORDS = 2 << 11 | 2 << 13, CHANNEL_4 = 4 << 25 };

static void open_usart(void) {
    RCC_APB2ENR |= 1U << 4;
    RCC_AHB1ENR |= 1U << 22;
    (void)RCC_AHB1ENR;
    USART1(BRR) = 139U;
    USART1(CR1) = 0xDU;
}

static void start(uint32_t n, uint32_t how, volatile void *memory, uint32_t peripheral,
                  uint32_t count) {
    STREAM(n, SCR) &= ~(uint32_t)EN;
    while ((STREAM(n, SCR) & EN) != 0U) {
    }
    STREAM(n, SCR) = how;
    STREAM(n, NDTR) = count;
    STREAM(n, PAR) = peripheral;
    STREAM(n, M0AR) = (uint32_t)(uintptr_t)memory;
    LIFCR = 0x3DU << 16; /* of streams 2 and 7 */
    HIFCR = 0x3DU << 22;
    STREAM(n, SCR) |= EN;
}
"""


@pytest.mark.parametrize("timing", ["count", "full"])
def test_a_text_leaves_while_the_core_sleeps(timing, tmp_path):
    """HAL_UART_Transmit_DMA: the stream's interrupt, then the USART's at the last stop bit."""
    program = (
        DMA
        + """
static const char text[] = "forty bytes, and none by the core itself";
static volatile uint32_t handed_over, sent;
static void on_usart(void) {
    if ((USART1(ISR) & 1U << 6) != 0U) {
        sent = CYCCNT;
        USART1(CR1) &= ~(1U << 6);
    }
}
static void on_stream(void) {
    if ((HISR >> 22 & 0x20U) != 0U) {
        handed_over = CYCCNT;
        HIFCR = 0x20U << 22;
        USART1(CR3) &= ~(1U << 7);
        USART1(CR1) |= 1U << 6; /* TCIE */
    }
}
int main(void) {
    REGISTER(0xE0042004U) |= 1U; /* DBG_SLEEP */
    count_cycles();
    open_usart();
    handle(37U, on_usart);
    handle(70U, on_stream);
    const uint32_t before = CYCCNT;
    start(7U, CHANNEL_4 | TO_PERIPHERAL | MINC | TCIE, (void *)text, 0x40011028U, 40U);
    USART1(ICR) = 1U << 6;
    USART1(CR3) |= 1U << 7;
    while (sent == 0U) { sleep(); }
    tell("handed_over", handed_over - before);
    tell("sent", sent - before);
    return (int)STREAM(7U, NDTR);
}
"""
    )
    with Board(image_of(program, tmp_path), timing=timing) as board:
        ending = board.run(until_s=1)
        assert ending is not None
        assert (ending.reason, ending.code) == ("exit", 0)
        assert board.output("usart1") == b"forty bytes, and none by the core itself"
        cycles = told(board)
    # The last byte waits in TDR while the one before it is on the line.
    assert 38 * FRAME < cycles["handed_over"] < 38 * FRAME + 250
    assert 40 * FRAME < cycles["sent"] < 40 * FRAME + 250


@pytest.mark.parametrize("timing", ["count", "full"])
def test_lines_of_any_length_arrive_in_a_ring(timing, tmp_path):
    """HAL_UARTEx_ReceiveToIdle_DMA: a circular stream, and IDLE at the end of each line."""
    program = (
        DMA
        + """
static volatile uint8_t ring[16];
static volatile uint32_t idle;
static uint32_t taken;
static void on_usart(void) {
    USART1(ICR) = 1U << 4;
    idle++;
}
int main(void) {
    uint32_t lines = 0U;
    open_usart();
    handle(37U, on_usart);
    start(2U, CHANNEL_4 | CIRC | MINC, ring, 0x40011024U, sizeof ring);
    USART1(CR3) |= 1U << 6;
    USART1(CR1) |= 1U << 4; /* IDLEIE */
    while (lines < 3U) {
        sleep();
        while (taken != sizeof ring - STREAM(2U, NDTR)) {
            while ((USART1(ISR) & 1U << 7) == 0U) { }
            USART1(TDR) = ring[taken];
            lines += ring[taken] == '\\n';
            taken = (taken + 1U) % sizeof ring;
        }
    }
    while ((USART1(ISR) & 1U << 6) == 0U) { }
    tell("idle", idle);
    tell("overruns", USART1(ISR) >> 3 & 1U);
    return 0;
}
"""
    )
    with Board(image_of(program, tmp_path), timing=timing) as board:
        for line in ("short\n", "eleven more\n", "round the end\n"):
            board.send(line, "usart1")
            assert board.wait_for_line(line.strip(), "usart1", timeout_s=0.1).text == line.strip()
        ending = board.run(until_s=1)
        assert ending is not None
        assert ending.code == 0
        assert told(board) == {"idle": 3, "overruns": 0}


@pytest.mark.parametrize(("timing", "platform"), [("count", "stm32f746"), ("full", "stm32f767")])
def test_memory_is_copied_beside_the_core(timing, platform, tmp_path):
    """HAL_DMA_Start and HAL_DMA_PollForTransfer, with FIFO: 256 words, two cycles each."""
    program = (
        DMA
        + """
static uint32_t source[256], target[256];
int main(void) {
    count_cycles();
    open_usart();
    for (uint32_t i = 0; i < 256U; i++) { source[i] = i * 0x9E3779B9U; }
    STREAM(2U, FCR) = 7U;
    const uint32_t before = CYCCNT;
    start(2U, MEM_TO_MEM | PINC | MINC | WORDS, target, (uint32_t)(uintptr_t)source, 256U);
    uint32_t half = 0U;
    while ((LISR >> 16 & 0x20U) == 0U) {
        if (half == 0U && (LISR >> 16 & 0x10U) != 0U) { half = CYCCNT - before; }
    }
    tell("whole", CYCCNT - before);
    tell("half", half);
    for (uint32_t i = 0; i < 256U; i++) {
        if (target[i] != i * 0x9E3779B9U) { return 1; }
    }
    return (int)STREAM(2U, NDTR);
}
"""
    )
    cycles = run(program, tmp_path, timing=timing, platform=platform)
    assert 256 < cycles["half"] < 256 + 150
    assert 512 < cycles["whole"] < 512 + 150


def test_a_loop_that_waits_for_memory_sees_what_the_dma_writes(tmp_path):
    """Nothing but an event changes the byte: a far one beside it must not come first."""
    program = (
        DMA
        + """
static volatile uint8_t box;
int main(void) {
    count_cycles();
    REGISTER(0xE000E014U) = 15999999U; /* SysTick, in a second */
    REGISTER(0xE000E010U) = 5U;
    open_usart();
    start(2U, CHANNEL_4, &box, 0x40011024U, 1U);
    USART1(CR3) |= 1U << 6;
    print("ready 1\\n");
    const uint32_t before = CYCCNT;
    while (box == 0U) { }
    tell("cycles", CYCCNT - before);
    tell("box", box);
    return 0;
}
"""
    )
    with Board(image_of(program, tmp_path), timing="count") as board:
        board.wait_for_line("ready", "semihosting")
        board.send("x", "usart1")
        board.run(until_s=1)
        values = told(board)
    assert values["box"] == ord("x")
    assert FRAME - 20 < values["cycles"] < FRAME + 60
