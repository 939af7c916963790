"""CRC calculation unit of the STM32F7 (RM0385 chapter 12, RM0410 chapter 12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from usim.devices.peripherals.base import RegisterBlock

DR: Final = 0x00
IDR: Final = 0x04
CR: Final = 0x08
INIT: Final = 0x10
POL: Final = 0x14

_RESET: Final = 1 << 0
_REV_OUT: Final = 1 << 7
# By CR.POLYSIZE and CR.REV_IN; 0 bits is no reversal.
_POLYNOMIAL_BITS: Final = (32, 16, 8, 7)
_REVERSED_BITS: Final = (0, 8, 16, 32)


class CrcUnit(RegisterBlock):
    """CRC: of bytes, half words or words, as they are written to DR, at once."""

    name = "CRC"
    reset_values: ClassVar[Mapping[int, int]] = {
        DR: 0xFFFF_FFFF,
        IDR: 0,
        CR: 0,
        INIT: 0xFFFF_FFFF,
        POL: 0x04C1_1DB7,
    }
    register_names: ClassVar[Mapping[int, str]] = {
        DR: "DR", IDR: "IDR", CR: "CR", INIT: "INIT", POL: "POL",
    }  # fmt: skip

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """DR takes as many bits as are written to it."""
        if offset == DR:
            self._feed(value & ((1 << 8 * size_bytes) - 1), 8 * size_bytes)
        else:
            super().write(offset, size_bytes, value)

    def read_word(self, offset: int) -> int:
        """DR is the result, reversed if REV_OUT says so."""
        value = self._values[offset]
        if offset == DR:
            bits = self._bits()
            value &= (1 << bits) - 1
            return _reverse(value, bits) if self._values[CR] & _REV_OUT else value
        return value

    def write_word(self, offset: int, value: int) -> None:
        """CR.RESET and a new INIT start over."""
        if offset == CR:
            self._values[CR] = value & 0xF8
        elif offset == IDR:
            self._values[IDR] = value & 0xFF
        else:
            self._values[offset] = value
        if offset == INIT or (offset == CR and value & _RESET):
            self._values[DR] = self._values[INIT]

    def _bits(self) -> int:
        return _POLYNOMIAL_BITS[self._values[CR] >> 3 & 3]

    def _feed(self, data: int, data_bits: int) -> None:
        group = min(_REVERSED_BITS[self._values[CR] >> 5 & 3], data_bits)
        if group:
            data = sum(
                _reverse(data >> at & ((1 << group) - 1), group) << at
                for at in range(0, data_bits, group)
            )
        bits, polynomial = self._bits(), self._values[POL]
        mask = (1 << bits) - 1
        value = self._values[DR] & mask
        for at in reversed(range(data_bits)):
            feedback = (value >> (bits - 1) ^ data >> at) & 1
            value = (value << 1 ^ (polynomial if feedback else 0)) & mask
        self._values[DR] = value


def _reverse(value: int, bits: int) -> int:
    return int(f"{value:0{bits}b}"[::-1], 2)
