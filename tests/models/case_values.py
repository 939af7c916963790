"""Random parts of random models: zero points, scales, activations."""

from __future__ import annotations

import math

import numpy as np

Rng = np.random.Generator


def pick(rng: Rng, *choices: int) -> int:
    return int(rng.choice(choices))


def zero_point(rng: Rng) -> int:
    return pick(rng, -128, -128, 127, 0, int(rng.integers(-128, 128)))


def scale(rng: Rng, low: float = 1e-4, high: float = 10.0) -> float:
    return float(np.float32(np.exp(rng.uniform(math.log(low), math.log(high)))))


def activation(rng: Rng) -> int:
    return pick(rng, 0, 0, 1, 2, 3)
