"""Builds a chip's peripherals: which class stands for which of Renode's, or for a tag of its file.

A new peripheral is a class in this package and a line in one of the two tables below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from usim.devices.peripherals import rcc
from usim.devices.peripherals.base import Peripheral
from usim.devices.peripherals.bus import PeripheralBus, Window
from usim.devices.peripherals.flash import (
    STM32F74X,
    STM32F76X,
    FlashArray,
    FlashFacts,
    FlashInterface,
)
from usim.devices.peripherals.identity import Constant, DebugSupport, OptionBytes
from usim.devices.peripherals.pwr import PowerControl
from usim.devices.peripherals.rcc import ResetAndClockControl
from usim.devices.peripherals.usart import Usart
from usim.repl import PlatformFile, Tag

# What an STM32's peripheral takes of the address space.
_BLOCK_BYTES: Final = 0x400
USART_TYPE: Final = "UART.STM32F7_USART"
_RCC: Final = "Miscellaneous.STM32F4_RCC"
_IDCODE: Final = "DBGMCU_IDCODE"
_DEVICE_ID: Final = 0xFFF
# By DBGMCU_IDCODE.DEV_ID.
_FLASH_FACTS: Final[Mapping[int, FlashFacts]] = {0x449: STM32F74X, 0x451: STM32F76X}

# By address: the register and bit of RCC that clock a peripheral (RM0385 5.3, RM0410 5.3).
_CLOCK_ENABLES: Final[Mapping[int, tuple[int, int]]] = {
    0x4000_4400: (rcc.APB1ENR, 1 << 17),  # USART2
    0x4000_4800: (rcc.APB1ENR, 1 << 18),  # USART3
    0x4000_4C00: (rcc.APB1ENR, 1 << 19),  # UART4
    0x4000_5000: (rcc.APB1ENR, 1 << 20),  # UART5
    0x4000_7000: (rcc.APB1ENR, 1 << 28),  # PWR
    0x4000_7800: (rcc.APB1ENR, 1 << 30),  # UART7
    0x4000_7C00: (rcc.APB1ENR, 1 << 31),  # UART8
    0x4001_1000: (rcc.APB2ENR, 1 << 4),  # USART1
    0x4001_1400: (rcc.APB2ENR, 1 << 5),  # USART6
}


@dataclass(frozen=True, slots=True)
class ChipPeripherals:
    """What a chip has beside its core and its memory."""

    bus: PeripheralBus
    clocks: ResetAndClockControl | None
    flash: FlashInterface | None
    usarts: Mapping[str, Usart]


@dataclass(slots=True)
class _Draft:
    """What peripherals are built from, and those that others need."""

    machine: PlatformFile
    array: FlashArray | None
    clocks: ResetAndClockControl | None = None
    flash: FlashInterface | None = None
    usarts: dict[str, Usart] = field(default_factory=dict)

    def pll_on(self) -> bool:
        return self.clocks is None or self.clocks.pll_on

    def options(self) -> tuple[int, int]:
        return self.flash.options if self.flash is not None else (0xFFFF_FFFF, 0xFFFF_FFFF)

    def flash_facts(self) -> FlashFacts:
        ids = (tag.value & _DEVICE_ID for tag in self.machine.tags if tag.name == _IDCODE)
        return _FLASH_FACTS.get(next(ids, 0), STM32F74X)

    def clock_gate(self, address: int) -> Callable[[], bool] | None:
        clocks, enable = self.clocks, _CLOCK_ENABLES.get(address)
        if clocks is None or enable is None:
            return None
        return lambda: clocks.is_clocked(*enable)


def _make_flash(draft: _Draft, _name: str) -> Peripheral | None:
    if draft.array is not None:
        draft.flash = FlashInterface(draft.array, draft.flash_facts())
    return draft.flash


def _make_usart(draft: _Draft, name: str) -> Peripheral:
    draft.usarts[name] = Usart()
    return draft.usarts[name]


_BY_CLASS: Final[Mapping[str, Callable[[_Draft, str], Peripheral | None]]] = {
    _RCC: lambda draft, _name: draft.clocks,
    "Miscellaneous.STM32_PWR": lambda draft, _name: PowerControl(draft.pll_on),
    "MTD.STM32F4_FlashController": _make_flash,
    USART_TYPE: _make_usart,
}
_BY_TAG: Final[Mapping[str, Callable[[_Draft, Tag], Peripheral]]] = {
    _IDCODE: lambda _draft, tag: Constant(tag.name, tag.value),
    "DBGMCU": lambda _draft, _tag: DebugSupport(),
    "UID": lambda _draft, tag: Constant(tag.name, tag.value),
    "FLASH_SIZE": lambda _draft, tag: Constant(tag.name, tag.value),
    "OPTION_BYTES": lambda draft, _tag: OptionBytes(draft.options),
}


def build_peripherals(
    machine: PlatformFile, array: FlashArray | None, hse_hz: int | None
) -> ChipPeripherals:
    """Everything in the file that a class here stands for; the rest is not there.

    `array` is the flash that the flash interface programs, `hse_hz` the board's external clock.
    """
    draft = _Draft(machine, array)
    if machine.of_type(_RCC):
        draft.clocks = ResetAndClockControl(hse_hz)
    windows = []
    for entry in machine.peripherals:
        make = _BY_CLASS.get(entry.type)
        made = make(draft, entry.name) if make is not None else None
        if made is not None:
            windows += [
                Window(entry.name, base, _BLOCK_BYTES, made, draft.clock_gate(base))
                for base in entry.addresses
            ]
    for tag in machine.tags:
        if (build := _BY_TAG.get(tag.name)) is not None:
            windows.append(Window(tag.name, tag.base, tag.size_bytes, build(draft, tag)))
    return ChipPeripherals(
        PeripheralBus(tuple(windows)),
        draft.clocks,
        draft.flash,
        MappingProxyType(draft.usarts),
    )
