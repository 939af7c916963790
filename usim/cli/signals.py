"""Signals that a command answers itself."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def answered(numbers: tuple[signal.Signals, ...], answer: Callable[[int], None]) -> Iterator[None]:
    """While it lasts, `answer` is called with the number of each of these signals that comes.

    The handlers before it come back. An exception out of a handler would get lost where the
    emulator has called Python: `answer` notes that it is time to end.
    """
    before = [(number, signal.signal(number, lambda came, _: answer(came))) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
