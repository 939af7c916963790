"""Models: from a .tflite file to C source, constants and a memory plan. Nothing here has a device.

model = Model.load("network.tflite")
stored = image_input(load_image("cat.png", model.inputs[0]), model.inputs[0])
model.lowered.source, model.lowered.constants, model.lowered.plan, model.lowered.calls
"""

from __future__ import annotations

from usim.models.dataset import ImageDataset
from usim.models.graph import Graph, Operator, Quantization, TensorSpec
from usim.models.images import (
    PixelRange,
    guess_pixel_range,
    image_input,
    load_dataset,
    load_image,
)
from usim.models.input_files import InputFiles, InputSet
from usim.models.lowering import (
    Activation,
    Constant,
    ConstantRef,
    LayerCall,
    LoweredModel,
    Variable,
    lower,
)
from usim.models.model import Model
from usim.models.operators import OPERATORS
from usim.models.planner import ArenaPlan, Lifetime, Placement
from usim.models.tflite import load_graph, read_graph

__all__ = [
    "OPERATORS",
    "Activation",
    "ArenaPlan",
    "Constant",
    "ConstantRef",
    "Graph",
    "ImageDataset",
    "InputFiles",
    "InputSet",
    "LayerCall",
    "Lifetime",
    "LoweredModel",
    "Model",
    "Operator",
    "PixelRange",
    "Placement",
    "Quantization",
    "TensorSpec",
    "Variable",
    "guess_pixel_range",
    "image_input",
    "load_dataset",
    "load_graph",
    "load_image",
    "lower",
    "read_graph",
]
