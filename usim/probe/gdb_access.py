"""gdb's packets that read and write registers and memory, flash included.

Source: the gdb manual, E.2 Packets (g, G, p, P, m, M, X) and E.4 (vFlash*).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from usim.errors import AccessError
from usim.probe.chip import EmulatedChip
from usim.probe.gdb_fields import (
    NO_MEMORY,
    NOT_HALTED,
    OK,
    Commands,
    RefusedError,
    parse_address,
    parse_bytes,
    parse_number,
    parse_range,
    to_hex,
)
from usim.probe.gdb_target import REGISTERS, FlashBlock, Register

_ERASED: Final = b"\xff"
_NO_FLASH: Final = b"E.memtype"


class RegisterAccess:
    """Registers by their number in gdb_target.REGISTERS, all of them or one at a time."""

    def __init__(self, chip: EmulatedChip) -> None:
        self._chip = chip
        self.commands: Commands = {
            b"g": self._read_all,
            b"G": self._write_all,
            b"p": self._read_one,
            b"P": self._write_one,
        }

    def _read_all(self, _: bytes) -> bytes:
        return to_hex(b"".join(self._read(register) for register in REGISTERS))

    def _write_all(self, text: bytes) -> bytes:
        data = parse_bytes(text)
        if len(data) != sum(register.size_bytes for register in REGISTERS):
            raise RefusedError(f"{len(data)} bytes are not all registers")
        for register in REGISTERS:
            self._write(register, data[: register.size_bytes])
            data = data[register.size_bytes :]
        return OK

    def _read_one(self, text: bytes) -> bytes:
        return to_hex(self._read(_register(text)))

    def _write_one(self, text: bytes) -> bytes:
        number, _, value = text.partition(b"=")
        register = _register(number)
        data = parse_bytes(value)
        if len(data) != register.size_bytes:
            raise RefusedError(f"{register.name} has {register.size_bytes} bytes")
        self._write(register, data)
        return OK

    def _read(self, register: Register) -> bytes:
        self._expect_halted()
        values = [self._chip.read_register(part) for part in register.parts]
        return struct.pack(f"<{len(values)}I", *values)

    def _write(self, register: Register, data: bytes) -> None:
        self._expect_halted()
        for part, value in zip(
            register.parts, struct.unpack(f"<{len(data) // 4}I", data), strict=True
        ):
            self._chip.write_register(part, value)

    def _expect_halted(self) -> None:
        # Another debugger on the same chip may have let it run.
        if not self._chip.halted:
            raise RefusedError(
                "registers can be read and written while the core is halted", NOT_HALTED
            )


def _register(text: bytes) -> Register:
    number = parse_number(text)
    if number >= len(REGISTERS):
        raise RefusedError(f"there is no register {number}")
    return REGISTERS[number]


class MemoryAccess:
    """Memory as the chip's debug port sees it, while the core runs as well."""

    def __init__(self, chip: EmulatedChip, longest_answer: int) -> None:
        self._chip = chip
        self._longest_read = longest_answer // 2
        self.commands: Commands = {
            b"m": self._read,
            b"M": self._write_hex,
            b"X": self._write_binary,
        }

    def _read(self, text: bytes) -> bytes:
        address, size_bytes = parse_range(text)
        size_bytes = min(size_bytes, self._longest_read)
        try:
            return to_hex(self._chip.read_memory(address, size_bytes)) if size_bytes else b""
        except AccessError:
            return to_hex(self._read_what_is_there(address, size_bytes))

    def _read_what_is_there(self, address: int, size_bytes: int) -> bytes:
        """The bytes up to where nothing answers: gdb takes fewer than it asked for."""
        data = bytearray()
        while len(data) < size_bytes:
            at = address + len(data)
            try:
                data += self._chip.read_memory(at, min(4 - at % 4, size_bytes - len(data)))
            except AccessError:
                break
        if not data:
            raise RefusedError(f"nothing answers at {address:#x}", NO_MEMORY)
        return bytes(data)

    def _write_hex(self, text: bytes) -> bytes:
        where, _, content = text.partition(b":")
        return self._write(where, parse_bytes(content))

    def _write_binary(self, text: bytes) -> bytes:
        where, _, content = text.partition(b":")
        return self._write(where, content)

    def _write(self, where: bytes, data: bytes) -> bytes:
        address, size_bytes = parse_range(where)
        if size_bytes != len(data):
            raise RefusedError(f"{len(data)} bytes came where {size_bytes} were announced")
        if data:
            self._chip.write_memory(address, data)
        return OK


class FlashLoader:
    """gdb's `load` into flash: blocks are erased, and written as a programmer does, from outside.

    The flash controller takes no part, so that its registers are as the program left them.
    """

    def __init__(self, chip: EmulatedChip, blocks: Sequence[FlashBlock]) -> None:
        self._chip = chip
        self._blocks = blocks
        self.commands: Commands = {
            b"vFlashErase": self._erase,
            b"vFlashWrite": self._write,
            b"vFlashDone": self._finish,
        }

    def _erase(self, text: bytes) -> bytes:
        address, size_bytes = parse_range(text)
        for block in self._covering(address, size_bytes):
            self._chip.device.write(block.address, _ERASED * block.size_bytes)
        return OK

    def _write(self, text: bytes) -> bytes:
        where, _, data = text.partition(b":")
        address = parse_address(where)
        self._covering(address, len(data))
        if data:
            self._chip.device.write(address, data)
        return OK

    def _finish(self, _: bytes) -> bytes:
        """Reset, so that stack pointer and VTOR are the new program's; gdb sets pc itself."""
        self._chip.reset(halt=True)
        return OK

    def _covering(self, address: int, size_bytes: int) -> list[FlashBlock]:
        """The blocks that a range touches; refused if a part of it is not flash.

        AccessError where the option bytes keep debuggers out.
        """
        end = address + size_bytes
        touched = [item for item in self._blocks if item.address < end and address < item.end]
        if sum(min(item.end, end) - max(item.address, address) for item in touched) != size_bytes:
            raise RefusedError(f"{address:#x} .. {end:#x} is not all flash", _NO_FLASH)
        for block in touched:
            self._chip.read_memory(block.address, 1)
        return touched
