"""From machine code to what the pipeline model needs of it: operands with their roles, resources.

Disassembly is Capstone's. The classes are those of tables.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

import capstone
from capstone import arm as cs_arm

from usim.timing import tables
from usim.timing.tables import CLASSES, Timing

BranchKind = Literal["none", "conditional", "direct", "call", "indirect", "return"]
FLAGS: Final = "flags"


@dataclass(frozen=True, slots=True)
class Source:
    """A register that is read, and when: see tables.py."""

    register: str
    need: int
    is_address: bool = False
    role: Literal["plain", "fma_accumulator", "mla_accumulator"] = "plain"


@dataclass(frozen=True, slots=True)
class Memory:
    """A load or store of `words` 32-bit words (or less) at base + displacement."""

    is_load: bool
    base: str
    displacement: int | None  # None: an index register is added
    words: int


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
    operand2: Literal["plain", "shift", "shifted"]  # of the pairing rules
    branch: BranchKind
    target: int | None
    predicate: str  # condition inside an IT block, "" for none
    memory: Memory | None

    @property
    def end(self) -> int:
        """Address of the next instruction."""
        return self.address + self.size_bytes


_ALU: Final = frozenset(
    "add adc sub sbc rsb and orr orn eor bic mov mvn cmp cmn tst teq addw subw adr neg".split()
)
_SHIFTS: Final = frozenset("lsl lsr asr ror rrx".split())
_COMPARES: Final = frozenset("cmp cmn tst teq".split())
# Not forwarded from the early ALU: they need flags or are logical with no early form.
_EARLY: Final = frozenset("add sub mov addw subw adr rsb".split())
_MULTIPLIES: Final = frozenset(
    "mul mla mls smull smlal umull umlal umaal smulbb smulbt smultb smultt smulwb smulwt smlabb "
    "smlabt smlatb smlatt smlawb smlawt smlad smladx smlsd smlsdx smlald smlaldx smlsld smlsldx "
    "smlalbb smlalbt smlaltb smlaltt smmul smmulr smmla smmlar smmls smmlsr smuad smuadx smusd "
    "smusdx".split()
)
_LONG_ACCUMULATE: Final = frozenset(
    "smlal umlal umaal smlald smlaldx smlsld smlsldx smlalbb smlalbt smlaltb smlaltt".split()
)
_SIMD: Final = frozenset(
    "sadd8 sadd16 uadd8 uadd16 ssub8 ssub16 usub8 usub16 shadd8 shadd16 uhadd8 uhadd16 shsub8 "
    "shsub16 uhsub8 uhsub16 sasx ssax uasx usax shasx shsax uhasx uhsax sel clz".split()
)
_EXTENDS: Final = frozenset("uxtb uxth sxtb sxth uxtb16 sxtb16".split())
_BITFIELDS: Final = frozenset(
    "ubfx sbfx bfi bfc pkhbt pkhtb uxtab uxtah sxtab sxtah uxtab16 sxtab16".split()
)
_SATURATES: Final = frozenset("ssat usat ssat16 usat16 qdadd qdsub".split())
_SATURATING: Final = frozenset(
    "qadd qsub qadd8 qadd16 qsub8 qsub16 uqadd8 uqadd16 uqsub8 uqsub16 qasx qsax uqasx uqsax usad8 "
    "usada8".split()
)
_REVERSES: Final = frozenset("rev rev16 revsh rbit".split())
_WORD_LOADS: Final = frozenset("ldr ldrt ldrex".split())
_NARROW_LOADS: Final = frozenset(
    "ldrb ldrh ldrsb ldrsh ldrbt ldrht ldrsbt ldrsht ldrexb ldrexh".split()
)
_STORES: Final = frozenset("str strb strh strt strbt strht strex strexb strexh".split())
_FP_ADDS: Final = frozenset(
    "vadd vsub vmul vnmul vcmp vcmpe vcvt vcvtr vcvta vcvtb vcvtt vrinta vrintr vrintx vrintz vmaxnm "
    "vminnm vsel vseleq vselge vselgt vselvs".split()
)


@lru_cache(maxsize=1)
def _disassembler() -> capstone.Cs:
    engine = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    engine.detail = True
    return engine


def _registers(insn: Any, operands: Any) -> list[str]:  # noqa: ANN401 - capstone has no types
    return [insn.reg_name(op.reg) for op in operands if op.type == cs_arm.ARM_OP_REG]


def _classify(name: str, insn: Any) -> str:  # noqa: ANN401, PLR0911, PLR0912
    operands = insn.operands
    if name in _ALU:
        return _classify_alu(name, insn)
    if name in _SHIFTS:
        return "shift"
    if name in ("movw", "movt"):
        return "move_wide"
    for names, class_name in _BY_NAME:
        if name in names:
            return class_name
    if name == "ldrd":
        return "load_double"
    if name.startswith(("ldm", "pop")):
        return "load_multiple"
    if name.startswith(("strd", "stm", "push")):
        return "store_multiple"
    if name in ("b", "bl", "bx", "blx", "cbz", "cbnz"):
        return "branch"
    if name in ("tbb", "tbh"):
        return "table_branch"
    if insn.mnemonic.startswith("nop"):
        return "nop"
    if name.startswith("it"):
        return "it"
    if name.startswith("v"):
        return _classify_fp(name, insn, operands)
    return "system"


def _classify_alu(name: str, insn: Any) -> str:  # noqa: ANN401
    shifted = any(
        op.type == cs_arm.ARM_OP_REG and op.shift.type != cs_arm.ARM_SFT_INVALID
        for op in insn.operands
    )
    if name == "mov" and shifted:
        return "shift"
    if shifted:
        return "compare_shift" if name in _COMPARES else "alu_inline_shift"
    return "alu" if name in _EARLY and not _sets_only_flags(name) else "alu_late"


def _sets_only_flags(name: str) -> bool:
    return name in _COMPARES


def _classify_fp(name: str, insn: Any, operands: Any) -> str:  # noqa: ANN401, PLR0911
    if name in _FP_ADDS:
        return "fp_add"
    if name.startswith(("vfma", "vfms", "vfnm")):
        return "fp_fma"
    if name.startswith(("vmla", "vmls", "vnmla", "vnmls")):
        return "fp_mla"
    if name in ("vdiv", "vsqrt"):
        return "fp_divide" if name == "vdiv" else "fp_sqrt"
    double = any(register.startswith("d") for register in _registers(insn, operands))
    if name == "vldr":
        return "fp_load_double" if double else "fp_load"
    if name == "vstr":
        return "fp_store_double" if double else "fp_store"
    if name.startswith(("vldm", "vpop")):
        return "fp_load_double"
    if name.startswith(("vstm", "vpush")):
        return "fp_store_double"
    if name == "vmov":
        return _classify_vmov(_registers(insn, operands))
    return "fp_move"


def _classify_vmov(registers: list[str]) -> str:
    if len(registers) > 2:
        return "fp_two_registers"
    fp = [register[0] in "sd" and register[1:].isdigit() for register in registers]
    if fp == [True, False]:
        return "fp_from_core"
    return "fp_to_core" if fp == [False, True] else "fp_move"


_BY_NAME: Final = (
    (_MULTIPLIES, "multiply"),
    (frozenset({"sdiv", "udiv"}), "divide"),
    (_SIMD, "simd"),
    (_EXTENDS, "extend"),
    (_BITFIELDS, "bitfield"),
    (_SATURATES, "saturate"),
    (_SATURATING, "saturate_add"),
    (_REVERSES, "reverse"),
    (_WORD_LOADS, "load_word"),
    (_NARROW_LOADS, "load_narrow"),
    (_STORES, "store"),
)


def _is_shifted_constant(insn: Any) -> bool:  # noqa: ANN401
    """A modified immediate that is a rotated byte, not a plain one or a repeated pattern."""
    if insn.size != 4:
        return False
    for op in insn.operands:
        if op.type == cs_arm.ARM_OP_IMM:
            value = op.imm & 0xFFFF_FFFF
            low = value & 0xFF
            patterns = (low, low | low << 16, low * 0x0101_0101)
            return value not in patterns and value & 0xFF00_FF00 != value
    return False


def _sources(name: str, class_name: str, insn: Any, memory: Any) -> Iterator[Source]:  # noqa: ANN401
    timing = CLASSES[class_name]
    read, _ = insn.regs_access()
    names = [insn.reg_name(register) for register in read]
    special = _special_needs(name, class_name, insn)
    address = set()
    if memory is not None:
        base = insn.reg_name(memory.mem.base) if memory.mem.base else ""
        index = insn.reg_name(memory.mem.index) if memory.mem.index else ""
        address = {base, index} - {""}
        if base and base != "pc":
            yield Source(base, tables.NEED_ADDRESS, is_address=True)
        if index:
            yield Source(index, tables.NEED_INDEX, is_address=True)
    elif class_name in ("load_multiple", "store_multiple", "fp_load_double", "fp_store_double"):
        base = names[0] if name.startswith(("push", "pop", "vpush", "vpop")) else _first(insn)
        address = {base}
        yield Source(base, tables.NEED_ADDRESS, is_address=True)
    is_store = class_name in ("store", "store_multiple", "fp_store", "fp_store_double")
    data_need = tables.NEED_FP_STORE_DATA if class_name.startswith("fp") else tables.NEED_STORE_DATA
    for register in dict.fromkeys(names):
        if register in ("pc", "cpsr", "fpscr", "apsr", "itstate", "fpscr_nzcv"):
            continue
        if register in special:
            yield special[register]
        elif register in address and not is_store:
            continue
        elif is_store and (register not in address or register in _data_registers(insn)):
            yield Source(register, data_need)
        elif register not in address:
            yield Source(register, timing.operand_need)


def _first(insn: Any) -> str:  # noqa: ANN401
    return str(insn.reg_name(insn.operands[0].reg))


def _data_registers(insn: Any) -> list[str]:  # noqa: ANN401
    return _registers(insn, insn.operands)


def _special_needs(name: str, class_name: str, insn: Any) -> dict[str, Source]:  # noqa: ANN401
    """Operands that are wanted at another time than the class's others."""
    registers = _registers(insn, insn.operands)
    need = tables.NEED_ACCUMULATOR
    if class_name == "multiply" and name in _LONG_ACCUMULATE:
        return {register: Source(register, need) for register in registers[:2]}
    if class_name == "multiply" and len(registers) == 4 and not name.endswith("ll"):
        accumulator = registers[3]
        if accumulator in registers[1:3]:
            return {}
        return {accumulator: Source(accumulator, need)}
    if class_name == "fp_fma":
        role: Literal["fma_accumulator", "mla_accumulator"] = "fma_accumulator"
        return {registers[0]: Source(registers[0], tables.NEED_FMA_ACCUMULATOR, role=role)}
    if class_name == "fp_mla":
        role = "mla_accumulator"
        return {registers[0]: Source(registers[0], tables.NEED_MLA_ACCUMULATOR, role=role)}
    if class_name in ("alu_inline_shift", "compare_shift", "shift"):
        shifted = registers[-1] if class_name != "shift" else registers[min(1, len(registers) - 1)]
        if len(registers) == 1 or class_name != "shift":
            shifted = registers[-1]
        return {shifted: Source(shifted, _shift_need(class_name))}
    if class_name == "bitfield":
        # Only what is shifted or extracted is wanted early.
        others = registers[1:-1] if name not in ("ubfx", "sbfx") else []
        if name in ("bfi", "bfc"):
            others = registers[:1]
        return {register: Source(register, 0) for register in others if register != registers[-1]}
    return {}


