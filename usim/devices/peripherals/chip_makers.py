"""Which class stands for which of Renode's, or for a tag of the platform file.

A new peripheral is a class in this package and a line in one of the two tables below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from usim.devices.peripherals.adc import Adc
from usim.devices.peripherals.backup_sram import BackupSram
from usim.devices.peripherals.base import Peripheral
from usim.devices.peripherals.chip_draft import RCC_TYPE, Draft
from usim.devices.peripherals.clock_enables import CLOCK_ENABLES
from usim.devices.peripherals.crc import CrcUnit
from usim.devices.peripherals.dma import STREAMS, DmaController
from usim.devices.peripherals.dma_requests import REQUESTS
from usim.devices.peripherals.exti import LINES, ExternalInterrupts
from usim.devices.peripherals.flash import FlashInterface
from usim.devices.peripherals.gpio import MODER, OSPEEDR, PUPDR, GpioPort
from usim.devices.peripherals.i2c import I2c
from usim.devices.peripherals.identity import Constant, DebugSupport, OptionBytes
from usim.devices.peripherals.iwdg import IndependentWatchdog
from usim.devices.peripherals.lptim import LowPowerTimer
from usim.devices.peripherals.memory_controllers import FlexibleMemoryController, QuadSpi
from usim.devices.peripherals.pwr import PowerControl
from usim.devices.peripherals.rng import RandomNumbers
from usim.devices.peripherals.rtc import RealTimeClock, RtcLines
from usim.devices.peripherals.spi import Spi
from usim.devices.peripherals.syscfg import SystemConfiguration
from usim.devices.peripherals.tim import Timer, TimerLines
from usim.devices.peripherals.tim_registers import TIMERS
from usim.devices.peripherals.usart import Usart
from usim.devices.peripherals.usb_otg import UsbOtg
from usim.devices.peripherals.wiring import Fork
from usim.devices.peripherals.wwdg import PRESCALER, WindowWatchdog
from usim.repl import Peripheral as Entry
from usim.repl import Tag

USART_TYPE: Final = "UART.STM32F7_USART"
_WWDG_INPUT: Final = 0
_QUADSPI_INPUT: Final = 92
_LPTIM1_INPUT: Final = 93
_ADC_INPUT: Final = 18
_SPI_INPUTS: Final = {"SPI1": 35, "SPI2": 36, "SPI3": 51, "SPI4": 84, "SPI5": 85, "SPI6": 86}
# The event interrupt, and the place of the clock's selection in RCC_DCKCFGR2 (RM0385 5.3.26).
_I2C_INPUTS: Final = {"I2C1": (31, 16), "I2C2": (33, 18), "I2C3": (72, 20), "I2C4": (95, 22)}
_APB2: Final = 0x4001_0000
_ADC1: Final = 0x4001_2000
# Of the streams of DMA1 and DMA2 (RM0385 10.1.2).
_DMA_INPUTS: Final = {1: (*range(11, 18), 47), 2: (*range(56, 61), 68, 69, 70)}
# Lines of EXTI that peripherals drive (RM0385 11.5).
_RTC_ALARM_LINE: Final = 17
_RTC_WAKE_UP_LINE: Final = 22
_LPTIM1_LINE: Final = 23
# Renode's names for the reset values that differ from port to port.
_PORT_RESETS: Final[Mapping[str, int]] = {
    "modeResetValue": MODER,
    "outputSpeedResetValue": OSPEEDR,
    "pullUpPullDownResetValue": PUPDR,
}


def _make_flash(draft: Draft, _entry: Entry) -> Peripheral | None:
    if draft.array is not None:
        draft.flash = FlashInterface(draft.array, draft.flash_facts())
    return draft.flash


def _make_power(draft: Draft, _entry: Entry) -> Peripheral:
    power = draft.power = PowerControl(draft.pll_on)
    if draft.clocks is not None:
        draft.clocks.backup_writable = lambda: power.backup_writable
    return power


def _make_usart(draft: Draft, entry: Entry) -> Peripheral:
    kernel = draft.usart_clock(entry.addresses[0])
    line = draft.wiring.line(entry, "", "IRQ")
    usart = draft.usarts[entry.name] = Usart(draft.events, kernel, line, entry.name.upper())
    draft.requests[entry.name, "tx"] = usart.transmit_request
    draft.requests[entry.name, "rx"] = usart.receive_request
    return usart


def _make_timer(draft: Draft, entry: Entry) -> Peripheral | None:
    address = entry.addresses[0]
    facts = TIMERS.get(address)
    if facts is None:
        return None
    if facts.is_advanced:
        lines = TimerLines(
            update=draft.wiring.line(entry, "UpdateInterrupt"),
            compare=draft.wiring.line(entry, "CaptureCompareInterrupt"),
            trigger=draft.wiring.line(entry, "TriggerInterrupt"),
            breaks=draft.wiring.line(entry, "BreakInterrupt"),
        )
    else:
        lines = TimerLines(draft.wiring.line(entry, "", "IRQ"))
    name = entry.name.replace("timer", "TIM").upper()
    return Timer(draft.events, draft.timer_clock(address), lines, facts, name)


def _make_gpio(draft: Draft, entry: Entry) -> Peripheral:
    name = entry.name.replace("Port", "").upper()
    port = next((wire.group for wire in entry.connections if isinstance(wire.output, int)), -1)
    resets = {
        offset: value
        for key, offset in _PORT_RESETS.items()
        if isinstance(value := entry.properties.get(key, 0), int)
    }
    draft.gpio[name] = GpioPort(
        name, lambda pin, level: draft.pin_changed(port, pin, level=level), resets
    )
    draft.ports[port] = draft.gpio[name]
    return draft.gpio[name]


def _make_exti(draft: Draft, entry: Entry) -> Peripheral:
    draft.exti = ExternalInterrupts([draft.wiring.line(entry, line) for line in range(LINES)])
    return draft.exti


def _make_syscfg(draft: Draft, _entry: Entry) -> Peripheral:
    draft.syscfg = SystemConfiguration(draft.route_changed)
    return draft.syscfg


def _make_iwdg(draft: Draft, _entry: Entry) -> Peripheral:
    return IndependentWatchdog(
        draft.events, draft.clock(lambda tree: tree.lsi), draft.reset_request
    )


def _make_wwdg(draft: Draft, tag: Tag) -> Peripheral:
    clock = draft.clock(lambda tree: tree.bus1 / PRESCALER, tag.base)
    return WindowWatchdog(draft.events, clock, draft.wiring.input(_WWDG_INPUT), draft.reset_request)


def _make_lptim(draft: Draft, tag: Tag) -> Peripheral:
    """Its interrupt has an input of the NVIC, which line 23 of EXTI drives as well."""
    clock = draft.clock(lambda tree: tree.lptim1, tag.base)
    line = Fork(draft.wiring.input(_LPTIM1_INPUT), draft.exti_input(_LPTIM1_LINE))
    return LowPowerTimer(draft.events, clock, line)


def _make_dma(draft: Draft, tag: Tag) -> Peripheral:
    number = int(tag.name[-1])
    lines = [draft.wiring.input(interrupt) for interrupt in _DMA_INPUTS[number]]
    clock = draft.clock(lambda tree: tree.core, tag.base)
    dma = DmaController(draft.events, clock, draft.masters, lines, tag.name)
    for stream in range(STREAMS):
        requests = {
            channel: draft.requests[who]
            for (asked, channel), who in REQUESTS[number].items()
            if asked == stream and who in draft.requests
        }
        dma.connect(stream, requests)
    return dma


def _make_adc(draft: Draft, tag: Tag) -> Peripheral:
    """All three have one interrupt, and RCC resets them by ADC1's bit."""
    clock = draft.clock(lambda tree: tree.bus2, tag.base)
    line, name = draft.wiring.input(_ADC_INPUT), tag.name.lower()
    adc = draft.adcs[name] = Adc(draft.events, clock, draft.adc_common, line, tag.name)
    draft.requests[name, "rx"] = adc.request
    if draft.clocks is not None and tag.base != _ADC1:
        draft.clocks.on_peripheral_reset(CLOCK_ENABLES[_ADC1], adc.reset)
    return adc


