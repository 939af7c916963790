"""The bench of firmware: how fast the emulated chip runs it, asleep, busy and interrupted."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from measures import HERE, BenchError, Figure, environment

from usim.board import Board
from usim.devices.base import Timing
from usim.devices.nvic import PENDSV
from usim.platforms import load_platform
from usim.toolchain import find_toolchain

_MODES: Final = {
    name: number
    for number, name in enumerate(
        ("idle", "busy", "ticking", "polling", "counting", "cycles", "timer", "delay")
    )
}
_MILLISECOND: Final = 216_000  # cycles at 216 MHz
_TICK_PERIOD: Final = 1_000
# USIM_BENCH_TICKS=1000000 takes some minutes.
_TICKS: Final = int(os.environ.get("USIM_BENCH_TICKS", "100000"))
_BOOTS: Final = 9
# Cycles of each row; asleep, time costs nothing between two ticks.
_CYCLES: Final = {"idle": 200 * _MILLISECOND, "busy": 1000 * _MILLISECOND,
                  "ticking": 500 * _MILLISECOND, "polling": 16_000_000,
                  "delay": 500 * _MILLISECOND,
                  "cycles": 100 * _MILLISECOND, "timer": 100 * _MILLISECOND}  # fmt: skip
_WHAT: Final = {
    "idle": "asleep in wfi, SysTick at 1 kHz",
    "busy": "a busy loop",
    "ticking": "a busy loop, SysTick at 1 kHz",
    "polling": "printing at 115,200 baud, polling TXE",
    "delay": "waiting for SysTick's variable at 1 kHz, as drivers' delays do",
    "cycles": "waiting for CYCCNT, SysTick at 1 kHz",
    "timer": "waiting for TIM2's CNT, SysTick at 1 kHz",
}


def firmware() -> list[Figure]:
    """Simulated MHz of firmware asleep, busy, ticking and polling; exactness of its interrupts."""
    with tempfile.TemporaryDirectory() as folder:
        figures = []
        for mode, what in _WHAT.items():
            for timing in ("count", "full"):
                image = _build(mode, Path(folder), _MILLISECOND)
                mhz = _simulated_mhz(image, timing, _CYCLES[mode])
                figures.append(Figure("firmware", f"{what} ({timing})", mhz, "MHz"))
        return [*figures, *_ticks(Path(folder)), _latency(Path(folder)), _boot(Path(folder))]


def _simulated_mhz(image: Path, timing: Timing, cycles: int) -> float:
    """Cycles of the chip a microsecond of the host."""
    with Board(image, timing=timing) as board:
        board.advance(cycles / 10 / board.chip.core_hz)  # blocks are translated and priced
        before, start = board.cycles, time.perf_counter()
        board.advance(cycles / board.chip.core_hz)
        return (board.cycles - before) / (time.perf_counter() - start) / 1e6


def _ticks(folder: Path) -> list[Figure]:
    """SysTick against CYCCNT, tick by tick, as the handler sees it."""
    with Board(_build("counting", folder, _TICK_PERIOD), timing="core") as board:
        start = time.perf_counter()
        board.run(_TICKS * _TICK_PERIOD / board.chip.core_hz)
        spent = time.perf_counter() - start
        counted, deviations = (_word(board, name) for name in ("ticks", "deviations"))
    what = f"{counted:,} SysTick interrupts, every {_TICK_PERIOD:,} cycles"
    return [
        Figure("firmware", f"{what}: not on their cycle", deviations, "ticks", "counted", "0"),
        Figure("firmware", "the same, host time each", spent / counted * 1e6, "us"),
    ]


def _latency(folder: Path) -> Figure:
    """From an event to the first instruction of its handler, vectors and code without waits."""
    with Board(_build("busy", folder, _MILLISECOND), timing="core") as board:
        device = board.chip.device
        handler = board.program.find_address("SysTick_Handler")
        table = device.read(board.vector_table, 64)
        device.write(0x2000_8000, table[:56] + (handler | 1).to_bytes(4, "little") + table[60:])
        device.bus_write(0xE000_ED08, (0x2000_8000).to_bytes(4, "little"))
        board.advance(0.001)
        event = board.cycles + 1_000
        device.events.at(event, lambda: device.core.nvic.pend(PENDSV))
        device.run_slice(handler, 1_000_000)
        name = "from an event to its handler, all in TCM"
        return Figure("firmware", name, board.cycles - event, "cycles", "modelled", "12")


def _boot(folder: Path) -> Figure:
    """`usim exec`, from the command's start to the firmware's first line on its USART."""
    command = [sys.executable, "-P", "-m", "usim", "exec", str(_build("polling", folder, 1))]
    with tempfile.TemporaryDirectory() as cache:
        _, *cached = (_first_line_s(command, cache) for _ in range(1 + _BOOTS))
    name = "usim exec, from its start to the first line on the USART, cached"
    return Figure("firmware", name, statistics.median(cached), "s", samples=tuple(cached))


def _first_line_s(command: list[str], cache: str) -> float:
    start = time.perf_counter()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment(cache)
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        spent = time.perf_counter() - start
        process.kill()
    if not line:
        raise BenchError(f"{' '.join(command)}: nothing was printed")
    return spent


def _word(board: Board, symbol: str) -> int:
    address = board.program.symbol_address(symbol)
    assert address is not None
    return int.from_bytes(board.chip.device.read(address, 4), "little")


def _build(mode: str, folder: Path, period: int) -> Path:
    """firmware_bench.c in a mode, by the compiler that comes with usim."""
    flags = (f"-DMODE={_MODES[mode]}", f"-DPERIOD={period}U")
    source = (HERE / "firmware_bench.c").read_text("utf-8")
    core = load_platform("stm32f746").core
    built = find_toolchain("clang").compile(source, name="bench.c", core=core, flags=flags)
    (folder / "bench.o").write_bytes(built)
    path = folder / f"{mode}.elf"
    command = [sys.executable, "-m", "ziglang", "ld.lld", str(folder / "bench.o")]
    command += ["-T", str(HERE / "firmware_bench.ld"), "-o", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(command)}: {done.stderr.strip()}")
    return path
