"""What a block does to registers that may become addresses, as functions of its entry."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import capstone
from capstone import arm as cs_arm

from usim.timing.linear import FIRST_CELL, Cell, CellKind, Linear

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
PC: Final = 15
_SUMS: Final = frozenset({"mov", "add", "addw", "sub", "subw", "movs", "adds", "subs", "rsb"})
_MASKS: Final[dict[str, CellKind]] = {"orr": "or", "and": "and", "bic": "and", "eor": "xor"}
_SHIFTS: Final[dict[str, CellKind]] = {"lsr": "lsr", "asr": "asr"}
_EXTENSIONS: Final = {"uxtb": 0xFF, "uxth": 0xFFFF}
_LOADED: Final = {"ldr": 4, "ldrb": 1, "ldrh": 2, "ldrsb": -1, "ldrsh": -2, "ldrd": 4}
_LOADED_MULTIPLE: Final = ("ldm", "pop")


@lru_cache(maxsize=1)
def disassembler() -> capstone.Cs:
    """Capstone for Thumb-2 of an M-profile core, with operands."""
    engine = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    engine.detail = True
    return engine


class Dataflow:
    """Values of registers while a block is read; None is unknown."""

    def __init__(self) -> None:
        self.cells: list[Cell] = []
        self._values: dict[int, Linear | None] = {}
        self._are_known = True
        self._stores: list[tuple[Linear | None, int]] = []

    def get(self, number: int) -> Linear | None:
        """What a register holds now."""
        at_entry = Linear(0, ((number, 0),)) if self._are_known else None
        return self._values.get(number, at_entry)

    def set(self, number: int, value: Linear | None) -> None:
        """A register has been written."""
        self._values[number] = value

    def forget(self) -> None:
        """Nothing is known of any register any more, nor of memory."""
        self._values.clear()
        self._are_known = False
        self.stored(None, 0)

    def cell(self, kind: CellKind, source: Linear | None, operand: int = 0) -> Linear | None:
        """A value that is no linear form."""
        if source is None:
            return None
        cell = Cell(kind, source, operand)
        if cell not in self.cells:
            self.cells.append(cell)
        return Linear(0, ((FIRST_CELL + self.cells.index(cell), 0),))

    # Memory.

    def stored(self, where: Linear | None, size_bytes: int) -> None:
        """Memory has been written: what is loaded from there is no longer as at the entry."""
        self._stores.append((where, size_bytes))

    def loaded(self, where: Linear | None, size: int) -> Linear | None:
        """A load's value; None if it may be what a store of this block has left there."""
        if where is None or any(_may_overlap(where, abs(size), *store) for store in self._stores):
            return None
        return self.cell("load", where, size)

    def loads(self, insn: Any, where: Linear | None) -> dict[int, Linear | None]:  # noqa: ANN401
        """The registers that a load from `where` leaves behind."""
        name = insn.insn_name() or ""
        places = [
            REGISTER_NUMBERS[text]
            for text in (insn.reg_name(op.reg) for op in insn.operands if _is_register(op))
            if text in REGISTER_NUMBERS
        ]
        if name.startswith(_LOADED_MULTIPLE):
            size = 4
            places = places[1:] if name.startswith("ldm") else places
        elif name in _LOADED:
            size = _LOADED[name]
            places = places[: 2 if name == "ldrd" else 1]
        else:
            return {}
        found: dict[int, Linear | None] = {}
        for order, register in enumerate(places):
            at = where.plus(Linear(4 * order)) if where is not None else None
            found[register] = self.loaded(at, size)
        return found

    # Computation.

    def computed(self, insn: Any) -> Linear | None:  # noqa: ANN401
        """The value that an instruction leaves in its first operand; None if it is unknown."""
        name, operands = insn.insn_name() or "", list(insn.operands)
        if not operands or not _is_register(operands[0]):
            return None
        sources = operands[1:]
        if name in ("movw", "movt"):
            return self._wide_move(name, operands)
        if name in _SUMS:
            return self._sum(name, sources if name.startswith("mov") else operands[-2:])
        return self._masked(name, operands)

    def _masked(self, name: str, operands: list[Any]) -> Linear | None:
        sources = operands[1:]
        if name in _EXTENSIONS and len(sources) == 1:
            return self.cell("and", self._term(sources[0]), _EXTENSIONS[name])
        if name == "ubfx" and len(sources) == 3:
            shifted = self.cell("lsr", self._term(sources[0]), sources[1].imm)
            return self.cell("and", shifted, (1 << sources[2].imm) - 1)
        if len(operands) >= 2 and operands[-1].type == cs_arm.ARM_OP_IMM:
            return self._with_constant(name, operands[-2], operands[-1].imm)
        return None

    def _with_constant(self, name: str, source: Any, constant: int) -> Linear | None:  # noqa: ANN401
        value = self._term(source)
        constant &= 0xFFFF_FFFF
        if name == "lsl" and value is not None:
            return value.shifted(constant)
        if name in _SHIFTS and constant < 32:
            return self.cell(_SHIFTS[name], value, constant)
        if name in _MASKS:
            operand = ~constant & 0xFFFF_FFFF if name == "bic" else constant
            return self.cell(_MASKS[name], value, operand)
        return None

    def _sum(self, name: str, sources: list[Any]) -> Linear | None:
        terms = [self._term(op) for op in sources]
        if name.startswith("sub"):
            terms[-1] = self._negated(terms[-1])
        elif name == "rsb":
            terms[0] = self._negated(terms[0])
        total: Linear | None = Linear(0)
        for term in terms:
            total = total.plus(term) if total is not None and term is not None else None
        return total

    def _negated(self, value: Linear | None) -> Linear | None:
        if value is not None and not value.terms:
            return Linear(-value.constant)
        return self.cell("negate", value)

    def _wide_move(self, name: str, operands: list[Any]) -> Linear | None:
        value = operands[1].imm & 0xFFFF
        if name == "movw":
            return Linear(value)
        before = self.get(REGISTER_NUMBERS[_name_of(operands[0].reg)])
        if before is None or before.terms:
            return None
        return Linear(before.constant & 0xFFFF | value << 16)

    def _term(self, op: Any) -> Linear | None:  # noqa: ANN401
        if op.type == cs_arm.ARM_OP_IMM:
            return Linear(op.imm)
        if not _is_register(op):
            return None
        number = REGISTER_NUMBERS.get(_name_of(op.reg))
        value = self.get(number) if number is not None and number != PC else None
        if value is None or op.shift.type == cs_arm.ARM_SFT_INVALID:
            return value
        return value.shifted(op.shift.value) if op.shift.type == cs_arm.ARM_SFT_LSL else None


def _is_register(op: Any) -> bool:  # noqa: ANN401
    return bool(op.type == cs_arm.ARM_OP_REG)


def _name_of(register: int) -> str:
    return str(disassembler().reg_name(register))


def _may_overlap(where: Linear, size: int, other: Linear | None, other_size: int) -> bool:
    if other is None or other.terms != where.terms:
        return True
    distance = where.constant - other.constant
    return -size < distance < other_size
