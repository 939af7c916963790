"""kernels/common/fixed_point.h and reciprocal.h again, in Python, for what is computed at build
time: functions of one int8 value become tables of 256 results. And tables that kernels look up.

A number "Q(n)" is an int32 with n integer bits: real = stored / 2^(31 - n). Bit for bit
TensorFlow Lite Micro's arithmetic, with its double rounding, and its wrapping where it overflows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from usim.models.quantization import INT32_MAX

INT32_MIN = -(2**31)

_EXP_OF_MINUS_ONE_EIGHTH = 1895147668
_ONE_THIRD = 715827883
_EXP_FACTORS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
"""exp(-2^k) for k = -2 .. 4, as Q0."""
_FORTY_EIGHT_OVER_17 = 1515870810
_MINUS_THIRTY_TWO_OVER_17 = -1010580540
_ONE_Q2 = 1 << 29
_ONE_Q3 = 1 << 28
_THREE_HALVES_Q3 = 3 << 27
_ROOT_OF_ONE_HALF = 1518500250


def wrap(value: int, bits: int) -> int:
    """An integer modulo 2^bits, as a signed number of that many bits."""
    half = 1 << (bits - 1)
    return (value + half) % (2 * half) - half


def saturate(value: int, bits: int) -> int:
    """The nearest signed number of `bits` bits."""
    half = 1 << (bits - 1)
    return min(max(value, -half), half - 1)


def multiply_high(first: int, second: int, bits: int = 32) -> int:
    """first * second / 2^(bits - 1), to the nearest, ties upwards."""
    return saturate((first * second + (1 << (bits - 2))) >> (bits - 1), bits)


def rounding_divide_by_power_of_two(value: int, exponent: int, bits: int = 32) -> int:
    """value / 2^exponent, to the nearest, ties away from zero.

    For exponents of `bits` and more, the result is what TensorFlow Lite's masks make of it.
    """
    mask = wrap((1 << exponent) - 1, bits)
    threshold = (mask >> 1) + (1 if value < 0 else 0)
    return (value >> exponent) + (1 if value & mask > threshold else 0)


def multiply_by_quantized_multiplier(value: int, multiplier: int, shift: int) -> int:
    """value * multiplier * 2^(shift - 31), for 0 <= multiplier."""
    shifted = wrap(value << max(shift, 0), 32)
    return rounding_divide_by_power_of_two(multiply_high(shifted, multiplier), max(-shift, 0))


def add_wrapping(first: int, second: int) -> int:
    return wrap(first + second, 32)


def logistic_q4(value: int) -> int:
    """1 / (1 + exp(-x)) in Q0 for x in Q4."""
    if value == 0:
        return 1 << 30
    positive = _one_over_one_plus(exp_of_negative(-abs(value), 4))
    return positive if value > 0 else INT32_MAX - positive


def tanh_q4(value: int) -> int:
    """tanh(x) in Q0 for x in Q4: (1 - e) / (1 + e) with e = exp(-2 |x|)."""
    if value == 0:
        return 0
    # 2 x in Q5 has the bits of x in Q4.
    estimate = _two_over_one_plus(exp_of_negative(-abs(value), 5))
    magnitude = saturate((estimate - _ONE_Q2) << 2, 32)
    return magnitude if value > 0 else -magnitude


def inverse_square_root(value: int) -> tuple[int, int]:
    """(multiplier, shift) of 1 / sqrt(value) for 1 <= value < 2^29: five Newton-Raphson steps."""
    if value == 1:
        return INT32_MAX, 0
    pairs = (32 - value.bit_length() - 1) // 2 - 1
    half = rounding_divide_by_power_of_two((value << 2 * pairs) >> 1, 1)
    root = _ONE_Q3
    for _ in range(5):
        cube = saturate(multiply_high(multiply_high(root, root), root) << 6, 32)
        step = multiply_high(_THREE_HALVES_Q3, root) - multiply_high(half, cube)
        root = saturate(step << 3, 32)
    return multiply_high(root, _ROOT_OF_ONE_HALF), -(11 - pairs)


def sigmoid_table() -> npt.NDArray[np.uint16]:
    """kernels/common/sigmoid.h's table, and TensorFlow Lite's: 2^16 / (1 + exp(-i / 24)), raised by
    half of what linear interpolation falls short of the curve in the middle between two entries."""
    sigmoid = 1 / (1 + np.exp(-np.arange(256) / 24))
    curvature = sigmoid * (1 - sigmoid) * (1 - 2 * sigmoid) / 24**2
    return np.floor(65536 * (sigmoid - curvature / 16) + 0.5).astype(np.uint16)


def exp_of_negative(value: int, integer_bits: int) -> int:
    """exp(x) in Q0 for x <= 0 in Q(integer_bits), at most 5 of them."""
    if value == 0:
        return INT32_MAX
    one_quarter = 1 << (29 - integer_bits)
    last_quarter = (value & (one_quarter - 1)) - one_quarter
    remainder = last_quarter - value
    result = _exp_on_last_quarter(saturate(last_quarter << integer_bits, 32))
    for k, factor in enumerate(_EXP_FACTORS[: integer_bits + 2]):
        if remainder & (one_quarter << k):
            result = multiply_high(result, factor)
    return result


def _exp_on_last_quarter(value: int) -> int:
    """exp(x) in Q0 for -1/4 <= x < 0: the Taylor polynomial of degree 4 around -1/8."""
    d = value + (1 << 28)
    d2 = multiply_high(d, d)
    d3 = multiply_high(d2, d)
    d4_over_4 = rounding_divide_by_power_of_two(multiply_high(d2, d2), 2)
    higher_terms = rounding_divide_by_power_of_two(
        multiply_high(d4_over_4 + d3, _ONE_THIRD) + d2, 1
    )
    return _EXP_OF_MINUS_ONE_EIGHTH + multiply_high(_EXP_OF_MINUS_ONE_EIGHTH, d + higher_terms)


def _one_over_one_plus(value: int) -> int:
    """1 / (1 + x) in Q0 for 0 <= x < 1."""
    # 2 / (1 + x) in Q2 has the bits of 1 / (1 + x) in Q1.
    return saturate(_two_over_one_plus(value) << 1, 32)


def _two_over_one_plus(value: int) -> int:
    """2 / (1 + x) in Q2 for 0 <= x < 1 in Q0: three Newton-Raphson steps."""
    half_denominator = (value + INT32_MAX + 1) // 2
    estimate = _FORTY_EIGHT_OVER_17 + multiply_high(half_denominator, _MINUS_THIRTY_TWO_OVER_17)
    for _ in range(3):
        error = _ONE_Q2 - multiply_high(half_denominator, estimate)
        estimate += saturate(multiply_high(estimate, error) << 2, 32)
    return estimate
