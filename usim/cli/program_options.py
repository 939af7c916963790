"""What `usim profile` and `usim annotate` have in common: options, and the run itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from usim.cli.output_path import OutputPath
from usim.platforms import Platform, load_platform
from usim.profile.program import read_program
from usim.profile.recording import Recording, Request
from usim.profile.run import MAX_ARGUMENTS, record

_Command = TypeVar("_Command", bound=Callable[..., Any])
_SCALES: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit as it was given: a count, or seconds of the chip's time."""

    count: int | None
    seconds: float

    def on(self, platform: Platform) -> int:
        """In cycles (or instructions) of a platform."""
        if self.count is not None:
            return self.count
        return max(int(self.seconds * platform.clock_hz), 1)


class LimitType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A number of cycles, or a time: 20000000, 1.5s, 10ms."""

    name = "limit"

    def convert(self, value: Any, param: Any, ctx: Any) -> Limit:  # noqa: ANN401
        """Parse; wrong usage if it is neither."""
        if isinstance(value, Limit):
            return value
        text = str(value).strip()
        number = text.rstrip("musn")
        unit = text[len(number) :]
        try:
            limit = Limit(None, float(number) * _SCALES[unit]) if unit else Limit(int(number, 0), 0)
        except (ValueError, KeyError):
            self.fail(f"{value!r} is neither a number of cycles nor a time such as 2s or 10ms")
        if (limit.count if limit.count is not None else limit.seconds) <= 0:
            self.fail("a limit is more than 0")
        return limit


class ArgumentsType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Integers, separated by commas."""

    name = "integers"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:  # noqa: ANN401
        """Parse; wrong usage if one is no 32-bit integer, or there are too many."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(int(part.strip(), 0) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is no list of integers such as 1,-2,0x2000_0000")
        if len(numbers) > MAX_ARGUMENTS:
            self.fail(f"at most {MAX_ARGUMENTS} arguments, those that go in r0-r3")
        if any(not -(1 << 31) <= number < 1 << 32 for number in numbers):
            self.fail("each argument is a 32-bit integer")
        return numbers


_OPTIONS: Final = (
    click.option(
        "--platform", default="stm32f746", show_default=True, metavar="NAME",
        help="A chip: see `usim platforms list`.",
    ),
    click.option(
        "--entry", metavar="SYMBOL", help="Call this function instead of starting at the reset."
    ),
    click.option(
        "--args", "arguments", type=ArgumentsType(), metavar="1,2,...",
        help="Integers for --entry, in r0-r3.",
    ),
    click.option("--until", metavar="SYMBOL", help="Stop when this is about to be executed."),
    click.option(
        "--limit", type=LimitType(), default="5s", show_default=True, metavar="N|TIME",
        help="Stop after so many cycles, or so much of the chip's time (2s, 10ms).",
    ),
    click.option(
        "--timing", type=click.Choice(["core", "count", "full"]), default="core",
        show_default=True, help="Modelled cycles of the core, instructions, or with memory.",
    ),
    click.option(
        "--json", "json_file", type=OutputPath(), help="Write everything there."
    ),
)  # fmt: skip


def program_options(command: _Command) -> _Command:
    """Add the options that say what to run and until when."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def run_program(file: Path, options: dict[str, Any]) -> Recording:
    """Run what the options ask for; what the program prints goes to stdout."""
    if options["arguments"] and not options["entry"]:
        raise click.UsageError("--args goes with --entry")
    platform = load_platform(options["platform"])
    request = Request(
        limit=options["limit"].on(platform),
        entry=options["entry"],
        arguments=options["arguments"] or (),
        until=options["until"],
        timing=options["timing"],
    )
    last = b"\n"

    def show(text: bytes) -> None:
        nonlocal last
        last = text or last
        click.echo(text, nl=False)

    recording = record(read_program(file), platform, request, show)
    if not last.endswith(b"\n"):
        click.echo()
    return recording
