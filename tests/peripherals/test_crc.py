"""The CRC unit against zlib's and binascii's."""

from __future__ import annotations

import binascii
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usim.devices.peripherals.crc import CR, DR, IDR, INIT, POL, CrcUnit

RESET, BYTES, HALVES, WORDS, REV_OUT = 1, 1 << 5, 2 << 5, 3 << 5, 1 << 7
BITS_16, BITS_8, BITS_7 = 1 << 3, 2 << 3, 3 << 3


def feed(unit: CrcUnit, data: bytes, width: int = 1) -> int:
    for at in range(0, len(data), width):
        unit.write(DR, width, int.from_bytes(data[at : at + width], "little"))
    return unit.read(DR, 4)


@given(st.binary(max_size=64))
def test_with_both_reversals_it_is_the_crc_of_ethernet(data):
    unit = CrcUnit()
    unit.write(CR, 4, RESET | BYTES | REV_OUT)
    assert feed(unit, data) ^ 0xFFFF_FFFF == zlib.crc32(data)


@pytest.mark.parametrize(("width", "reversal"), [(2, HALVES), (4, WORDS)])
@given(data=st.binary(min_size=4, max_size=64))
def test_wider_accesses_give_the_same_when_their_width_is_reversed(width, reversal, data):
    whole = data[: len(data) // width * width]
    unit = CrcUnit()
    unit.write(CR, 4, reversal | REV_OUT)
    assert feed(unit, whole, width) ^ 0xFFFF_FFFF == zlib.crc32(whole)


@given(st.binary(max_size=64), st.integers(0, 0xFFFF))
def test_sixteen_bits_are_the_ccitts(data, start):
    unit = CrcUnit()
    unit.write(CR, 4, BITS_16)
    unit.write(POL, 4, 0x1021)
    unit.write(INIT, 4, start)
    assert feed(unit, data) == binascii.crc_hqx(data, start)


def test_as_it_comes_it_takes_words_from_the_top():
    """The check value of CRC-32/MPEG-2 for "123456789", 32 bits of it as a word."""
    unit = CrcUnit()
    unit.write(DR, 4, int.from_bytes(b"1234", "big"))
    assert feed(unit, b"56789") == 0x0376_E6E7


@pytest.mark.parametrize(
    ("size", "polynomial", "check"), [(BITS_8, 0x07, 0xF4), (BITS_7, 0x09, 0x75)]
)
def test_short_polynomials(size, polynomial, check):
    """The check values of CRC-8/SMBUS and CRC-7/MMC."""
    unit = CrcUnit()
    unit.write(CR, 4, size)
    unit.write(POL, 4, polynomial)
    unit.write(INIT, 4, 0)
    assert feed(unit, b"123456789") == check


def test_a_reset_starts_over_and_leaves_the_independent_byte():
    unit = CrcUnit()
    unit.write(IDR, 4, 0x1FF)
    unit.write(INIT, 4, 0x1234)
    feed(unit, b"x")
    unit.write(CR, 4, RESET)
    assert (unit.read(DR, 4), unit.read(IDR, 4)) == (0x1234, 0xFF)
