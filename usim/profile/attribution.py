"""Who took the cycles: instructions first, then functions (inlined ones too) and the call tree."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from usim.formatting import format_address
from usim.profile.recording import Recording
from usim.timing.decode import Instruction
from usim.timing.timed_block import TimedBlock

UNKNOWN = "(code without a symbol)"
INTERRUPTIONS = "(exception entry and return)"
# What is deeper counts as if it were here: nobody reads a recursion of thousands of frames.
_DEEPEST_PATH = 200


@dataclass(slots=True)
class InstructionUse:
    """One instruction, over all its executions."""

    instruction: Instruction
    executions: int = 0
    count: int = 0  # cycles, or instructions where only those are counted
    paired: int = 0  # executions beside the instruction before it
    mispredicts: int = 0
    stalls: Counter[str] = field(default_factory=Counter)  # reason -> cycles, part of count


@dataclass(slots=True)
class FunctionUse:
    """One function. `inclusive` holds what it called; of inlined code, what was inlined into it."""

    name: str
    address: int
    inlined: bool
    calls: int = 0
    exclusive: int = 0
    inclusive: int = 0
    instructions: int = 0


@dataclass(frozen=True, slots=True)
class Charge:
    """What one execution of an instruction in a block costs, and how much of it is a stall."""

    count: int
    stall: int
    reason: str


def charges(block: TimedBlock) -> list[Charge]:
    """Each instruction's part of one execution of a block; together they are all its cycles.

    A cycle belongs to the older instruction in it, or to the one that waits for its issue.
    """
    parts = []
    cycle = block.first_cycle
    slots = block.issued.slots
    for number, slot in enumerate(slots):
        stall = 0 if slot.younger else max(slot.cycle - cycle, 0)
        cycle += stall
        if number == len(slots) - 1:
            own = block.end_cycle - cycle
        elif slot.younger:
            own = 0
        else:  # long ones may overlap with what follows
            own = max(min(slot.instruction.issue_cycles, slots[number + 1].cycle - cycle), 0)
            own = own or int(slots[number + 1].cycle == slot.cycle)
        cycle += own
        parts.append(Charge(stall + own, stall, slot.reason if stall else ""))
    return parts


class Names:
    """Functions by address: from symbols, and where there are none, from what was called."""

    def __init__(self, recording: Recording) -> None:
        self._program = recording.program
        called = {int(address) for address in recording.call_tree["function"][1:]}
        called.add(recording.start)
        self._called = sorted(
            address for address in called if self._program.function_at(address) is None
        )

    def at(self, address: int) -> tuple[str, int]:
        """Name and start of the function that holds an address."""
        function = self._program.function_at(address)
        if function is not None:
            return function.name, function.address
        position = bisect_right(self._called, address) - 1
        if position < 0:
            return UNKNOWN, 0
        return f"function at {format_address(self._called[position])}", self._called[position]


class Attribution:
    """A recording's counts by instruction and by function."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.in_cycles = recording.count.unit == "cycles"
        self.names = Names(recording)
        self.instructions: dict[int, InstructionUse] = {}
        for block in recording.blocks:
            self._add(block)
        self.functions = _functions(self)

    @property
    def total(self) -> int:
        """Of the whole run, in the unit that was counted."""
        recording = self.recording
        return recording.cycles if self.in_cycles else recording.instructions

    @property
    def mispredicts(self) -> int:
        """Mispredicted branches."""
        return sum(block.mispredicts for block in self.recording.blocks)

    def _add(self, block: TimedBlock) -> None:
        uses = []
        for slot, charge in zip(block.issued.slots, charges(block), strict=True):
            instruction = slot.instruction
            use = self.instructions.get(instruction.address)
            if use is None:
                use = self.instructions[instruction.address] = InstructionUse(instruction)
            use.executions += block.executions
            uses.append(use)
            if self.in_cycles:
                use.count += block.executions * charge.count
                use.paired += block.executions * slot.younger
                if charge.stall:
                    use.stalls[charge.reason] += block.executions * charge.stall
            else:
                use.count += block.executions
        if uses and self.in_cycles:
            self._add_extras(block, uses[0], uses[-1])

    def _add_extras(self, block: TimedBlock, first: InstructionUse, last: InstructionUse) -> None:
        """Mispredictions are the branch's; which instruction waited for memory isn't known."""
        last.mispredicts += block.mispredicts
        penalty = block.mispredicts * block.own_mispredict_cycles
        if penalty:
            last.count += penalty
            last.stalls["mispredicted"] += penalty
        if block.stall_cycles:
            first.count += block.stall_cycles
            first.stalls["memory"] += block.stall_cycles

    def of_range(self, start: int, end: int) -> list[InstructionUse]:
        """The executed instructions of [start, end), in order."""
        return [self.instructions[at] for at in sorted(self.instructions) if start <= at < end]


