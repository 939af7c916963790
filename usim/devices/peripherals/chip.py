"""A chip's peripherals, built as its platform file lists them (chip_makers.py says from what)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from usim.devices.events import EventQueue
from usim.devices.interrupt_lines import InterruptLine
from usim.devices.peripherals.adc import Adc
from usim.devices.peripherals.bus import PeripheralBus, Window
from usim.devices.peripherals.chip_draft import Draft
from usim.devices.peripherals.chip_makers import BY_CLASS, BY_TAG
from usim.devices.peripherals.exti import ExternalInterrupts
from usim.devices.peripherals.flash import FlashArray, FlashInterface
from usim.devices.peripherals.gpio import GpioPort
from usim.devices.peripherals.identity import DebugSupport
from usim.devices.peripherals.iwdg import IndependentWatchdog
from usim.devices.peripherals.master_port import MasterPort
from usim.devices.peripherals.rcc import ResetAndClockControl
from usim.devices.peripherals.reset_cause import ResetCause, ResetRequest
from usim.devices.peripherals.rng import RandomNumbers
from usim.devices.peripherals.simulated_time import SimulatedTime
from usim.devices.peripherals.spi import Spi
from usim.devices.peripherals.unmodelled import UnmodelledBlock
from usim.devices.peripherals.usart import Usart
from usim.devices.peripherals.wwdg import WindowWatchdog
from usim.repl import PlatformFile, Tag

# What an STM32's peripheral takes of the address space.
_BLOCK_BYTES: Final = 0x400
# The core's own registers, of which a tag says nothing new.
_SYSTEM_SPACE: Final = range(0xE000_0000, 0xE010_0000)


@dataclass(frozen=True, slots=True)
class ChipPeripherals:
    """What a chip has beside its core and its memory; by their names, such as GPIOA, adc1."""

    bus: PeripheralBus
    time: SimulatedTime
    # What watchdogs ask for; whoever runs the core acts on it.
    reset_request: ResetRequest
    clocks: ResetAndClockControl | None
    flash: FlashInterface | None
    exti: ExternalInterrupts | None
    rng: RandomNumbers | None
    usarts: Mapping[str, Usart]
    adcs: Mapping[str, Adc]
    spis: Mapping[str, Spi]
    gpio: Mapping[str, GpioPort]
    # What bus masters beside the core reach, once whoever has the memory connects it.
    masters: MasterPort
    unmodelled: tuple[UnmodelledBlock, ...]
    watchdogs: tuple[IndependentWatchdog | WindowWatchdog, ...]
    debug_support: DebugSupport | None

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

    @property
    def debugs_sleep(self) -> bool:
        """DBGMCU_CR.DBG_SLEEP: the core's clock runs in Sleep mode too, for debuggers' sake."""
        return self.debug_support is not None and self.debug_support.debugs_sleep

    @property
    def watchdog_runs(self) -> bool:
        """Whether the chip will be reset if the program does nothing against it."""
        return any(watchdog.is_running for watchdog in self.watchdogs)

    def who_is_at(self, address: int) -> str | None:
        """USART1.BRR, or "LTDC + 0x10" for a block that is not modelled; None where nothing is."""
        window = self.bus.find(address)
        if window is None:
            return None
        return window.peripheral.register_name(address - window.base)


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
    windows = [*_windows_of_entries(draft), *_windows_of_tags(draft)]
    blocks = [window.peripheral for window in windows]
    watchdogs = (b for b in blocks if isinstance(b, (IndependentWatchdog, WindowWatchdog)))
    return ChipPeripherals(
        bus=PeripheralBus(tuple(windows), events),
        time=draft.time(),
        reset_request=draft.reset_request,
        clocks=draft.clocks,
        flash=draft.flash,
        exti=draft.exti,
        rng=draft.rng,
        usarts=MappingProxyType(draft.usarts),
        adcs=MappingProxyType(draft.adcs),
        spis=MappingProxyType(draft.spis),
        gpio=MappingProxyType(draft.gpio),
        masters=draft.masters,
        unmodelled=tuple(draft.unmodelled),
        watchdogs=tuple(watchdogs),
        debug_support=next((b for b in blocks if isinstance(b, DebugSupport)), None),
    )


def _windows_of_entries(draft: Draft) -> list[Window]:
    windows = []
    for entry in draft.machine.peripherals:
        make = BY_CLASS.get(entry.type)
        made = make(draft, entry) if make is not None and entry.addresses else None
        if made is not None:
            windows += [
                Window(
                    getattr(made, "name", entry.name),
                    base,
                    _BLOCK_BYTES,
                    made,
                    draft.clock_gate(base, made),
                )
                for base in entry.addresses
            ]
    return windows


def _windows_of_tags(draft: Draft) -> list[Window]:
    """A tag that no class here stands for is a block of the chip that is not modelled."""
    windows = []
    for tag in draft.machine.tags:
        build = BY_TAG.get(tag.name)
        if build is not None:
            made = build(draft, tag)
            gate = draft.clock_gate(tag.base, made)
            windows.append(Window(tag.name, tag.base, tag.size_bytes, made, gate))
        elif tag.base not in _SYSTEM_SPACE and not _is_memory(draft.machine, tag):
            block = UnmodelledBlock(tag.name, tag.value)
            draft.unmodelled.append(block)
            windows.append(Window(tag.name, tag.base, tag.size_bytes, block))
    return windows


def _is_memory(machine: PlatformFile, tag: Tag) -> bool:
    return any(
        base < tag.base + tag.size_bytes and tag.base < base + (memory.size_bytes or 0)
        for memory in machine.memories()
        for base in memory.addresses
    )
