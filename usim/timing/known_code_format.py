"""What is known of code's blocks as JSON, and back. States occur often and are listed once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from usim.timing.block_price import BlockPrice
from usim.timing.linear import Access, BlockAccesses, Cell, Linear
from usim.timing.states import Older, Pending, State


@dataclass(slots=True)
class Answers:
    """By a block's address and size, and the state, or the instructions left of an IT block."""

    prices: dict[tuple[int, int, State], BlockPrice] = field(default_factory=dict)
    accesses: dict[tuple[int, int, int], BlockAccesses] = field(default_factory=dict)


def as_json(answers: Answers) -> dict[str, Any]:
    """`answers` as lists and numbers."""
    states: dict[State, int] = {}

    def number(state: State) -> int:
        return states.setdefault(state, len(states))

    prices = []
    for (address, size, entry), price in answers.prices.items():
        row = price._replace(
            next_state=number(price.next_state),  # type: ignore[arg-type]
            jumped_state=number(price.jumped_state),  # type: ignore[arg-type]
        )
        prices.append([address, size, number(entry), *row])
    accesses = [
        [*block, _accesses_out(found.known), _accesses_out(found.at_instruction),
         [[cell.kind, _linear_out(cell.source), cell.operand] for cell in found.cells]]
        for block, found in answers.accesses.items()
    ]  # fmt: skip
    return {"states": list(states), "prices": prices, "accesses": accesses}


def from_json(data: dict[str, Any]) -> Answers:
    """What `as_json` was given."""
    states = [_state_in(row) for row in data["states"]]
    answers = Answers()
    for address, size, entry, *row in data["prices"]:
        price = BlockPrice(*row)
        answers.prices[address, size, states[entry]] = price._replace(
            next_state=states[row[4]], jumped_state=states[row[5]]
        )
    for address, size, in_it_block, known, at_instruction, cells in data["accesses"]:
        answers.accesses[address, size, in_it_block] = BlockAccesses(
            _accesses_in(known),
            _accesses_in(at_instruction),
            tuple(Cell(kind, _linear_in(source), operand) for kind, source, operand in cells),
        )
    return answers


def _state_in(row: list[Any]) -> State:
    older, pending, stores, *rest = row
    return State(
        Older(*older) if older is not None else None,
        tuple((register, Pending(*item)) for register, item in pending),
        tuple((base, displacement, until) for base, displacement, until in stores),
        *rest,
    )


def _linear_out(form: Linear) -> list[Any]:
    return [form.constant, form.terms]


def _linear_in(row: list[Any]) -> Linear:
    constant, terms = row
    return Linear(constant, tuple((number, shift) for number, shift in terms))


def _accesses_out(accesses: tuple[tuple[int, Access], ...]) -> list[Any]:
    return [
        [place, _linear_out(access.address), access.size_bytes, access.is_write, access.transfers]
        for place, access in accesses
    ]


def _accesses_in(rows: list[Any]) -> tuple[tuple[int, Access], ...]:
    return tuple((place, Access(_linear_in(form), *rest)) for place, form, *rest in rows)
