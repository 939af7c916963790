"""The debug port and the access port of the chip's JTAG: ADIv5 (Arm IHI 0031) as the F7 has it.

A JTAG-DP (chapters B2 and B3) with one MEM-AP, the AHB-AP of the Cortex-M7 (chapter C2). Accesses
are done at Update-DR, so that no one has to wait: ACK is never WAIT. Not there: pushed compare and
verify, the transaction counter.
"""

from __future__ import annotations

import logging
from typing import Final, Protocol

from usim.errors import AccessError, DeviceError
from usim.probe.jtag import Tap

_LOG = logging.getLogger(__name__)

# Instructions of the JTAG-DP (B3.2). What is none of them bypasses.
_ABORT: Final = 0b1000
_DPACC: Final = 0b1010
_APACC: Final = 0b1011
_IDCODE: Final = 0b1110
_OK_OR_FAULT: Final = 0b010
_ACCESS_BITS: Final = 35

JTAG_IDCODE: Final = 0x5BA0_0477  # RM0385 40.6.3
_DPIDR: Final = 0x5BA0_2477
# DP registers (B2.2) by A[3:2].
_DP_DPIDR, _DP_CTRL_STAT, _DP_SELECT = 0, 1, 2
# CTRL/STAT bits.
_STICKY_ERROR: Final = 1 << 5
_STICKY: Final = _STICKY_ERROR | 1 << 4 | 1 << 1
_POWER_REQUESTS: Final = 1 << 30 | 1 << 28 | 1 << 26
_CTRL_WRITABLE: Final = _POWER_REQUESTS | 0xF0D

_IDR: Final = 0x7477_0001  # AHB-AP of the Cortex-M7
_CSW_FIXED: Final = 1 << 6  # DeviceEn
_CSW_WRITABLE: Final = 0xFF00_0037
# HPROT as a debugger sees it after reset: privileged data.
_CSW_RESET: Final = 0x4300_0000
_SIZES: Final = {0: 1, 1: 2, 2: 4}
_INCREMENT_SINGLE, _INCREMENT_PACKED = 1, 2
_INCREMENT_WRAP: Final = 0x3FF  # TAR counts within 1 KiB (C2.2.2)


class Bus(Protocol):
    """What the access port is the master of; AccessError where nothing answers."""

    def read_memory(self, address: int, size_bytes: int) -> bytes: ...

    def write_memory(self, address: int, data: bytes) -> None: ...


class MemAp:
    """The AHB-AP: CSW, TAR, DRW, BD0-3, CFG, BASE, IDR (C2.6)."""

    def __init__(self, bus: Bus, rom_table: int) -> None:
        self._bus = bus
        self._base = rom_table | 3  # present, in the format of ADIv5
        self._csw = _CSW_RESET
        self._tar = 0

    def read(self, register: int) -> int:
        """A register by its address, 0x00 to 0xFC; AccessError if the bus gave an error."""
        if register == 0x0C:
            return self._transfer_in()
        if register & 0xF0 == 0x10:
            return int.from_bytes(self._bus.read_memory(self._banked(register), 4), "little")
        return {
            0x00: self._csw | _CSW_FIXED,
            0x04: self._tar,
            0xF8: self._base,
            0xFC: _IDR,
        }.get(register, 0)

    def write(self, register: int, value: int) -> None:
        """Set a register by its address; AccessError if the bus gave an error."""
        if register == 0x0C:
            self._transfer_out(value)
        elif register == 0x04:
            self._tar = value
        elif register == 0x00:
            self._csw = value & _CSW_WRITABLE
        elif register & 0xF0 == 0x10:
            self._bus.write_memory(self._banked(register), value.to_bytes(4, "little"))

    def _banked(self, register: int) -> int:
        return self._tar & ~0xF | register & 0xC

    def _pieces(self) -> tuple[int, int]:
        """(size of an access, number of them) for one access to DRW."""
        size = _SIZES.get(self._csw & 7, 4)
        packed = self._csw >> 4 & 3 == _INCREMENT_PACKED
        return size, 4 // size if packed else 1

    def _transfer_in(self) -> int:
        size, count = self._pieces()
        value = 0
        for _ in range(count):
            data = self._bus.read_memory(self._aligned(size), size)
            # Each byte comes in the lane of its address (C2.2.6).
            value |= int.from_bytes(data, "little") << 8 * (self._tar & 3)
            self._increment(size)
        return value

    def _transfer_out(self, value: int) -> None:
        size, count = self._pieces()
        for _ in range(count):
            lane = value >> 8 * (self._tar & 3) & ((1 << 8 * size) - 1)
            self._bus.write_memory(self._aligned(size), lane.to_bytes(size, "little"))
            self._increment(size)

    def _aligned(self, size: int) -> int:
        if self._tar % size:
            raise AccessError(f"an unaligned access to {self._tar:#010x}", address=self._tar)
        return self._tar

    def _increment(self, size: int) -> None:
        if self._csw >> 4 & 3:
            within = self._tar + size & _INCREMENT_WRAP
            self._tar = self._tar & ~_INCREMENT_WRAP | within


