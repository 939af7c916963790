"""The type of options that name a file to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from usim.report.whole_file import check_writable


class OutputPath(click.Path):
    """A file that can be written: refused before a command works for minutes in vain.

    With `allow_dash`, - is no file but a stream of the command's own.
    """

    def __init__(self, *, allow_dash: bool = False) -> None:
        super().__init__(path_type=Path, allow_dash=allow_dash)

    def convert(
        self,
        value: Any,  # noqa: ANN401
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401 - as click has it
        """The path; ArgumentError if nothing can be written there."""
        path = super().convert(value, param, ctx)
        assert isinstance(path, Path)
        if not (self.allow_dash and str(path) == "-"):
            check_writable(path)
        return path
