"""The operators that usim supports: one recipe each, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from usim.models.operators.add import Add
from usim.models.operators.base import Recipe
from usim.models.operators.conv_2d import Conv2D
from usim.models.operators.depthwise_conv_2d import DepthwiseConv2D
from usim.models.operators.fully_connected import FullyConnected
from usim.models.operators.pool_2d import AveragePool2D, MaxPool2D
from usim.models.operators.reshape import Reshape
from usim.models.operators.softmax import Softmax

OPERATORS: Mapping[str, Recipe] = MappingProxyType(
    {
        "ADD": Add(),
        "AVERAGE_POOL_2D": AveragePool2D(),
        "CONV_2D": Conv2D(),
        "DEPTHWISE_CONV_2D": DepthwiseConv2D(),
        "FULLY_CONNECTED": FullyConnected(),
        "MAX_POOL_2D": MaxPool2D(),
        "RESHAPE": Reshape(),
        "SOFTMAX": Softmax(),
    }
)
"""By TFLite's name of the operator."""
