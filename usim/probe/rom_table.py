"""The read-only part of the debug space: ROM tables, component IDs, what the core is.

Sources: ADIv5 (IHI 0031) D3; Cortex-M7 TRM (DDI 0489) "Debug", tables of the ROM and of component
IDs; RM0385 40.15 (identification registers of the F74x: part 0x449).
"""

from __future__ import annotations

from typing import Final

from usim.devices import emulation_mark
from usim.devices.base import Timing

MCU_ROM_TABLE: Final = emulation_mark.ROM_TABLE
_PPB_ROM_TABLE: Final = 0xE00F_E000
_CORE_ROM_TABLE: Final = 0xE00F_F000
_SCS: Final = 0xE000_E000
_DWT: Final = 0xE000_1000
_FPB: Final = 0xE000_2000
_ITM: Final = 0xE000_0000
_TPIU: Final = 0xE004_0000
_ETM: Final = 0xE004_1000

_PRESENT: Final = 3  # and in the 32-bit format
_ABSENT: Final = 2
_CLASS_ROM_TABLE: Final = 0x10
_CLASS_GENERIC: Final = 0xE0
_ARM: Final = 0x4_000B_B000  # Arm's JEP106 code and "4 KiB", where the part number is 0
_ST: Final = 0x0_000A_0000

# Peripheral ID and component class of each 4 KiB.
_COMPONENTS: Final = {
    _CORE_ROM_TABLE: (_ARM | 0x4C7, _CLASS_ROM_TABLE),
    _PPB_ROM_TABLE: (_ARM | 0x4C8, _CLASS_ROM_TABLE),
    _SCS: (_ARM | 0x00C, _CLASS_GENERIC),
    _DWT: (_ARM | 0x002, _CLASS_GENERIC),
    _FPB: (_ARM | 0x00E, _CLASS_GENERIC),
}
# What each table points at; what is not modelled is marked as absent.
_TABLES: Final = {
    MCU_ROM_TABLE: ((_PPB_ROM_TABLE, _PRESENT), (_TPIU, _ABSENT)),
    _PPB_ROM_TABLE: ((_CORE_ROM_TABLE, _PRESENT), (_ETM, _ABSENT)),
    _CORE_ROM_TABLE: ((_SCS, _PRESENT), (_DWT, _PRESENT), (_FPB, _PRESENT), (_ITM, _ABSENT)),
}
# PID4-7, PID0-3, CID0-3 stand at the end of a component's 4 KiB (IHI 0031 D1.2).
_IDS_FROM: Final = 0xFD0
_MEMTYPE: Final = 0xFCC  # of a ROM table: system memory is on this bus too

# MVFR0 to MVFR2 (B4.9) of a single-precision FPv5.
_MEDIA: Final = {0xE000_EF40: 0x1011_0021, 0xE000_EF44: 0x1100_0011, 0xE000_EF48: 0x0000_0040}


def make_id_registers(device_id: int, timing: Timing) -> dict[int, int]:
    """Each register of these, by its address, for a chip with this DEV_ID (0x449 of the F74x).

    `timing` is what its cycle counter counts, which a chip's own registers would not tell.
    """
    components = {**_COMPONENTS, MCU_ROM_TABLE: (_ST | device_id, _CLASS_ROM_TABLE)}
    registers = dict(_MEDIA)
    for base, (peripheral_id, component_class) in components.items():
        order = (4, 5, 6, 7, 0, 1, 2, 3)
        for place, number in enumerate(order):
            registers[base + _IDS_FROM + 4 * place] = peripheral_id >> 8 * number & 0xFF
        for place, byte in enumerate((0x0D, component_class, 0x05, 0xB1)):
            registers[base + 0xFF0 + 4 * place] = byte
    for base, entries in _TABLES.items():
        registers[base + _MEMTYPE] = 1
        for place, (component, presence) in enumerate(entries):
            registers[base + 4 * place] = (component - base) & 0xFFFF_F000 | presence
        registers[base + 4 * len(entries)] = 0
    registers[emulation_mark.PIDR3] |= emulation_mark.MARKS[timing]
    return registers
