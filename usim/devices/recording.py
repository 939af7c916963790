"""A device that executes nothing: it keeps what was written, so that it can be put into a file."""

from __future__ import annotations

from collections.abc import Iterator

from usim.devices.base import Capabilities, CountKind, Device
from usim.errors import DeviceError, MemoryFullError
from usim.platforms import Platform


class RecordingDevice(Device):
    """Memory of a platform that can be written and read back; what was not written reads as zero.

    `has_caches`: whether code will run behind caches where it runs later.
    """

    def __init__(self, platform: Platform, *, has_caches: bool = False) -> None:
        super().__init__(platform)
        self._has_caches = has_caches
        self._memory: dict[int, bytearray] | None = None
        # What was written, as [start, end) by start; no two of them touch.
        self._written: list[tuple[int, int]] = []

    @property
    def capabilities(self) -> Capabilities:
        """CYCCNT will be there; what it counts depends on where the program runs."""
        return Capabilities(
            count=CountKind("none", "none"),
            writes_flash=True,
            simulated=True,
            speed="fast",
            has_caches=self._has_caches,
        )

    def open(self) -> None:
        """Forget everything."""
        self._memory = {region.base: bytearray() for region in self.platform.regions}
        self._written = []

    def close(self) -> None:
        """Keep what was written, for `written`; nothing is to be given back."""

    def written(self) -> Iterator[tuple[int, bytes]]:
        """(address, bytes) of each stretch that was written, in order of address."""
        for start, end in self._written:
            yield start, self._read(start, end - start)

    def _reset(self) -> None:
        self._opened()

    def _opened(self) -> dict[int, bytearray]:
        if self._memory is None:
            raise DeviceError("the device is not open: call open() first")
        return self._memory

    def _pieces(self, address: int, size_bytes: int) -> Iterator[tuple[bytearray, int, int]]:
        """(memory, offset, length) for each region that [address, address + size) crosses."""
        memory, end = self._opened(), address + size_bytes
        while address < end:
            region = self.platform.region_at(address)
            assert region is not None  # checked in read() and write()
            buffer, offset = memory[region.base], address - region.base
            length = min(end, region.end) - address
            # Grows as it is needed: some platforms have 16 MiB and use little of it.
            buffer.extend(bytes(max(offset + length - len(buffer), 0)))
            yield buffer, offset, length
            address += length

    def _read(self, address: int, size_bytes: int) -> bytes:
        return b"".join(
            buffer[offset : offset + length]
            for buffer, offset, length in self._pieces(address, size_bytes)
        )

    def _write(self, address: int, data: bytes) -> None:
        at = 0
        for buffer, offset, length in self._pieces(address, len(data)):
            buffer[offset : offset + length] = data[at : at + length]
            at += length
        start, end = address, address + len(data)
        apart = [item for item in self._written if item[1] < start or end < item[0]]
        touching = [item for item in self._written if item not in apart]
        start = min([start, *(item[0] for item in touching)])
        end = max([end, *(item[1] for item in touching)])
        self._written = sorted([*apart, (start, end)])

    def _read_register(self, name: str) -> int:
        raise DeviceError(f"nothing runs here, so there is no register {name} to read")

    def _write_register(self, name: str, value: int) -> None:
        raise DeviceError(f"nothing runs here, so register {name} cannot be set to {value:#x}")

    def _run_until(self, address: int, timeout_s: float) -> None:
        del address, timeout_s
        args = self.platform.section("args")
        raise MemoryFullError(
            f"section args ({args.extents[0].size_bytes:,} bytes) is too small for all calls "
            "in one batch",
            section="args",
        )
