"""What a model's kernels need while they run, stack and workspace, and whether a chip has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from usim.errors import ModelError
from usim.models import LoweredModel
from usim.module import Module
from usim.platforms import Platform
from usim.runtime import HANDLER_STACK_BYTES
from usim.stack import StackNeed

# device_runtime/workspace.c: a block is a header and the payload, both multiples of this.
_HEADER_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class WorkingMemory:
    """In bytes; the stack's need comes from the compiled code, the runtime's part included."""

    stack: StackNeed
    workspace_bytes: int


def working_memory(lowered: LoweredModel, module: Module) -> WorkingMemory:
    """What one inference needs beside code, constants and activations."""
    words = {call.function: 0 for call in lowered.calls}
    for call in lowered.calls:
        words[call.function] = max(words[call.function], len(call.arguments))
    scratch = max((call.scratch_bytes for call in lowered.calls), default=0)
    rounded = -(-scratch // _HEADER_BYTES) * _HEADER_BYTES
    return WorkingMemory(module.stack_need(words), rounded + _HEADER_BYTES if scratch else 0)


def check_working_memory(need: WorkingMemory, platform: Platform, file: str) -> None:
    """ModelError if a platform's sections are too small. A stack of unknown need is tried."""
    stack = platform.section("stack")
    pool_bytes = max(extent.size_bytes for extent in platform.section("workspace").extents)
    wanted = (need.stack.size_bytes or 0) + HANDLER_STACK_BYTES
    for section, needed, available in (
        ("stack", wanted if need.stack.size_bytes else 0, stack.size_bytes),
        ("workspace", need.workspace_bytes, pool_bytes),
    ):
        if needed > available:
            what = f", {HANDLER_STACK_BYTES} for faults included" if section == "stack" else ""
            raise ModelError(
                f"{file} does not fit {platform}: its kernels need {needed:,} bytes of {section}"
                f"{what}, and it has {available:,} in one piece; make section {section} larger in "
                "platform.yaml",
                file=file,
                section=section,
            )
