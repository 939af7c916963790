"""Where a block's loads and stores go, as far as its entry registers tell.

Most addresses in compiled code are a register's value at the start of the block plus a constant,
or two registers and a constant. Those are evaluated once at the block's entry by the native side,
which is much quicker than a hook on each access. What depends on a value that the block itself
loads or computes in another way is left to a hook on that one instruction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import capstone
from capstone import arm as cs_arm

REGISTER_NUMBERS: Final = {
    **{f"r{i}": i for i in range(16)},
    "sb": 9,
    "sl": 10,
    "fp": 11,
    "ip": 12,
    "sp": 13,
    "lr": 14,
    "pc": 15,
}
_PC: Final = 15
_MAX_TERMS: Final = 2
_BUS_BYTES: Final = 8
_MULTIPLE: Final = ("ldm", "stm", "push", "pop", "vldm", "vstm", "vpush", "vpop")
_TABLE_BRANCHES: Final = {"tbb": 1, "tbh": 2}
_ARITHMETIC: Final = frozenset({"mov", "add", "addw", "sub", "subw", "movs", "adds", "subs"})


@lru_cache(maxsize=1)
def disassembler() -> capstone.Cs:
    """Capstone for Thumb-2 of an M-profile core, with operands."""
    engine = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    engine.detail = True
    return engine


@dataclass(frozen=True, slots=True)
class Linear:
    """constant + sum of (register << shift), registers as they are at the block's entry."""

    constant: int
    terms: tuple[tuple[int, int], ...] = ()

    def plus(self, other: Linear) -> Linear | None:
        """The sum, or None if it has too many terms."""
        terms = tuple(sorted((*self.terms, *other.terms)))
        return Linear(self.constant + other.constant, terms) if len(terms) <= _MAX_TERMS else None

    def value(self, registers: Callable[[int], int]) -> int:
        """The address, with registers(number) as at the block's entry."""
        total = self.constant + sum(registers(number) << shift for number, shift in self.terms)
        return total & 0xFFFF_FFFF

    def shifted(self, bits: int) -> Linear:
        """Shifted left."""
        terms = ((register, shift + bits) for register, shift in self.terms)
        # What is shifted out of 32 bits is gone.
        return Linear(self.constant << bits, tuple(term for term in terms if term[1] < 32))


@dataclass(frozen=True, slots=True)
class Access:
    """Bytes that an instruction, or several with neighbouring addresses, read or write."""

    address: Linear
    size_bytes: int
    is_write: bool
    transfers: int = 1  # on a bus of 64 bits: one an instruction, or a doubleword


@dataclass(frozen=True, slots=True)
class BlockAccesses:
    """A block's accesses with their instructions' addresses.

    `known` ones follow from the registers at the block's entry, `at_instruction` from the registers
    when the instruction runs. `merged` are the known ones, neighbours joined.
    """

    known: tuple[tuple[int, Access], ...]
    at_instruction: tuple[tuple[int, Access], ...]

    @property
    def merged(self) -> tuple[Access, ...]:
        return tuple(_merged([access for _, access in self.known]))


class _Registers:
    """Values of registers as linear forms while a block is read; None is unknown."""

    def __init__(self) -> None:
        self._values: dict[int, Linear | None] = {}
        self._are_known = True

    def get(self, number: int) -> Linear | None:
        at_entry = Linear(0, ((number, 0),)) if self._are_known else None
        return self._values.get(number, at_entry)

    def forget(self) -> None:
        """Nothing is known of any register any more."""
        self._values.clear()
        self._are_known = False

    def set(self, number: int, value: Linear | None) -> None:
        self._values[number] = value


@dataclass(frozen=True, slots=True)
class _Operand:
    """A memory operand as it is encoded."""

    base: int
    index: int | None
    index_shift: int
    displacement: int
    writeback: int  # what is added to the base register afterwards
    size_bytes: int
    is_write: bool


