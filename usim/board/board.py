"""`Board`: a chip with a firmware in its flash, run in simulated time under a test's hands."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from usim.board.boot import boot_address
from usim.board.chip import Chip
from usim.board.ending import Ending
from usim.board.images import ImageFormat, read_image
from usim.board.runner import Pause, Runner
from usim.board.serial_line import SEMIHOSTING, Said, SerialLine
from usim.board.waiting import Found, Wait
from usim.devices.base import CountKind, Timing
from usim.devices.peripherals import ResetCause
from usim.errors import ArgumentError, ExpectationError, FirmwareEndedError
from usim.platforms import Platform, load_platform
from usim.profile.placement import write_program
from usim.profile.program import Program

_LAST_SEEN_BYTES: Final = 200


class Board:
    """A chip that runs other people's firmware, unmodified.

    Life cycle:
    1. construct with an image (ELF, Intel HEX, .bin): it is read and checked; ProgramError;
    2. open() (or `with`): powered up, the image in its memory, reset, at its first instruction;
    3. advance(), wait_for_...(), send(), cycles_between(), reset(), in any order. Nothing happens
       on the chip in between: time is the chip's, and the same calls give the same results;
    4. close().

    Times are in seconds of the chip's time, by the clock that the firmware has set up. Cycles are
    modelled, or instructions with timing "count" (`count_kind`).
    """

    def __init__(
        self,
        image: Path | str | Program,
        platform: str | Platform = "stm32f746",
        *,
        timing: Timing = "full",
        image_format: ImageFormat | None = None,
        base: int | None = None,
    ) -> None:
        self.platform = load_platform(platform) if isinstance(platform, str) else platform
        if isinstance(image, Program):
            self.program = image
        else:
            self.program = read_image(
                Path(image), self.platform, image_format=image_format, base=base
            )
        self.vector_table = boot_address(self.program, self.platform)
        self.chip = Chip(self.platform, timing)
        self.console = SerialLine(SEMIHOSTING, self.chip)
        self.runner = Runner(self.chip, self.program, self.vector_table, self._print)
        self.lines: dict[str, SerialLine] = {SEMIHOSTING: self.console}
        # The line that was heard of last: where send() goes if it isn't told.
        self._last_line = ""

    def open(self) -> Board:
        """Power up and reset."""
        self.chip.open()
        for name in self.chip.usarts:
            line = self.lines[name] = SerialLine(name, self.chip)
            line.listeners.append(lambda _, name=name: self._heard(name))  # type: ignore[misc]
            self.chip.listen(name, line.add)
        write_program(self.chip.device, self.program, started_up=False)
        self.runner.start(ResetCause.POWER_ON)
        return self

    def close(self) -> None:
        """Power down. Calling it twice is fine."""
        self.chip.close()

    def __enter__(self) -> Board:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    # What is so now.

    @property
    def now_s(self) -> float:
        """The chip's time since power-up, in seconds."""
        return self.chip.seconds()

    @property
    def cycles(self) -> int:
        """Core cycles since power-up (instructions with timing "count")."""
        return self.chip.now

    @property
    def instructions(self) -> int:
        """Instructions executed since power-up."""
        return self.chip.device.executed_instructions

    @property
    def count_kind(self) -> CountKind:
        """What cycles are: modelled, with or without memory, or counted instructions."""
        return self.chip.device.capabilities.count

    @property
    def ending(self) -> Ending | None:
        """How the firmware ended, if it did: exit, fault, lockup, asleep for good..."""
        return self.runner.ending

    def output(self, usart: str | None = None) -> bytes:
        """All that was sent on a USART since power-up; of the last one heard of by default."""
        return bytes(self.line(usart or self._last_line or self.chip.usarts[0]).data)

    def line(self, name: str) -> SerialLine:
        """A USART's line, or "semihosting"; ArgumentError names those that there are."""
        if name not in self.lines:
            known = ", ".join(self.lines)
            raise ArgumentError(f"no USART {name!r} on {self.platform.name}; there are {known}")
        return self.lines[name]

    # What makes time pass.

    def advance(self, seconds: float) -> None:
        """Let so much of the chip's time pass; FirmwareEndedError if the firmware crashes in it.

        One that sleeps or loops for ever, or has exited, stays as it is.
        """
        if seconds < 0:
            raise ArgumentError(f"time can't go back by {-seconds:g} s")
        outcome = self.runner.run(self.now_s + seconds, lambda: False, patient=True)
        if isinstance(outcome, Ending) and outcome.crashed:
            raise _ended(outcome, f"in {seconds:g} s")

    def run(self, until_s: float | None = None) -> Ending | None:
        """Run to the firmware's end, or until a time; None if that came first."""
        outcome = self.runner.run(math.inf if until_s is None else until_s, lambda: False)
        return outcome if isinstance(outcome, Ending) else None

    def wait_for_text(
        self, text: str | bytes, usart: str | None = None, *, timeout_s: float = 2.0
    ) -> Said:
        """Run until a USART (any, or the semihosting console) has sent `text`.

        What was found before is not looked at again. ExpectationError if it does not come in
        time, FirmwareEndedError if nothing more will come.
        """
        wanted = _encode(text)
        if not wanted:
            raise ArgumentError("there is no text to wait for")
        return self._wait(Wait(self._lines(usart), wanted, whole_line=False), text, timeout_s)

    def wait_for_line(
        self, text: str | bytes = "", usart: str | None = None, *, timeout_s: float = 2.0
    ) -> Said:
        """Run until a USART has sent a whole line with `text` in it; see wait_for_text()."""
        wait = Wait(self._lines(usart), _encode(text), whole_line=True)
        return self._wait(wait, text or "a line", timeout_s)

    def send(self, data: str | bytes, usart: str | None = None) -> None:
        """Put text on a USART's receiving line: the one that was heard of last, unless it is named.

        It arrives from now on, a frame after the other.
        """
        name = usart or self._last_line or next(iter(self.chip.usarts), "")
        self.chip.send(name, _encode(data))

    def send_line(self, text: str = "", usart: str | None = None, *, end: str = "\r") -> None:
        """Send text and a line end: that of a terminal's Enter key unless given."""
        self.send(text + end, usart)

    def reset(self) -> None:
        """Press the reset button: memory and time stay, the firmware starts anew."""
        self.runner.start(ResetCause.PIN)

    def run_to(self, symbol: str, *, timeout_s: float = 2.0) -> int:
        """Run until the code at a symbol (or an address) is next; returns the cycle."""
        address = self.program.find_address(symbol)
        if self._pc == address:
            return self.cycles
        outcome = self.runner.run(self.now_s + timeout_s, lambda: False, address)
        if isinstance(outcome, Ending):
            raise _ended(outcome, f"before {symbol} was reached")
        if outcome is not Pause.REACHED:
            at = self.program.describe(self._pc)
            raise ExpectationError(
                f"{symbol} was not reached within {timeout_s:g} s of the chip's time; pc {at}",
                expected=symbol,
                seen="",
                timeout_s=timeout_s,
            )
        return self.cycles

    def cycles_between(self, start: str, end: str, *, timeout_s: float = 2.0) -> int:
        """Cycles from when `start` (a symbol or an address) is next to when `end` is.

        The same twice gives a period.
        """
        began = self.run_to(start, timeout_s=timeout_s)
        if self._pc == self.program.find_address(end):
            self.runner.step()
        return self.run_to(end, timeout_s=timeout_s) - began

    # Inside.

    @property
    def _pc(self) -> int:
        return self.chip.device.read_register("pc") & ~1

    def _print(self, text: bytes) -> None:
        for byte in text:
            self.console.add(byte)

    def _heard(self, name: str) -> None:
        self._last_line = name

    def _lines(self, usart: str | None) -> list[SerialLine]:
        return [self.line(usart)] if usart else list(self.lines.values())

    def _wait(self, wait: Wait, text: str | bytes, timeout_s: float) -> Said:
        found = wait.find()
        if found is None:
            found = self._run_until_found(wait, text, timeout_s)
        self._last_line = found.line.name
        shown = found.text.decode("utf-8", "replace").rstrip("\r\n")
        return Said(shown, found.line.name, found.moment.cycle, found.moment.at_s)

    def _run_until_found(self, wait: Wait, text: str | bytes, timeout_s: float) -> Found:
        until_s = self.now_s + timeout_s
        results: list[Found] = []

        def is_found() -> bool:
            found = wait.find()
            results.extend([found] if found else [])
            return bool(results)

        with wait.calling(self.chip.halt):
            outcome = self.runner.run(until_s, is_found)
        if results or is_found():
            return results[0]
        seen = wait.last_seen(_LAST_SEEN_BYTES) or "nothing"
        shown = text if isinstance(text, str) else text.decode("utf-8", "replace")
        wanted = f"{shown!r} was not seen"
        if isinstance(outcome, Ending):
            raise FirmwareEndedError(
                f"{wanted}: {outcome.text}; seen instead: {seen}", ending=outcome
            )
        raise ExpectationError(
            f"{wanted} within {timeout_s:g} s of the chip's time; seen instead: {seen}",
            expected=text,
            seen=seen,
            timeout_s=timeout_s,
        )


def _encode(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _ended(ending: Ending, when: str) -> FirmwareEndedError:
    return FirmwareEndedError(f"the firmware ended {when}: {ending.text}", ending=ending)
