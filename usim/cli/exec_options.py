"""The types of `usim exec`'s options, and the order in which --expect and --send were given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import click

from usim.board.script import Step, read_step
from usim.cli.program_options import Limit, LimitType
from usim.errors import ArgumentError

_SCRIPT: Final = "usim.exec.script"
_TCP: Final = "tcp:"
_LOOPBACK: Final = ("127.0.0.1", "localhost")

UartKind = Literal["stdio", "null", "tcp", "file"]


class TimeType(LimitType):
    """A time: 1.5s, 10ms, 20us."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> Limit:  # noqa: ANN401
        """Parse; wrong usage if it is no time."""
        limit = super().convert(value, param, ctx)
        if limit.count is not None:
            self.fail(f"{value!r} has no unit: a time is 2s, 10ms or 20us")
        return limit


class ScriptOption(click.Option):
    """--expect or --send: all of them make one list, in the order of the command line."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:  # noqa: ANN401 - click's own
        """Have click's parser tell of each occurrence as it comes."""
        super().add_to_parser(parser, ctx)
        for name in self.opts:
            option = parser._long_opt[name]
            parse = option.process

            def process(value: str, state: Any, parse: Any = parse) -> None:  # noqa: ANN401
                script_of(ctx).append(self._read(value))
                parse(value, state)

            option.process = process

    def _read(self, text: str) -> Step:
        try:
            return read_step("send" if self.name == "send" else "expect", text)
        except ArgumentError as exc:
            raise click.BadParameter(str(exc), param=self) from exc


def script_of(ctx: click.Context) -> list[Step]:
    """The steps so far."""
    steps: list[Step] = ctx.meta.setdefault(_SCRIPT, [])
    return steps


@dataclass(frozen=True, slots=True)
class Uart:
    """Where a USART's bytes go to and come from."""

    name: str
    kind: UartKind
    path: Path | None = None
    port: int = 0


class UartType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """usart1, usart1=stdio, usart1=null, usart1=tcp:127.0.0.1:4000, usart1=FILE."""

    name = "uart"

    def convert(self, value: Any, param: Any, ctx: Any) -> Uart:  # noqa: ANN401
        """Parse; wrong usage if it is none of these."""
        if isinstance(value, Uart):
            return value
        name, _, place = str(value).partition("=")
        if not name:
            self.fail(f"{value!r} names no USART: usart1=stdio, for instance")
        if place in ("", "stdio"):
            return Uart(name, "stdio")
        if place == "null":
            return Uart(name, "null")
        if place.startswith(_TCP):
            return Uart(name, "tcp", port=self._port(place.removeprefix(_TCP)))
        return Uart(name, "file", Path(place))

    def _port(self, place: str) -> int:
        host, _, port = place.rpartition(":")
        if host and host not in _LOOPBACK:
            self.fail(f"{host} is not served: USARTs are on this computer only, tcp:127.0.0.1:PORT")
        if not port.isdigit() or int(port) > 65535:
            self.fail(f"{port!r} is no port: tcp:127.0.0.1:4000, for instance (0: any free one)")
        return int(port)


class AddressType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """An address: 0x08000000, 0x0800_0000."""

    name = "address"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:  # noqa: ANN401
        """Parse; wrong usage if it is no address."""
        if isinstance(value, int):
            return value
        try:
            return int(str(value), 0)
        except ValueError:
            self.fail(f"{value!r} is no address such as 0x08000000")
