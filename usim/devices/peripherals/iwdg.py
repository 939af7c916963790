"""Independent watchdog of the STM32F7 (RM0385 chapter 27, RM0410 chapter 30), on the LSI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar, Final

from usim.devices.events import EventQueue
from usim.devices.peripherals.alarm import Alarm
from usim.devices.peripherals.base import RegisterBlock
from usim.devices.peripherals.clock_domain import ClockDomain
from usim.devices.peripherals.reset_cause import ResetCause

KR: Final = 0x00
PR: Final = 0x04
RLR: Final = 0x08
SR: Final = 0x0C
WINR: Final = 0x10

_START: Final = 0xCCCC
_RELOAD: Final = 0xAAAA
_UNLOCK: Final = 0x5555
_MOST: Final = 0xFFF
# PVU, RVU and WVU: an update takes up to five periods of the clock.
_BUSY: Final[Mapping[int, int]] = {PR: 1 << 0, RLR: 1 << 1, WINR: 1 << 2}
_UPDATE_TICKS: Final = 5


class IndependentWatchdog(RegisterBlock):
    """IWDG: once started, only reloading in time keeps it from resetting the chip."""

    name = "IWDG"
    reset_values: ClassVar[Mapping[int, int]] = {KR: 0, PR: 0, RLR: _MOST, SR: 0, WINR: _MOST}
    register_names: ClassVar[Mapping[int, str]] = {
        KR: "KR", PR: "PR", RLR: "RLR", SR: "SR", WINR: "WINR",
    }  # fmt: skip

    def __init__(
        self,
        events: EventQueue,
        lsi: ClockDomain,
        request_reset: Callable[[ResetCause], None],
    ) -> None:
        super().__init__()
        self._lsi = lsi
        self._request_reset = request_reset
        self._expiry = Alarm(events, lsi, lambda _tick: request_reset(ResetCause.IWDG))
        self._updates = {
            register: Alarm(events, lsi, partial(self._finish_update, register))
            for register in _BUSY
        }
        self._restart()

    @property
    def is_running(self) -> bool:
        """Whether it resets the chip unless it is reloaded."""
        return self._is_running

    def reset(self) -> None:
        """Stopped."""
        super().reset()
        self._expiry.set(None)
        for alarm in self._updates.values():
            alarm.set(None)
        self._restart()

    def write_word(self, offset: int, value: int) -> None:
        """KR takes keys; the others are written once those have unlocked them."""
        if offset == KR:
            self._take_key(value & 0xFFFF)
        elif offset in _BUSY and self._is_unlocked and not self._values[SR] & _BUSY[offset]:
            self._values[offset] = value & (7 if offset == PR else _MOST)
            self._values[SR] |= _BUSY[offset]
            self._updates[offset].set(self._lsi.ticks() + _UPDATE_TICKS)

    def _restart(self) -> None:
        self._is_unlocked = self._is_running = False
        # What counts, which lags behind what is written.
        self._active = {register: self._values[register] for register in _BUSY}
        self._reloaded_at = 0

    def _take_key(self, key: int) -> None:
        self._is_unlocked = key == _UNLOCK
        if key == _START and not self._is_running:
            self._is_running = True
            self._reload()
        elif key == _RELOAD and self._is_running:
            if self._count() > self._active[WINR]:
                self._request_reset(ResetCause.IWDG)
            else:
                self._reload()

    def _finish_update(self, register: int, _tick: int) -> None:
        count = self._count()
        self._active[register] = self._values[register]
        self._values[SR] &= ~_BUSY[register]
        if register == WINR and self._is_running:
            self._reload()
        elif register == PR:
            # What is left is counted at the new rate.
            self._reloaded_at = self._lsi.ticks() - (self._active[RLR] - count) * self._divider()
            self._arm()

    def _divider(self) -> int:
        return 4 << min(self._active[PR], 6)

    def _count(self) -> int:
        passed = (self._lsi.ticks() - self._reloaded_at) // self._divider()
        return self._active[RLR] - passed if self._is_running else self._active[RLR]

    def _reload(self) -> None:
        self._reloaded_at = self._lsi.ticks()
        self._arm()

    def _arm(self) -> None:
        if self._is_running:
            periods = self._active[RLR] + 1
            self._expiry.set(self._reloaded_at + periods * self._divider())
