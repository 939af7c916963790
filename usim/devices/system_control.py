"""Registers of the system control block that act on exceptions: ICSR, AIRCR, SHPR, SHCSR.

Source: Armv7-M Architecture Reference Manual (DDI 0403E), B3.2.4, B3.2.6, B3.2.11 to B3.2.13.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from usim.devices.nvic import (
    BUS_FAULT,
    DEBUG_MONITOR,
    FIRST_LINE,
    MEM_MANAGE,
    NMI,
    PENDSV,
    SVCALL,
    SYSTICK,
    USAGE_FAULT,
    Nvic,
)

ICSR: Final = 0xE000_ED04
AIRCR: Final = 0xE000_ED0C
SHPR1: Final = 0xE000_ED18
SHPR3: Final = 0xE000_ED20
SHCSR: Final = 0xE000_ED24

_NMIPENDSET, _PENDSVSET, _PENDSVCLR = 1 << 31, 1 << 28, 1 << 27
_PENDSTSET, _PENDSTCLR = 1 << 26, 1 << 25
_ISRPENDING, _RETTOBASE = 1 << 22, 1 << 11
_VECTPENDING_SHIFT: Final = 12
_SETS: Final = {_NMIPENDSET: NMI, _PENDSVSET: PENDSV, _PENDSTSET: SYSTICK}
_CLEARS: Final = {_PENDSVCLR: PENDSV, _PENDSTCLR: SYSTICK}

_VECTKEY, _VECTKEYSTAT = 0x05FA, 0xFA05
_SYSRESETREQ, _VECTRESET = 1 << 2, 1 << 0

# SHCSR's bits, by exception number.
_ACTIVE: Final = {MEM_MANAGE: 0, BUS_FAULT: 1, USAGE_FAULT: 3, SVCALL: 7, DEBUG_MONITOR: 8,
                  PENDSV: 10, SYSTICK: 11}  # fmt: skip
_PENDED: Final = {USAGE_FAULT: 12, MEM_MANAGE: 13, BUS_FAULT: 14, SVCALL: 15}
_ENABLED: Final = {MEM_MANAGE: 16, BUS_FAULT: 17, USAGE_FAULT: 18}
# Exceptions whose priority SHPR1 to SHPR3 hold, by the byte's place.
_CONFIGURABLE: Final = frozenset(
    {MEM_MANAGE, BUS_FAULT, USAGE_FAULT, SVCALL, DEBUG_MONITOR, PENDSV, SYSTICK}
)


class SystemControl:
    """Software's view of the system exceptions.

    `running` tells the number of the exception whose handler runs (IPSR), `request_reset` is what
    SYSRESETREQ does.
    """

    addresses = frozenset({ICSR, AIRCR, SHCSR, *range(SHPR1, SHPR3 + 4, 4)})
    not_merged = frozenset({ICSR, AIRCR})

    def __init__(
        self, nvic: Nvic, running: Callable[[], int], request_reset: Callable[[], None]
    ) -> None:
        self._nvic = nvic
        self._running = running
        self._request_reset = request_reset

    def read(self, address: int) -> int:
        """A word."""
        nvic = self._nvic
        if address == ICSR:
            return self._interrupt_state()
        if address == AIRCR:
            return _VECTKEYSTAT << 16 | nvic.priority_group << 8
        if address == SHCSR:
            return sum(
                (state >> number & 1) << place
                for state, places in (
                    (nvic.active, _ACTIVE),
                    (nvic.pending, _PENDED),
                    (nvic.enabled, _ENABLED),
                )
                for number, place in places.items()
            )
        return sum(
            nvic.priority(number) << 8 * place
            for place, number in enumerate(_exceptions_of(address))
            if number in _CONFIGURABLE
        )

    def write(self, address: int, value: int) -> None:
        """A word."""
        if address == ICSR:
            self._change_pending(value)
        elif address == AIRCR:
            if value >> 16 == _VECTKEY:
                self._nvic.set_priority_group(value >> 8)
                if value & (_SYSRESETREQ | _VECTRESET):
                    self._request_reset()
        elif address == SHCSR:
            self._set_handlers(value)
        else:
            for place, number in enumerate(_exceptions_of(address)):
                if number in _CONFIGURABLE:
                    self._nvic.set_priority(number, value >> 8 * place & 0xFF)

    def _interrupt_state(self) -> int:
        nvic = self._nvic
        running = self._running()
        value = running
        pending = nvic.pending
        value |= sum(bit for bit, number in _SETS.items() if pending >> number & 1)
        if pending >> FIRST_LINE:
            value |= _ISRPENDING
        value |= (nvic.next_exception() or 0) << _VECTPENDING_SHIFT
        others = nvic.active & ~(1 << running)
        return value | (0 if others else _RETTOBASE)

    def _change_pending(self, value: int) -> None:
        for bit, number in _CLEARS.items():
            if value & bit:
                self._nvic.unpend(number)
        for bit, number in _SETS.items():
            if value & bit:
                self._nvic.pend(number)

    def _set_handlers(self, value: int) -> None:
        nvic = self._nvic
        for number, place in _ACTIVE.items():
            if (value >> place ^ nvic.active >> number) & 1:
                nvic.set_active(number, active=bool(value >> place & 1))
        for number, place in _PENDED.items():
            if value >> place & 1:
                nvic.pend(number)
            else:
                nvic.unpend(number)
        for number, place in _ENABLED.items():
            nvic.set_enabled(1 << number, enabled=bool(value >> place & 1))


def _exceptions_of(address: int) -> range:
    first = 4 + address - SHPR1
    return range(first, first + 4)
