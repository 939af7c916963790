"""MAXIMUM and MINIMUM of two int8 tensors.

TensorFlow Lite Micro compares stored values and never looks at scales and zero points; converters
give all three tensors the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from usim.models.graph import Options
from usim.models.operators.axes import Loop
from usim.models.operators.base import Node
from usim.models.operators.elementwise import Elementwise, broadcast_fields


class Maximum(Elementwise):
    kind = "MAXIMUM"
    options_type = None
    shape_type = "broadcast"
    operation: ClassVar[np.ufunc] = np.maximum

    def read_options(self, union: Any) -> Options:  # noqa: ANN401
        return Options()

    def fields(self, node: Node, loops: list[Loop]) -> Mapping[str, int]:
        return broadcast_fields(loops)


class Minimum(Maximum):
    kind = "MINIMUM"
    operation = np.minimum
