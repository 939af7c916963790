"""From machine code to what the pipeline model needs of it: operands with their roles, resources.

Disassembly is Capstone's. An encoding is disassembled once, wherever it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

from capstone import arm as cs_arm

from usim.timing import mnemonics
from usim.timing.dataflow import disassembler
from usim.timing.mnemonics import class_of
from usim.timing.operands import Memory, Operands, Source, expand
from usim.timing.tables import CLASSES, Timing

BranchKind = Literal["none", "conditional", "direct", "call", "indirect", "return"]
FLAGS: Final = "flags"
GE_FLAGS: Final = "ge"
_FP_FLAGS: Final = "fpscr"

_ALWAYS: Final = 14
_RELATIVE: Final = frozenset({"b", "bl", "cbz", "cbnz"})
# Capstone's names for these, and the architecture's.
_RENAMED: Final = {"fconsts": "vmov", "fconstd": "vmov", "fmstat": "vmrs"}
_BRANCHES: Final[dict[str, BranchKind]] = {
    "b": "direct",
    "cbz": "conditional",
    "cbnz": "conditional",
    "bl": "call",
    "blx": "call",
    "bx": "indirect",
    "tbb": "indirect",
    "tbh": "indirect",
}
# Registers that no pipeline hazard is about.
_IGNORED: Final = frozenset({"pc", "apsr_nzcv", "fpscr"})


@dataclass(frozen=True, slots=True)
class _Form:
    """What is common to all instructions of one encoding (and condition in an IT block)."""

    text: str
    class_name: str
    timing: Timing
    sources: tuple[Source, ...]
    results: tuple[str, ...]
    early_results: tuple[str, ...]
    issue_cycles: int
    branch: BranchKind
    offset: int | None
    predicate: int
    memory: Memory | None


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction as the pipeline model sees it."""

    address: int
    size_bytes: int
    text: str
    class_name: str
    timing: Timing
    sources: tuple[Source, ...]
    results: tuple[str, ...]
    early_results: tuple[str, ...]  # base registers written back by the address unit
    issue_cycles: int
    branch: BranchKind
    target: int | None
    predicate: int  # 0, or its condition in an IT block (with its opposite: they run as one) + 1
    memory: Memory | None

    @property
    def end(self) -> int:
        """Address of the next instruction."""
        return self.address + self.size_bytes


def _is_rotated_constant(code: bytes) -> bool:
    """Whether it has a modified immediate that is a shifted byte (DDI 0403E A5.3.2)."""
    if len(code) != 4:
        return False
    first = int.from_bytes(code[:2], "little")
    second = int.from_bytes(code[2:], "little")
    return first & 0xFA00 == 0xF000 and not second & 0x8000 and bool(first & 0x400 or second >> 14)


def _flags(name: str, insn: Any, *, conditional: bool) -> tuple[list[Source], list[str]]:  # noqa: ANN401
    """Flags read and written."""
    sources: list[Source] = []
    if conditional:
        sources.append(Source(FLAGS, "predicate"))
    if name in mnemonics.READ_CARRY or name.startswith("vsel"):
        sources.append(Source(FLAGS, "flags"))
    if name == "sel":
        sources.append(Source(GE_FLAGS, "flags"))
    if name in mnemonics.SET_GE:
        return sources, [GE_FLAGS]
    if name.startswith("vcmp"):
        return sources, [_FP_FLAGS]
    if name == "vmrs":
        sources.append(Source(_FP_FLAGS, "to_core"))
    return sources, [FLAGS] if insn.update_flags else []


def _branch(name: str, operands: Operands, results: list[str], *, conditional: bool) -> BranchKind:
    kind: BranchKind = _BRANCHES.get(name, "none")
    if name == "b" and conditional:
        kind = "conditional"
    elif name == "bx" and operands.registers[:1] == ("lr",):
        kind = "return"
    elif "pc" in results:
        returns = name.startswith(("pop", "ldm")) or (name == "ldr" and operands.base == "sp")
        kind = "return" if returns else "indirect"
    return kind


