"""How addresses and sizes are written in messages, tables and reports."""

from __future__ import annotations

_UNITS = ((1 << 20, "MiB"), (1 << 10, "KiB"))


def format_address(address: int) -> str:
    """Write a 32-bit address as 0x2000_0000."""
    return f"0x{address >> 16 & 0xFFFF:04x}_{address & 0xFFFF:04x}"


def format_bytes(size_bytes: int) -> str:
    """Write a size exactly: in MiB or KiB where it is a whole number of them, else in bytes."""
    for unit, suffix in _UNITS:
        if size_bytes and size_bytes % unit == 0:
            return f"{size_bytes // unit} {suffix}"
    return f"{size_bytes:,} bytes"
