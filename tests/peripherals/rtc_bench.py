"""An RTC on a bench: its locks are open, and a second has 32,768 ticks of a core cycle each."""

from __future__ import annotations

from rig import Bench

from usim.devices.peripherals.rtc import DR, ISR, PRER, TR, WPR, RealTimeClock, RtcLines

SECOND = 32_768
_INITF, _INIT = 1 << 6, 1 << 7


class Clock:
    """The RTC's registers, and its lines to EXTI."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.writable = True
        self.alarm, self.wake_up = self.bench.line(), self.bench.line()
        lines = RtcLines(self.alarm, self.wake_up)
        self.rtc = RealTimeClock(
            self.bench.events, self.bench.domain(), lambda: self.writable, lines
        )
        self.unlock()

    def unlock(self) -> None:
        self[WPR] = 0xCA
        self[WPR] = 0x53

    def __getitem__(self, offset: int) -> int:
        return self.rtc.read(offset, 4)

    def __setitem__(self, offset: int, value: int) -> None:
        self.rtc.write(offset, 4, value)

    def set(self, time: int, date: int) -> None:
        """The calendar, from now on."""
        self[ISR] = _INIT
        self.bench.run(2)
        assert self[ISR] & _INITF
        self[PRER], self[TR], self[DR] = 0x7F_00FF, time, date
        self[ISR] = 0
