"""Keywords that boot other people's firmware and talk with it on its USARTs."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from robot.api import logger

from usim.board import Board, Said
from usim.errors import ExpectationError, FirmwareEndedError
from usim.report.board_summary import describe_board
from usim.robot.board_bench import Tested
from usim.robot.group import KeywordGroup


class BoardKeywords(KeywordGroup):
    """Boot Image, Wait For Line On Uart, Write Line To Uart and the like."""

    def boot_image(
        self,
        image: str,
        platform: str = "stm32f746",
        *,
        alias: str | None = None,
        timing: Literal["count", "core", "full"] = "full",
        image_format: Literal["elf", "hex", "bin"] | None = None,
        base: int | None = None,
    ) -> None:
        """Powers up a chip with a firmware in its flash; it stands before its first instruction.

        ``image`` is an ELF, an Intel HEX file or a .bin, which belongs at ``base`` (the start of
        the flash). Nothing in it has to know of usim. ``timing`` says what cycles are, as for
        `Open Platform`. The firmware runs while a keyword waits for something, and in
        `Advance Time`; all times are the chip's, so that a plan gives the same results each time.

        A board that a test boots is gone when the test ends. ``alias`` is for several boards at a
        time: see `Switch Board`.

        | Boot Image    firmware.elf
        | Wait For Line On Uart    ready
        """
        board = Board(
            self._folder() / image, platform, timing=timing, image_format=image_format, base=base
        )
        self._bench.boards.add(alias or board.program.file, board)
        logger.info(f"{board.program.file} on {board.platform.name}")

    def switch_board(self, alias: str) -> None:
        """Makes another board the one that all keywords act on: by alias, else the file's name."""
        self._bench.boards.switch(alias)

    def reset_board(self) -> None:
        """Presses the reset button: the firmware starts anew, memory and time stay."""
        self._board().reset()

    def create_terminal_tester(self, uart: str, timeout: timedelta = timedelta(seconds=2)) -> None:
        """Says which USART the keywords below talk with, and how long they wait for a text.

        Without it they listen to all, write to the one that was heard of last, and wait for 2
        seconds. ``uart`` is a name as in the platform's description, ``usart1`` or
        ``sysbus.usart1``, or ``semihosting``.

        | Create Terminal Tester    usart1    timeout=200 ms
        """
        tested = self._tested()
        name = uart.removeprefix("sysbus.")
        tested.board.line(name)
        tested.usart, tested.timeout_s = name, timeout.total_seconds()

    def wait_for_line_on_uart(
        self, text: str, uart: str | None = None, timeout: timedelta | None = None
    ) -> str:
        """Runs the firmware until it has sent a whole line with ``text`` in it; returns the line.

        What was waited for before is not looked at again. Fails after ``timeout`` of the chip's
        time, and at once when the firmware crashes, exits or stops for good.
        """
        return self._wait_for(text, uart, timeout, whole_line=True).text

    def wait_for_next_line_on_uart(
        self, uart: str | None = None, timeout: timedelta | None = None
    ) -> str:
        """Runs the firmware until it has sent another whole line; returns it."""
        return self._wait_for("", uart, timeout, whole_line=True).text

    def wait_for_text_on_uart(
        self, text: str, uart: str | None = None, timeout: timedelta | None = None
    ) -> None:
        """Runs the firmware until it has sent this, wherever in a line: a prompt, say."""
        self._wait_for(text, uart, timeout, whole_line=False)

    def wait_for_prompt_on_uart(
        self, text: str, uart: str | None = None, timeout: timedelta | None = None
    ) -> None:
        """The same as `Wait For Text On Uart`."""
        self._wait_for(text, uart, timeout, whole_line=False)

    def should_not_be_on_uart(
        self, text: str, uart: str | None = None, timeout: timedelta = timedelta(seconds=1)
    ) -> None:
        """Runs the firmware for ``timeout``; fails if it sends ``text`` meanwhile."""
        try:
            self._wait_for(text, uart, timeout, whole_line=False)
        except ExpectationError:
            return
        raise AssertionError(f"{text!r} was sent at {self._board().now_s:g} s of the chip's time")

    def write_line_to_uart(self, text: str = "", uart: str | None = None) -> None:
        r"""Sends a line, which ends with a carriage return (\r) as a terminal's Enter key does."""
        self._send(text + "\r", uart)

    def write_to_uart(self, text: str, uart: str | None = None) -> None:
        """Sends this text and no line end."""
        self._send(text, uart)

    def write_char_on_uart(self, character: str, uart: str | None = None) -> None:
        """Sends one character."""
        self._send(character, uart)

    def uart_output(self, uart: str | None = None) -> str:
        """Returns all that was sent on a USART since power-up, bytes as characters (Latin-1)."""
        return self._board().output(uart or self._tested().usart).decode("latin-1")

    def _board(self) -> Board:
        return self._tested().board

    def _tested(self) -> Tested:
        return self._bench.boards.current

    def _send(self, text: str, uart: str | None) -> None:
        self._board().send(text, uart or self._tested().usart)

    def _wait_for(
        self, text: str, uart: str | None, timeout: timedelta | None, *, whole_line: bool
    ) -> Said:
        tested = self._tested()
        timeout_s = tested.timeout_s if timeout is None else timeout.total_seconds()
        wait = tested.board.wait_for_line if whole_line else tested.board.wait_for_text
        try:
            said = wait(text, uart or tested.usart, timeout_s=timeout_s)
        except FirmwareEndedError:
            logger.info(describe_board(tested.board))
            raise
        logger.info(f"{said.text!r} on {said.line} at {said.at_s:.6f} s, cycle {said.cycle:,}")
        return said
