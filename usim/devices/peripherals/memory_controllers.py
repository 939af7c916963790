"""Controllers of external memory: FMC and QUADSPI (RM0385 chapters 13 and 14).

The memories behind them are there from the start, as the platform file has them: what a program
sets up here is kept and makes no difference. A command is over as soon as it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from usim.devices.interrupt_lines import InterruptLine
from usim.devices.peripherals.base import RegisterBlock

SDCMR: Final = 0x150
SDRTR: Final = 0x154
SDSR: Final = 0x158

QUADSPI_CR: Final = 0x00
QUADSPI_SR: Final = 0x08
QUADSPI_FCR: Final = 0x0C
QUADSPI_CCR: Final = 0x14
QUADSPI_AR: Final = 0x18
QUADSPI_DR: Final = 0x20
_ABORT: Final = 1 << 1
_TCF: Final = 1 << 1
_FTF: Final = 1 << 2
_SMF: Final = 1 << 3
# TEIE, TCIE, FTIE, SMIE, TOIE from bit 16 of CR on are in the order of SR's flags.
_ENABLES_SHIFT: Final = 16
_CLEARABLE: Final = 0x1B
_INDIRECT_READ, _POLLING, _MAPPED = 1, 2, 3  # CCR.FMODE


class FlexibleMemoryController(RegisterBlock):
    """FMC; of its SDRAM banks SDSR says which mode the last command put them in."""

    name = "FMC"
    reset_values: ClassVar[Mapping[int, int]] = {
        0x00: 0x0000_30DB,
        **dict.fromkeys((0x08, 0x10, 0x18), 0x0000_30D2),
        **dict.fromkeys((0x04, 0x0C, 0x14, 0x1C), 0x0FFF_FFFF),
        0x80: 0x18,
        0x84: 0x40,
        **dict.fromkeys((0x88, 0x8C), 0xFCFC_FCFC),
        0x94: 0,
        **dict.fromkeys((0x104, 0x10C, 0x114, 0x11C), 0x0FFF_FFFF),
        **dict.fromkeys((0x140, 0x144), 0x2D0),
        **dict.fromkeys((0x148, 0x14C), 0x0FFF_FFFF),
        SDCMR: 0,
        SDRTR: 0,
        SDSR: 0,
    }
    register_names: ClassVar[Mapping[int, str]] = {
        **{8 * bank: f"BCR{bank + 1}" for bank in range(4)},
        **{8 * bank + 4: f"BTR{bank + 1}" for bank in range(4)},
        **{8 * bank + 0x104: f"BWTR{bank + 1}" for bank in range(4)},
        0x80: "PCR", 0x84: "SR", 0x88: "PMEM", 0x8C: "PATT", 0x94: "ECCR", 0x140: "SDCR1",
        0x144: "SDCR2", 0x148: "SDTR1", 0x14C: "SDTR2", SDCMR: "SDCMR", SDRTR: "SDRTR",
        SDSR: "SDSR",
    }  # fmt: skip

    def write_word(self, offset: int, value: int) -> None:
        """SDCMR's command is done: self-refresh and power-down are modes, all others normal."""
        if offset == SDCMR:
            mode = {5: 1, 6: 2}.get(value & 7, 0)
            for target, place in ((1 << 4, 1), (1 << 3, 3)):  # CTB1, CTB2
                if value & target:
                    self._values[SDSR] = self._values[SDSR] & ~(3 << place) | mode << place
        elif offset == SDRTR:
            self._values[SDRTR] = value & 0x7FFE
        elif offset not in (SDSR, 0x94):
            self._values[offset] = value


class QuadSpi(RegisterBlock):
    """QUADSPI: commands complete, status polling matches, indirect reads give zeros."""

    name = "QUADSPI"
    reset_values: ClassVar[Mapping[int, int]] = dict.fromkeys(range(0, 0x34, 4), 0)
    register_names: ClassVar[Mapping[int, str]] = {
        0x00: "CR", 0x04: "DCR", 0x08: "SR", 0x0C: "FCR", 0x10: "DLR", 0x14: "CCR", 0x18: "AR",
        0x1C: "ABR", 0x20: "DR", 0x24: "PSMKR", 0x28: "PSMAR", 0x2C: "PIR", 0x30: "LPTR",
    }  # fmt: skip

    def __init__(self, line: InterruptLine) -> None:
        super().__init__()
        self._line = line

    def reset(self) -> None:
        """No flag set."""
        super().reset()
        self._update()

    def write_word(self, offset: int, value: int) -> None:
        """A command is given by CCR, by AR if it has an address, or by the data it sends."""
        if offset == QUADSPI_FCR:
            self._values[QUADSPI_SR] &= ~(value & _CLEARABLE)
        elif offset == QUADSPI_CR:
            self._values[QUADSPI_CR] = value & ~_ABORT
            if value & _ABORT:
                self._values[QUADSPI_SR] = _TCF
        elif offset != QUADSPI_SR:
            self._values[offset] = value
        if offset in (QUADSPI_CCR, QUADSPI_AR, QUADSPI_DR):
            self._finish_command()
        self._update()

    def _finish_command(self) -> None:
        mode = self._values[QUADSPI_CCR] >> 26 & 3
        if mode == _POLLING:
            self._values[QUADSPI_SR] |= _SMF
        elif mode != _MAPPED:
            self._values[QUADSPI_SR] |= _TCF | _FTF

    def _update(self) -> None:
        asked = self._values[QUADSPI_CR] >> _ENABLES_SHIFT & self._values[QUADSPI_SR]
        self._line.set(bool(asked & 0x1F))
