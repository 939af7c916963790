"""The fields of gdb's packets: numbers and bytes in hex, addresses with lengths; and refusals.

Source: the gdb manual, E.2 Packets. What a client sends is input like any other: a field that does
not parse is RefusedError, which the session answers with its code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from usim.errors import UsimError

# A packet's rest, behind its name, to its answer; None where the answer comes later, or never.
Command = Callable[[bytes], bytes | None]
Commands = Mapping[bytes, Command]

OK: Final = b"OK"
UNKNOWN: Final = b""  # "an empty response means that the packet is not supported"
MALFORMED: Final = b"E01"
NOT_HALTED: Final = b"E02"
NO_MEMORY: Final = b"E0e"  # EFAULT
NO_ROOM: Final = b"E1c"  # ENOSPC

_NUMBER: Final = re.compile(rb"[0-9A-Fa-f]{1,16}")
_BYTES: Final = re.compile(rb"(?:[0-9A-Fa-f]{2})*")
_ADDRESS_SPACE: Final = 1 << 32


class RefusedError(UsimError):
    """A packet that gets an error for an answer. Attribute: code."""

    def __init__(self, message: str, code: bytes = MALFORMED) -> None:
        super().__init__(message, code=code)
        self.code = code


def parse_number(text: bytes) -> int:
    """Up to 16 hex digits."""
    if not _NUMBER.fullmatch(text):
        raise RefusedError(f"{text[:40]!r} is no number in hex")
    return int(text, 16)


def parse_address(text: bytes) -> int:
    """A number of 32 bits."""
    address = parse_number(text)
    if address >= _ADDRESS_SPACE:
        raise RefusedError(f"{text!r} is no address of 32 bits", NO_MEMORY)
    return address


def parse_bytes(text: bytes) -> bytes:
    """Two hex digits a byte."""
    if not _BYTES.fullmatch(text):
        raise RefusedError(f"{text[:40]!r} is no hex data")
    return bytes.fromhex(text.decode("ascii"))


def parse_range(text: bytes) -> tuple[int, int]:
    """ "address,length": both; the range ends within the address space."""
    first, _, second = text.partition(b",")
    address, size_bytes = parse_address(first), parse_number(second)
    if address + size_bytes > _ADDRESS_SPACE:
        raise RefusedError(f"{text!r} goes beyond 32-bit addresses", NO_MEMORY)
    return address, size_bytes


def to_hex(data: bytes) -> bytes:
    """Two digits a byte."""
    return data.hex().encode("ascii")