def _make_spi(draft: Draft, tag: Tag) -> Peripheral:
    on_apb2 = tag.base >= _APB2
    clock = draft.clock(lambda tree: tree.bus2 if on_apb2 else tree.bus1, tag.base)
    line, name = draft.wiring.input(_SPI_INPUTS[tag.name]), tag.name.lower()
    spi = draft.spis[name] = Spi(draft.events, clock, line, tag.name)
    draft.requests[name, "tx"], draft.requests[name, "rx"] = (
        spi.transmit_request,
        spi.receive_request,
    )
    return spi


def _make_i2c(draft: Draft, tag: Tag) -> Peripheral:
    interrupt, shift = _I2C_INPUTS[tag.name]
    clock = draft.clock(lambda tree: tree.i2c(shift), tag.base)
    return I2c(draft.events, clock, draft.wiring.input(interrupt), tag.name)


def _make_rng(draft: Draft, entry: Entry) -> Peripheral:
    clock = draft.clock(lambda tree: tree.clock48, entry.addresses[0])
    draft.rng = RandomNumbers(draft.events, clock, draft.wiring.line(entry, "", "IRQ"))
    return draft.rng


def _make_rtc(draft: Draft, _entry: Entry) -> Peripheral:
    clock = draft.clock(lambda tree: tree.rtc)
    lines = RtcLines(draft.exti_input(_RTC_ALARM_LINE), draft.exti_input(_RTC_WAKE_UP_LINE))
    rtc = RealTimeClock(draft.events, clock, draft.backup_writable, lines)
    if draft.clocks is not None:
        draft.clocks.on_backup_reset(rtc.power_on)
    return rtc


