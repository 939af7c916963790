"""The one place that knows rich: tables in a terminal, plain aligned text when piped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.segment import Segment
from rich.table import Table

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderResult

# Piped text has no window to fit: no column of it may be wrapped or cropped.
_PIPED_WIDTH = 10_000


def make_console(stderr: bool = False) -> Console:
    """A console on stdout or stderr. Text is printed as it is: `[...]` is not markup.

    Colours appear in a terminal only, and not where NO_COLOR is set (rich sees to both).
    """
    console = Console(stderr=stderr, highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
        console.soft_wrap = True
    return console


def make_table(title: str, *columns: str, numeric: tuple[str, ...] = ()) -> Table:
    """A table for `console.print`; the columns named in `numeric` align right."""
    table = _AdaptiveTable(title=title or None, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in numeric else "left")
    return table


class _AdaptiveTable(Table):
    """Draws rules in a terminal, and bare aligned columns elsewhere."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if console.is_terminal:
            self.box, self.pad_edge, self.padding = box.SIMPLE_HEAD, True, (0, 1)
            yield from super().__rich_console__(console, options)
            return
        self.box, self.pad_edge, self.padding = None, False, (0, 2, 0, 0)
        rendered = super().__rich_console__(console, options)
        segments = (piece for piece in rendered if isinstance(piece, Segment))
        for line in Segment.split_lines(segments):
            yield Segment("".join(segment.text for segment in line).rstrip())
            yield Segment.line()
