"""The operands of a disassembled instruction, by their places, with what they are used for.

Capstone's own lists of registers read and written have gaps: the accumulators of long multiplies,
second operands of DSP instructions, register lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import capstone
from capstone import arm as cs_arm

from usim.timing import mnemonics
from usim.timing.mnemonics import is_fp
from usim.timing.tables import CLASSES, Role, Timing

STACK: Final = frozenset({"push", "pop", "vpush", "vpop"})


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


def expand(register: str) -> Iterator[str]:
    """A double register is its two single ones."""
    if register.startswith("d") and register[1:].isdigit():
        number = 2 * int(register[1:])
        yield f"s{number}"
        yield f"s{number + 1}"
    else:
        yield register


class Operands:
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
        self.writes_back = bool(insn.writeback) or name in STACK
        self.base = self.index = ""
        self.displacement = 0
        for op in insn.operands:
            if op.type == cs_arm.ARM_OP_MEM:
                self.base = str(insn.reg_name(op.mem.base)) if op.mem.base else ""
                self.index = str(insn.reg_name(op.mem.index)) if op.mem.index else ""
                self.displacement = op.mem.disp
        if name in STACK:
            self.base = "sp"
        elif not self.base and name.startswith(("ldm", "stm", "vldm", "vstm")):
            self.base, self.registers = self.registers[0], self.registers[1:]

    def sources_and_results(self, class_name: str) -> tuple[list[Source], list[str]]:
        """What is read and written, flags and address registers apart."""
        timing, registers = CLASSES[class_name], self.registers
        if timing.unit == "load":
            return [], list(registers)
        if class_name == "multiply":
            return self._multiplied()
        if class_name in ("fp_two_to_core", "fp_two_from_core"):
            return self._moved_in_pairs(timing.operand)
        written = 0 if self._only_reads(class_name) else 1
        sources = [
            Source(register, self._role(class_name, place))
            for place, register in enumerate(registers)
            if place >= written or (self.reads_first and not class_name.startswith("fp_"))
        ]
        if class_name == "fp_fma":
            sources.append(Source(registers[0], "fma_accumulator"))
        elif class_name == "fp_mla":
            sources.append(Source(registers[0], "mla_accumulator"))
        if timing.unit == "branch":
            sources = []  # predicted, so it waits for nothing
        return sources, list(registers[:written])

    def _only_reads(self, class_name: str) -> bool:
        timing = CLASSES[class_name]
        if timing.unit in ("store", "branch"):
            return class_name != "store_exclusive"
        return self.name in mnemonics.COMPARES or self.name in ("vcmp", "vcmpe", "msr", "vmsr")

    def address_sources(self) -> list[Source]:
        """The registers of its address."""
        base = [Source(self.base, "address")] if self.base not in ("", "pc") else []
        return base + ([Source(self.index, "index")] if self.index else [])

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

    def _moved_in_pairs(self, role: Role) -> tuple[list[Source], list[str]]:
        registers = self.registers
        to_fp = is_fp(registers[0])
        split = sum(is_fp(register) == to_fp for register in registers)
        return [Source(register, role) for register in registers[split:]], list(registers[:split])

    def memory(self, timing: Timing) -> Memory | None:
        """The access, if there is one."""
        if timing.unit not in ("load", "store"):
            return None
        moved = [single for register in self.registers for single in expand(register)]
        words = len(moved) - (self.name.startswith("strex"))
        displacement = None if self.index else self.displacement
        return Memory(timing.unit == "load", self.base, displacement, max(words, 1))
