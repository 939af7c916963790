"""Draws an arena over time as SVG: a rectangle a buffer, time to the right, addresses upwards."""

from __future__ import annotations

from xml.sax.saxutils import escape

from usim.models.inspection import Inspection
from usim.models.planner import ArenaPlan, Placement

_LEFT, _TOP, _RIGHT, _BOTTOM = 90, 50, 20, 110
_HEIGHT = 480
_STEP_WIDTHS = (14, 64)  # px; the narrowest and the widest column
_PLOT_WIDTH = 960
_TICKS = 8
# Told apart by people who see few colours, too (Okabe and Ito's palette, lightened by opacity).
_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999999")


def arena_svg(inspection: Inspection) -> str:
    """The picture as an SVG document; a rectangle's tooltip says tensor, size, offset and life."""
    plan = inspection.plan
    times = len(inspection.operators) + 2
    step = min(_STEP_WIDTHS[1], max(_STEP_WIDTHS[0], _PLOT_WIDTH // times))
    width, height = _LEFT + times * step + _RIGHT, _TOP + _HEIGHT + _BOTTOM
    title = f"{inspection.file}: arena of {plan.size_bytes:,} bytes"
    bound = f"largest live set: {plan.lower_bound_bytes:,} bytes"
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
        f"<title>{_safe(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _text(_LEFT, 20, title, "font-size='14'"),
        _text(_LEFT, 38, bound),
        *_scale(plan, times * step),
        *(_buffer(inspection, item, step, number) for number, item in enumerate(plan.placements)),
        *_steps(inspection, step),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _y(plan: ArenaPlan, offset: int) -> float:
    return _TOP + _HEIGHT * (1 - offset / max(plan.size_bytes, 1))


def _scale(plan: ArenaPlan, width: int) -> list[str]:
    """Lines at round offsets, and one at the largest live set."""
    lines = []
    for tick in range(_TICKS + 1):
        offset = plan.size_bytes * tick // _TICKS
        y = _y(plan, offset)
        lines.append(_line(y, width, "#ddd"))
        lines.append(_text(_LEFT - 8, y + 4, f"{offset:,}", "text-anchor='end'"))
    lines.append(_line(_y(plan, plan.lower_bound_bytes), width, "#c00", "4 3"))
    return lines


def _buffer(inspection: Inspection, item: Placement, step: int, number: int) -> str:
    life, plan = item.lifetime, inspection.plan
    tensor = inspection.graph.tensors[life.tensor]
    x, width = _LEFT + (life.first + 1) * step, (life.last - life.first + 1) * step
    y = _y(plan, item.offset + life.size_bytes)
    height = _y(plan, item.offset) - y
    about = (
        f"{tensor}: {life.size_bytes:,} bytes at {item.offset:,}, steps {life.first} to {life.last}"
    )
    label = ""
    if height >= 14 and width >= 40:
        label = _text(x + 4, y + 12, f"{life.tensor}: {life.size_bytes:,}")
    return (
        f'<g><title>{_safe(about)}</title><rect class="buffer" x="{x}" y="{y:.2f}" '
        f'width="{width}" height="{height:.2f}" fill="{_COLOURS[number % len(_COLOURS)]}" '
        f'fill-opacity="0.6" stroke="#333" stroke-width="0.5"/>{label}</g>'
    )


def _steps(inspection: Inspection, step: int) -> list[str]:
    """The operators' names, upright under their columns."""
    kinds = [f"{operator.index} {operator.kind}" for operator in inspection.operators]
    lines = []
    for number, name in enumerate(("inputs", *kinds, "outputs")):
        x, y = _LEFT + number * step + step / 2 + 4, _TOP + _HEIGHT + 8
        where = f"transform='rotate(90 {x} {y})' font-size='9'"
        lines.append(_text(x - 6, y + 2, name[:18], where))
    return lines


def _line(y: float, width: int, colour: str, dashes: str = "") -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line x1="{_LEFT}" y1="{y:.2f}" x2="{_LEFT + width}" y2="{y:.2f}" '
        f'stroke="{colour}"{dashed}/>'
    )


def _text(x: float, y: float, text: str, attributes: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" {attributes}>{_safe(text)}</text>'


def _safe(text: str) -> str:
    """Text for XML: markup escaped, and the characters replaced that XML cannot hold at all."""
    return escape("".join(char if char.isprintable() else "?" for char in text))