def _form_of(insn: Any, condition: int) -> _Form:  # noqa: ANN401
    name = str(insn.insn_name() or insn.mnemonic)
    name = "nop" if insn.mnemonic.startswith("nop") else _RENAMED.get(name, name)
    operands = Operands(insn, name)
    rotated = _is_rotated_constant(insn.bytes)
    class_name = class_of(name, operands.registers, shifts=operands.shifts, rotated=rotated)
    timing = CLASSES[class_name]
    conditional = insn.cc not in (cs_arm.ARM_CC_AL, cs_arm.ARM_CC_INVALID) and class_name != "it"
    sources, results = operands.sources_and_results(class_name)
    branch = _branch(name, operands, results, conditional=conditional)
    flags_read, flags_written = _flags(
        name, insn, conditional=conditional and branch != "conditional"
    )
    memory = operands.memory(timing)
    if name in ("bl", "blx"):
        results.append("lr")
    written = [single for register in results for single in expand(register)]
    written = [register for register in written if register not in _IGNORED] + flags_written
    relative = name in _RELATIVE and operands.immediate is not None
    return _Form(
        text=f"{insn.mnemonic} {insn.op_str}".strip(),
        class_name=class_name,
        timing=timing,
        sources=_unique([*sources, *operands.address_sources(), *flags_read]),
        results=tuple(dict.fromkeys(written)),
        early_results=(operands.base,) if operands.writes_back and operands.base else (),
        issue_cycles=_issue_cycles(timing, memory),
        branch=branch,
        offset=(operands.immediate or 0) - insn.address if relative else None,
        predicate=0 if condition == _ALWAYS else (condition & 0xE) + 1,
        memory=memory,
    )


def _issue_cycles(timing: Timing, memory: Memory | None) -> int:
    if memory is not None and timing.alone:
        return max(timing.cycles, (memory.words + 1) // 2)
    return timing.cycles


def _unique(sources: list[Source]) -> tuple[Source, ...]:
    expanded = [Source(r, source.role) for source in sources for r in expand(source.register)]
    return tuple(source for source in dict.fromkeys(expanded) if source.register != "pc")


@lru_cache(maxsize=65536)
def _form(code: bytes, condition: int) -> _Form | None:
    """Disassemble one instruction, at address 0; None if Capstone can't."""
    prefix = b"" if condition == _ALWAYS else bytes([0x08 | condition << 4 & 0xF0, 0xBF])
    found = list(disassembler().disasm(prefix + code, 0))
    expected = 1 + bool(prefix)
    if len(found) != expected:
        return None
    return _form_of(found[-1], condition)


def _conditions(first_halfword: int) -> list[int]:
    """The conditions of the instructions in the IT block that this instruction starts."""
    base, mask = first_halfword >> 4 & 0xF, first_halfword & 0xF
    length = 4 - (mask & -mask).bit_length() + 1
    following = [base & 0xE | mask >> 4 - place & 1 for place in range(1, length)]
    return [base, *following]


_UNKNOWN: Final = _Form(
    "(unknown)", "system", CLASSES["system"], (), (), (), CLASSES["system"].cycles, "none",
    None, 0, None,
)  # fmt: skip


def _place(form: _Form, address: int, code: bytes) -> Instruction:
    memory, text, target = form.memory, form.text, None
    if form.offset is not None:
        target = address + form.offset & 0xFFFF_FFFF
        text = f"{text.rpartition('#')[0]}{target:#x}"
    if memory is not None and memory.base == "pc" and memory.displacement is not None:
        literal = (address + 4 & ~3) + memory.displacement
        memory = Memory(memory.is_load, "pc", literal, memory.words)
    return Instruction(
        address, len(code), text, form.class_name, form.timing, form.sources, form.results,
        form.early_results, form.issue_cycles, form.branch, target, form.predicate, memory,
    )  # fmt: skip


@lru_cache(maxsize=16384)
def decode(code: bytes, address: int) -> tuple[Instruction, ...]:
    """Decode straight-line Thumb code. What Capstone can't read counts as a system instruction."""
    decoded = []
    conditions: list[int] = []
    offset = 0
    while offset + 2 <= len(code):
        first = int.from_bytes(code[offset : offset + 2], "little")
        size = 4 if first >> 11 >= 0x1D else 2
        encoding = bytes(code[offset : offset + size])
        form = _form(encoding, conditions.pop(0) if conditions else _ALWAYS) or _UNKNOWN
        if form.class_name == "it":
            conditions = _conditions(first)
        decoded.append(_place(form, address + offset, encoding))
        offset += size
    return tuple(decoded)
