"""Which core an executable was built for, as its .ARM.attributes say.

Source: Addenda to the Arm ABI (IHI 0045), "Target-related attributes".
"""

from __future__ import annotations

from typing import Final

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import ARMAttributesSection

from usim.errors import ProgramError

_SECTION: Final = ".ARM.attributes"
# Values of Tag_CPU_arch that an Armv7E-M core can't run, or not wholly, in words.
_NEWER: Final = {
    14: "Armv8-A",
    15: "Armv8-R",
    16: "Armv8-M Baseline (Cortex-M23)",
    17: "Armv8-M Mainline (Cortex-M33)",
    21: "Armv8.1-M Mainline (Cortex-M55)",
    22: "Armv9-A",
}
_OTHER_PROFILES: Final = {ord("A"): "Armv7-A (Cortex-A)", ord("R"): "Armv7-R (Cortex-R)"}


def check_architecture(elf: ELFFile, file: str) -> None:
    """ProgramError if the executable says that it was built for a core that a Cortex-M7 is not."""
    architecture, profile = _attributes(elf)
    built_for = _NEWER.get(architecture) or _OTHER_PROFILES.get(profile)
    if built_for is not None:
        raise ProgramError(
            f"{file} was built for {built_for}, which a Cortex-M7 (Armv7E-M) can't run: "
            "build it with -mcpu=cortex-m7",
            file=file,
        )


def _attributes(elf: ELFFile) -> tuple[int, int]:
    """Tag_CPU_arch and Tag_CPU_arch_profile; 0 where the file doesn't say."""
    section = elf.get_section_by_name(_SECTION)
    found = {"TAG_CPU_ARCH": 0, "TAG_CPU_ARCH_PROFILE": 0}
    if isinstance(section, ARMAttributesSection):
        for attribute in section.iter_subsections():
            for subsubsection in attribute.iter_subsubsections():
                for item in subsubsection.iter_attributes():
                    if item.tag in found:
                        found[item.tag] = int(item.value)
    return found["TAG_CPU_ARCH"], found["TAG_CPU_ARCH_PROFILE"]
