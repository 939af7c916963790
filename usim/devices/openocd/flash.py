"""Writes to flash, gathered until a program runs: erasing a sector for each piece would be slow.

Sectors are read, changed and written whole, so that writes into one sector don't lose each other;
what the chip holds already is left alone, and what only fills erased bytes needs no erasing.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from usim.devices.openocd.link import TclLink
from usim.devices.openocd.memory import TargetMemory, timeout_for
from usim.errors import DeviceError
from usim.formatting import format_address
from usim.platforms import Platform, Region

_ERASED: Final = 0xFF
_WORD: Final = 4
# Its algorithms run on the chip from RAM that is ours: a little of it, which we keep and put back
# (its own way to do so does it for each call).
_WORK_AREA_BYTES: Final = 8192
# A gap between two writes that is read and written along, rather than treated apart.
_CLOSE_BYTES: Final = 1024
# Below it, reading back costs no more than the chip's own checksum.
_CHECKSUM_FROM_BYTES: Final = 4096
# Seconds to erase a sector of 256 KiB by bytes at worst, with reserve (DS10916, flash memory
# programming: 4 s).
_ERASE_TIMEOUT_S: Final = 30.0
_BANK: Final = re.compile(r"#\d+ ?: .* at (0x[0-9a-f]+), size (0x[0-9a-f]+)")
_SECTOR: Final = re.compile(r"#\s*(\d+): (0x[0-9a-f]+) \((0x[0-9a-f]+) ")
# Flash interface of the STM32F7 (RM0385 3.7). The ART accelerator keeps what it read of the flash.
_FLASH_ACR: Final = 0x4002_3C00
_ACR_ARTEN: Final = 1 << 9
_ACR_ARTRST: Final = 1 << 11
# Option bytes: bits 15 to 8 are the read protection level, 0xAA for none.
_FLASH_OPTCR: Final = 0x4002_3C14
_RDP_NONE: Final = 0xAA


@dataclass(frozen=True, slots=True)
class Sector:
    """What is erased at once. `bank` and `number` are OpenOCD's."""

    bank: int
    number: int
    base: int
    size_bytes: int


@dataclass(slots=True)
class FlashUse:
    """What was done to the flash since the device was opened."""

    erases: int = 0
    written_bytes: int = 0


@dataclass(slots=True)
class _Image:
    """Bytes of a range, and which of them are known."""

    base: int
    data: bytearray
    known: bytearray = field(default_factory=bytearray)

    def put(self, address: int, data: bytes) -> None:
        """Know these bytes."""
        at = address - self.base
        self.data[at : at + len(data)] = data
        self.known[at : at + len(data)] = b"\1" * len(data)

    def has(self, address: int, size_bytes: int) -> bool:
        """Whether all of a range is known."""
        at = address - self.base
        return all(self.known[at : at + size_bytes])

    def over(self, address: int, there: bytes) -> bytes:
        """What is known, laid over what the chip has from `address` on."""
        at = address - self.base
        known, data = (part[at : at + len(there)] for part in (self.known, self.data))
        return bytes(new if use else old for use, new, old in zip(known, data, there, strict=True))

    def spans(self) -> Iterator[tuple[int, int]]:
        """(offset, end) of what is known, at whole words, small gaps included."""
        gaps = rb"\x01(?:\x01|\x00{1,%d}(?=\x01))*" % _CLOSE_BYTES
        for match in re.finditer(gaps, bytes(self.known)):
            yield match.start() & -_WORD, match.end() + _WORD - 1 & -_WORD