def _shift_need(class_name: str) -> int:
    # A plain shift may also run in the late shifter; only inline ones need EX1.
    return 0 if class_name == "shift" else tables.NEED_SHIFT


def _branch(name: str, insn: Any, written: list[str]) -> tuple[BranchKind, int | None]:  # noqa: ANN401
    immediate = next((op.imm for op in insn.operands if op.type == cs_arm.ARM_OP_IMM), None)
    target = immediate & 0xFFFF_FFFF if immediate is not None else None
    match name:
        case "b":
            always = insn.cc in (cs_arm.ARM_CC_AL, cs_arm.ARM_CC_INVALID)
            return ("direct" if always else "conditional"), target
        case "cbz" | "cbnz":
            return "conditional", target
        case "bl":
            return "call", target
        case "blx":
            return "call", None
        case "bx":
            return ("return" if _first(insn) == "lr" else "indirect"), None
        case "tbb" | "tbh":
            return "indirect", None
    if "pc" in written:
        is_pop = name.startswith(("pop", "ldm"))
        return ("return" if is_pop else "indirect"), None
    return "none", None


def _memory(name: str, class_name: str, insn: Any, operand: Any) -> Memory | None:  # noqa: ANN401
    timing = CLASSES[class_name]
    if timing.unit not in ("load", "store"):
        return None
    is_load = timing.unit == "load"
    if operand is None:
        registers = _registers(insn, insn.operands)
        stack = name.startswith(("push", "pop", "vpush", "vpop"))
        base = "sp" if stack else registers[0]
        listed = registers if stack else registers[1:]
        words = sum(2 if register.startswith("d") else 1 for register in listed)
        return Memory(is_load, base, 0, max(words, 1))
    base = insn.reg_name(operand.mem.base) if operand.mem.base else ""
    displacement = None if operand.mem.index else operand.mem.disp
    words = 2 if class_name in ("load_double", "fp_load_double", "fp_store_double") else 1
    if name == "strd":
        words = 2
    return Memory(is_load, base, displacement, words)


