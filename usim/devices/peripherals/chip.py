"""Builds a chip's peripherals: which class stands for which of Renode's, or for a tag of its file.

A new peripheral is a class in this package and a line in one of the two tables below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from usim.devices.events import EventQueue
from usim.devices.interrupt_lines import InterruptLine
from usim.devices.peripherals.base import Peripheral
from usim.devices.peripherals.bus import PeripheralBus, Window
from usim.devices.peripherals.chip_draft import RCC_TYPE, Draft
from usim.devices.peripherals.flash import FlashArray, FlashInterface
from usim.devices.peripherals.identity import Constant, DebugSupport, OptionBytes
from usim.devices.peripherals.pwr import PowerControl
from usim.devices.peripherals.rcc import ResetAndClockControl
from usim.devices.peripherals.reset_cause import ResetCause
from usim.devices.peripherals.simulated_time import SimulatedTime
from usim.devices.peripherals.usart import Usart
from usim.repl import Peripheral as Entry
from usim.repl import PlatformFile, Tag

# What an STM32's peripheral takes of the address space.
_BLOCK_BYTES: Final = 0x400
USART_TYPE: Final = "UART.STM32F7_USART"


@dataclass(frozen=True, slots=True)
class ChipPeripherals:
    """What a chip has beside its core and its memory."""

    bus: PeripheralBus
    time: SimulatedTime
    clocks: ResetAndClockControl | None
    flash: FlashInterface | None
    usarts: Mapping[str, Usart]

    def reset(self, cause: ResetCause) -> None:
        """Every peripheral as after a reset, and RCC_CSR tells why.

        Whoever presses a button or pulls a plug takes longer than the frames on the lines do, so
        that those arrive; a reset that the chip makes itself cuts them short.
        """
        if cause in (ResetCause.PIN, ResetCause.POWER_ON):
            for usart in self.usarts.values():
                usart.drain()
        self.bus.reset(power_on=cause is ResetCause.POWER_ON)
        if self.clocks is not None:
            self.clocks.flag_reset(cause)


def _make_flash(draft: Draft, _entry: Entry) -> Peripheral | None:
    if draft.array is not None:
        draft.flash = FlashInterface(draft.array, draft.flash_facts())
    return draft.flash


def _make_power(draft: Draft, _entry: Entry) -> Peripheral:
    draft.power = PowerControl(draft.pll_on)
    return draft.power


def _make_usart(draft: Draft, entry: Entry) -> Peripheral:
    kernel = draft.usart_clock(entry.addresses[0])
    line = draft.wiring.line(entry, "", "IRQ")
    draft.usarts[entry.name] = Usart(draft.events, kernel, line, entry.name.upper())
    return draft.usarts[entry.name]


_BY_CLASS: Final[Mapping[str, Callable[[Draft, Entry], Peripheral | None]]] = {
    RCC_TYPE: lambda draft, _entry: draft.clocks,
    "Miscellaneous.STM32_PWR": _make_power,
    "MTD.STM32F4_FlashController": _make_flash,
    USART_TYPE: _make_usart,
}
_BY_TAG: Final[Mapping[str, Callable[[Draft, Tag], Peripheral]]] = {
    "DBGMCU_IDCODE": lambda _draft, tag: Constant(tag.name, tag.value),
    "DBGMCU": lambda _draft, _tag: DebugSupport(),
    "UID": lambda _draft, tag: Constant(tag.name, tag.value),
    "FLASH_SIZE": lambda _draft, tag: Constant(tag.name, tag.value),
    "OPTION_BYTES": lambda draft, _tag: OptionBytes(draft.options),
}


def build_peripherals(
    machine: PlatformFile,
    array: FlashArray | None,
    hse_hz: int | None,
    events: EventQueue,
    interrupt: Callable[[int], InterruptLine],
) -> ChipPeripherals:
    """Everything in the file that a class here stands for; the rest is not there.

    `array` is the flash that the flash interface programs, `hse_hz` the board's external clock,
    `interrupt` gives an input of the NVIC by its number.
    """
    draft = Draft.begin(machine, array, hse_hz, events, interrupt)
    windows = []
    for entry in machine.peripherals:
        make = _BY_CLASS.get(entry.type)
        made = make(draft, entry) if make is not None and entry.addresses else None
        if made is not None:
            windows += [
                Window(entry.name, base, _BLOCK_BYTES, made, draft.clock_gate(base, made))
                for base in entry.addresses
            ]
    for tag in machine.tags:
        if (build := _BY_TAG.get(tag.name)) is not None:
            windows.append(Window(tag.name, tag.base, tag.size_bytes, build(draft, tag)))
    return ChipPeripherals(
        PeripheralBus(tuple(windows), events),
        draft.time(),
        draft.clocks,
        draft.flash,
        MappingProxyType(draft.usarts),
    )