class FlashStage:
    """Flash as programs will find it: the chip's, with what was written since over it."""

    def __init__(self, platform: Platform, link: TclLink, memory: TargetMemory) -> None:
        self._platform = platform
        self._link = link
        self._memory = memory
        self._sectors: tuple[Sector, ...] | None = None
        self._staged: dict[int, _Image] = {}  # by the sector's base
        self.use = FlashUse()

    def region_of(self, address: int) -> Region | None:
        """The flash that an address is in, be it an alias; None for other memory."""
        region = self._platform.region_at(address)
        return region if region is not None and region.kind == "flash" else None

    def write(self, region: Region, address: int, data: bytes) -> None:
        """Keep a write that lies within a region."""
        for sector, at, piece in self._split(region, address, len(data)):
            image = self._staged.get(sector.base)
            if image is None:
                empty = bytearray(sector.size_bytes)
                image = self._staged[sector.base] = _Image(sector.base, empty, bytearray(empty))
            image.put(at, data[piece])

    def read(self, region: Region, address: int, size_bytes: int) -> bytes:
        """Read from a region, what is staged included."""
        data = b""
        for sector, at, piece in self._split(region, address, size_bytes):
            size = piece.stop - piece.start
            image = self._staged.get(sector.base)
            if image is None or not image.has(at, size):
                there = self._memory.read(at, size)
                data += there if image is None else image.over(at, there)
            else:
                data += image.over(at, bytes(size))
        return data

    def _split(
        self, region: Region, address: int, size_bytes: int
    ) -> Iterator[tuple[Sector, int, slice]]:
        """A range by sectors: each with the address in it, and which part of the range that is."""
        if region.alias_of is not None:
            address += self._platform.region(region.alias_of).base - region.base
        done = 0
        while done < size_bytes:
            sector = self._sector_at(address + done)
            size = min(size_bytes - done, sector.base + sector.size_bytes - address - done)
            yield sector, address + done, slice(done, done + size)
            done += size

    def commit(self) -> None:
        """Bring the chip's flash up to date. CommandError where OpenOCD can't."""
        if not self._staged:
            return
        changed = False
        with self._work_area():
            for base in sorted(self._staged):
                changed |= self._commit_sector(self._sector_at(base), self._staged[base])
        self._staged.clear()
        if changed and self._platform.flash.art_lines:
            self._forget_what_was_read()

    # What OpenOCD knows of the flash.

    def _sector_at(self, address: int) -> Sector:
        if self._sectors is None:
            self._refuse_locked_chip()
            self._sectors = tuple(self._probe())
        for sector in self._sectors:
            if sector.base <= address < sector.base + sector.size_bytes:
                return sector
        raise DeviceError(
            f"OpenOCD knows no flash at {format_address(address)} (platform {self._platform}): "
            f"is its configuration for this chip?"
        )

    def _refuse_locked_chip(self) -> None:
        if self._platform.chip is None:
            return  # then it need not be one of ST's
        level = self._memory.read_word(_FLASH_OPTCR) >> 8 & 0xFF
        if level != _RDP_NONE:
            raise DeviceError(
                f"the chip is locked: read-out protection is on (RDP {level:#04x}), so its flash "
                "can be neither read nor written; `stm32f2x unlock 0` in OpenOCD and a power cycle "
                "unlock it, which erases it"
            )

    def _probe(self) -> Iterator[Sector]:
        wanted = {region.base for region in self._platform.regions if region.kind == "flash"}
        count = int(self._link.ask("llength [flash list]"))
        for number in range(count):
            text = self._link.ask(f"flash probe {number}; capture {{flash info {number} sectors}}")
            bank = _BANK.search(text)
            if bank is None or int(bank[1], 0) not in wanted:
                continue
            for sector in _SECTOR.finditer(text):
                base = int(bank[1], 0) + int(sector[2], 0)
                yield Sector(number, int(sector[1]), base, int(sector[3], 0))
            return

    # How the chip is brought up to date.

    def _commit_sector(self, sector: Sector, image: _Image) -> bool:
        spans = list(image.spans())
        for start, end in spans:
            self._fill_gaps(sector, image, start, end)
        wanted = {span: bytes(image.data[slice(*span)]) for span in spans}
        spans = [span for span in spans if not self._holds(sector, span, wanted[span])]
        differs, fills = False, True
        for span in spans:
            there = self._content(sector, span)
            fills &= _only_fills(there, wanted[span])
            differs |= there != wanted[span]
        if not differs:
            return False
        if fills:
            for span in spans:
                self._program(sector.base + span[0], wanted[span])
            return True
        self._fill_gaps(sector, image, 0, sector.size_bytes)
        self._link.ask(
            f"flash erase_sector {sector.bank} {sector.number} {sector.number}", _ERASE_TIMEOUT_S
        )
        self.use.erases += 1
        content = bytes(image.data).rstrip(bytes([_ERASED]))
        content += bytes([_ERASED]) * (-len(content) % _WORD)
        if content:
            self._program(sector.base, content)
        return True

    def _fill_gaps(self, sector: Sector, image: _Image, start: int, end: int) -> None:
        """Take from the chip what isn't known."""
        for gap in re.finditer(rb"\x00+", bytes(image.known[start:end])):
            address = sector.base + start + gap.start()
            image.put(address, self._memory.read(address, gap.end() - gap.start()))

    def _content(self, sector: Sector, span: tuple[int, int]) -> bytes:
        """What the chip has there; read only if it is not erased."""
        start, end = span
        erased = bytes([_ERASED]) * (end - start)
        if self._holds(sector, span, erased):
            return erased
        return self._memory.read(sector.base + start, end - start)

    def _holds(self, sector: Sector, span: tuple[int, int], data: bytes) -> bool:
        """Whether the chip has these bytes, by its own checksum; False too if that is no gain."""
        if len(data) < _CHECKSUM_FROM_BYTES or not self._memory.shares_files:
            return False
        file = self._memory.stage(data)
        script = f"catch {{verify_image_checksum {file} {sector.base + span[0]:#x} bin}}"
        return self._link.ask(script, timeout_for(len(data))) == "0"

    def _program(self, address: int, data: bytes) -> None:
        file = self._memory.stage(data)
        place = f"{file} {address:#x} bin"
        timeout_s = 2 * timeout_for(len(data))
        self._link.ask(f"flash write_image {place}; verify_image {place}", timeout_s)
        self.use.written_bytes += len(data)

    @contextlib.contextmanager
    def _work_area(self) -> Iterator[None]:
        """Let OpenOCD use a little RAM; its content and the settings are as before, after."""
        options = ("-work-area-phys", "-work-area-size", "-work-area-backup")
        base, *before = (
            int(self._link.ask(f"[target current] cget {name}"), 0) for name in options
        )
        size = min(before[0], _WORK_AREA_BYTES)
        content = self._memory.read(base, size)
        self._configure(options[1:], (size, 0))
        try:
            yield
        finally:
            with contextlib.suppress(DeviceError):  # then whatever is done next will tell
                self._configure(options[1:], before)
                self._memory.write(base, content)

    def _configure(self, options: Sequence[str], values: Sequence[int]) -> None:
        settings = " ".join(f"{name} {value}" for name, value in zip(options, values, strict=True))
        self._link.ask(f"[target current] configure {settings}")

    def _forget_what_was_read(self) -> None:
        acr = self._memory.read_word(_FLASH_ACR)
        off = acr & ~_ACR_ARTEN
        self._memory.write_words(
            (_FLASH_ACR, off), (_FLASH_ACR, off | _ACR_ARTRST), (_FLASH_ACR, off), (_FLASH_ACR, acr)
        )


def _only_fills(there: bytes, wanted: bytes) -> bool:
    """Whether only erased bytes have to change."""
    pairs = zip(there, wanted, strict=True)
    return all(old in (new, _ERASED) for old, new in pairs)
