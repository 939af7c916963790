"""Which bit of RCC clocks a peripheral of an STM32F7, by the peripheral's address.

RM0385 and RM0410, 5.3: RCC_AHB1ENR to RCC_APB2ENR. The bit that resets it stands in the same
place of the register 0x20 below, RCC_AHB1RSTR to RCC_APB2RSTR.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

AHB1ENR: Final = 0x30
AHB2ENR: Final = 0x34
AHB3ENR: Final = 0x38
APB1ENR: Final = 0x40
APB2ENR: Final = 0x44

_APB1: Final = {
    0x0000: 0, 0x0400: 1, 0x0800: 2, 0x0C00: 3, 0x1000: 4, 0x1400: 5,  # TIM2 to TIM7
    0x1800: 6, 0x1C00: 7, 0x2000: 8, 0x2400: 9, 0x2C00: 11,  # TIM12 to TIM14, LPTIM1, WWDG
    0x3400: 13, 0x3800: 14, 0x3C00: 15, 0x4000: 16,  # CAN3, SPI2, SPI3, SPDIFRX
    0x4400: 17, 0x4800: 18, 0x4C00: 19, 0x5000: 20,  # USART2, USART3, UART4, UART5
    0x5400: 21, 0x5800: 22, 0x5C00: 23, 0x6000: 24,  # I2C1 to I2C4
    0x6400: 25, 0x6800: 26, 0x6C00: 27, 0x7000: 28, 0x7400: 29,  # CAN1, CAN2, CEC, PWR, DAC
    0x7800: 30, 0x7C00: 31,  # UART7, UART8
}  # fmt: skip
_APB2: Final = {
    0x0000: 0, 0x0400: 1, 0x1000: 4, 0x1400: 5,  # TIM1, TIM8, USART1, USART6
    0x2000: 8, 0x2100: 9, 0x2200: 10,  # ADC1 to ADC3
    0x1C00: 7, 0x2C00: 11, 0x3000: 12, 0x3400: 13,  # SDMMC2, SDMMC1, SPI1, SPI4
    0x3800: 14, 0x4000: 16, 0x4400: 17, 0x4800: 18,  # SYSCFG, TIM9 to TIM11
    0x5000: 20, 0x5400: 21, 0x5800: 22, 0x5C00: 23,  # SPI5, SPI6, SAI1, SAI2
    0x6800: 26, 0x6C00: 27, 0x7400: 29, 0x7800: 30,  # LTDC, DSI, DFSDM1, MDIOS
}  # fmt: skip
_AHB1: Final = {
    **{0x400 * port: port for port in range(11)},  # GPIOA to GPIOK
    0x3000: 12, 0x4000: 18,  # CRC, BKPSRAM (which no bit resets)
    0x6000: 21, 0x6400: 22, 0xB000: 23,  # DMA1, DMA2, DMA2D
}  # fmt: skip

CLOCK_ENABLES: Final[Mapping[int, tuple[int, int]]] = MappingProxyType(
    {0x4000_0000 + at: (APB1ENR, 1 << bit) for at, bit in _APB1.items()}
    | {0x4001_0000 + at: (APB2ENR, 1 << bit) for at, bit in _APB2.items()}
    | {0x4002_0000 + at: (AHB1ENR, 1 << bit) for at, bit in _AHB1.items()}
    | {
        0x5005_0000: (AHB2ENR, 1 << 0),  # DCMI
        0x5005_1000: (AHB2ENR, 1 << 1),  # JPEG
        0x5006_0800: (AHB2ENR, 1 << 6),  # RNG
        0xA000_0000: (AHB3ENR, 1 << 0),  # FMC
        0xA000_1000: (AHB3ENR, 1 << 1),  # QUADSPI
    }
)