BY_CLASS: Final[Mapping[str, Callable[[Draft, Entry], Peripheral | None]]] = {
    RCC_TYPE: lambda draft, _entry: draft.clocks,
    "Miscellaneous.STM32_PWR": _make_power,
    "MTD.STM32F4_FlashController": _make_flash,
    USART_TYPE: _make_usart,
    "Timers.STM32_Timer": _make_timer,
    "Timers.STM32_IndependentWatchdog": _make_iwdg,
    "Timers.STM32F4_RTC": _make_rtc,
    "GPIOPort.STM32_GPIOPort": _make_gpio,
    "IRQControllers.STM32F4_EXTI": _make_exti,
    "Miscellaneous.STM32_SYSCFG": _make_syscfg,
    "Miscellaneous.STM32_RNG": _make_rng,
    "CRC.STM32_CRC": lambda _draft, _entry: CrcUnit(),
}
BY_TAG: Final[Mapping[str, Callable[[Draft, Tag], Peripheral]]] = {
    "DBGMCU_IDCODE": lambda _draft, tag: Constant(tag.name, tag.value),
    "DBGMCU": lambda _draft, _tag: DebugSupport(),
    "UID": lambda _draft, tag: Constant(tag.name, tag.value),
    "FLASH_SIZE": lambda _draft, tag: Constant(tag.name, tag.value),
    "OPTION_BYTES": lambda draft, _tag: OptionBytes(draft.options),
    "BKPSRAM": lambda draft, tag: BackupSram(tag.size_bytes, draft.backup_writable),
    "USB_OTG_FS": lambda _draft, tag: UsbOtg(tag.name),
    "USB_OTG_HS": lambda _draft, tag: UsbOtg(tag.name),
    "WWDG": _make_wwdg,
    "LPTIM1": _make_lptim,
    **dict.fromkeys(_SPI_INPUTS, _make_spi),
    **dict.fromkeys(_I2C_INPUTS, _make_i2c),
    "ADC1": _make_adc,
    "ADC2": _make_adc,
    "ADC3": _make_adc,
    "ADC": lambda draft, _tag: draft.adc_common,
    "DMA1": _make_dma,
    "DMA2": _make_dma,
    "FMC": lambda _draft, _tag: FlexibleMemoryController(),
    "QUADSPI": lambda draft, _tag: QuadSpi(draft.wiring.input(_QUADSPI_INPUT)),
}
