"""The Cortex-M7's figures, each with where it comes from.

Sources: [J] cycle tests measured with DWT on an STM32H743 (jnk0le, "pipeline cycle test"); [L]
Arm's scheduling model in LLVM (ARMScheduleM7.td, ARMLatencyMutations.cpp); [G] GCC's cortex-m7.md;
[S] the SLOTHY project's M7 model; [C] calibrated here or chosen for want of a source, see
docs/timing.md. Where they differ, [J] wins: it is a measurement.

A result of latency L, issued in cycle c, is there for an instruction that is issued in cycle
c + L - need (+ what EXTRA says of this pair of producer and consumer). `need` is when the consumer
wants the operand, in cycles after EX2, the stage of the late ALU.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Literal

# How an operand is used. What each needs is in NEEDS.
Role = Literal[
    "plain", "shift", "early", "early_shift", "address", "index", "shifted", "beside_shift",
    "reversed", "multiplicand", "accumulator", "store", "flags", "predicate", "to_fp", "fp",
    "fp_store", "fma_accumulator", "mla_accumulator", "to_core", "fp_copy",
]  # fmt: skip
# How a result was made, as far as a consumer can tell. What it costs is in EXTRA.
Kind = Literal[
    "alu", "early", "reverse", "writeback", "word_load", "narrow_load", "multiply", "flags",
    "late_flags", "fp", "fp_load", "fp_mac",
]  # fmt: skip

NEEDS: Final[dict[Role, int]] = {
    "plain": 0,  # the late ALU, in EX2
    "shift": 0,  # a plain shift: the late shifter, in EX2
    "early": -1,  # an ALU operation that would like to run in EX1 [J]
    "early_shift": -1,  # a shift that would [J]
    "address": -1,  # [L]
    "index": -1,  # [J] an early ALU's result serves as index a cycle later
    "shifted": -1,  # an inline shift's register, an extracted field [J]
    "beside_shift": 0,  # the other operand of an inline shift [L]
    "reversed": -1,  # REV*, RBIT, bit fields: they run in EX1 [J]
    "multiplicand": 0,  # [J] "late ALU consumption", except of LDR's results
    "accumulator": 1,  # [J]
    "store": 2,  # [J] any result of the same cycle can be stored, LDRB's too
    "flags": 0,
    "predicate": 0,
    "to_fp": 0,  # VMOV Sd, Rt [J]
    "fp": 0,
    "fp_store": 2,  # [J]
    "fma_accumulator": 2,  # [J]
    "mla_accumulator": 3,  # [J]
    "to_core": 0,  # VMOV Rt, Sn [J]
    "fp_copy": 0,  # VMOV Sd, Sm [J]
}

# Cycles that a consumer waits longer (or shorter) than latency and need say.
EXTRA: Final[dict[tuple[Kind, Role], int]] = {
    # LDR gives its data late in EX2: just in time for the late ALU, not for these.
    ("word_load", "beside_shift"): 1,  # [J] [L]
    ("word_load", "multiplicand"): 1,  # [J] [L]
    ("word_load", "index"): 1,  # [L]
    ("multiply", "address"): 1,  # [L] 4 in all: first bypass is EX4 -> EX1
    ("multiply", "index"): 1,
    ("multiply", "to_fp"): -1,  # [J] 1 from any ALU, the multiplier's too
    ("writeback", "early"): 1,  # [J]
    ("early", "to_fp"): 1,
    ("writeback", "to_fp"): 1,
    ("reverse", "to_fp"): 1,
    ("reverse", "address"): 1,  # [J] not the next cycle
    ("reverse", "index"): 1,
    ("reverse", "reversed"): 1,
    ("reverse", "shifted"): 1,
    ("reverse", "shift"): 1,  # [L]
    # A compare with an inline shift gives its flags a cycle late to what computes with them; what
    # is only predicated doesn't notice [L].
    ("late_flags", "flags"): 1,
    # The accumulator's forwarding is for the MAC's own results only [J].
    ("fp", "fma_accumulator"): 2,
    ("fp", "mla_accumulator"): 2,
    ("fp_load", "fma_accumulator"): 4,
    ("fp_load", "mla_accumulator"): 4,
    ("fp_load", "to_core"): 1,  # [J]
}


@dataclass(frozen=True, slots=True)
class Timing:
    """One class of instructions."""

    latency: int
    source: str
    kind: Kind = "alu"
    operand: Role = "plain"  # how the operands without a rule of their own are used
    unit: Literal["", "mac", "load", "store", "fp", "branch"] = ""
    older_only: bool = False
    alone: bool = False
    cycles: int = 1
    # Which early form it has: "arithmetic" in the older slot only, "shift" in both. Its latency is
    # then 0, if its operands are there a cycle early [J].
    early: Literal["", "arithmetic", "shift"] = ""
    # What it does with the EX1 shifter, for the pairing of second operands [J].
    shifter: Literal["", "shift", "taken"] = ""
    # Floating point: waits after a MAC; shares a port with the MAC.
    waits_for_mac: bool = False
    mac_port: bool = False


CLASSES: Final[dict[str, Timing]] = {
    # Integer.
    "alu_early": Timing(1, "J", early="arithmetic"),
    "alu": Timing(1, "J"),
    "alu_shifted_constant": Timing(1, "J", shifter="taken"),
    "alu_inline_shift": Timing(1, "J", operand="beside_shift", shifter="taken"),
    "shift": Timing(1, "J", operand="shift", early="shift", shifter="shift"),
    "rrx": Timing(1, "J", operand="shifted", shifter="shift"),
    "multiply": Timing(2, "J", "multiply", "multiplicand", unit="mac"),
    "divide": Timing(1, "L", operand="multiplicand", alone=True, cycles=7),
    # Bit-field and DSP: one a cycle, older slot; those that shift use the EX1 shifter.
    "simd": Timing(1, "J", older_only=True),
    "extend": Timing(1, "J", older_only=True),
    "extend_add": Timing(1, "J", older_only=True, shifter="taken"),
    "bitfield": Timing(1, "J", operand="shifted", older_only=True, shifter="taken"),
    "bitfield_insert": Timing(1, "J", older_only=True, shifter="taken"),
    "reverse": Timing(0, "J", "reverse", "reversed", older_only=True, shifter="taken"),
    "saturate": Timing(2, "L", operand="shifted", older_only=True, shifter="taken"),
    "saturating_add": Timing(2, "L", older_only=True),
    # Memory.
    "load_word": Timing(1, "J", "word_load", unit="load"),
    "load_narrow": Timing(2, "J", "narrow_load", unit="load"),
    "load_double": Timing(1, "L", "word_load", unit="load", alone=True),  # [S] says 3
    "load_multiple": Timing(1, "J", "word_load", unit="load", alone=True),
    "preload": Timing(0, "J", unit="load"),
    "store": Timing(0, "J", operand="store", unit="store"),
    "store_exclusive": Timing(2, "L", operand="store", unit="store", alone=True),
    "store_multiple": Timing(0, "J", operand="store", unit="store", alone=True),
    # Branches: predicted, so they wait for nothing.
    "branch": Timing(1, "J", unit="branch"),
    "compare_branch": Timing(1, "J", unit="branch"),  # CBZ: its flags are as late as can be
    "table_branch": Timing(1, "L", unit="branch", alone=True, cycles=2),
    # The rest.
    "nop": Timing(0, "J"),
    "it": Timing(0, "J"),
    "system": Timing(1, "L", alone=True, cycles=3),
    # Floating point, single precision.
    "fp_add": Timing(3, "J", "fp", "fp", unit="fp", waits_for_mac=True),
    "fp_multiply": Timing(3, "J", "fp", "fp", unit="fp"),
    "fp_fma": Timing(5, "J", "fp_mac", "fp", unit="fp"),
    "fp_mla": Timing(6, "J", "fp_mac", "fp", unit="fp"),
    "fp_divide": Timing(16, "J", "fp", "fp", unit="fp", cycles=16),
    "fp_square_root": Timing(14, "J", "fp", "fp", unit="fp", cycles=14),
    "fp_copy": Timing(3, "J", "fp", "fp_copy", unit="fp", mac_port=True),
    "fp_constant": Timing(3, "J", "fp", unit="fp", waits_for_mac=True, mac_port=True),
    "fp_from_core": Timing(3, "J", "fp", "to_fp", unit="fp", mac_port=True),
    "fp_to_core": Timing(1, "J", operand="to_core", unit="fp", mac_port=True),
    "fp_two_to_core": Timing(3, "S", operand="to_core", unit="fp", alone=True, mac_port=True),
    "fp_two_from_core": Timing(3, "S", "fp", "to_fp", unit="fp", alone=True, mac_port=True),
    "fp_load": Timing(1, "J", "fp_load", unit="load", mac_port=True),
    "fp_load_double": Timing(2, "L", "fp_load", unit="load", alone=True, waits_for_mac=True),
    "fp_load_multiple": Timing(1, "J", "fp_load", unit="load", alone=True, waits_for_mac=True),
    "fp_store": Timing(0, "J", operand="fp_store", unit="store", mac_port=True),
    "fp_store_multiple": Timing(
        0, "J", operand="fp_store", unit="store", alone=True, waits_for_mac=True
    ),
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """What no source states, or what differs between them. Cycles, unless the name says otherwise.

    docs/timing.md has how each was found.
    """

    mispredict: int = 8  # [J]
    mispredict_early_flags: int = 6  # [J] flags set at least early_flags_age before the branch
    early_flags_age: int = 3  # [J]
    divide: int = 7  # [L]; [G] says 4
    # A taken branch in the older slot pairs with its target, if that is fetched in time [J].
    branch_pairs_with_target: bool = True
    blocked_after_mac: int = 3  # [J] cycles without vadd, vldm, vldr.d, vmov #imm, ...
    store_to_load: int = 4  # [L] a load from where a store just went
    predicate_latency: int = 3  # [L] a predicated result, used under another predicate: at most
    # Two loads whose banks can't be told apart statically conflict [C].
    unknown_banks_conflict: bool = False
    fetch_bytes: int = 8  # [J]
    fetch_queue: int = 4  # [J] fetches that can be ahead of issue

    def as_dict(self) -> dict[str, int | bool]:
        """Name -> value, for reports."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


DEFAULT_PARAMETERS: Final = Parameters()
