"""Semihosting: what a program asks of its debugger with `bkpt 0xAB`. Text and exit are served.

Source: Arm, Semihosting for AArch32 and AArch64 (2023Q3), section 5 and 6.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from usim.devices.embedded import EmbeddedDevice
from usim.errors import AccessError

_LOG = logging.getLogger(__name__)

BKPT_SEMIHOSTING: Final = b"\xab\xbe"
_APPLICATION_EXIT: Final = 0x2_0026  # ADP_Stopped_ApplicationExit
_FAILED: Final = 0xFFFF_FFFF
_CONSOLE: Final = b":tt"
_LONGEST_TEXT: Final = 1 << 20
_STDOUT, _STDERR, _FEATURES_HANDLE = 1, 2, 3
# A file that tells what there is beyond the first version (section 2.6): C libraries look for it
# before they end with SYS_EXIT_EXTENDED, which alone has an exit code.
_FEATURES_NAME: Final = b":semihosting-features"
_FEATURES: Final = b"SHFB\x03"  # SH_EXT_EXIT_EXTENDED, SH_EXT_STDOUT_STDERR


class Operation(IntEnum):
    """Those that are served; all others answer -1."""

    OPEN = 0x01
    CLOSE = 0x02
    WRITEC = 0x03
    WRITE0 = 0x04
    WRITE = 0x05
    READ = 0x06
    ISTTY = 0x09
    SEEK = 0x0A
    FLEN = 0x0C
    CLOCK = 0x10
    ERRNO = 0x13
    GET_CMDLINE = 0x15
    EXIT = 0x18
    EXIT_EXTENDED = 0x20


@dataclass(frozen=True, slots=True)
class Exited:
    """The program asked to end."""

    code: int


class Semihosting:
    """Serves one device. `write` gets the program's text, `now_s` is the chip's time."""

    def __init__(
        self,
        device: EmbeddedDevice,
        write: Callable[[bytes], None],
        now_s: Callable[[], float],
    ) -> None:
        self._device = device
        self._write = write
        self._now_s = now_s
        self._features_left = _FEATURES
        self._serve: dict[int, Callable[[int], int]] = {
            Operation.OPEN: self._open,
            Operation.CLOSE: lambda _: 0,
            Operation.WRITEC: self._write_character,
            Operation.WRITE0: self._write_string,
            Operation.WRITE: self._write_block,
            Operation.READ: self._read_block,
            Operation.ISTTY: lambda argument: int(not self._is_features(argument)),
            Operation.SEEK: self._seek,
            Operation.FLEN: self._length,
            Operation.CLOCK: lambda _: int(self._now_s() * 100),
            Operation.ERRNO: lambda _: 0,
            Operation.GET_CMDLINE: self._command_line,
        }

    def serve(self, pc: int) -> Exited | None:
        """Do what the `bkpt` at `pc` asks, and go on behind it; Exited if that is to end."""
        number, argument = (self._device.read_register(name) for name in ("r0", "r1"))
        if number == Operation.EXIT:
            return Exited(0 if argument == _APPLICATION_EXIT else 1)
        try:
            if number == Operation.EXIT_EXTENDED:
                reason, code = self._words(argument, 2)
                return Exited(code if reason == _APPLICATION_EXIT else 1)
            serve = self._serve.get(number)
            answer = serve(argument) if serve else _FAILED
        except AccessError as exc:
            _LOG.warning("semihosting operation %#x: %s", number, exc)
            answer = _FAILED
        self._device.write_register("r0", answer)
        self._device.write_register("pc", pc + 2)
        return None

    def _words(self, address: int, count: int) -> list[int]:
        data = self._device.read(address, 4 * count)
        return [int.from_bytes(data[4 * i : 4 * i + 4], "little") for i in range(count)]

    def _open(self, argument: int) -> int:
        name, mode, length = self._words(argument, 3)
        file = self._device.read(name, length)
        if file == _FEATURES_NAME:
            self._features_left = _FEATURES
            return _FEATURES_HANDLE
        if file != _CONSOLE:
            return _FAILED  # no files of the host
        return _STDOUT if mode < 4 else _STDERR

    def _is_features(self, argument: int) -> bool:
        return self._words(argument, 1) == [_FEATURES_HANDLE]

    def _read_block(self, argument: int) -> int:
        """Read; the answer is how many bytes there were not. The console has none."""
        _, address, length = self._words(argument, 3)
        if not self._is_features(argument):
            return length
        data, self._features_left = self._features_left[:length], self._features_left[length:]
        self._device.write(address, data)
        return length - len(data)

    def _seek(self, argument: int) -> int:
        if not self._is_features(argument):
            return _FAILED
        self._features_left = _FEATURES[self._words(argument, 2)[1] :]
        return 0

    def _length(self, argument: int) -> int:
        return len(_FEATURES) if self._is_features(argument) else 0

    def _write_character(self, argument: int) -> int:
        self._write(self._device.read(argument, 1))
        return 0

    def _write_string(self, argument: int) -> int:
        text = bytearray()
        while len(text) < _LONGEST_TEXT:
            piece = self._device.read(argument + len(text), 1)
            if piece == b"\0":
                break
            text += piece
        self._write(bytes(text))
        return 0

    def _write_block(self, argument: int) -> int:
        _, address, length = self._words(argument, 3)
        self._write(self._device.read(address, length))
        return 0  # bytes that were not written

    def _command_line(self, argument: int) -> int:
        buffer, size = self._words(argument, 2)
        if size < 1:
            return _FAILED
        self._device.write(buffer, b"\0")
        self._device.write(argument + 4, bytes(4))
        return 0
