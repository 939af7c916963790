"""A whole chip's peripherals as the platform file wires them, without a core."""

from __future__ import annotations

from rig import Bench, RecordingLine

from usim.devices.peripherals import ChipPeripherals, ResetCause, build_peripherals
from usim.errors import AccessError
from usim.platforms import load_platform
from usim.repl import read_repl

RCC = 0x4002_3800
RAM = 0x2000_0000


class Ram:
    """1 KiB."""

    def __init__(self) -> None:
        self.data = bytearray(1024)

    def read(self, address: int, size_bytes: int) -> bytes:
        return bytes(self.data[self._at(address, size_bytes) :][:size_bytes])

    def write(self, address: int, data: bytes) -> None:
        at = self._at(address, len(data))
        self.data[at : at + len(data)] = data

    def _at(self, address: int, size_bytes: int) -> int:
        if not RAM <= address <= RAM + len(self.data) - size_bytes:
            raise AccessError("no RAM", address=address, size_bytes=size_bytes)
        return address - RAM


class WiredChip:
    """RCC clocks everything; the NVIC's inputs by their numbers, and RAM for the DMA."""

    def __init__(self, platform: str = "stm32f746") -> None:
        self.bench = Bench()
        self.inputs: dict[int, RecordingLine] = {}
        self.parts: ChipPeripherals = build_peripherals(
            read_repl(load_platform(platform).repl_path), None, None, self.bench.events, self.input
        )
        self.ram = Ram()
        self.parts.masters.connect(self.ram, self.parts.bus)
        self.parts.reset(ResetCause.POWER_ON)
        for register in (0x30, 0x34, 0x38, 0x40, 0x44):
            self[RCC + register] = 0xFFFF_FFFF

    def input(self, number: int) -> RecordingLine:
        return self.inputs.setdefault(number, self.bench.line())

    def __getitem__(self, address: int) -> int:
        return self.parts.bus.read(address, 4)

    def __setitem__(self, address: int, value: int) -> None:
        self.parts.bus.write(address, 4, value)
