"""Registers of the STM32F7's timers, and which timer has which (RM0385 chapters 21 to 25)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

CR1: Final = 0x00
CR2: Final = 0x04
SMCR: Final = 0x08
DIER: Final = 0x0C
SR: Final = 0x10
EGR: Final = 0x14
CCMR1: Final = 0x18
CCMR2: Final = 0x1C
CCER: Final = 0x20
CNT: Final = 0x24
PSC: Final = 0x28
ARR: Final = 0x2C
RCR: Final = 0x30
BDTR: Final = 0x44
OR: Final = 0x50
CCMR3: Final = 0x54
CCR: Final = (0x34, 0x38, 0x3C, 0x40, 0x58, 0x5C)

CEN: Final = 1 << 0
UDIS: Final = 1 << 1
URS: Final = 1 << 2
OPM: Final = 1 << 3
DIR: Final = 1 << 4
ARPE: Final = 1 << 7
UIFREMAP: Final = 1 << 11
UIF: Final = 1 << 0
UG: Final = 1 << 0
TIF: Final = 1 << 6
BIF: Final = 1 << 7
# CC1IF to CC6IF.
CC_FLAGS: Final = (1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 16, 1 << 17)

REGISTER_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        CR1: "CR1", CR2: "CR2", SMCR: "SMCR", DIER: "DIER", SR: "SR", EGR: "EGR", CCMR1: "CCMR1",
        CCMR2: "CCMR2", CCER: "CCER", CNT: "CNT", PSC: "PSC", ARR: "ARR", RCR: "RCR",
        BDTR: "BDTR", 0x48: "DCR", 0x4C: "DMAR", OR: "OR", CCMR3: "CCMR3",
    }
    | {offset: f"CCR{number}" for number, offset in enumerate(CCR, start=1)}
)  # fmt: skip
WITHOUT_EFFECT: Final[Mapping[int, int]] = MappingProxyType(
    {
        CR2: 0x00F0_00F8,  # master modes, TI1S, CCDS
        SMCR: 0x0001_FFFF,
        DIER: 0x0000_7F00,  # requests to the DMA
        CCMR1: 0x0000_0303,  # input capture
        CCMR2: 0x0000_0303,
        CCER: 0x0033_3333,  # pins
    }
)


@dataclass(frozen=True, slots=True)
class TimerFacts:
    """What one timer has."""

    channels: int
    bits: int = 16
    counts_down: bool = False
    has_slave_mode: bool = False
    is_advanced: bool = False

    @property
    def mask(self) -> int:
        """The counter's width."""
        return (1 << self.bits) - 1

    @property
    def software_events(self) -> int:
        """Bits of EGR that set the flag in the same place of SR: CCxG, TG, and COMG, BG, B2G."""
        compare = sum(CC_FLAGS[: min(self.channels, 4)])
        return compare | (TIF if self.has_slave_mode else 0) | (0x1A0 if self.is_advanced else 0)

    def registers(self) -> dict[int, int]:
        """Its registers with their reset values."""
        offsets = [CR1, DIER, SR, EGR, CNT, PSC, *CCR[: self.channels]]
        if self.channels != 1:
            offsets.append(CR2)
        if self.has_slave_mode:
            offsets.append(SMCR)
        if self.channels:
            offsets += [CCMR1, CCER]
        if self.channels > 2:
            offsets.append(CCMR2)
        # TIM11's, TIM2's and TIM5's remaps; the others' reads as zero too.
        offsets.append(OR)
        if self.is_advanced:
            offsets += [RCR, BDTR, CCMR3]
        return dict.fromkeys(offsets, 0) | {ARR: self.mask}

    def mask_of(self, offset: int) -> int:
        """The bits of a register that hold something."""
        if offset in CCR or offset == ARR:
            return self.mask
        return 0xFFFF if offset in (PSC, RCR) else 0xFFFF_FFFF


_BASIC: Final = TimerFacts(0)
_ONE: Final = TimerFacts(1)
_TWO: Final = TimerFacts(2, has_slave_mode=True)
_FOUR: Final = TimerFacts(4, counts_down=True, has_slave_mode=True)
_WIDE: Final = TimerFacts(4, 32, counts_down=True, has_slave_mode=True)
_ADVANCED: Final = TimerFacts(6, counts_down=True, has_slave_mode=True, is_advanced=True)

TIMERS: Final[Mapping[int, TimerFacts]] = MappingProxyType(
    {
        0x4001_0000: _ADVANCED,  # TIM1
        0x4000_0000: _WIDE,  # TIM2
        0x4000_0400: _FOUR,  # TIM3
        0x4000_0800: _FOUR,  # TIM4
        0x4000_0C00: _WIDE,  # TIM5
        0x4000_1000: _BASIC,  # TIM6
        0x4000_1400: _BASIC,  # TIM7
        0x4001_0400: _ADVANCED,  # TIM8
        0x4001_4000: _TWO,  # TIM9
        0x4001_4400: _ONE,  # TIM10
        0x4001_4800: _ONE,  # TIM11
        0x4000_1800: _TWO,  # TIM12
        0x4000_1C00: _ONE,  # TIM13
        0x4000_2000: _ONE,  # TIM14
    }
)
