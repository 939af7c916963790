"""The chip's JTAG: its taps, the debug port behind them, and the debug registers."""

from __future__ import annotations

from typing import Final

from usim.errors import AccessError
from usim.probe.chip import EmulatedChip
from usim.probe.dap import JtagDp, MemAp
from usim.probe.debug_registers import DebugRegisters
from usim.probe.jtag import IdTap, TapChain
from usim.probe.remote_bitbang import RemoteBitbang
from usim.probe.rom_table import MCU_ROM_TABLE

_DBGMCU_IDCODE: Final = 0xE004_2000
_DEV_ID_F74X: Final = 0x449
# RM0385 40.6.1: the boundary scan's IDCODE has DEV_ID as its part number, 0x0644_9041.
_BOUNDARY_SCAN: Final = 0x0600_0041
_BOUNDARY_SCAN_IR_BITS: Final = 5
_BOUNDARY_SCAN_IDCODE_INSTRUCTION: Final = 0b00001


class JtagTarget:
    """An open chip as it is seen through its JTAG pins. The state outlives connections."""

    def __init__(self, chip: EmulatedChip) -> None:
        self._chip = chip
        device_id = _device_id(chip)
        chip.device.attach_debug(DebugRegisters(chip, device_id))
        boundary_scan = IdTap(
            _BOUNDARY_SCAN_IR_BITS,
            _BOUNDARY_SCAN | device_id << 12,
            _BOUNDARY_SCAN_IDCODE_INSTRUCTION,
        )
        # TDI goes to the boundary scan, TDO comes from the core (RM0385 40.6).
        self._chain = TapChain([JtagDp(MemAp(chip, MCU_ROM_TABLE)), boundary_scan])

    def connect(self) -> RemoteBitbang:
        """A session over remote_bitbang."""
        return RemoteBitbang(self._chain, self._set_srst)

    def _set_srst(self, asserted: bool) -> None:
        if asserted:
            self._chip.reset(halt=False)


def _device_id(chip: EmulatedChip) -> int:
    """DEV_ID of DBGMCU_IDCODE; the F74x's where the chip has no such register."""
    try:
        word = chip.read_memory(_DBGMCU_IDCODE, 4)
    except AccessError:
        word = b""
    return int.from_bytes(word, "little") & 0xFFF or _DEV_ID_F74X
