"""From machine code to what the pipeline model needs of it: operands with their roles, resources.

Disassembly is Capstone's. Its lists of registers read and written have gaps (long multiplies'
accumulators, DSP instructions' second operands, register lists), so operands are taken from their
places in the instruction instead. An encoding is disassembled once, wherever it stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

import capstone
from capstone import arm as cs_arm

from usim.timing import mnemonics
from usim.timing.mnemonics import class_of, is_fp
from usim.timing.tables import CLASSES, Role, Timing

BranchKind = Literal["none", "conditional", "direct", "call", "indirect", "return"]
FLAGS: Final = "flags"
GE_FLAGS: Final = "ge"
_FP_FLAGS: Final = "fpscr"

_ALWAYS: Final = 14
_RELATIVE: Final = frozenset("b bl cbz cbnz".split())
# Capstone's names for these, and the architecture's.
_RENAMED: Final = {"fconsts": "vmov", "fconstd": "vmov", "fmstat": "vmrs"}
_STACK: Final = frozenset("push pop vpush vpop".split())
# Registers that no pipeline hazard is about.
_IGNORED: Final = frozenset({"pc", "apsr_nzcv", "fpscr"})


@dataclass(frozen=True, slots=True)
class Source:
    """A register that is read, and what for: see tables.py."""

    register: str
    role: Role


@dataclass(frozen=True, slots=True)
class Memory:
    """A load or store of `words` 32-bit words (or less) at base + displacement."""

    is_load: bool
    base: str  # "pc" for literals, whose displacement is then the address
    displacement: int | None  # None: an index register is added
    words: int


@dataclass(frozen=True, slots=True)
class _Form:
    """What is common to all instructions of one encoding (and condition in an IT block)."""

    name: str
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


@lru_cache(maxsize=1)
def _disassembler() -> capstone.Cs:
    engine = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    engine.detail = True
    return engine


def _is_rotated_constant(code: bytes) -> bool:
    """Whether it has a modified immediate that is a shifted byte (DDI 0403E A5.3.2)."""
    if len(code) != 4:
        return False
    first = int.from_bytes(code[:2], "little")
    second = int.from_bytes(code[2:], "little")
    return first & 0xFA00 == 0xF000 and not second & 0x8000 and bool(first & 0x400 or second >> 14)


def _expand(register: str) -> Iterator[str]:
    """A double register is its two single ones."""
    if register.startswith("d") and register[1:].isdigit():
        number = 2 * int(register[1:])
        yield f"s{number}"
        yield f"s{number + 1}"
    else:
        yield register


class _Operands:
    """The operands of one disassembled instruction, by their places."""

    def __init__(self, insn: Any, name: str) -> None:  # noqa: ANN401 - capstone has no types
        self.name = name
        of_registers = [op for op in insn.operands if op.type == cs_arm.ARM_OP_REG]
        self.registers = tuple(str(insn.reg_name(op.reg)) for op in of_registers)
        self.shifts = bool(of_registers) and of_registers[-1].shift.type != cs_arm.ARM_SFT_INVALID
        # The first operand of a two-operand form is read as well ("adds r0, r1").
        self.reads_first = bool(of_registers) and bool(of_registers[0].access & capstone.CS_AC_READ)
        immediates = [op.imm for op in insn.operands if op.type == cs_arm.ARM_OP_IMM]
        self.immediate = immediates[-1] & 0xFFFF_FFFF if immediates else None
        self.writes_back = bool(insn.writeback) or name in _STACK
        self.base = self.index = ""
        self.displacement = 0
        for op in insn.operands:
            if op.type == cs_arm.ARM_OP_MEM:
                self.base = str(insn.reg_name(op.mem.base)) if op.mem.base else ""
                self.index = str(insn.reg_name(op.mem.index)) if op.mem.index else ""
                self.displacement = op.mem.disp
        if name in _STACK:
            self.base = "sp"
        elif not self.base and name.startswith(("ldm", "stm", "vldm", "vstm")):
            self.base, self.registers = self.registers[0], self.registers[1:]

    def sources_and_results(self, class_name: str) -> tuple[list[Source], list[str]]:
        """What is read and written, flags and base registers apart."""
        timing = CLASSES[class_name]
        plain = timing.operand
        registers = self.registers
        if timing.unit == "load":
            return [], list(registers)
        if class_name == "store_exclusive":
            return [Source(registers[1], plain)], [registers[0]]
        if timing.unit == "store":
            return [Source(register, plain) for register in registers], []
        if timing.unit == "branch" or self.name in mnemonics.COMPARES or "vcmp" in self.name:
            return self._compared(class_name), []
        if class_name == "multiply":
            return self._multiplied()
        if self.name == "msr":
            return [Source(registers[0], plain)], []
        if class_name == "fp_two_registers":
            return self._moved_in_pairs()
        results, sources = list(registers[:1]), list(registers[1:])
        roles = [self._role(class_name, place) for place in range(1, len(registers))]
        found = [Source(register, role) for register, role in zip(sources, roles, strict=True)]
        if class_name in ("fp_fma", "fp_mla"):
            found.append(
                Source(
                    registers[0], "fma_accumulator" if class_name == "fp_fma" else "mla_accumulator"
                )
            )
        elif self.reads_first and registers:
            found.append(Source(registers[0], self._role(class_name, 0)))
        return found, results

    def _compared(self, class_name: str) -> list[Source]:
        if CLASSES[class_name].unit == "branch":
            return []  # predicted, CBZ too
        last = len(self.registers) - 1
        return [
            Source(register, self._role(class_name, place if last else 0))
            for place, register in enumerate(self.registers)
        ]

    def _role(self, class_name: str, place: int) -> Role:
        """How the register at `place` is used: the last one may have to be there early."""
        is_last = place == len(self.registers) - 1 and place > 0
        if class_name == "alu_inline_shift":
            if len(self.registers) == 4:  # shifted by a register
                return "shifted" if place >= 2 else "beside_shift"
            return "shifted" if is_last else "beside_shift"
        if class_name in ("extend_add", "bitfield_insert"):
            early = is_last and self.name in mnemonics.SHIFT_LAST
            return "shifted" if early or (self.name == "pkhtb" and place == 1) else "beside_shift"
        if self.name == "usada8" and is_last:
            return "accumulator"
        return CLASSES[class_name].operand

    def _multiplied(self) -> tuple[list[Source], list[str]]:
        registers = self.registers
        if self.name in mnemonics.LONG_MULTIPLIES:
            results, factors, added = registers[:2], registers[2:], registers[:2]
            if self.name not in mnemonics.LONG_ACCUMULATE:
                added = ()
        elif self.reads_first:  # muls r0, r1
            results, factors, added = registers[:1], registers, ()
        else:
            results, factors, added = registers[:1], registers[1:3], registers[3:]
        sources = [Source(register, "multiplicand") for register in factors]
        sources += [Source(register, "accumulator") for register in added]
        return sources, list(results)

    def _moved_in_pairs(self) -> tuple[list[Source], list[str]]:
        to_fp = is_fp(self.registers[0])
        role: Role = "to_fp" if to_fp else "to_core"
        split = sum(is_fp(register) == to_fp for register in self.registers)
        return [Source(register, role) for register in self.registers[split:]], list(
            self.registers[:split]
        )

    def memory(self, timing: Timing) -> Memory | None:
        """The access, if there is one."""
        if timing.unit not in ("load", "store"):
            return None
        moved = [single for register in self.registers for single in _expand(register)]
        words = len(moved) - (self.name.startswith("strex"))
        displacement = None if self.index else self.displacement
        return Memory(timing.unit == "load", self.base, displacement, max(words, 1))


def _flags(name: str, insn: Any, conditional: bool) -> tuple[list[Source], list[str]]:  # noqa: ANN401
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


def _branch(name: str, operands: _Operands, conditional: bool, results: list[str]) -> BranchKind:
    match name:
        case "b":
            return "conditional" if conditional else "direct"
        case "cbz" | "cbnz":
            return "conditional"
        case "bl" | "blx":
            return "call"
        case "bx":
            return "return" if operands.registers[:1] == ("lr",) else "indirect"
        case "tbb" | "tbh":
            return "indirect"
    if "pc" in results:
        returns = name.startswith(("pop", "ldm")) or (name == "ldr" and operands.base == "sp")
        return "return" if returns else "indirect"
    return "none"


def _form_of(insn: Any, condition: int, address: int) -> _Form:  # noqa: ANN401
    name = str(insn.insn_name() or insn.mnemonic)
    name = _RENAMED.get(name, name)
    if insn.mnemonic.startswith("nop"):
        name = "nop"
    operands = _Operands(insn, name)
    class_name = (
        "nop"
        if name == "nop"
        else class_of(
            name,
            operands.registers,
            shifts=operands.shifts,
            rotated=_is_rotated_constant(insn.bytes),
        )
    )
    timing = CLASSES[class_name]
    conditional = insn.cc not in (cs_arm.ARM_CC_AL, cs_arm.ARM_CC_INVALID) and class_name != "it"
    sources, results = operands.sources_and_results(class_name)
    branch = _branch(name, operands, conditional, results)
    flags_read, flags_written = _flags(name, insn, conditional and branch != "conditional")
    memory = operands.memory(timing)
    if operands.base and operands.base != "pc":
        sources.append(Source(operands.base, "address"))
    if operands.index:
        sources.append(Source(operands.index, "index"))
    written_back = (operands.base,) if operands.writes_back and operands.base else ()
    if name in ("bl", "blx"):
        results.append("lr")
    expanded = [single for register in results for single in _expand(register)]
    return _Form(
        name=name,
        text=f"{insn.mnemonic} {insn.op_str}".strip(),
        class_name=class_name,
        timing=timing,
        sources=_unique(sources + flags_read),
        results=tuple(
            r
            for r in dict.fromkeys(expanded + flags_written)
            if r not in _IGNORED or r == _FP_FLAGS and name.startswith("vcmp")
        ),
        early_results=written_back,
        issue_cycles=_issue_cycles(timing, memory),
        branch=branch,
        offset=operands.immediate - address
        if name in _RELATIVE and operands.immediate is not None
        else None,
        predicate=0 if condition == _ALWAYS else (condition & 0xE) + 1,
        memory=memory,
    )


def _issue_cycles(timing: Timing, memory: Memory | None) -> int:
    if memory is not None and timing.alone:
        return max(timing.cycles, (memory.words + 1) // 2)
    return timing.cycles


def _unique(sources: list[Source]) -> tuple[Source, ...]:
    expanded = [Source(r, source.role) for source in sources for r in _expand(source.register)]
    return tuple(source for source in dict.fromkeys(expanded) if source.register != "pc")


@lru_cache(maxsize=65536)
def _form(code: bytes, condition: int) -> _Form | None:
    """Disassemble one instruction, at address 0; None if Capstone can't."""
    prefix = b"" if condition == _ALWAYS else bytes([0x08 | condition << 4 & 0xF0, 0xBF])
    found = list(_disassembler().disasm(prefix + code, 0))
    expected = 1 + bool(prefix)
    if len(found) != expected:
        return None
    return _form_of(found[-1], condition, 0)


def _conditions(first_halfword: int) -> list[int]:
    """The conditions of the instructions in the IT block that this instruction starts."""
    base, mask = first_halfword >> 4 & 0xF, first_halfword & 0xF
    length = 4 - (mask & -mask).bit_length() + 1
    following = [base & 0xE | mask >> 4 - place & 1 for place in range(1, length)]
    return [base, *following]


_UNKNOWN: Final = _Form(
    "", "(unknown)", "system", CLASSES["system"], (), (), (), CLASSES["system"].cycles, "none",
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
