"""Whether a model fits a platform, and what is short by how much: it is placed, and nothing runs.

A Session places runtime, kernels, constants and arena as it would for a run, on a device that only
records, so that the answer is the one that a run would give.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from usim import abi
from usim.compiled_model import CompiledModel
from usim.devices.recording import RecordingDevice
from usim.errors import ModelError
from usim.models import Model
from usim.platforms import Platform
from usim.resources import data_folder
from usim.runtime import HANDLER_STACK_BYTES
from usim.session import Session
from usim.working_memory import WorkingMemory

_SECTIONS: Final = ("text", "rodata", "data", "bss", "heap")
# Code of one load lies in one block, and so does the arena; constants go wherever there is room.
_IN_ONE_BLOCK: Final = ("text", "data", "bss", "heap")
_TENSOR_ALIGNMENT: Final = 16


@dataclass(frozen=True, slots=True)
class SectionNeed:
    """What a model needs of a section, and the most that it can have beside the runtime, in bytes.

    `available_bytes` is the largest free block where the model's part must lie in one.
    """

    section: str
    needed_bytes: int
    available_bytes: int

    @property
    def short_bytes(self) -> int:
        """What is missing; 0 if nothing is."""
        return max(0, self.needed_bytes - self.available_bytes)


@dataclass(frozen=True, slots=True)
class PlatformFit:
    """One platform's answer. `problem` is the error that loading the model ended with."""

    platform: str
    title: str
    needs: tuple[SectionNeed, ...]
    problem: str | None

    @property
    def fits(self) -> bool:
        return self.problem is None

    @property
    def short(self) -> tuple[SectionNeed, ...]:
        """The sections that are too small."""
        return tuple(need for need in self.needs if need.short_bytes)


def fit_model(platform: Platform, model: Model, *, toolchain: str | None = None) -> PlatformFit:
    """Place a model that usim can lower. ToolchainError if it cannot be compiled."""
    device = RecordingDevice(platform, has_caches=platform.core.dcache is not None)
    with Session(platform, device=device, toolchain=toolchain, timing="count") as session:
        available = {
            name: session.free_bytes(name, in_one_block=name in _IN_ONE_BLOCK) for name in _SECTIONS
        }
        needed = _needs(session, model)
        needs = tuple(
            SectionNeed(name, needed[name], available[name]) for name in _SECTIONS if needed[name]
        )
        problem: str | None = None
        # A very large arena is not even tried: the recording would hold all of it.
        if not any(need.short_bytes for need in needs):
            try:
                compiled = CompiledModel(session, model)
                needs += _working(compiled.working_memory, platform)
            except ModelError as exc:
                problem = str(exc)
        else:
            problem = f"{model.graph.file} does not fit {platform.name}"
    return PlatformFit(platform.name, platform.title, needs, problem)


def _needs(session: Session, model: Model) -> dict[str, int]:
    """Bytes by section: the kernels' own, the constants' and the arena's."""
    lowered = model.lowered
    elf = session.toolchain.compile(
        lowered.source,
        name=f"{model.name}.c",
        core=session.platform.core,
        include=(data_folder("device_runtime"), data_folder("kernels")),
    )
    needs = dict.fromkeys(_SECTIONS, 0) | session.measure_object(elf)
    needs["rodata"] += sum(_tensor_bytes(constant.data.nbytes) for constant in lowered.constants)
    needs["heap"] += _tensor_bytes(lowered.plan.size_bytes)
    return needs


def _working(need: WorkingMemory, platform: Platform) -> tuple[SectionNeed, ...]:
    """Workspace and stack; the latter as far as it can be told."""
    pool_bytes = max(extent.size_bytes for extent in platform.section("workspace").extents)
    found = [("workspace", need.workspace_bytes, pool_bytes)]
    if need.stack.size_bytes is not None:
        room = platform.section("stack").size_bytes - HANDLER_STACK_BYTES
        found.append(("stack", need.stack.size_bytes, room))
    return tuple(SectionNeed(*item) for item in found)


def _tensor_bytes(size_bytes: int) -> int:
    """What a tensor takes of its section, with the guard words behind it."""
    guarded = size_bytes + -size_bytes % 4 + len(abi.GUARD_WORDS)
    return -(-guarded // _TENSOR_ALIGNMENT) * _TENSOR_ALIGNMENT
