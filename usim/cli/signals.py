"""Signals that a command answers itself."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def answered(numbers: tuple[signal.Signals, ...], answer: Callable[[], None]) -> Iterator[None]:
    """While it lasts, `answer` is called for these signals; the handlers before it come back.

    An exception out of a handler would get lost where the emulator has called Python: `answer`
    notes that it is time to end.
    """
    before = [(number, signal.signal(number, lambda *_: answer())) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
