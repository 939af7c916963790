"""What crosses from code to code in the issue model: results on their way, units still busy."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, get_args

from usim.timing.tables import EXTRA, NEEDS, Kind

MacPlace = Literal["", "first", "next"]
# Cycles from the result of a kind to its use in a role.
DELAYS: Final[dict[tuple[str, str], int]] = {
    (kind, role): EXTRA.get((kind, role), 0) - need
    for kind in get_args(Kind)
    for role, need in NEEDS.items()
}
_FP_ROLES: Final = frozenset(
    {"fp", "fp_store", "fma_accumulator", "mla_accumulator", "to_core", "fp_copy"}
)
_FLAG_ROLES: Final = frozenset({"flags", "predicate"})


def _roles_of(kind: str) -> frozenset[str]:
    if kind in ("fp", "fp_load", "fp_mac"):
        return _FP_ROLES
    if kind in ("flags", "late_flags"):
        return _FLAG_ROLES
    return frozenset(NEEDS) - _FP_ROLES - _FLAG_ROLES


# The longest that any consumer waits: after that a result is like any other.
LONGEST: Final = {
    kind: max(DELAYS[kind, role] for role in _roles_of(kind)) for kind in get_args(Kind)
}


class Pending(NamedTuple):
    """A result on its way: the late ALU can use it from `cycle` on."""

    cycle: int
    kind: Kind
    predicate: int = 0
    capped_at: int = 0  # of a predicated result: when everything can use it


class Older(NamedTuple):
    """What the instruction in the older slot of the boundary's cycle leaves to its partner."""

    unit: str = ""
    shifter: str = ""
    mac_port: bool = False
    mac: MacPlace = ""  # "first": no MAC shortly before it
    bank_base: str = ""  # of a load: base register and word displacement, to compare banks
    bank: int | None = None
    is_taken_branch: bool = False


class State(NamedTuple):
    """What crosses from code to code. Cycles are relative to the boundary.

    `older` is what issued in cycle 0 if its younger slot is still free, else None.
    """

    older: Older | None = None
    pending: tuple[tuple[str, Pending], ...] = ()
    stores: tuple[tuple[str, int, int], ...] = ()  # (base, displacement, loads wait until)
    flags_age: int = 3  # cycles since the flags were set, at most early_flags_age
    busy: int = 0  # nothing but a partner issues before this cycle
    mac_block: int = 0  # what waits for MACs does so until this cycle
    mla_block: int = 0  # an fma waits until this cycle
    fetch_lead: int = 4  # cycles by which fetches are ahead of issue
    jumped: bool = False  # the boundary was a taken branch


NEUTRAL: Final = State()
# After a misprediction, an exception: nothing is pending and nothing is fetched.
RESTARTED: Final = State(fetch_lead=0, jumped=True)
