"""Random models of one LSTM layer."""

from __future__ import annotations

import numpy as np
from case_values import Rng, bias, pick, scale, weights, zero_point
from tflite_builder import Op, Tensor, build_model

TANH = 4
"""The cell gate's activation, by its number in TFLite's schema."""


def lstm_tensors(rng: Rng, depth: int, units: int, batches: int) -> dict[str, Tensor]:
    """The operator's 20 inputs that may be there, but the first, by name."""
    spread = float(rng.choice([0.3, 1, 1, 4, 30]))
    in_scale, hidden_scale = scale(rng, 1e-3, 1), scale(rng, 2e-3, 2e-2)
    tensors: dict[str, Tensor] = {"input": Tensor([], in_scale, zero_point(rng))}
    for kind, rows, step in (("input", depth, in_scale), ("recurrent", units, hidden_scale)):
        for gate in "ifco":
            step_of_weights = spread / 74 / 74 / rows**0.5 / step * float(rng.uniform(0.3, 1))
            tensors[f"{kind}_{gate}"] = Tensor(
                [units, rows], step_of_weights, 0, data=weights(rng, (units, rows))
            )
    for gate in "ifco":
        step = in_scale * float(np.float32(tensors[f"input_{gate}"].scale))
        tensors[f"bias_{gate}"] = Tensor([units], step, 0, "int32", data=bias(rng, units))
    tensors["hidden"] = Tensor([batches, units], hidden_scale, zero_point(rng), variable=True)
    state = [batches * units] if rng.random() < 0.3 else [batches, units]
    cell_scale = 2.0 ** pick(rng, -15, -12, -12, -11, -10, -9, -5, 2)
    tensors["cell"] = Tensor(state, cell_scale, 0, "int16", variable=True)
    return tensors


def lstm_model(
    tensors: dict[str, Tensor], sequence: tuple[int, ...], options: dict[str, object]
) -> bytes:
    """A model of one layer, for an input of shape `sequence`."""
    tensors = dict(tensors)
    tensors["input"].shape = sequence
    names = list(tensors)
    (units,) = tensors["bias_i"].shape
    hidden = tensors["hidden"]
    output = Tensor([*sequence[:2], units], hidden.scale, hidden.zero_point)
    gates = [names.index(f"{kind}_{gate}") for kind in ("input", "recurrent") for gate in "ifco"]
    biases = [names.index(f"bias_{gate}") for gate in "ifco"]
    states = [names.index("hidden"), names.index("cell")]
    inputs = [0, *gates, *[-1] * 3, *biases, -1, -1, *states, *[-1] * 4]
    operator = Op("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [len(names)], options)
    return build_model([*tensors.values(), output], [operator], [0], [len(names)])


def lstm(rng: Rng, _: str) -> bytes:
    depth, units = int(rng.integers(1, 20)), int(rng.integers(1, 14))
    batches, steps = pick(rng, 1, 1, 2, 3), pick(rng, 1, 2, 3, 8)
    time_major = bool(pick(rng, 0, 1))
    sequence = (steps, batches, depth) if time_major else (batches, steps, depth)
    options = {
        "FusedActivationFunction": TANH,
        "TimeMajor": time_major,
        "CellClip": float(rng.choice([0.0, 0.0, 0.5, 3.0, 1e9])),
    }
    return lstm_model(lstm_tensors(rng, depth, units, batches), sequence, options)
