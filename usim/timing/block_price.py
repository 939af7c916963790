"""What a block of code costs, entered in a state of the pipeline: what the timer notes of it."""

from __future__ import annotations

from typing import NamedTuple

from usim.timing.decode import decode
from usim.timing.pipeline import issue, mispredict_cycles
from usim.timing.states import State
from usim.timing.tables import Parameters
from usim.timing.timed_block import in_flight, span


class BlockPrice(NamedTuple):
    """A block as the native side wants it; cycles are those of the issue model."""

    cycles: int
    in_flight: int
    own_cycles: int
    instructions: int
    next_state: State  # if it goes on behind the block
    jumped_state: State  # if its branch is taken
    branch: str  # a key of native_layout.BRANCH_KINDS
    is_backward: bool
    mispredict_cycles: int


def price_block(code: bytes, address: int, entry: State, parameters: Parameters) -> BlockPrice:
    """Issue a block of Thumb code; a function of exactly its arguments."""
    instructions = decode(code, address)
    issued = issue(instructions, entry, parameters=parameters)
    jumped_state = issued.state
    last = instructions[-1] if instructions else None
    kind: str = last.branch if last else "none"
    is_backward = False
    if last is not None and kind != "none":
        jumped_state = issue(instructions, entry, jumps=True, parameters=parameters).state
        if kind == "call" and last.target is None:
            kind = "indirect_call"
        is_backward = last.target is not None and last.target <= last.address
    indirect = kind in ("indirect", "indirect_call")
    penalty = parameters.mispredict if indirect else mispredict_cycles(issued, parameters)
    flying = in_flight(issued.state)
    return BlockPrice(
        cycles=issued.cycles,
        in_flight=flying,
        own_cycles=span(entry, issued),
        instructions=len(instructions),
        next_state=issued.state,
        jumped_state=jumped_state,
        branch=kind,
        is_backward=is_backward,
        # From the branch's own cycle on, in whichever slot it is: the first fetch takes one more.
        mispredict_cycles=penalty - 1 + flying,
    )