def _functions(attribution: Attribution) -> list[FunctionUse]:
    recording = attribution.recording
    program = recording.program
    found: dict[tuple[str, int, bool], FunctionUse] = {}

    def use(name: str, address: int, *, inlined: bool = False) -> FunctionUse:
        key = (name, -1 if inlined else address, inlined)
        if key not in found:
            found[key] = FunctionUse(name, address, inlined)
        return found[key]

    for address, item in attribution.instructions.items():
        chain = program.source.inlined_at(address)
        owner = (
            use(chain[-1], address, inlined=True) if chain else use(*attribution.names.at(address))
        )
        owner.exclusive += item.count
        owner.instructions += item.executions
        for name in set(chain):
            use(name, address, inlined=True).inclusive += item.count
    _add_calls(attribution, lambda address: use(*attribution.names.at(address)))
    outside = attribution.total - sum(item.exclusive for item in found.values())
    if outside:
        row = use(INTERRUPTIONS, 0)
        row.exclusive = row.inclusive = outside
    ran = [used for used in found.values() if used.instructions or used.calls or used.exclusive]
    for used in ran:
        # Without symbols a tail call stays in the call tree's node of its caller.
        used.inclusive = max(used.inclusive, used.exclusive)
    return sorted(ran, key=lambda used: (-used.exclusive, used.name))


def _add_calls(attribution: Attribution, use: Callable[[int], FunctionUse]) -> None:
    """Calls and inclusive counts from the call tree; a recursive call counts once."""
    tree = attribution.recording.call_tree
    column = "cycles" if attribution.in_cycles else "instructions"
    inclusive = [int(value) for value in tree[column]]
    for node in range(len(tree) - 1, 0, -1):  # children come behind their parents
        inclusive[int(tree["parent"][node])] += inclusive[node]
    above: list[frozenset[int]] = [frozenset()]
    if tree[column][0]:  # without symbols nothing tells the root from what it runs
        first = use(attribution.recording.start)
        first.calls, first.inclusive = 1, inclusive[0]
        above[0] = frozenset({id(first)})
    for node in range(1, len(tree)):
        owner = use(int(tree["function"][node]))
        ancestors = above[int(tree["parent"][node])]
        owner.calls += int(tree["calls"][node])
        if id(owner) not in ancestors:
            owner.inclusive += inclusive[node]
        above.append(ancestors | {id(owner)})


@dataclass(frozen=True, slots=True)
class Path:
    """A place in the call tree: its functions from the start on, and its own count."""

    functions: tuple[tuple[str, int], ...]
    count: int


def call_paths(attribution: Attribution) -> Iterator[Path]:
    """Every place of the call tree with a count of its own, callers before what they call.

    Below _DEEPEST_PATH functions a place may appear more than once.
    """
    recording = attribution.recording
    tree = recording.call_tree
    column = "cycles" if attribution.in_cycles else "instructions"
    children: defaultdict[int, list[int]] = defaultdict(list)
    for node in range(1, len(tree)):
        children[int(tree["parent"][node])].append(node)
    pending: list[tuple[int, tuple[tuple[str, int], ...]]] = [(0, ())]
    while pending:
        node, functions = pending.pop()
        if node and len(functions) < _DEEPEST_PATH:
            functions = (*functions, attribution.names.at(int(tree["function"][node])))
        count = int(tree[column][node])
        if count:
            yield Path(functions or (attribution.names.at(recording.start),), count)
        pending.extend((child, functions) for child in reversed(children[node]))
