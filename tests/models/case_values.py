"""Random shapes, scales, zero points and weights that the operators' cases are made of."""

from __future__ import annotations

import math

import numpy as np

SAME, VALID = 0, 1
Rng = np.random.Generator


def pick(rng: Rng, *choices: int) -> int:
    return int(rng.choice(choices))


def zero_point(rng: Rng) -> int:
    return pick(rng, -128, -128, 127, 0, int(rng.integers(-128, 128)))


def scale(rng: Rng, low: float = 1e-4, high: float = 10.0) -> float:
    return float(np.float32(np.exp(rng.uniform(math.log(low), math.log(high)))))


def activation(rng: Rng) -> int:
    return pick(rng, 0, 0, 1, 2, 3)


def weights(rng: Rng, shape: tuple[int, ...]) -> np.ndarray:
    spread = pick(rng, 4, 127, 128)
    return rng.integers(-spread, min(spread, 127) + 1, shape, dtype=np.int8)


def bias(rng: Rng, channels: int) -> np.ndarray:
    spread = pick(rng, 1, 1000, 100000)
    return rng.integers(-spread, spread + 1, channels, dtype=np.int32)


def output_scale(rng: Rng, taps: int, product: float) -> float:
    """Mostly one that spreads the outputs over int8; sometimes far too small or too large."""
    typical = math.sqrt(taps) * 74 * 74 * product / 50
    return float(np.float32(typical * rng.choice([0.001, 0.1, 1, 1, 1, 1, 10, 1000])))


def extent(size: int, window: int, stride: int, dilation: int, padding: int) -> int:
    span = (window - 1) * dilation + 1
    return -(-size // stride) if padding == SAME else (size - span) // stride + 1


def weight_scales(rng: Rng, channels: int, base: float) -> float | list[float]:
    if rng.random() < 0.3:
        return base
    return [float(np.float32(base * rng.uniform(0.05, 1))) for _ in range(channels)]
