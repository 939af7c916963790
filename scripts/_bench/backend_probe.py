"""What a backend costs, measured in one process: `python backend_probe.py BACKEND [OPTIONS]`.

OPTIONS are keyword arguments of Session as JSON. Prints a result as JSON; {"missing": why} where
the backend cannot be opened on this machine.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

import usim
from usim import demo
from usim.errors import DeviceError

_PLATFORM: Final = "stm32f746"
_OPENINGS: Final = 5
_TRANSFERS: Final = 5
_TRANSFER_BYTES: Final = 64 * 1024
_BATCHES: Final = 10
_TASKS: Final = 20
_INFERENCES: Final = 5
_ADD: Final = """\
#include <usim.h>
int32_t add(const float *a, const float *b, float *sum, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        sum[i] = a[i] + b[i];
    }
    return 0;
}
"""


def measure(backend: str, options: dict[str, Any]) -> dict[str, Any]:
    """Seconds of each step, and what one inference counts."""

    def session() -> usim.Session:
        return usim.Session(_PLATFORM, backend=backend, **options)

    with session():
        pass  # builds the runtime, which is in the cache from then on
    opening = [_seconds(lambda: session().open().close()) for _ in range(_OPENINGS)]
    with session() as opened:
        model = opened.load_model(demo.MODEL)
        stored = np.zeros(model.model.inputs[0].shape, np.int8)
        model(stored)
        inferring = [_seconds(lambda: model(stored)) for _ in range(_INFERENCES)]
        count = model.profile(stored).count
        model.unload()
        return {
            "open": opening,
            **_transfers(opened),
            "batch": _batches(opened),
            "infer": inferring,
            "count": count.value,
            "unit": count.kind.unit,
            "how": count.kind.source,
        }


def _transfers(session: usim.Session) -> dict[str, list[float]]:
    tensor = session.empty(_TRANSFER_BYTES, np.uint8)
    seconds: dict[str, list[float]] = {"write": [], "read": []}
    for seed in range(_TRANSFERS):
        data = np.random.default_rng(seed).integers(0, 256, _TRANSFER_BYTES, np.uint8)
        seconds["write"].append(_seconds(lambda data=data: tensor.write(data)))
        started = time.perf_counter()
        found = tensor.numpy()
        seconds["read"].append(time.perf_counter() - started)
        assert (found == data).all()
    tensor.free()
    return seconds


def _batches(session: usim.Session) -> list[float]:
    add = session.load_module(_ADD)["add"]
    ones, total = (session.tensor(np.ones(64, np.float32)) for _ in range(2))

    def run_batch() -> None:
        for _ in range(_TASKS):
            add(total, ones, total, 64)
        session.sync()

    return [_seconds(run_batch) for _ in range(_BATCHES)]


def open_many(backend: str, options: dict[str, Any], sessions: int) -> dict[str, Any]:
    """What is left of many sessions in a row: processes and descriptors."""
    with usim.Session(_PLATFORM, backend=backend, **options):
        pass
    before = _descriptors()
    seconds = []
    for _ in range(sessions):
        started = time.perf_counter()
        with usim.Session(_PLATFORM, backend=backend, **options):
            pass
        seconds.append(time.perf_counter() - started)
    return {
        "seconds": sum(seconds),
        "descriptors": _descriptors() - before,
        "processes": _children(os.getpid()),
    }


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _children(pid: int) -> int:
    lists = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return sum(1 + _children(int(child)) for children in lists for child in children)


def _seconds(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def main(backend: str, options: str = "{}", sessions: str = "") -> None:
    keywords = json.loads(options)
    try:
        found = (
            open_many(backend, keywords, int(sessions)) if sessions else measure(backend, keywords)
        )
    except DeviceError as exc:
        found = {"missing": str(exc)}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
