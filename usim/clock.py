"""What an STM32F7's clock registers make of its clock (RM0385 and RM0410, 5.3: RCC registers)."""

from __future__ import annotations

from typing import Final

from usim.abi import ClockFailure, ClockRecord

HSI_HZ: Final = 16_000_000
HSI, HSE, PLL = range(3)  # RCC_CFGR.SW and SWS

_FAILURES: Final = {
    ClockFailure.HSI: "the core did not fall back to the HSI",
    ClockFailure.PLL_OFF: "the PLL did not stop",
    ClockFailure.OVER_DRIVE: "the regulator did not reach over-drive",
    ClockFailure.FLASH: "the flash's wait states did not read back",
    ClockFailure.PLL: "the PLL did not lock",
    ClockFailure.VOLTAGE: "the regulator did not reach voltage scale 1",
    ClockFailure.SWITCH: "the core did not switch to the PLL",
    ClockFailure.FAULT: "an access to RCC, PWR or FLASH faulted",
}
_PLLSRC_HSE: Final = 1 << 22
# HPRE (4 bits) and PPRE (3 bits) divide where their highest bit is set.
_AHB_DIVIDERS: Final = (2, 4, 8, 16, 64, 128, 256, 512)
_APB_DIVIDERS: Final = (2, 4, 8, 16)


def core_clock_hz(cfgr: int, pllcfgr: int, external_hz: int | None) -> int:
    """HCLK, at which core, buses and DWT run, from RCC_CFGR and RCC_PLLCFGR as read back.

    `external_hz` is what the board feeds to HSE; 0 comes out where it is needed and not known.
    """
    source = cfgr >> 2 & 3
    if source == PLL:
        system = _pll_hz(pllcfgr, external_hz)
    else:
        system = (external_hz or 0) if source == HSE else HSI_HZ
    return system // ahb_divider(cfgr)


def describe_failure(record: ClockRecord | None) -> str:
    """Why the runtime could not set up the clock; None for a record that makes no sense."""
    if record is None:
        return "the clock's set-up left no result: its memory may be broken"
    return (
        f"the clock could not be set up: {_FAILURES[record.failure]}; power-cycle the board and "
        f"check its supply (RCC_CFGR {record.cfgr:#010x}, RCC_PLLCFGR {record.pllcfgr:#010x}, "
        f"FLASH_ACR {record.flash_acr:#010x})"
    )


def bus_clocks_hz(cfgr: int, core_hz: int) -> tuple[int, int]:
    """The clocks of APB1 and APB2."""
    first, second = apb_dividers(cfgr)
    return core_hz // first, core_hz // second


def ahb_divider(cfgr: int) -> int:
    """What RCC_CFGR.HPRE divides the system clock by, for HCLK."""
    return _divider(cfgr >> 4 & 0xF, _AHB_DIVIDERS)


def apb_dividers(cfgr: int) -> tuple[int, int]:
    """What RCC_CFGR.PPRE1 and PPRE2 divide HCLK by."""
    return _divider(cfgr >> 10 & 7, _APB_DIVIDERS), _divider(cfgr >> 13 & 7, _APB_DIVIDERS)


def _pll_hz(pllcfgr: int, external_hz: int | None) -> int:
    """The main PLL's output P: input / M * N / P."""
    source = (external_hz or 0) if pllcfgr & _PLLSRC_HSE else HSI_HZ
    m, n, p = pllcfgr & 0x3F, pllcfgr >> 6 & 0x1FF, (pllcfgr >> 16 & 3) * 2 + 2
    return source * n // (max(m, 1) * p)


def _divider(field: int, dividers: tuple[int, ...]) -> int:
    return dividers[field - len(dividers)] if field >= len(dividers) else 1
