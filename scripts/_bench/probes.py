"""What is measured inside one fresh process: `python probes.py NAME` prints a result as JSON.

Nothing of usim is imported before the clock runs: importing it is a part of what is measured.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from usim.compiled_model import CompiledModel
    from usim.session import Session

_PLATFORM: Final = "stm32f746"
_MODULES: Final = 9
_INFERENCES: Final = 9
_BATCHES: Final = 20
_TASKS: Final = 20
_TIMINGS: Final = ("count", "core", "full")

_SMALL_KERNEL: Final = """\
#include <usim.h>

int32_t scale_{n}(const float *input, float factor, float *output, uint32_t count) {{
    for (uint32_t i = 0; i < count; i++) {{
        output[i] = factor * input[i] + {n}.0f;
    }}
    return 0;
}}
"""
_ADD: Final = """\
#include <usim.h>
int32_t add(const float *a, const float *b, float *sum, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        sum[i] = a[i] + b[i];
    }
    return 0;
}
"""


def first_result() -> dict[str, float]:
    """Seconds of each step up to the first output of the shipped model; peak memory in bytes."""
    times = [time.perf_counter()]
    import numpy as np  # noqa: PLC0415

    import usim  # noqa: PLC0415
    from usim import demo  # noqa: PLC0415

    session = usim.Session(_PLATFORM)
    times.append(time.perf_counter())
    with session as opened:
        times.append(time.perf_counter())
        model = opened.load_model(demo.MODEL)
        times.append(time.perf_counter())
        model(np.zeros(model.model.inputs[0].shape, np.int8))
        times.append(time.perf_counter())
    steps = zip(("import", "open", "load", "infer"), times[1:], times[:-1], strict=False)
    return {name: end - start for name, end, start in steps} | {
        "total": times[-1] - times[0],
        "peak_bytes": peak_memory_bytes(),
    }


def load_modules() -> dict[str, list[float]]:
    """Seconds that each of several different sources took to load, from C text to functions."""
    import usim  # noqa: PLC0415
    from usim import demo  # noqa: PLC0415
    from usim.models import Model  # noqa: PLC0415
    from usim.resources import data_folder  # noqa: PLC0415

    source = Model.load(demo.MODEL).lowered.source
    kernels = data_folder("kernels")
    with usim.Session(_PLATFORM) as session:
        session.load_module("void nothing(void) {}\n").unload()  # what is done once a process
        small = [_SMALL_KERNEL.format(n=n) for n in range(_MODULES)]
        # The names differ, so the objects do.
        model = [source.replace(" layer_", f" model_{n}_layer_") for n in range(_MODULES)]
        return {
            "small": [_time_load(session, text) for text in small],
            "model": [_time_load(session, text, include=(kernels,)) for text in model],
        }


def _time_load(session: Session, source: str, include: tuple[Path, ...] = ()) -> float:
    started = time.perf_counter()
    module = session.load_module(source, include=include)
    elapsed = time.perf_counter() - started
    module.unload()
    return elapsed


def lazy_batch() -> dict[str, Any]:
    """What 20 small additions and one read ask of the link, and how long they take."""
    return {"lazy": _run_tasks(strict=False), "strict": _run_tasks(strict=True)}


def _run_tasks(*, strict: bool) -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415

    import usim  # noqa: PLC0415

    seconds = []
    with usim.Session(_PLATFORM, strict=strict) as session:
        add = session.load_module(_ADD)["add"]
        ones, total = (session.tensor(np.ones(64, np.float32)) for _ in range(2))
        for _ in range(_BATCHES):
            before = session.stats
            started = time.perf_counter()
            for _ in range(_TASKS):
                add(total, ones, total, 64)
            result = total.numpy()
            seconds.append(time.perf_counter() - started)
            after = session.stats
        assert result[0] == 1 + _BATCHES * _TASKS
    return {
        "seconds": seconds,
        "transactions": after.transactions - before.transactions,
        "bytes": after.bytes_to_device
        + after.bytes_from_device
        - before.bytes_to_device
        - before.bytes_from_device,
    }


def emulation_speed() -> dict[str, Any]:
    """Seconds of an inference by turns in each timing mode and on Unicorn alone, and its counts.

    By turns, so that what else the machine does in the meantime meets all alike.
    """
    import numpy as np  # noqa: PLC0415
    from bare_unicorn import BareMachine  # noqa: PLC0415

    import usim  # noqa: PLC0415
    from usim import demo  # noqa: PLC0415

    stored = np.random.default_rng(0).integers(-128, 128, (1, 32, 32, 3)).astype(np.int8)
    with ExitStack() as stack:
        models = {}
        for mode in _TIMINGS:
            session = stack.enter_context(usim.Session(_PLATFORM, timing=mode))
            models[mode] = session.load_model(demo.MODEL)
            if mode == "count":
                models[mode].profile(stored)  # its batch stays in the args section
                machine = BareMachine(session, models[mode])
        runs: dict[str, Callable[[], Any]] = {
            mode: partial(_outputs, model, stored) for mode, model in models.items()
        }
        runs["bare"] = partial(machine.run, stored)
        first = {mode: _seconds(run)[0] for mode, run in runs.items()}
        expected = models["count"].profile(stored)
        seconds: dict[str, list[float]] = {mode: [] for mode in runs}
        for _ in range(_INFERENCES):
            for mode, run in runs.items():
                elapsed, output = _seconds(run)
                seconds[mode].append(elapsed)
                assert np.array_equal(output, expected.outputs[0]), "they did not do the same"
        cycles = {mode: models[mode].profile(stored).count.value for mode in ("core", "full")}
    return {
        "instructions": expected.count.value,
        "cycles": cycles,
        "seconds": seconds,
        "first": first,
    }


def _outputs(model: CompiledModel, stored: Any) -> Any:  # noqa: ANN401 - numpy comes later
    return model.profile(stored).outputs[0]


def _seconds(run: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = run()
    return time.perf_counter() - started, result


def peak_memory_bytes() -> int:
    """The most memory that this process has had resident; children not included."""
    status = Path("/proc/self/status")
    if status.is_file():
        # ru_maxrss also holds the parent's peak of before exec; VmHWM is this program's own.
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource  # noqa: PLC0415 - not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


PROBES: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "first_result": first_result,
    "load_modules": load_modules,
    "lazy_batch": lazy_batch,
    "emulation_speed": emulation_speed,
}

if __name__ == "__main__":
    print(json.dumps(PROBES[sys.argv[1]]()))
