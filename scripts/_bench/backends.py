"""The benches that compare the backends: the same probe on each of them, one after another."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Mapping
from typing import Any, Final

from measures import HERE, BenchError, Figure, run_probe

from usim.devices import BACKENDS

# Session's keyword arguments. OpenOCD is a real one, connected to the virtual probe.
_OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {"openocd": {"openocd": "virtual"}}
_SESSIONS: Final = 200
_TRANSFER_KIB: Final = 64
_OPEN_GOALS: Final = {"embedded": "< 0.3", "qemu": "< 1.5"}
_LINK_GOALS: Final = {"openocd": ">= 20"}


def backends() -> list[Figure]:
    """Session open, 64 KiB there and back, 20 tasks, one inference: every backend that is here."""
    figures = []
    with tempfile.TemporaryDirectory() as cache:
        for backend in BACKENDS:
            found = _probe(backend, cache)
            if found is not None:
                figures += _figures(backend, found)
    return figures


def many_sessions() -> list[Figure]:
    """200 sessions in a row on each backend: seconds, and what they leave behind."""
    figures = []
    with tempfile.TemporaryDirectory() as cache:
        for backend in BACKENDS:
            found = _probe(backend, cache, str(_SESSIONS))
            if found is None:
                continue
            what = f"{backend}, {_SESSIONS} sessions"
            figures.append(Figure("many-sessions", what, found["seconds"], "s"))
            for left in ("processes", "descriptors"):
                name = f"{what}: {left} left"
                figures.append(
                    Figure("many-sessions", name, found[left], left, "counted", goal="0")
                )
    return figures


def _probe(backend: str, cache: str, *arguments: str) -> Any:  # noqa: ANN401 - JSON
    options = json.dumps(_OPTIONS.get(backend, {}))
    found = run_probe([str(HERE / "backend_probe.py"), backend, options, *arguments], cache)
    if "missing" in found:
        print(f"  {backend} is left out: {found['missing']}", file=sys.stderr, flush=True)
        return None
    if not found:
        raise BenchError(f"the probe of {backend} found nothing")
    return found


def _figures(backend: str, found: Mapping[str, Any]) -> list[Figure]:
    rates = {key: [_TRANSFER_KIB / seconds for seconds in found[key]] for key in ("write", "read")}
    rows = [
        ("open a session", found["open"], "s", _OPEN_GOALS.get(backend, "")),
        ("write 64 KiB", rates["write"], "KiB/s", _LINK_GOALS.get(backend, "")),
        ("read 64 KiB", rates["read"], "KiB/s", _LINK_GOALS.get(backend, "")),
        ("one batch of 20 tasks", [1e3 * s for s in found["batch"]], "ms", ""),
        ("one CIFAR-10 inference", found["infer"], "s", ""),
    ]
    figures = [
        Figure(
            "backends",
            f"{backend}: {what}",
            statistics.median(samples),
            unit,
            goal=goal,
            samples=tuple(samples),
        )
        for what, samples, unit, goal in rows
    ]
    unit, how = found["unit"], found["how"]
    figures.append(Figure("backends", f"{backend}: the same", found["count"], unit, how))
    return figures
