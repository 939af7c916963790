"""Where a block's loads and stores go, as far as its entry tells.

Most addresses in compiled code are a register's value at the start of the block plus a constant, or
two registers and a constant, or the like with a value that the block itself loads or masks before
it stores anything. Those are evaluated once at the block's entry by the native side, which is much
quicker than a hook on each access. What is left is found by a hook on that one instruction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from capstone import arm as cs_arm

from usim.timing.dataflow import PC, REGISTER_NUMBERS, Dataflow, disassembler
from usim.timing.known_code import known_code
from usim.timing.linear import Access, BlockAccesses, Linear, with_few_cells

__all__ = ["Access", "BlockAccesses", "Linear", "find_accesses"]

_BUS_BYTES: Final = 8
_MULTIPLE: Final = ("ldm", "stm", "push", "pop", "vldm", "vstm", "vpush", "vpop")
_TABLE_BRANCHES: Final = {"tbb": 1, "tbh": 2}


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


@lru_cache(maxsize=16384)
def find_accesses(code: bytes, address: int, in_it_block: int = 0) -> BlockAccesses:
    """Sort the memory accesses of a block of Thumb code into known and unknown ones.

    The first `in_it_block` instructions belong to an IT block that started before.
    """
    known = known_code(code, address)
    if known is None:
        return _analyse(code, address, in_it_block)
    block = address, len(code)
    return known.accesses(block, in_it_block, lambda: _analyse(code, address, in_it_block))


def _analyse(code: bytes, address: int, in_it_block: int) -> BlockAccesses:
    flow = Dataflow()
    known: list[tuple[int, Access]] = []
    at_instruction: dict[int, Access] = {}
    for place, insn in enumerate(_disassemble(code, address)):
        if insn is None:
            flow.forget()
            continue
        always = insn.cc in (cs_arm.ARM_CC_AL, cs_arm.ARM_CC_INVALID)
        predicated = not always or place < in_it_block
        operand = _operand(insn)
        where = None
        if operand is not None:
            where = None if predicated else _address(flow, operand, insn.address)
            now = _address(Dataflow(), operand, insn.address)
            assert now is not None
            at_instruction[insn.address] = _access(now, operand)
            if where is not None:
                known.append((insn.address, _access(where, operand)))
        _follow(flow, insn, operand, where, predicated=predicated)
    possible, _, cells = with_few_cells(known, flow.cells)
    for place, _ in possible:
        del at_instruction[place]
    return BlockAccesses(tuple(possible), tuple(at_instruction.items()), cells)


def _access(where: Linear, operand: _Operand) -> Access:
    transfers = -(-operand.size_bytes // _BUS_BYTES)
    return Access(where, operand.size_bytes, operand.is_write, transfers)


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
    unaligned = (insn.address & 2) if base == PC else 0
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


def _address(flow: Dataflow, operand: _Operand, pc: int) -> Linear | None:
    if operand.base == PC:
        # A literal: relative to the aligned address two halfwords on (A5.1.2).
        base: Linear | None = Linear((pc + 4) & ~3)
    else:
        base = flow.get(operand.base)
    if base is None:
        return None
    total = base.plus(Linear(operand.displacement))
    if operand.index is not None and total is not None:
        index = flow.get(operand.index)
        return None if index is None else total.plus(index.shifted(operand.index_shift))
    return total


def _follow(
    flow: Dataflow,
    insn: Any,  # noqa: ANN401
    operand: _Operand | None,
    where: Linear | None,
    *,
    predicated: bool,
) -> None:
    """Follow what the instruction does to registers that may become addresses, and to memory."""
    value = None if predicated or operand is not None else flow.computed(insn)
    is_load = operand is not None and not operand.is_write and not predicated
    loads = flow.loads(insn, where) if is_load else {}
    stepped = None
    if operand is not None and operand.writeback and not predicated:
        base = flow.get(operand.base)
        stepped = base.plus(Linear(operand.writeback)) if base is not None else None
    _, written = insn.regs_access()
    for register in written:
        number = REGISTER_NUMBERS.get(insn.reg_name(register))
        if number is not None:
            flow.set(number, loads.get(number, value))
    if operand is not None and operand.writeback:
        # Not left to Capstone, whose lists lack the bases of STMDB and VPUSH.
        flow.set(operand.base, stepped)
    if operand is not None and operand.is_write:
        flow.stored(where, operand.size_bytes)
