"""Keywords for a board's time and cycles, and for how its firmware ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from robot.api import logger

from usim.board import Ending
from usim.errors import ArgumentError
from usim.report.board_summary import describe_board
from usim.robot.group import KeywordGroup


class BoardTimeKeywords(KeywordGroup):
    """Advance Time, Cycles Between Lines Should Be At Most, Firmware Should Exit and the like."""

    def advance_time(self, time: timedelta) -> None:
        """Lets the firmware run for so much of the chip's time; fails if it crashes in it.

        | Advance Time    10 ms
        """
        self._bench.boards.current.board.advance(time.total_seconds())

    def simulated_time(self) -> float:
        """Returns the chip's time since power-up, in seconds."""
        return self._bench.boards.current.board.now_s

    def simulated_time_should_be_at_most(self, limit: timedelta) -> None:
        """Fails if more of the chip's time has passed since power-up.

        | Wait For Line On Uart    ready
        | Simulated Time Should Be At Most    50 ms
        """
        now_s = self._bench.boards.current.board.now_s
        if now_s > limit.total_seconds():
            raise AssertionError(
                f"expected at most {limit.total_seconds():g} s of the chip's time, got {now_s:g} s"
            )

    def cycles_between_lines(self, first: str, second: str) -> int:
        """Runs the firmware to two lines with these texts; returns the cycles between their ends.

        Lines are found as by `Wait For Line On Uart`.
        """
        tested = self._bench.boards.current
        began, ended = (
            tested.board.wait_for_line(text, tested.usart, timeout_s=tested.timeout_s)
            for text in (first, second)
        )
        logger.info(f"{ended.cycle - began.cycle:,} {tested.board.count_kind}")
        return ended.cycle - began.cycle

    def cycles_between_lines_should_be_at_most(self, first: str, second: str, limit: int) -> None:
        """Fails if the firmware takes more cycles from the end of one line to that of another.

        | Cycles Between Lines Should Be At Most    begin    end    20_000
        """
        self._compare(self.cycles_between_lines(first, second), limit, f"from {first} to {second}")

    def cycles_between_symbols(self, start: str, end: str) -> int:
        """Runs the firmware until ``start`` and then ``end`` are about to be executed.

        They are functions or other symbols of an ELF image, or addresses (``0x0800_0200``); the
        same twice gives a period. Returns the cycles in between.
        """
        tested = self._bench.boards.current
        cycles = tested.board.cycles_between(start, end, timeout_s=tested.timeout_s)
        logger.info(f"{cycles:,} {tested.board.count_kind}")
        return cycles

    def cycles_between_symbols_should_be_at_most(self, start: str, end: str, limit: int) -> None:
        """Fails if it takes the firmware more cycles from one symbol to another.

        | Cycles Between Symbols Should Be At Most    filter    filter_done    5_000
        """
        self._compare(self.cycles_between_symbols(start, end), limit, f"from {start} to {end}")

    def firmware_should_exit(
        self, code: int = 0, timeout: timedelta = timedelta(seconds=2)
    ) -> None:
        """Runs the firmware; fails unless it exits with this code, by semihosting, in time."""
        ending = self._end_of_run(timeout)
        if ending is None or ending.reason != "exit" or ending.code != code:
            got = ending.text if ending else "it would go on"
            raise AssertionError(f"expected an exit with code {code}, got: {got}")

    def firmware_should_crash(
        self,
        kind: Literal["HardFault", "MemManage", "BusFault", "UsageFault"] | None = None,
        *,
        cause: str | None = None,
        timeout: timedelta = timedelta(seconds=2),
    ) -> str:
        """Runs the firmware; fails unless a fault ends it in time.

        ``kind`` is the exception, ``cause`` a part of the report, which is returned: what happened,
        where in the source, with which registers.

        | Firmware Should Crash    HardFault    cause=division by zero
        """
        ending = self._end_of_run(timeout)
        wanted = kind or "a crash"
        if ending is None or not ending.crashed:
            got = ending.text if ending else "it would go on"
            raise AssertionError(f"expected {wanted}, got: {got}")
        fault = ending.fault
        report = "\n".join([ending.text, *(fault.lines() if fault else ())])
        got_kind = fault.name.removesuffix(" fault") if fault else ""
        if (kind and got_kind != kind) or (cause and cause not in report):
            because = f" ({cause})" if cause else ""
            raise AssertionError(f"expected {wanted}{because}, got: {report}")
        return report

    def _end_of_run(self, timeout: timedelta) -> Ending | None:
        board = self._bench.boards.current.board
        ending = board.run(board.now_s + timeout.total_seconds())
        logger.info(describe_board(board))
        return ending

    def _compare(self, cycles: int, limit: int, what: str) -> None:
        kind = self._bench.boards.current.board.count_kind
        if kind.unit != "cycles":
            raise ArgumentError(f"the board counts {kind}, not cycles: boot it with timing=full")
        if cycles > limit:
            raise AssertionError(f"{what}: expected at most {limit:,} cycles, got {cycles:,}")
