"""The chip's memory through OpenOCD: values in the command for little, a file for more.

Through the virtual probe both are as fast as its link from some KiB on; scripts/bench has figures.
"""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
from pathlib import Path
from typing import Final

from usim.devices.openocd.link import CommandError, TclLink, word
from usim.errors import DeviceError

_WORD: Final = 4
# From here on a file: below, its two system calls cost more than the digits of the values.
_FILE_FROM_BYTES: Final = 8192
# What one command takes (OpenOCD 0.12: 65,536 elements of `read_memory`, 4 MiB of script).
_MOST_WORDS: Final = 1 << 15
_TIMEOUT_S: Final = 20.0
# A link slower than this is taken for stuck.
_SLOWEST_BYTES_PER_S: Final = 1000


class TargetMemory:
    """Reads and writes by OpenOCD. 1. construct; 2. read(), write(); 3. close()."""

    def __init__(self, link: TclLink) -> None:
        self._link = link
        self._folder = tempfile.TemporaryDirectory(prefix="usim-openocd-")
        self.file = Path(self._folder.name) / "transfer.bin"
        # An attached OpenOCD may run where this machine's files are not.
        self._shares_files = True

    def close(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):
            self._folder.cleanup()

    def read(self, address: int, size_bytes: int) -> bytes:
        """Read any address and size; whole words around it are read, and nothing else is there."""
        start = address & -_WORD
        size = (address + size_bytes + _WORD - 1 & -_WORD) - start
        data = b""
        if size >= _FILE_FROM_BYTES and self._shares_files:
            data = self._read_by_file(start, size)
        if not data:
            data = self._read_values(start, size)
        return data[address - start :][:size_bytes]

    def write(self, address: int, data: bytes) -> None:
        """Write any address and size."""
        if (
            len(data) >= _FILE_FROM_BYTES
            and self._shares_files
            and self._write_by_file(address, data)
        ):
            return
        head = data[: -address % _WORD]
        body = data[len(head) :]
        tail = body[len(body) & -_WORD :]
        body = body[: len(body) & -_WORD]
        if head:
            self._write_values(address, 8, list(head))
        for offset in range(0, len(body), _WORD * _MOST_WORDS):
            piece = body[offset : offset + _WORD * _MOST_WORDS]
            words = [value for (value,) in struct.iter_unpack("<I", piece)]
            self._write_values(address + len(head) + offset, 32, words)
        if tail:
            self._write_values(address + len(head) + len(body), 8, list(tail))

    def read_word(self, address: int) -> int:
        """One access of 32 bits, for a register too."""
        return int(self._link.ask(f"read_memory {address:#x} 32 1"), 0)

    def write_words(self, *pairs: tuple[int, int]) -> None:
        """Accesses of 32 bits, (address, value) in order, for registers too."""
        self._link.ask("; ".join(f"mww {address:#x} {value:#x}" for address, value in pairs))

    def stage(self, data: bytes) -> str:
        """Put data into the file for a command; returns its name as a word of Tcl."""
        self.file.write_bytes(data)
        return word(os.fspath(self.file))

    @property
    def shares_files(self) -> bool:
        """Whether OpenOCD can read our files, as far as is known."""
        return self._shares_files

    def _read_values(self, address: int, size_bytes: int) -> bytes:
        data = bytearray()
        left = size_bytes // _WORD
        while left:
            count = min(left, _MOST_WORDS)
            script = f"read_memory {address + len(data):#x} 32 {count}"
            values = self._link.ask(script, timeout_for(count * _WORD)).split()
            data += struct.pack(f"<{count}I", *(int(value, 0) for value in values))
            left -= count
        return bytes(data)

    def _write_values(self, address: int, width: int, values: list[int]) -> None:
        text = " ".join(map(hex, values))
        timeout_s = timeout_for(len(values) * width // 8)
        self._link.ask(f"write_memory {address:#x} {width} {{{text}}}", timeout_s)

    def _read_by_file(self, address: int, size_bytes: int) -> bytes:
        self.file.unlink(missing_ok=True)
        name = word(os.fspath(self.file))
        script = f"dump_image {name} {address:#x} {size_bytes:#x}"
        if not self._by_file(script, size_bytes):
            return b""
        try:
            data = self.file.read_bytes()
        except FileNotFoundError:  # it wrote one on another machine
            self._shares_files = False
            return b""
        if len(data) != size_bytes:
            raise DeviceError(f"OpenOCD read {len(data)} bytes where {size_bytes} were asked for")
        return data

    def _write_by_file(self, address: int, data: bytes) -> bool:
        script = f"load_image {self.stage(data)} {address:#x} bin"
        return self._by_file(script, len(data))

    def _by_file(self, script: str, size_bytes: int) -> bool:
        try:
            self._link.ask(script, timeout_for(size_bytes))
        except CommandError as exc:
            if "couldn't open" not in exc.text:
                raise
            self._shares_files = False
        return self._shares_files


def timeout_for(size_bytes: int) -> float:
    """Seconds after which a transfer of that size is taken for stuck."""
    return _TIMEOUT_S + size_bytes / _SLOWEST_BYTES_PER_S
