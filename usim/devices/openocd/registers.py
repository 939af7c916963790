"""Core registers by the names of Device, in the terms of OpenOCD's Cortex-M target."""

from __future__ import annotations

from typing import Final

from usim.devices.openocd.link import TclLink
from usim.errors import DeviceError

_STACK_POINTERS: Final = frozenset({"sp", "r13"})
_NAMES: Final = {
    **{f"r{i}": f"r{i}" for i in range(13)},
    **dict.fromkeys(("sp", "r13"), ""),  # one of the two, see _stack_pointer
    **dict.fromkeys(("lr", "r14"), "lr"),
    **dict.fromkeys(("pc", "r15"), "pc"),
    "msp": "msp",
    "psp": "psp",
    "xpsr": "xPSR",
    "control": "control",
    **{f"s{i}": f"d{i // 2}" for i in range(32)},
    "fpscr": "fpscr",
}
_XPSR_T: Final = 1 << 24
_XPSR_IT: Final = 0x0600_FC00
_IPSR: Final = 0x1FF
_SPSEL: Final = 1 << 1
_WORD: Final = 0xFFFF_FFFF


class TargetRegisters:
    """Reads and writes registers of a halted core, which OpenOCD keeps until it resumes it."""

    def __init__(self, link: TclLink) -> None:
        self._link = link

    def read(self, name: str) -> int:
        """Value of a register; DeviceError if there is no such register."""
        theirs = self._known(name)
        value = self._get(theirs)[theirs]
        if theirs[0] == "d":
            value = value >> 32 * (int(name[1:]) % 2) & _WORD
        return value

    def write(self, name: str, value: int) -> None:
        """Set a register; pc is a jump, into Thumb code and out of any IT block."""
        theirs = self._known(name)
        value &= _WORD
        if theirs[0] == "d":
            shift = 32 * (int(name[1:]) % 2)
            value = self._get(theirs)[theirs] & ~(_WORD << shift) | value << shift
            self._set({theirs: value})
        elif theirs == "pc":
            flags = self._get("xPSR")["xPSR"]
            self._set({"xPSR": flags & ~_XPSR_IT | _XPSR_T, "pc": value & ~1})
        else:
            self._set({theirs: value})

    def clear(self) -> None:
        """What a reset leaves undefined becomes zero; main stack, thread mode, Thumb state."""
        zero = dict.fromkeys([*(f"r{i}" for i in range(13)), "msp", "psp", "control"], 0)
        self._set({**zero, "lr": _WORD, "xPSR": _XPSR_T})

    def fetch(self) -> None:
        """Read all from the core again, where it ran without OpenOCD's knowledge."""
        names = " ".join(dict.fromkeys(name for name in _NAMES.values() if name))
        self._link.ask(f"get_reg -force {{{names}}}")

    def _known(self, name: str) -> str:
        if name not in _NAMES:
            raise DeviceError(f"no register {name!r}; there are {', '.join(_NAMES)}")
        return _NAMES[name] or self._stack_pointer()

    def _stack_pointer(self) -> str:
        """Which stack pointer is in use (DDI 0403E, B1.4.1).

        OpenOCD keeps `sp` beside msp and psp, and does not notice that it is one of them.
        """
        values = self._get("xPSR", "control")
        process = not values["xPSR"] & _IPSR and values["control"] & _SPSEL
        return "psp" if process else "msp"

    def _get(self, *names: str) -> dict[str, int]:
        words = self._link.ask(f"get_reg {{{' '.join(names)}}}").split()
        return dict(zip(words[::2], (int(word, 16) for word in words[1::2]), strict=True))

    def _set(self, values: dict[str, int]) -> None:
        pairs = " ".join(f"{name} {value:#x}" for name, value in values.items())
        self._link.ask(f"set_reg {{{pairs}}}")
