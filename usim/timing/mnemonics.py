"""Which class of tables.py an instruction belongs to, by its name."""

from __future__ import annotations

from typing import Final


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


COMPARES: Final = _names("cmp cmn tst teq")
# With a second operand that may be shifted or a constant.
ALU: Final = COMPARES | _names(
    "add adc sub sbc rsb and orr orn eor bic mov mvn addw subw adr neg movt movw movs"
)
# What the early ALU can do [J]; MOVW is a MOV with a plain constant.
EARLY: Final = _names("add sub mov addw subw adr movw movs")
SHIFTS: Final = _names("lsl lsr asr ror")
READ_CARRY: Final = _names("adc sbc rrx")

_LONG: Final = _names("smull umull")
LONG_ACCUMULATE: Final = _names(
    "smlal umlal umaal smlald smlaldx smlsld smlsldx smlalbb smlalbt smlaltb smlaltt"
)
LONG_MULTIPLIES: Final = _LONG | LONG_ACCUMULATE
MULTIPLIES: Final = LONG_MULTIPLIES | _names(
    "mul mla mls smulbb smulbt smultb smultt smulwb smulwt smlabb smlabt smlatb smlatt smlawb "
    "smlawt smlad smladx smlsd smlsdx smmul smmulr smmla smmlar smmls smmlsr smuad smuadx smusd "
    "smusdx"
)
# They set APSR.GE, which SEL reads.
SET_GE: Final = _names("sadd8 sadd16 uadd8 uadd16 ssub8 ssub16 usub8 usub16 sasx ssax uasx usax")
INSERTS: Final = _names("bfi bfc pkhbt pkhtb")
EXTEND_ADDS: Final = _names("uxtab uxtah sxtab sxtah uxtab16 sxtab16")
# The last operand goes through the EX1 shifter.
SHIFT_LAST: Final = EXTEND_ADDS | _names("bfi pkhbt pkhtb")

_CLASS_OF: Final[dict[str, str]] = {
    name: class_name
    for class_name, names in {
        "shift": "lsl lsr asr ror",
        "rrx": "rrx",
        "multiply": " ".join(MULTIPLIES),
        "divide": "sdiv udiv",
        "simd": " ".join(SET_GE) + " shadd8 shadd16 uhadd8 uhadd16 shsub8 shsub16 uhsub8 uhsub16 "
        "shasx shsax uhasx uhsax sel clz",
        "extend": "uxtb uxth sxtb sxth uxtb16 sxtb16",
        "extend_add": " ".join(EXTEND_ADDS),
        "bitfield": "ubfx sbfx",
        "bitfield_insert": " ".join(INSERTS),
        "reverse": "rev rev16 revsh rbit",
        "saturate": "ssat usat ssat16 usat16 qdadd qdsub",
        "saturating_add": "qadd qsub qadd8 qadd16 qsub8 qsub16 uqadd8 uqadd16 uqsub8 uqsub16 qasx "
        "qsax uqasx uqsax usad8 usada8",
        "load_word": "ldr ldrt ldrex",
        "load_narrow": "ldrb ldrh ldrsb ldrsh ldrbt ldrht ldrsbt ldrsht ldrexb ldrexh",
        "load_double": "ldrd",
        "load_multiple": "ldm ldmdb ldmia pop",
        "preload": "pld pldw pli",
        "store": "str strb strh strt strbt strht",
        "store_exclusive": "strex strexb strexh",
        "store_multiple": "strd stm stmdb stmia push",
        "branch": "b bl bx blx",
        "compare_branch": "cbz cbnz",
        "table_branch": "tbb tbh",
        "nop": "nop",
        "it": "it",
        "fp_add": "vadd vsub vcmp vcmpe vcvt vcvtr vcvta vcvtn vcvtp vcvtm vcvtb vcvtt vrinta "
        "vrintn vrintp vrintm vrintr vrintx vrintz vmaxnm vminnm vabs vneg vseleq vselge "
        "vselgt vselvs",
        "fp_multiply": "vmul vnmul",
        "fp_fma": "vfma vfms vfnma vfnms",
        "fp_mla": "vmla vmls vnmla vnmls",
        "fp_divide": "vdiv",
        "fp_square_root": "vsqrt",
        "fp_load_multiple": "vldmia vldmdb vpop",
        "fp_store_multiple": "vstmia vstmdb vpush",
        "fp_to_core": "vmrs",
        "fp_from_core": "vmsr",
    }.items()
    for name in names.split()
}


def class_of(name: str, registers: tuple[str, ...], *, shifts: bool, rotated: bool) -> str:
    """The class of `name`, "system" if it has none.

    `registers` are its register operands, `shifts` says that one is shifted inline, `rotated`
    that its constant is a shifted byte.
    """
    if name in ALU:
        return _class_of_alu(name, shifts=shifts, rotated=rotated)
    if name == "vmov":
        return _class_of_vmov(registers)
    double = registers[:1] and registers[0].startswith("d")
    if name == "vldr":
        return "fp_load_double" if double else "fp_load"
    if name == "vstr":
        return "fp_store_multiple" if double else "fp_store"
    return _CLASS_OF.get(name, "system")


def _class_of_alu(name: str, *, shifts: bool, rotated: bool) -> str:
    if shifts:
        return "shift" if name == "mov" else "alu_inline_shift"
    if rotated:
        return "alu_shifted_constant"
    return "alu_early" if name in EARLY else "alu"


def _class_of_vmov(registers: tuple[str, ...]) -> str:
    if len(registers) > 2:
        return "fp_two_from_core" if is_fp(registers[0]) else "fp_two_to_core"
    if len(registers) == 1:
        return "fp_constant"
    to, of = (is_fp(register) for register in registers)
    if to and of:
        return "fp_copy"
    return "fp_from_core" if to else "fp_to_core"


def is_fp(register: str) -> bool:
    """Whether it is s0-s31 or d0-d15."""
    return register[0] in "sd" and register[1:].isdigit()
