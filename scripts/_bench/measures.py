"""The benches: each runs one or more probes in processes of their own and returns figures.

A probe (probes.py) starts with an empty cache folder, or with the one that a probe before it has
filled, so that nothing of the user's own cache is read, and nothing that one process remembers
makes another look quick.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
IMAGE: Final = ROOT / "usim" / "demo" / "images" / "3_cat.png"
_RUNS: Final = 9
_PROBE_TIMEOUT_S: Final = 600

How = Literal["measured", "counted", "modelled", "measured on a board"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table. `samples` are what `value`, a median unless it says so, comes from."""

    bench: str
    name: str
    value: float
    unit: str
    how: How = "measured"
    goal: str = ""
    samples: tuple[float, ...] = ()


class BenchError(Exception):
    """A probe ended badly; the message has its output."""


def run_image() -> list[Figure]:
    """`usim run` of one image, from the start of the process to its end, caches warm."""
    command = [sys.executable, "-P", "-m", "usim", "run", "--platform", "stm32f746"]
    command += ["--image", str(IMAGE)]
    with tempfile.TemporaryDirectory() as cache:
        first, *warm = (_time(command, cache) for _ in range(1 + _RUNS))
    return [
        _median("run-image", "usim run, 1 image, warm caches", warm, "s", goal="< 3"),
        Figure("run-image", "the same, the quickest", min(warm), "s", samples=tuple(warm)),
        Figure("run-image", "the same, first run with an empty cache", first, "s"),
    ]


def load_module() -> list[Figure]:
    """Session.load_module of sources that are new to the process: in the disk cache, or not."""
    with tempfile.TemporaryDirectory() as cache:
        uncached, cached = (_probe("load_modules", cache) for _ in range(2))
    figures = []
    for key, what in (("small", "a kernel of 10 lines"), ("model", "the CIFAR-10 network's C")):
        for state, found, goal in (("cached", cached, "< 20"), ("uncached", uncached, "< 400")):
            times = [1e3 * seconds for seconds in found[key]]
            figures.append(_median("load-module", f"load {what}, {state}", times, "ms", goal=goal))
    return figures


def emulation_speed() -> list[Figure]:
    """Instructions a second on the CIFAR-10 network in each timing mode, and of Unicorn alone."""
    with tempfile.TemporaryDirectory() as cache:
        found = _probe("emulation_speed", cache)
    bench, instructions = "emulation-speed", found["instructions"]
    figures = [Figure(bench, "one inference", instructions, "instructions", "counted")]
    for mode, cycles in found["cycles"].items():
        figures.append(Figure(bench, f"the same, {mode}", cycles, "cycles", "modelled"))
    for mode, what, goal in (
        ("bare", "bare Unicorn, no hook, same code and data", ""),
        ("count", "instructions counted", ">= 150"),
        ("core", "core cycles modelled", ">= 150"),
        ("full", "cycles with caches modelled, weights in flash", ">= 60"),
    ):
        speeds = [instructions / seconds / 1e6 for seconds in found["seconds"][mode]]
        figures.append(_median(bench, what, speeds, "MIPS", goal=goal))
    pricing = found["first"]["core"] - statistics.median(found["seconds"]["core"])
    pricing_goal = "< 2"
    figures.append(
        Figure(bench, "pricing of all blocks, first time", pricing, "s", goal=pricing_goal)
    )
    return figures


def lazy_batch() -> list[Figure]:
    """20 small tasks and a read of their result: as one batch, and one by one."""
    with tempfile.TemporaryDirectory() as cache:
        found = _probe("lazy_batch", cache)
    figures = []
    for unit, key in (("transactions", "transactions"), ("bytes", "bytes")):
        for mode in ("lazy", "strict"):
            figures.append(
                Figure("lazy-batch", f"20 tasks, {mode}", found[mode][key], unit, "counted")
            )
    ratio = found["strict"]["transactions"] / found["lazy"]["transactions"]
    saving = Figure("lazy-batch", "strict / lazy transactions", ratio, "x", "counted", ">= 10")
    times = [
        _median("lazy-batch", f"20 tasks, {mode}", [1e3 * t for t in found[mode]["seconds"]], "ms")
        for mode in ("lazy", "strict")
    ]
    return [*figures, saving, *times]


def first_result() -> list[Figure]:
    """From `import usim` to the shipped model's first output, and the memory that it takes."""
    with tempfile.TemporaryDirectory() as cache:
        cold, *warm = (_probe("first_result", cache) for _ in range(1 + _RUNS))
    steps = (("import", "import usim"), ("open", "open a session"), ("load", "load the model"))
    figures = [Figure("first-result", "first output, empty cache", cold["total"], "s")]
    figures.append(
        _median("first-result", "first output, warm cache", [run["total"] for run in warm], "s")
    )
    for key, what in (*steps, ("infer", "one inference")):
        times = [1e3 * run[key] for run in warm]
        figures.append(_median("first-result", f"  of which: {what}", times, "ms"))
    peaks = [run["peak_bytes"] / 2**20 for run in warm]
    return [*figures, _median("first-result", "host memory, peak resident", peaks, "MiB")]


def _median(
    bench: str, name: str, samples: Sequence[float], unit: str, *, goal: str = ""
) -> Figure:
    return Figure(bench, name, statistics.median(samples), unit, goal=goal, samples=tuple(samples))


def _time(command: list[str], cache: str) -> float:
    started = time.perf_counter()
    run_command(command, cache)
    return time.perf_counter() - started


def _probe(name: str, cache: str) -> Any:  # noqa: ANN401 - JSON
    return run_probe([str(HERE / "probes.py"), name], cache)


def run_probe(arguments: list[str], cache: str) -> Any:  # noqa: ANN401 - JSON
    """What a probe, a script with arguments, prints; BenchError if it ends badly."""
    return json.loads(run_command([sys.executable, *arguments], cache))


def run_command(command: list[str], cache: str) -> str:
    done = subprocess.run(
        command,
        env=environment(cache),
        capture_output=True,
        text=True,
        timeout=_PROBE_TIMEOUT_S,
        check=False,
    )
    _check(command, done.returncode, done.stderr)
    return done.stdout


@dataclass(frozen=True, slots=True)
class ProcessCost:
    """Of a whole process and its children: wall clock, processor time, most memory of any one."""

    seconds: float
    processor_s: float
    peak_bytes: int


def run_measured(command: list[str], cache: str) -> ProcessCost:
    """Run a command as `run_command` does, for what it costs."""
    with tempfile.TemporaryFile("w+") as said:
        started = time.perf_counter()
        process = subprocess.Popen(command, env=environment(cache), stdout=said, stderr=said)
        watchdog = threading.Timer(_PROBE_TIMEOUT_S, process.kill)
        watchdog.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        watchdog.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        _check(command, process.returncode, said.read())
    peak_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return ProcessCost(seconds, usage.ru_utime + usage.ru_stime, peak_bytes)


def environment(cache: str) -> dict[str, str]:
    """The variables of a process that is to use a cache of its own."""
    variables = os.environ | {"USIM_CACHE_DIR": cache}
    # As users have it: usim's own modules are compiled to bytecode once, not in every run.
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    return variables


def _check(command: list[str], status: int, said: str) -> None:
    if status != 0:
        raise BenchError(f"{' '.join(command)} ended with {status}:\n{said}")