def find_accesses(code: bytes, address: int, in_it_block: int = 0) -> BlockAccesses:
    """Sort the memory accesses of a block of Thumb code into known and unknown ones.

    The first `in_it_block` instructions belong to an IT block that started before.
    """
    registers = _Registers()
    known: list[tuple[int, Access]] = []
    unknown: list[tuple[int, Access]] = []
    for place, insn in enumerate(_disassemble(code, address)):
        if insn is None:
            registers.forget()
            continue
        always = insn.cc in (cs_arm.ARM_CC_AL, cs_arm.ARM_CC_INVALID)
        predicated = not always or place < in_it_block
        operand = _operand(insn)
        if operand is not None:
            transfers = -(-operand.size_bytes // _BUS_BYTES)
            where = None if predicated else _address(registers, operand, insn.address)
            if where is not None:
                access = Access(where, operand.size_bytes, operand.is_write, transfers)
                known.append((insn.address, access))
            else:
                now = _address(_Registers(), operand, insn.address)
                assert now is not None
                access = Access(now, operand.size_bytes, operand.is_write, transfers)
                unknown.append((insn.address, access))
        _track(registers, insn, operand, predicated=predicated)
    return BlockAccesses(tuple(known), tuple(unknown))


def _disassemble(code: bytes, address: int) -> Iterator[Any]:
    """Instructions; None for each that the disassembler does not know."""
    offset = 0
    while offset + 2 <= len(code):
        for insn in disassembler().disasm(code[offset:], address + offset):
            offset += insn.size
            yield insn
        if offset + 2 <= len(code):
            offset += 4 if code[offset + 1] >> 3 >= 0x1D else 2
            yield None


def _operand(insn: Any) -> _Operand | None:  # noqa: ANN401 - capstone has no types
    """The memory operand of a load or store, multiple ones included."""
    name = insn.insn_name() or ""
    is_multiple = name.startswith(_MULTIPLE)
    if is_multiple:
        return _multiple(name, insn)
    memory = next((op.mem for op in insn.operands if op.type == cs_arm.ARM_OP_MEM), None)
    if memory is None or name.startswith("pl"):
        return None
    if name in _TABLE_BRANCHES:
        return _table_branch(name, insn, memory)
    size = _size_of(name, insn)
    is_write = name.startswith(("st", "vst"))
    base = REGISTER_NUMBERS[insn.reg_name(memory.base)]
    index = REGISTER_NUMBERS[insn.reg_name(memory.index)] if memory.index else None
    # Post-indexed: the access is at the base itself.
    post = insn.operands[-1].type == cs_arm.ARM_OP_IMM and insn.writeback
    displacement = 0 if post else memory.disp
    step = insn.operands[-1].imm if post else memory.disp if insn.writeback else 0
    return _Operand(base, index, _index_shift(insn), displacement, step, size, is_write)


def _table_branch(name: str, insn: Any, memory: Any) -> _Operand:  # noqa: ANN401
    size = _TABLE_BRANCHES[name]
    index = REGISTER_NUMBERS[insn.reg_name(memory.index)]
    base = REGISTER_NUMBERS[insn.reg_name(memory.base)]
    # The pc is not aligned here (A7.7.182), as it is for literals.
    unaligned = (insn.address & 2) if base == _PC else 0
    return _Operand(base, index, size - 1, unaligned, 0, size, is_write=False)


def _index_shift(insn: Any) -> int:  # noqa: ANN401
    for op in insn.operands:
        if op.type == cs_arm.ARM_OP_MEM and op.mem.index:
            return int(op.shift.value if op.shift.type == cs_arm.ARM_SFT_LSL else op.mem.lshift)
    return 0


def _multiple(name: str, insn: Any) -> _Operand:  # noqa: ANN401
    listed = [insn.reg_name(op.reg) for op in insn.operands if op.type == cs_arm.ARM_OP_REG]
    stack = name.startswith(("push", "pop", "vpush", "vpop"))
    base = 13 if stack else REGISTER_NUMBERS[listed.pop(0)]
    size = sum(8 if register.startswith("d") else 4 for register in listed)
    is_write = name.startswith(("push", "vpush", "stm", "vstm"))
    downward = name in ("push", "vpush") or name.endswith("db")
    writeback = size if stack or insn.writeback else 0
    return _Operand(
        base,
        None,
        0,
        -size if downward else 0,
        -writeback if downward else writeback,
        size,
        is_write,
    )


def _size_of(name: str, insn: Any) -> int:  # noqa: ANN401
    if name in ("ldrd", "strd") or insn.reg_name(insn.operands[0].reg).startswith("d"):
        return 8
    stem = name.removeprefix("v").removeprefix("ldr").removeprefix("str").removeprefix("ex")
    if "b" in stem:
        return 1
    return 2 if "h" in stem else 4


def _address(registers: _Registers, operand: _Operand, pc: int) -> Linear | None:
    if operand.base == _PC:
        # A literal: relative to the aligned address two halfwords on (A5.1.2).
        base: Linear | None = Linear((pc + 4) & ~3)
    else:
        base = registers.get(operand.base)
    if base is None:
        return None
    total = base.plus(Linear(operand.displacement))
    if operand.index is not None and total is not None:
        index = registers.get(operand.index)
        return None if index is None else total.plus(index.shifted(operand.index_shift))
    return total


def _track(
    registers: _Registers,
    insn: Any,  # noqa: ANN401
    operand: _Operand | None,
    *,
    predicated: bool,
) -> None:
    """Follow what the instruction does to registers that may become addresses."""
    value = None if predicated else _moved(registers, insn)
    stepped = None
    if operand is not None and operand.writeback and not predicated:
        base = registers.get(operand.base)
        stepped = base.plus(Linear(operand.writeback)) if base is not None else None
    _, written = insn.regs_access()
    for register in written:
        name = insn.reg_name(register)
        if name in REGISTER_NUMBERS:
            registers.set(REGISTER_NUMBERS[name], value)
    if operand is not None and operand.writeback:
        # Not left to Capstone, whose lists lack the bases of STMDB and VPUSH.
        registers.set(operand.base, stepped)


def _moved(registers: _Registers, insn: Any) -> Linear | None:  # noqa: ANN401
    """The value of a move, an addition or a subtraction; None for anything else."""
    name, operands = insn.insn_name() or "", list(insn.operands)
    if name in ("movw", "movt"):
        return _wide_move(registers, name, operands)
    if name not in _ARITHMETIC or len(operands) < 2:
        return None
    if operands[0].type != cs_arm.ARM_OP_REG:
        return None
    sources = operands[1:] if name.startswith("mov") or len(operands) > 2 else operands
    total: Linear | None = Linear(0)
    for position, op in enumerate(sources):
        negative = name.startswith("sub") and position == len(sources) - 1
        term = _term(registers, op, negative=negative)
        if term is None or total is None:
            return None
        total = total.plus(term)
    return total


def _wide_move(registers: _Registers, name: str, operands: list[Any]) -> Linear | None:
    value = operands[1].imm & 0xFFFF
    if name == "movw":
        return Linear(value)
    before = registers.get(REGISTER_NUMBERS[_disassembler_name(operands[0].reg)])
    if before is None or before.terms:
        return None
    return Linear(before.constant & 0xFFFF | value << 16)


def _term(registers: _Registers, op: Any, *, negative: bool) -> Linear | None:  # noqa: ANN401
    if op.type == cs_arm.ARM_OP_IMM:
        return Linear(-op.imm if negative else op.imm)
    if op.type != cs_arm.ARM_OP_REG or negative:
        return None
    if op.shift.type not in (cs_arm.ARM_SFT_INVALID, cs_arm.ARM_SFT_LSL):
        return None
    number = REGISTER_NUMBERS.get(_disassembler_name(op.reg))
    value = registers.get(number) if number is not None and number != _PC else None
    return value.shifted(op.shift.value) if value is not None else None


def _disassembler_name(register: int) -> str:
    return str(disassembler().reg_name(register))


def _merged(accesses: list[Access]) -> Iterator[Access]:
    """Join accesses of one kind that have the same registers and touch each other."""
    groups: dict[tuple[tuple[tuple[int, int], ...], bool], list[Access]] = {}
    for access in accesses:
        groups.setdefault((access.address.terms, access.is_write), []).append(access)
    for (terms, is_write), members in groups.items():
        members.sort(key=lambda access: access.address.constant)
        start = end = members[0].address.constant
        transfers = 0
        for access in members:
            at = access.address.constant
            if at > end:
                yield Access(Linear(start, terms), end - start, is_write, transfers)
                start = end = at
                transfers = 0
            end = max(end, at + access.size_bytes)
            transfers += access.transfers
        yield Access(Linear(start, terms), end - start, is_write, transfers)
