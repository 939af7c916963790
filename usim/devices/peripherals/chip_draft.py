"""A chip's peripherals while they are being built: what one needs of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, Self

from usim.devices.events import EventQueue
from usim.devices.interrupt_lines import InterruptLine
from usim.devices.peripherals.adc import Adc, AdcCommon
from usim.devices.peripherals.base import Peripheral
from usim.devices.peripherals.clock_domain import ClockDomain
from usim.devices.peripherals.clock_enables import CLOCK_ENABLES
from usim.devices.peripherals.dma_requests import RequestLine
from usim.devices.peripherals.exti import ExternalInterrupts
from usim.devices.peripherals.flash import (
    STM32F74X,
    STM32F76X,
    FlashArray,
    FlashFacts,
    FlashInterface,
)
from usim.devices.peripherals.gpio import GpioPort
from usim.devices.peripherals.master_port import MasterPort
from usim.devices.peripherals.pwr import PowerControl
from usim.devices.peripherals.rcc import Rate, ResetAndClockControl
from usim.devices.peripherals.reset_cause import ResetRequest
from usim.devices.peripherals.rng import RandomNumbers
from usim.devices.peripherals.simulated_time import FEMTOSECONDS, SimulatedTime
from usim.devices.peripherals.spi import Spi
from usim.devices.peripherals.syscfg import SystemConfiguration
from usim.devices.peripherals.unmodelled import UnmodelledBlock
from usim.devices.peripherals.usart import Usart
from usim.devices.peripherals.wiring import Wiring
from usim.repl import PlatformFile

RCC_TYPE: Final = "Miscellaneous.STM32F4_RCC"
_IDCODE: Final = "DBGMCU_IDCODE"
_DEVICE_ID: Final = 0xFFF
# By DBGMCU_IDCODE.DEV_ID.
_FLASH_FACTS: Final[Mapping[int, FlashFacts]] = {0x449: STM32F74X, 0x451: STM32F76X}
# By address: the place of a USART's clock selection in RCC_DCKCFGR2 (RM0385 5.3.26).
_USART_SELECTIONS: Final[Mapping[int, int]] = {
    0x4001_1000: 0,  # USART1
    0x4000_4400: 2,  # USART2
    0x4000_4800: 4,  # USART3
    0x4000_4C00: 6,  # UART4
    0x4000_5000: 8,  # UART5
    0x4001_1400: 10,  # USART6
    0x4000_7800: 12,  # UART7
    0x4000_7C00: 14,  # UART8
}
_APB2: Final = range(0x4001_0000, 0x4002_0000)
# Where no RCC says otherwise.
_CORE_HZ: Final = 216_000_000


@dataclass(slots=True)
class Draft:
    """What peripherals are built from, and those that others need."""

    machine: PlatformFile
    array: FlashArray | None
    events: EventQueue
    wiring: Wiring
    clocks: ResetAndClockControl | None = None
    flash: FlashInterface | None = None
    power: PowerControl | None = None
    syscfg: SystemConfiguration | None = None
    exti: ExternalInterrupts | None = None
    rng: RandomNumbers | None = None
    reset_request: ResetRequest = field(default_factory=ResetRequest)
    masters: MasterPort = field(default_factory=MasterPort)
    adc_common: AdcCommon = field(default_factory=AdcCommon)
    adcs: dict[str, Adc] = field(default_factory=dict)
    # Of the peripherals built so far, to the DMA: by name and direction.
    requests: dict[tuple[str, str], RequestLine] = field(default_factory=dict)
    spis: dict[str, Spi] = field(default_factory=dict)
    usarts: dict[str, Usart] = field(default_factory=dict)
    gpio: dict[str, GpioPort] = field(default_factory=dict)
    ports: dict[int, GpioPort] = field(default_factory=dict)  # by their numbers in SYSCFG
    unmodelled: list[UnmodelledBlock] = field(default_factory=list)

    @classmethod
    def begin(
        cls,
        machine: PlatformFile,
        array: FlashArray | None,
        hse_hz: int | None,
        events: EventQueue,
        interrupt: Callable[[int], InterruptLine],
    ) -> Self:
        """With the clocks, which everything hangs on."""
        draft = cls(machine, array, events, Wiring(machine, interrupt))
        if machine.of_type(RCC_TYPE):
            draft.clocks = ResetAndClockControl(hse_hz, events)
        return draft

    def pll_on(self) -> bool:
        """Whether RCC has it on; without an RCC somebody else has seen to it."""
        return self.clocks is None or self.clocks.pll_on

    def backup_writable(self) -> bool:
        """Whether PWR lets the backup domain be written; without a PWR it always can be."""
        return self.power is None or self.power.backup_writable

    def options(self) -> tuple[int, int]:
        """The option bytes, as the flash interface has them programmed."""
        return self.flash.options if self.flash is not None else (0xFFFF_FFFF, 0xFFFF_FFFF)

    def flash_facts(self) -> FlashFacts:
        """Those of the part that the debug identity names."""
        ids = (tag.value & _DEVICE_ID for tag in self.machine.tags if tag.name == _IDCODE)
        return _FLASH_FACTS.get(next(ids, 0), STM32F74X)

    def clock(self, rate: Rate, address: int | None = None) -> ClockDomain:
        """A clock of the tree, which stands while the peripheral at `address` has none."""
        if self.clocks is None:
            domain = ClockDomain(self.events)
            domain.set_rate(Fraction(1))
            return domain
        return self.clocks.domain(rate, CLOCK_ENABLES.get(address or 0))

    def usart_clock(self, address: int) -> ClockDomain:
        """The kernel clock of the USART at `address`."""
        shift, on_apb2 = _USART_SELECTIONS.get(address, 0), address in _APB2
        return self.clock(lambda tree: tree.usart(shift, on_apb2=on_apb2), address)

    def pin_changed(self, port: int, pin: int, *, level: bool) -> None:
        """A pin drives the external interrupt of its number, if SYSCFG routes its port there."""
        if self.exti is None or self.syscfg is None:
            return
        if self.syscfg.port_of(pin) == port:
            self.exti.set_line(pin, level)

    def exti_input(self, line: int) -> InterruptLine:
        """A line of EXTI that a peripheral drives, which may be built before EXTI is."""
        return _ExtiInput(self, line)

    def route_changed(self, line: int) -> None:
        """Another port may drive an external interrupt's line."""
        if self.exti is not None and self.syscfg is not None:
            port = self.ports.get(self.syscfg.port_of(line))
            self.exti.follow(line, port is not None and port.level(line))

    def timer_clock(self, address: int) -> ClockDomain:
        """The clock of the timer at `address`."""
        on_apb2 = address in _APB2
        return self.clock(lambda tree: tree.timers2 if on_apb2 else tree.timers1, address)

    def time(self) -> SimulatedTime:
        """Seconds, by the clock tree."""
        if self.clocks is not None:
            return SimulatedTime(self.clocks.time())
        domain = ClockDomain(self.events)
        domain.set_rate(Fraction(FEMTOSECONDS, _CORE_HZ))
        return SimulatedTime(domain)

    def clock_gate(self, address: int, peripheral: Peripheral) -> Callable[[], bool] | None:
        """Whether RCC clocks the peripheral; RCC resets it from now on, if it has a bit for it."""
        clocks, enable = self.clocks, CLOCK_ENABLES.get(address)
        if clocks is None or enable is None:
            return None
        clocks.on_peripheral_reset(enable, peripheral.reset)
        return lambda: clocks.is_clocked(*enable)


@dataclass(frozen=True, slots=True)
class _ExtiInput:
    """Leads nowhere on a platform without EXTI."""

    draft: Draft
    line: int

    def set(self, level: bool) -> None:
        if self.draft.exti is not None:
            self.draft.exti.set_line(self.line, level)

    def pulse(self) -> None:
        self.set(True)
        self.set(False)
