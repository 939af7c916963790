"""The boards that run firmware while a suite runs: open ones by alias, one of them current."""

from __future__ import annotations

from dataclasses import dataclass

from usim.board import Board
from usim.errors import ArgumentError, UsimError


@dataclass(slots=True)
class Tested:
    """An open board, and whom its keywords talk with: a USART (any), for how long."""

    board: Board
    usart: str | None = None
    timeout_s: float = 2.0


class BoardBench:
    """Open boards. What a test opens is closed when it ends."""

    def __init__(self) -> None:
        self._tested: dict[str, Tested] = {}
        self._current = ""
        self._of_test: set[str] = set()
        self._in_test = False

    @property
    def current(self) -> Tested:
        """The board that was booted or switched to last; ArgumentError if there is none."""
        if self._current not in self._tested:
            raise ArgumentError("no board: start one with `Boot Image`")
        return self._tested[self._current]

    def add(self, alias: str, board: Board) -> None:
        """Open a board and make it the current one; the alias must be free."""
        if alias in self._tested:
            raise ArgumentError(f"a board {alias} runs already: give this one an alias")
        board.open()
        self._tested[alias] = Tested(board)
        self._current = alias
        if self._in_test:
            self._of_test.add(alias)

    def switch(self, alias: str) -> None:
        """Make another board the current one."""
        if alias not in self._tested:
            known = ", ".join(self._tested) or "none: start one with `Boot Image`"
            raise ArgumentError(f"no board {alias!r}; there are: {known}")
        self._current = alias

    def start_test(self) -> None:
        """What is opened from now on is the test's own."""
        self._in_test = True

    def end_test(self) -> list[UsimError]:
        """Close what the test opened; returns what went wrong."""
        self._in_test = False
        return self._close(self._of_test)

    def end_suite(self) -> list[UsimError]:
        """Close everything; returns what went wrong."""
        return self._close(set(self._tested))

    def _close(self, aliases: set[str]) -> list[UsimError]:
        errors = []
        for alias in list(aliases):
            try:
                self._tested.pop(alias).board.close()
            except UsimError as exc:
                errors.append(exc)
        self._of_test.clear()
        if self._current not in self._tested:
            self._current = next(reversed(self._tested), "")
        return errors
