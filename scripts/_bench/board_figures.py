"""What others have measured on boards: to stand beside our modelled figures, never to be mixed.

Sources: MLPerf Tiny's published results, closed division, int8, one input at a time (v1.1 and v1.2;
a system's latency in microseconds times its clock). CIFAR-10 network: the microTVM evaluation of
2020, on a Cortex-M7 at 216 MHz, of a network with this one's layers and other weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class BoardFigure:
    """Cycles of one inference: on which chip, by whom, with what."""

    chip: str
    by: str
    cycles: int


def _at_216_mhz(milliseconds: float) -> int:
    return round(milliseconds * 216_000)


_F746: Final = "STM32F746 at 216 MHz"
_H7A3: Final = "STM32H7A3 at 280 MHz"
_M7: Final = "Cortex-M7 at 216 MHz"
_BOSCH, _PLUMERAI, _ST = (
    "Bosch, MLPerf Tiny v1.1",
    "Plumerai, MLPerf Tiny v1.1",
    "ST, X-CUBE-AI 9.0, MLPerf Tiny v1.2",
)
BOARD_FIGURES: Final[Mapping[str, tuple[BoardFigure, ...]]] = {
    "CIFAR-10 network": (
        BoardFigure(_M7, "microTVM 2020, CMSIS-NN q7", _at_216_mhz(105.4)),
        BoardFigure(_M7, "microTVM 2020, CMSIS-NN s8", _at_216_mhz(135.9)),
        BoardFigure(_M7, "microTVM 2020, tuned", _at_216_mhz(157.4)),
    ),
    "ResNet-8": (
        BoardFigure(_F746, _BOSCH, 13_298_849),
        BoardFigure(_F746, _PLUMERAI, 13_581_806),
        BoardFigure(_H7A3, _ST, 11_436_444),
    ),
    "DS-CNN": (
        BoardFigure(_F746, _BOSCH, 3_978_389),
        BoardFigure(_F746, _PLUMERAI, 3_833_765),
        BoardFigure(_H7A3, _ST, 3_169_009),
    ),
}
