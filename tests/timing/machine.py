"""A device with a timing model, and small programs in assembly that run on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from assembled import Assembly

from usim.devices.base import Timing
from usim.devices.embedded import EmbeddedDevice
from usim.platforms import Platform, load_platform
from usim.timing.memory import MemoryModel
from usim.timing.timer import CycleTimer

ITCM = 0x0000_0000
FLASH_ITCM = 0x0020_0000
FLASH = 0x0800_0000
DTCM = 0x2000_0000
SRAM = 0x2002_0000  # in `sram1` of the F746 and of the F767
SRAM_DATA = SRAM + 0x8000
STACK_TOP = DTCM + 0x2000
TIMEOUT_S = 20.0


def chip(name: str = "stm32f746") -> Platform:
    return load_platform(name)


@lru_cache(maxsize=256)
def machine_code(text: str) -> bytes:
    """Assembly, instructions separated by ";"."""
    return Assembly([text]).code(text)


@dataclass
class Machine:
    """An open device, with its insides for the tests."""

    device: EmbeddedDevice

    @property
    def timer(self) -> CycleTimer:
        found: CycleTimer | None = self.device.core.engine.timer
        assert found is not None
        return found

    @property
    def memory(self) -> MemoryModel:
        found: MemoryModel | None = self.device.core.engine.memory
        assert found is not None
        return found

    @property
    def uc(self) -> Any:
        return self.device.core.engine._uc

    @property
    def instructions(self) -> int:
        return self.device.executed_instructions

    @property
    def stalls(self) -> int:
        """Cycles in which the core waited for memory."""
        return int(self.timer._state.stalls)

    def put(self, text: str, at: int) -> int:
        """Assemble to `at`; returns the address behind."""
        code = machine_code(text)
        self.device.write(at, code)
        return at + len(code)

    def start(self, text: str, at: int, registers: Mapping[str, int] | None = None) -> int:
        """Load a program, ready to go; returns where it ends.

        It ends with a branch there: the model fetches all of a block, also if a run ends inside.
        """
        end = self.put(f"{text}; b 99f; 99: nop; nop", at) - 4
        self.device.write_register("msp", STACK_TOP)
        self.device.write_register("sp", STACK_TOP)
        for name, value in (registers or {}).items():
            self.device.write_register(name, value)
        self.device.write_register("pc", at)
        return end

    def run(self, text: str, at: int = ITCM, registers: Mapping[str, int] | None = None) -> int:
        """Run a program to its end; returns the cycles that it took."""
        end = self.start(text, at, registers)
        before = self.timer.cycles
        self.device.run_until(end, TIMEOUT_S)
        return self.timer.cycles - before

    def caches(self, *, instruction: bool, data: bool) -> None:
        """On or off, as if CCR had been written."""
        self.memory.enable(instruction=instruction, data=data)

    def misses(self, name: str = "data") -> int:
        return next(use.misses for use in self.memory.use() if use.name == name)

    def hits(self, name: str = "data") -> int:
        return next(use.hits for use in self.memory.use() if use.name == name)


@contextmanager
def machine(timing: Timing = "full", platform: str = "stm32f746") -> Iterator[Machine]:
    """A machine as after power-on."""
    device = EmbeddedDevice(chip(platform), timing)
    device.open()
    try:
        yield Machine(device)
    finally:
        device.close()
