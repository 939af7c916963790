"""Runs a lowered model on the host: its C, compiled with the sanitizer, called through ctypes."""

from __future__ import annotations

import ctypes
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import ziglang

from usim.models.lowering import Activation, LoweredModel
from usim.resources import data_folder

ZIG = Path(ziglang.__file__).parent / "zig"
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
GUARD = 64
ALLOCATE = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)
FREE = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)


class OutOfBoundsError(Exception):
    """A kernel wrote outside the arena."""


def build_library(source: str, folder: Path, name: str = "model") -> Path:
    """Compile C into a shared library that traps on undefined behaviour."""
    c_file, library = folder / f"{name}.c", folder / f"{name}.so"
    c_file.write_text(source)
    command = [ZIG, "cc", "-shared", "-fPIC", "-O1", "-g0", *WARNINGS]
    command += ["-fsanitize=undefined", "-fsanitize-trap=undefined", "-ffp-contract=off"]
    command += ["-I", data_folder("kernels"), "-I", data_folder("device_runtime")]
    command += [c_file, "-o", library]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr
    return library


@cache
def workspace_of(path: Path) -> Workspace:
    """One for all models of a library, which has one pointer to each helper."""
    return Workspace(ctypes.CDLL(str(path)))


class Workspace:
    """The runtime's scratch memory for a library: a block in each call, between guards."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._blocks: list[np.ndarray] = []
        self._helpers = (ALLOCATE(self._allocate), FREE(self._free))
        for name, helper in zip(("alloc", "free"), self._helpers, strict=True):
            try:
                pointer = ctypes.c_void_p.in_dll(library, f"usim_workspace_{name}")
            except ValueError:  # nothing in the library needs it
                continue
            pointer.value = ctypes.cast(helper, ctypes.c_void_p).value

    def _allocate(self, size: int) -> int:
        # 8 more than asked for, so that the payload can start at a multiple of 8.
        block = np.full(size + 2 * GUARD + 8, 0x55, dtype=np.uint8)
        address = -(-(block.ctypes.data + GUARD) // 8) * 8
        start = address - block.ctypes.data
        block[start : start + size] = 0xAA
        self._blocks.append(block)
        self._payload = slice(start, start + size)
        return address

    def _free(self, _: int) -> int:
        return 0

    def check(self) -> None:
        """Nothing was written outside of what was allocated since the last check."""
        assert len(self._blocks) <= 1
        for block in self._blocks:
            outside = np.ones(block.size, dtype=bool)
            outside[self._payload] = False
            if not np.all(block[outside] == 0x55):
                raise OutOfBoundsError
        self._blocks.clear()


class HostModel:
    """The calls of a lowered model over an arena in host memory, with a guard on either side."""

    def __init__(self, lowered: LoweredModel, library: Path, names: dict[str, str] | None = None):
        self.lowered = lowered
        self._library = ctypes.CDLL(str(library))
        self._names = names or {}
        self._workspace = workspace_of(library)
        size = lowered.plan.size_bytes
        self._memory = np.full(size + 2 * GUARD + 16, 0x55, dtype=np.uint8)
        self._base = -(-(self._memory.ctypes.data + GUARD) // 16) * 16
        start = self._base - self._memory.ctypes.data
        self._arena = self._memory[start : start + size]
        self._outside = np.ones(self._memory.size, dtype=bool)
        self._outside[start : start + size] = False
        self.reset()

    def reset(self) -> None:
        """Give the variables their first values."""
        for variable in self.lowered.variables:
            self._view(variable.place)[...] = variable.initial

    def run(self, *inputs: np.ndarray) -> list[np.ndarray]:
        """The (first) output of every call, in order."""
        kept = [self._view(variable.place).copy() for variable in self.lowered.variables]
        self._arena[:] = 0xAA  # a kernel that reads what it has not written shows
        for variable, value in zip(self.lowered.variables, kept, strict=True):
            self._view(variable.place)[...] = value
        for slot, data in zip(self.lowered.inputs, inputs, strict=True):
            self._view(slot)[...] = data
        outputs = []
        for call in self.lowered.calls:
            function = getattr(self._library, self._names.get(call.function, call.function))
            pointers = [self._address(argument) for argument in call.arguments]
            assert function(*map(ctypes.c_void_p, pointers)) == 0
            self._workspace.check()
            target = call.arguments[-call.output_count]
            assert isinstance(target, Activation)
            outputs.append(self._view(target).copy())
        if not np.all(self._memory[self._outside] == 0x55):
            raise OutOfBoundsError
        return outputs

    def result(self) -> list[np.ndarray]:
        return [self._view(slot).copy() for slot in self.lowered.outputs]

    def _view(self, slot: Activation) -> np.ndarray:
        raw = self._arena[slot.offset : slot.offset + slot.size_bytes]
        return raw.view(slot.dtype).reshape(slot.shape)

    def _address(self, argument) -> int:
        if isinstance(argument, Activation):
            return self._base + argument.offset
        return self.lowered.constants[argument.index].data.ctypes.data
