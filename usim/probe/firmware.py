"""Puts a program into an emulated chip's memory, as a flasher does."""

from __future__ import annotations

from usim.probe.chip import EmulatedChip
from usim.profile import placement
from usim.profile.program import Program


def load_firmware(chip: EmulatedChip, program: Program) -> None:
    """Write the program, and have resets of the chip boot from its vector table.

    A chip boots from the address in its option bytes; here it follows the program that was loaded.
    ProgramError if the program does not fit the chip or has no vector table.
    """
    placement.check_placement(program, chip.platform)
    table = placement.find_vector_table(program, chip.platform)
    placement.write_program(chip.device, program, started_up=False)
    chip.boot_address = table