class JtagDp(Tap):
    """The tap of the core's debug port. Accesses to APs other than 0 read as zero."""

    ir_bits = 4

    def __init__(self, ap: MemAp, idcode: int = JTAG_IDCODE) -> None:
        self._ap = ap
        self._idcode = idcode
        self._control = 0
        self._select = 0
        # What the last access gave; the next scan brings it.
        self._result = 0
        self.reset()

    def reset(self) -> None:
        """IDCODE is selected; the debug port itself is not reset (B3.1)."""
        self._instruction = _IDCODE

    def update_ir(self, instruction: int) -> None:
        """Select a data register."""
        self._instruction = instruction

    def capture_dr(self) -> tuple[int, int]:
        """The result of the access before, or what else is selected."""
        if self._instruction in (_DPACC, _APACC):
            return self._result << 3 | _OK_OR_FAULT, _ACCESS_BITS
        if self._instruction == _ABORT:
            return 0, _ACCESS_BITS
        return (self._idcode, 32) if self._instruction == _IDCODE else (0, 1)

    def update_dr(self, value: int) -> None:
        """Do the access that was shifted in: RnW, A[3:2], data. Nothing is left to abort."""
        if self._instruction not in (_DPACC, _APACC):
            return
        reads, register, data = value & 1, value >> 1 & 3, value >> 3
        if self._instruction == _DPACC:
            self._result = self._read_dp(register) if reads else 0
            if not reads:
                self._write_dp(register, data)
        else:
            self._result = self._access_ap(register, None if reads else data)

    def _read_dp(self, register: int) -> int:
        if register == _DP_CTRL_STAT and self._select & 0xF == 0:
            # Each power-up request is acknowledged in the bit above it, at once.
            return self._control | (self._control & _POWER_REQUESTS) << 1
        if register == _DP_SELECT:
            return self._select
        return _DPIDR if register == _DP_DPIDR else 0

    def _write_dp(self, register: int, value: int) -> None:
        if register == _DP_CTRL_STAT and self._select & 0xF == 0:
            sticky = self._control & _STICKY & ~value  # written 1, they are cleared
            self._control = value & _CTRL_WRITABLE | sticky
        elif register == _DP_SELECT:
            self._select = value

    def _access_ap(self, register: int, data: int | None) -> int:
        if self._control & _STICKY_ERROR or self._select >> 24:
            return 0  # after an error accesses are dropped until it is cleared (B2.1.1)
        address = self._select & 0xF0 | register << 2
        try:
            if data is None:
                return self._ap.read(address)
            self._ap.write(address, data)
        except AccessError:
            self._control |= _STICKY_ERROR
        except DeviceError as exc:  # what a chip could do and the emulator can't
            _LOG.error("%s", exc)
            self._control |= _STICKY_ERROR
        return 0
