"""The Cortex-M7's figures, each with where it comes from.

Sources: [J] cycle tests measured with DWT on an STM32H743 (jnk0le, "pipeline cycle test"); [L] Arm's
scheduling model in LLVM (ARMScheduleM7.td, ARMLatencyMutations.cpp); [G] GCC's cortex-m7.md; [S] the
SLOTHY project's M7 model; [C] calibrated here, see docs/timing.md. Where they differ, [J] wins.

Times are in cycles. A result of latency L that was issued in cycle c can be used by an instruction
issued in cycle c + L - need, where `need` says when the consumer wants the operand, relative to EX2:
-1 a cycle early (address, shifter, multiplier), 0 an ALU, 1 a MAC's accumulator or a store's data.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final


@dataclass(frozen=True, slots=True)
class Timing:
    """One class of instructions."""

    latency: int
    source: str
    # Extra cycles when the result is used as an address.
    to_address: int = 0
    older_only: bool = False
    alone: bool = False
    cycles: int = 1  # issue cycles; more than 1 implies alone
    unit: str = ""  # "mac", "load", "store", "fp", "simd", "branch", "shift": one of each a cycle
    early: bool = False  # may execute in EX1: latency 0 if its operands are there a cycle early
    operand_need: int = 0  # when plain register operands are wanted


NEED_ADDRESS: Final = -1
NEED_INDEX: Final = -2
NEED_SHIFT: Final = -1
NEED_ACCUMULATOR: Final = 1
NEED_STORE_DATA: Final = 1
NEED_FP_STORE_DATA: Final = 2
NEED_FMA_ACCUMULATOR: Final = 2
NEED_MLA_ACCUMULATOR: Final = 3

CLASSES: Final[dict[str, Timing]] = {
    "alu": Timing(1, "J", early=True),
    "alu_late": Timing(1, "J"),
    "alu_inline_shift": Timing(1, "J", unit="shift"),
    "compare_shift": Timing(2, "L", unit="shift"),
    "shift": Timing(1, "J", early=True, unit="plain_shift"),
    "move_wide": Timing(1, "J", early=True),
    "multiply": Timing(2, "J", unit="mac", operand_need=NEED_SHIFT, to_address=1),
    "divide": Timing(7, "L", alone=True, cycles=7, operand_need=NEED_SHIFT),
    "simd": Timing(1, "J", unit="simd", older_only=True, to_address=1),
    "saturate": Timing(2, "L", unit="simd", older_only=True, to_address=1, operand_need=NEED_SHIFT),
    "saturate_add": Timing(2, "L", unit="simd", older_only=True, to_address=1),
    "bitfield": Timing(1, "J", unit="simd", older_only=True, to_address=1, operand_need=NEED_SHIFT),
    "extend": Timing(1, "J", unit="simd", older_only=True, to_address=1),
    "reverse": Timing(1, "J", early=True, older_only=True, unit="simd", to_address=0),
    "load_word": Timing(1, "J", unit="load"),
    "load_narrow": Timing(2, "J", unit="load"),
    "load_double": Timing(3, "S", unit="load", alone=True),
    "load_multiple": Timing(2, "J", unit="load", alone=True),
    "store": Timing(0, "J", unit="store"),
    "store_multiple": Timing(0, "J", unit="store", alone=True),
    "branch": Timing(1, "J", unit="branch"),
    "table_branch": Timing(1, "J", unit="branch", alone=True, cycles=2),
    "system": Timing(3, "J", alone=True, cycles=3),
    "nop": Timing(0, "J"),
    "it": Timing(0, "J"),
    "fp_add": Timing(3, "J", unit="fp"),
    "fp_move": Timing(1, "J", unit="fp"),
    "fp_from_core": Timing(3, "J", unit="fp"),
    "fp_to_core": Timing(1, "J", unit="fp"),
    "fp_two_registers": Timing(3, "J", unit="fp", alone=True),
    "fp_fma": Timing(5, "J", unit="fp"),
    "fp_mla": Timing(6, "J", unit="fp"),
    "fp_divide": Timing(16, "J", unit="fp"),
    "fp_sqrt": Timing(14, "J", unit="fp"),
    "fp_load": Timing(1, "J", unit="load"),
    "fp_load_double": Timing(2, "J", unit="load", alone=True),
    "fp_store": Timing(0, "J", unit="store"),
    "fp_store_double": Timing(0, "J", unit="store", alone=True),
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """What no source states, or what differs between them. Each is named, with how it was found.

    All are cycles, or flags. docs/timing.md has the calibration.
    """

    mispredict: int = 8  # [J]
    mispredict_early_flags: int = 6  # [J] flags set at least 3 cycles before the branch
    early_flags_age: int = 3  # [J]
    # Whether a predicted-taken branch in the older slot pairs with its target [C].
    branch_pairs_with_target: bool = True
    # After a MAC, vadd, vldm, vstm and vmov #imm wait [J].
    fp_after_mac: int = 3
    # Two loads whose banks can't be told apart statically: assume no conflict [C].
    unknown_banks_conflict: bool = False
    # Bytes a fetch brings, and how many fetches the queue holds [J].
    fetch_bytes: int = 8
    fetch_queue: int = 4

    def as_dict(self) -> dict[str, int | bool]:
        """Name -> value, for reports."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


DEFAULT_PARAMETERS: Final = Parameters()
