"""Assembly for the tests of the timing model: assembled by the toolchain's Clang, then issued."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from math import gcd
from pathlib import Path

from elftools.elf.elffile import ELFFile

from usim.timing.decode import Instruction, decode
from usim.timing.pipeline import NEUTRAL, State, issue
from usim.timing.tables import DEFAULT_PARAMETERS, Parameters
from usim.toolchain.zig_clang import zig_executable

START = 0x0800_0000
_FLAGS = ["-target", "thumbv7em-none-eabihf", "-mcpu=cortex-m7", "-mfpu=fpv5-sp-d16"]


@lru_cache(maxsize=64)
def _assemble_all(texts: tuple[str, ...]) -> dict[str, bytes]:
    parts = [".syntax unified\n.thumb"]
    for number, text in enumerate(texts):
        parts += [f'.section .t{number},"ax"', *text.split(";")]
    with tempfile.TemporaryDirectory() as folder:
        source, built = Path(folder, "test.s"), Path(folder, "test.o")
        source.write_text("\n".join(parts) + "\n")
        command = [str(zig_executable()), "clang", *_FLAGS, "-c", "-x", "assembler", str(source)]
        done = subprocess.run(
            [*command, "-o", str(built)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        with built.open("rb") as file:
            elf = ELFFile(file)
            return {
                text: elf.get_section_by_name(f".t{number}").data()
                for number, text in enumerate(texts)
            }


class Assembly:
    """Many short programs, one line each (";" between instructions), assembled in one go."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = tuple(dict.fromkeys(texts))

    def code(self, text: str) -> bytes:
        """The machine code of one of them."""
        return _assemble_all(self._texts)[text]

    def __call__(self, text: str, address: int = START) -> tuple[Instruction, ...]:
        """The instructions of one of them at `address`."""
        return decode(self.code(text), address)


def issue_cycles(
    instructions: tuple[Instruction, ...], parameters: Parameters = DEFAULT_PARAMETERS
) -> list[int]:
    """The cycle in which each instruction issues, from an empty pipeline."""
    return [slot.cycle for slot in issue(instructions, parameters=parameters).slots]


def cycles_per_copy(
    code: bytes, parameters: Parameters = DEFAULT_PARAMETERS, copies: int = 64
) -> Fraction:
    """Cycles that one more copy of the code costs, once a long straight run of it has settled."""
    unit = 8 // gcd(len(code), 8)
    instructions = decode(code * unit, START)
    # One block is a whole number of fetches, so that going round is like going on.
    state: State = NEUTRAL
    for _ in range(copies):
        state = issue(instructions, state, parameters=parameters).state
    cycles = 0
    for _ in range(copies):
        issued = issue(instructions, state, parameters=parameters)
        cycles, state = cycles + issued.cycles, issued.state
    return Fraction(cycles, unit * copies)


def cycles_per_loop(
    instructions: tuple[Instruction, ...], parameters: Parameters = DEFAULT_PARAMETERS
) -> Fraction:
    """Cycles of an iteration of a loop whose last instruction is a taken branch to its start."""
    state: State = NEUTRAL
    for _ in range(64):
        state = issue(instructions, state, jumps=True, parameters=parameters).state
    cycles = 0
    for _ in range(64):
        issued = issue(instructions, state, jumps=True, parameters=parameters)
        cycles, state = cycles + issued.cycles, issued.state
    return Fraction(cycles, 64)
