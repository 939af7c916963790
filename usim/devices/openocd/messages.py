"""What OpenOCD's words mean, and what to do about it: one line each."""

from __future__ import annotations

import re
from typing import Final

_SHOWN_LINES: Final = 3
_PREFIX: Final = re.compile(r"^(?:Error|Warn|Info|User) ?: ?")
# Said at every start, or after the cause; and results of our own commands.
_NOISE: Final = re.compile(
    r"\x1f|Open On-Chip Debugger|Licensed under|For bug reports|read$|http://openocd|Killed|"
    r"Info :|Warn :|DEPRECATED|^\w+$|embedded:startup\.tcl|^\s*$|in procedure|at file "
)
# The first that matches is the cause, so the more special come first.
_MEANINGS: Final = (
    (
        r"LIBUSB_ERROR_ACCESS|[Pp]ermission denied",
        "the probe's USB device may not be opened: install OpenOCD's udev rules "
        "(60-openocd.rules) and plug the board in again",
    ),
    (
        r"LIBUSB_ERROR_BUSY|unable to claim interface",
        "another program holds the probe: end it, or attach to it with openocd=HOST:PORT",
    ),
    (
        r"couldn't bind .*|Address already in use",
        "a port is busy, so another OpenOCD may hold the probe: end it, or attach to it with "
        "openocd=HOST:PORT (its Tcl port)",
    ),
    (
        r"LIBUSB_ERROR_NO_DEVICE|LIBUSB_ERROR_IO|LIBUSB_ERROR_PIPE|remote_bitbang_\w+: |"
        r"remote_bitbang.*closed|communication failure|Connection reset|Broken pipe",
        "the probe was lost: is it plugged in, and does no other program use it?",
    ),
    (
        r"Failed to connect",
        "nothing serves the probe's port: start `usim serve --jtag PORT` first",
    ),
    (
        r"open failed|unable to find a matching|No J-Link device found|no device found|"
        r"libusb_open\(\) failed|unable to open \w+ device|couldn't find .* device",
        "no debug probe (ST-Link) was found: is the board plugged in by its ST-Link connector, "
        "and may you use its USB device (udev rules)?",
    ),
    (
        r"init mode failed|[Tt]arget voltage may be too low|unable to connect to the target|"
        r"cannot read IDR|scan chain interrogation failed|Could not find MEM-AP|"
        r"Invalid ACK|Could not initialize the debug port|Target not examined",
        "the probe works, but the chip does not answer: is it powered, are the jumpers and wires "
        "in place, and is its debug port not locked (read-out protection level 2)?",
    ),
    (
        r"[Rr]ead.?out protect|device (?:is )?protected|PCROP|RDP",
        "the chip's flash is protected: unlock it with OpenOCD's `stm32f2x unlock 0`, which erases "
        "it",
    ),
    (
        r"write protected|flash write algorithm",
        "the chip refuses to program its flash there: is it write-protected (option bytes)?",
    ),
    (
        r"couldn't open .*usim-openocd-",
        "OpenOCD runs where it can't read this machine's files, which it has to for writing flash",
    ),
    (r"Can't find ", "a file that the configuration names does not exist"),
)


def explain(words: str) -> str:
    """What to do about what OpenOCD said, and the line that tells; "" if that is not known."""
    for pattern, meaning in _MEANINGS:
        if match := re.search(f"^.*(?:{pattern}).*$", words, re.MULTILINE):
            return f"{meaning} (OpenOCD: {_plain(match[0])})"
    return ""


def key_lines(words: str, *, last: bool = False) -> str:
    """The lines that matter, in one: its errors if there are any; the first, or the last ones."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("Error")]
    lines = errors or [line for line in lines if not _NOISE.search(line)]
    plain = list(dict.fromkeys(map(_plain, lines)))
    return "; ".join(plain[-_SHOWN_LINES:] if last else plain[:_SHOWN_LINES])


def translated(words: str) -> str:
    """What OpenOCD's words mean; or, if that isn't known, the words."""
    return explain(words) or f"OpenOCD: {key_lines(words) or 'it gave no reason'}"


def _plain(line: str) -> str:
    return _PREFIX.sub("", line.strip())
