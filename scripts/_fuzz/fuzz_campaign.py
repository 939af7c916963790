"""Runs inputs by number, each the same every time, under limits of time and memory."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from fuzz_layout import Layout, layout_of
from fuzz_mutations import mutate
from fuzz_target import import_model

from usim.models.lowering import LoweredModel

_FIT_EACH = 10
"""Placing a model on a platform takes ten times as long as the rest."""
_REAL_MODELS_SHARE = 0.1


class TooSlowError(Exception):
    """An input took more than its time, which is the process's, whatever else the machine does."""


@dataclass(slots=True)
class Outcome:
    """What came of all inputs so far. Times are seconds of this process, sizes bytes."""

    accepted: int = 0
    rejected: int = 0
    slowest_s: float = 0.0
    slowest: int = -1
    failures: list[tuple[int, str]] = field(default_factory=list)
    peaks: list[tuple[int, int]] = field(default_factory=list)


class Campaign:
    """Inputs made of sound models. Input i of a seed depends on both and the models only."""

    def __init__(self, models: list[bytes], seed: int) -> None:
        layouts = [layout_of(model) for model in models]
        self._small = [item for item in layouts if len(item.data) < 1 << 14]
        self._large = [item for item in layouts if len(item.data) >= 1 << 14]
        self._seed = seed

    def input(self, number: int) -> bytes:
        rng = Random(f"{self._seed}/{number}")
        return mutate(rng, self._layout(rng), self._small)

    def _layout(self, rng: Random) -> Layout:
        large = self._large and rng.random() < _REAL_MODELS_SHARE
        return rng.choice(self._large if large else self._small)

    def run(
        self, numbers: range, *, limit_s: float, keep: Path | None = None
    ) -> Iterator[tuple[Outcome, int, LoweredModel | None]]:
        """After each input: what came of all so far, its number, and its model if it was accepted.

        `keep`: a folder for inputs that fail.
        """
        outcome = Outcome()
        for number in numbers:
            data = self.input(number)
            lowered = self._one(data, number, outcome, limit_s)
            if keep and outcome.failures and outcome.failures[-1][0] == number:
                (keep / f"{self._seed}-{number}.tflite").write_bytes(data)
            yield outcome, number, lowered

    def _one(
        self, data: bytes, number: int, outcome: Outcome, limit_s: float
    ) -> LoweredModel | None:
        before, start = peak_bytes(), time.process_time()
        result: LoweredModel | str | None = None
        try:
            with _time_limit(limit_s):
                result = import_model(data, fit=number % _FIT_EACH == 0)
        except Exception as error:  # noqa: BLE001 - whatever escapes is what is looked for
            outcome.failures.append((number, f"{type(error).__name__}: {error}"[:500]))
        taken = time.process_time() - start
        if taken > outcome.slowest_s:
            outcome.slowest_s, outcome.slowest = taken, number
        if peak_bytes() - before > 1 << 24:
            outcome.peaks.append((number, peak_bytes() - before))
        if isinstance(result, LoweredModel):
            outcome.accepted += 1
            return result
        outcome.rejected += 1
        return None


def peak_bytes() -> int:
    """The most that this process has had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@contextmanager
def _time_limit(limit_s: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TooSlowError(f"more than {limit_s} s")

    previous = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
