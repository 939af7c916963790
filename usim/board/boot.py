"""From where a chip boots: the address in its option bytes, as delivered.

Source: RM0385 2.5, Boot configuration: BOOT_ADD0 is 0x0080 as delivered, 0x0020_0000, the flash's
address on the ITCM bus. VTOR is there after the reset; start-up code usually sets it anew.
"""

from __future__ import annotations

from typing import Final

from usim.board.images import flash_base
from usim.platforms import Platform
from usim.profile.placement import find_vector_table
from usim.profile.program import Program

_HINT: Final = {
    True: "is it an image for this chip?",
    False: "is it an image for this chip, and is its base right?",
}


def boot_address(program: Program, platform: Platform) -> int:
    """Where VTOR points after a reset; ProgramError if the program has no usable vector table.

    A table at the start of the flash is found at the flash's address on the ITCM bus, as the chip
    does it. For one elsewhere (behind a boot loader, in RAM) the option bytes count as set to it.
    """
    table = find_vector_table(program, platform, _HINT[bool(program.sections)])
    if table != flash_base(platform):
        return table
    region = platform.region_at(table)
    aliases = [r.base for r in platform.regions if region is not None and r.alias_of == region.name]
    return min([*aliases, table])
