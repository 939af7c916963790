"""A chip whose USART1 and DMA2 a test sets up: a bit takes 16 cycles."""

from __future__ import annotations

from wired_chip import RAM, WiredChip

USART1, DMA1, DMA2 = 0x4001_1000, 0x4002_6000, 0x4002_6400
LISR, HISR, LIFCR, HIFCR = 0x00, 0x04, 0x08, 0x0C
CR, NDTR, PAR, M0AR, M1AR, FCR = range(0, 0x18, 4)
EN, TEIE, HTIE, TCIE, CIRC, PINC, MINC = 1, 1 << 2, 1 << 3, 1 << 4, 1 << 8, 1 << 9, 1 << 10
FROM_MEMORY, MEMORY_TO_MEMORY, DBM, CT = 1 << 6, 2 << 6, 1 << 18, 1 << 19
CHANNEL_4 = 4 << 25
TEIF, HTIF, TCIF = 1 << 3, 1 << 4, 1 << 5
SHIFTS = (0, 6, 16, 22)
# A frame of 10 bits, by APB2's clock, which is the core's.
FRAME = 160


class DmaChip(WiredChip):
    """An STM32F746 whose USART1 is on."""

    def __init__(self) -> None:
        super().__init__()
        self[USART1 + 0x0C] = 16
        self[USART1] = 0xD
        self.usart = self.parts.usarts["usart1"]

    def start(self, dma: int, stream: int, count: int, peripheral: int, memory: int, how: int):
        at = dma + 0x10 + 0x18 * stream
        self[at + CR] = how
        self[at + NDTR], self[at + PAR], self[at + M0AR] = count, peripheral, memory
        self[at + CR] = how | EN

    def transmit(self, count: int, how: int = 0) -> None:
        how |= CHANNEL_4 | FROM_MEMORY | MINC
        self.start(DMA2, 7, count, USART1 + 0x28, RAM, how)
        self[USART1 + 8] = 1 << 7  # DMAT

    def receive(self, count: int, how: int = 0, memory: int = RAM) -> None:
        self.start(DMA2, 2, count, USART1 + 0x24, memory, how | CHANNEL_4 | MINC)
        self[USART1 + 8] = 1 << 6  # DMAR

    def copy(self, count: int, how: int, *, source: int = RAM, target: int = RAM + 512) -> None:
        self.start(DMA2, 0, count, source, target, how | MEMORY_TO_MEMORY)

    def flags(self, stream: int, dma: int = DMA2) -> int:
        return self[dma + (HISR if stream > 3 else LISR)] >> SHIFTS[stream % 4] & 0x3D

    def left(self, stream: int) -> int:
        return self[DMA2 + 0x10 + 0x18 * stream + NDTR]

    def control(self, stream: int) -> int:
        return self[DMA2 + 0x10 + 0x18 * stream]
