"""One function's stack: how deep each path through it goes, and how deep it is where it calls.

The paths are followed from the entry with what matters of each: the depth, registers that hold a
copy of the stack pointer, and constants, for calls through the pointers of usim.h. Registers and
their effects: DDI 0403E, A7.7.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from capstone import arm as cs_arm

from usim.stack.code import PlacedCode
from usim.timing.dataflow import disassembler

_CLOBBERED_BY_CALLS: Final = ("r0", "r1", "r2", "r3", "ip", "lr")
_STACK_OPERATIONS: Final = ("push", "pop", "vpush", "vpop")
_LITERAL_BYTES: Final = 4

Value = tuple[Literal["sp", "sp less a value", "constant"], int]


@dataclass(frozen=True, slots=True)
class Frame:
    """Of one function, in bytes. `problem` says why the figures are no bound; "" if they are.

    A call is (depth, callee), the callee None if it is not known. `grows` says that it lowers the
    stack pointer by a register's value, which is not in the figures.
    """

    own_bytes: int
    calls: tuple[tuple[int, int | None], ...]
    grows: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Path:
    """What is known before an instruction."""

    depth: int = 0
    values: dict[str, Value] = field(default_factory=dict)

    def meet(self, other: _Path) -> _Path:
        """What holds whichever of two paths was taken."""
        common = {
            name: value for name, value in self.values.items() if other.values.get(name) == value
        }
        return _Path(max(self.depth, other.depth), common)


class _Irregular(Exception):  # noqa: N818 - internal: it says why there is no bound
    pass


def frame_of(code: PlacedCode, address: int) -> Frame:
    """Follow all paths through the function at `address`."""
    walk = _Walk(code, address)
    try:
        walk.run()
    except _Irregular as exc:
        return Frame(0, (), problem=f"{walk.name} {exc}")
    return Frame(walk.deepest, tuple(sorted(walk.calls, key=str)), walk.grows)


class _Walk:
    def __init__(self, code: PlacedCode, address: int) -> None:
        symbol = code.functions[address]
        self.name = symbol.name
        self.deepest = 0
        self.calls: set[tuple[int, int | None]] = set()
        self.grows = False
        self._code = code
        self._range = range(address, address + symbol.size_bytes)
        self._known: dict[int, _Path] = {}
        self._todo: list[int] = []

    def run(self) -> None:
        self._reach(self._range.start, _Path())
        while self._todo:
            address = self._todo.pop()
            insn = next(disassembler().disasm(self._code.read(address, 4), address, 1), None)
            if insn is None:
                raise _Irregular(f"has an unknown instruction at {address:#x}")
            self._step(insn, self._known[address])

    def _reach(self, address: int, path: _Path) -> None:
        known = self._known.get(address)
        if known is not None and known.depth != path.depth:
            raise _Irregular(f"is reached with different stacks at {address:#x}")
        met = path if known is None else known.meet(path)
        if met != known:
            self._known[address] = met
            self._todo.append(address)

    def _step(self, insn: Any, path: _Path) -> None:  # noqa: ANN401 - capstone has no types
        after = self._after(insn, path)
        self.deepest = max(self.deepest, after.depth)
        for target in self._successors(insn, path, after):
            if target in self._range:
                self._reach(target, after)
            elif target == self._range.stop:
                continue  # behind a call that does not return
            else:
                self.calls.add((after.depth, self._code.callee(target)))

    def _successors(self, insn: Any, path: _Path, after: _Path) -> Iterator[int]:  # noqa: ANN401
        name, following = insn.insn_name(), insn.address + insn.size
        conditional = insn.cc not in (cs_arm.ARM_CC_AL, cs_arm.ARM_CC_INVALID)
        if name == "b":
            yield insn.operands[0].imm
        elif name in ("cbz", "cbnz"):
            yield insn.operands[1].imm
            conditional = True
        elif name in ("bl", "blx"):
            self._call(insn, path)
            conditional = True
        elif name in ("tbb", "tbh"):
            yield from self._table(insn)
        elif name == "bx" or _writes_pc(insn):
            if not _returns(insn):
                self.calls.add((after.depth, self._pointed(insn.operands[-1], path)))
        else:
            conditional = True
        if conditional:
            yield following

    def _call(self, insn: Any, path: _Path) -> None:  # noqa: ANN401
        operand = insn.operands[0]
        direct = operand.type == cs_arm.ARM_OP_IMM
        callee = self._code.callee(operand.imm) if direct else self._pointed(operand, path)
        self.calls.add((path.depth, callee))

    def _pointed(self, operand: Any, path: _Path) -> int | None:  # noqa: ANN401
        """The function in a register, if it was loaded from one of the known pointers."""
        if operand.type != cs_arm.ARM_OP_REG:
            return None
        kind, value = path.values.get(_register(operand), ("", 0))
        return value & ~1 if kind == "constant" and value & ~1 in self._code.functions else None

    def _table(self, insn: Any) -> Iterator[int]:  # noqa: ANN401
        """The targets of a branch through a table behind it; the nearest one ends the table."""
        width = 1 if insn.insn_name() == "tbb" else 2
        start = at = insn.address + insn.size
        end = self._range.stop
        while at < end:
            offset = int.from_bytes(self._code.read(at, width), "little")
            target = start + 2 * offset
            if target not in self._range:
                raise _Irregular(f"has a table of branches at {start:#x} that is not understood")
            end = min(end, target)
            yield target
            at += width

    # What an instruction does to the stack pointer and to registers.

    def _after(self, insn: Any, path: _Path) -> _Path:  # noqa: ANN401
        if insn.insn_name() in ("bl", "blx"):
            kept = {n: v for n, v in path.values.items() if n not in _CLOBBERED_BY_CALLS}
            return replace(path, values=kept)
        values = dict(path.values)
        _, written = insn.regs_access()
        names = {insn.reg_name(register) for register in written}
        for name in names:
            values.pop(name, None)
        always = insn.cc in (cs_arm.ARM_CC_AL, cs_arm.ARM_CC_INVALID)
        if always and (made := self._made(insn, path)) is not None:
            values[_register(insn.operands[0])] = made
        depth = path.depth
        # Not left to Capstone, whose lists lack the stack pointer of VPUSH and VPOP.
        if "sp" in names or insn.insn_name() in _STACK_OPERATIONS or _steps_sp(insn):
            if not always and insn.insn_name() != "pop":
                raise _Irregular("moves its stack pointer under a condition")
            depth = self._moved(insn, path) if always else path.depth
        values.pop("sp", None)
        return _Path(depth, values)

    def _moved(self, insn: Any, path: _Path) -> int:  # noqa: ANN401
        """The depth after an instruction that writes the stack pointer."""
        name, operands = insn.insn_name(), insn.operands
        if name in _STACK_OPERATIONS:
            size = sum(8 if _register(op).startswith("d") else 4 for op in operands)
            return path.depth + (size if name.endswith("push") else -size)
        if _steps_sp(insn):
            last = operands[-1]
            return path.depth - int(last.imm if last.type == cs_arm.ARM_OP_IMM else last.mem.disp)
        last = operands[-1]
        if name in ("sub", "subw", "add", "addw") and last.type == cs_arm.ARM_OP_IMM:
            source = "sp" if len(operands) == 2 else _register(operands[1])
            kind, depth = ("sp", path.depth) if source == "sp" else path.values.get(source, ("", 0))
            if kind == "sp":
                step = int(last.imm)
                return depth + (step if name.startswith("sub") else -step)
        kind, depth = path.values.get(_register(last), ("", 0))
        if name == "mov" and kind == "sp":
            return depth
        # GCC subtracts a value from the stack pointer, Clang from a copy of it.
        if name == "sub" or (name == "mov" and kind == "sp less a value"):
            self.grows = True
            return path.depth
        raise _Irregular(f"moves its stack pointer by {insn.mnemonic} {insn.op_str}")

    def _made(self, insn: Any, path: _Path) -> Value | None:  # noqa: ANN401
        """What an instruction leaves in its first operand, if that is worth knowing."""
        name, operands = insn.insn_name(), insn.operands
        if not operands or operands[0].type != cs_arm.ARM_OP_REG or insn.writeback:
            return None
        last = operands[-1]
        if name == "movw":
            return "constant", last.imm
        if name == "movt":
            kind, value = path.values.get(_register(operands[0]), ("", 0))
            return ("constant", value & 0xFFFF | last.imm << 16) if kind == "constant" else None
        if name in ("mov", "add", "sub") and last.type in (cs_arm.ARM_OP_REG, cs_arm.ARM_OP_IMM):
            return _copied(name, operands, path)
        if name == "ldr" and last.type == cs_arm.ARM_OP_MEM:
            return self._loaded(insn, last.mem, path)
        return None

    def _loaded(self, insn: Any, memory: Any, path: _Path) -> Value | None:  # noqa: ANN401
        if memory.index:
            return None
        base = insn.reg_name(memory.base)
        if base == "pc":
            place = (insn.address + 4 & ~3) + memory.disp
            literal = self._code.read(place, _LITERAL_BYTES)
            return ("constant", int.from_bytes(literal, "little")) if literal else None
        kind, value = path.values.get(base, ("", 0))
        pointed = self._code.pointers.get(value + memory.disp) if kind == "constant" else None
        return ("constant", pointed) if pointed is not None else None


def _copied(name: str, operands: Any, path: _Path) -> Value | None:  # noqa: ANN401
    """A register, or the stack pointer, plus or minus a constant."""
    last = operands[-1]
    if name == "mov":
        if last.type == cs_arm.ARM_OP_IMM:
            return "constant", last.imm
        source, step = _register(last), 0
    elif len(operands) == 3 and last.type == cs_arm.ARM_OP_IMM:
        source, step = _register(operands[1]), last.imm if name == "add" else -last.imm
    elif name == "sub" and len(operands) == 3:
        source = _register(operands[1])
        copied = source == "sp" or path.values.get(source, ("",))[0] == "sp"
        return ("sp less a value", path.depth) if copied else None
    else:
        return None
    if source == "sp":
        return "sp", path.depth - step
    kind, value = path.values.get(source, ("", 0))
    if kind == "constant":
        return "constant", value + step
    return ("sp", value - step) if kind == "sp" else None


def _register(operand: Any) -> str:  # noqa: ANN401
    return str(disassembler().reg_name(operand.reg)) if operand.type == cs_arm.ARM_OP_REG else ""


def _steps_sp(insn: Any) -> bool:  # noqa: ANN401
    """Whether it is a load or store that moves the stack pointer as its base."""
    return bool(insn.writeback) and any(
        op.type == cs_arm.ARM_OP_MEM and insn.reg_name(op.mem.base) == "sp" for op in insn.operands
    )


def _writes_pc(insn: Any) -> bool:  # noqa: ANN401
    return "pc" in {insn.reg_name(register) for register in insn.regs_access()[1]}


def _returns(insn: Any) -> bool:  # noqa: ANN401
    name = insn.insn_name()
    if name == "bx":
        return _register(insn.operands[0]) == "lr"
    return name == "pop" or _steps_sp(insn)