def _decode_one(insn: Any, predicate: str) -> Instruction:  # noqa: ANN401
    name = insn.insn_name() or insn.mnemonic
    class_name = _classify(name, insn)
    timing = CLASSES[class_name]
    operand = next((op for op in insn.operands if op.type == cs_arm.ARM_OP_MEM), None)
    _, written_ids = insn.regs_access()
    written = [insn.reg_name(register) for register in written_ids]
    memory = _memory(name, class_name, insn, operand)
    sources = list(_sources(name, class_name, insn, operand))
    branch, target = _branch(name, insn, written)
    conditional = insn.cc not in (cs_arm.ARM_CC_AL, cs_arm.ARM_CC_INVALID)
    if (conditional and branch == "none" and class_name != "it") or name in ("adc", "sbc", "rrx"):
        sources.append(Source(FLAGS, 0))
    results = [r for r in written if r not in ("pc", "cpsr", "itstate", "fpscr", "apsr")]
    if insn.update_flags or name in _COMPARES:
        results.append(FLAGS)
    early = tuple(
        register
        for register in results
        if memory is not None
        and register == memory.base
        and memory.base != ""
        and (insn.writeback or name.startswith(("push", "pop", "vpush", "vpop", "ldm", "stm")))
    )
    cycles = timing.cycles
    if memory is not None and timing.alone:
        cycles = max(cycles, (memory.words + 1) // 2)
    shifted = class_name in ("alu_inline_shift", "compare_shift") or _is_shifted_constant(insn)
    return Instruction(
        address=insn.address,
        size_bytes=insn.size,
        text=f"{insn.mnemonic} {insn.op_str}".strip(),
        class_name=class_name,
        timing=timing,
        sources=tuple(sources),
        results=tuple(r for r in results if r not in early),
        early_results=early,
        issue_cycles=cycles,
        operand2="shifted" if shifted else "shift" if class_name == "shift" else "plain",
        branch=branch,
        target=target,
        predicate=predicate,
        memory=memory,
    )


@lru_cache(maxsize=16384)
def decode(code: bytes, address: int) -> tuple[Instruction, ...]:
    """Decode straight-line Thumb code. What Capstone can't read counts as a system instruction."""
    decoded = []
    for insn in _disassembler().disasm(code, address):
        conditional = insn.cc not in (cs_arm.ARM_CC_AL, cs_arm.ARM_CC_INVALID)
        decoded.append(_decode_one(insn, str(insn.cc) if conditional else ""))
    return tuple(decoded)
