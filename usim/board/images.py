"""Reads what a linker or a programmer's tool writes: ELF, Intel HEX, or the bare bytes of flash."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final, Literal

from intelhex import HexReaderError, IntelHex

from usim.errors import ProgramError
from usim.platforms import Platform
from usim.profile.placement import check_placement
from usim.profile.program import Program, Segment, make_program, read_file, read_program

ImageFormat = Literal["elf", "hex", "bin"]

FORMATS: Final[tuple[ImageFormat, ...]] = ("elf", "hex", "bin")
_BY_SUFFIX: Final[dict[str, ImageFormat]] = {
    ".elf": "elf", ".axf": "elf", ".out": "elf", "": "elf",
    ".hex": "hex", ".ihex": "hex", ".ihx": "hex",
    ".bin": "bin", ".img": "bin",
}  # fmt: skip
# The record that ends a file: a HEX file without it was cut off.
_END_RECORD: Final = ":00000001FF"


def read_image(
    path: Path,
    platform: Platform,
    *,
    image_format: ImageFormat | None = None,
    base: int | None = None,
) -> Program:
    """Read an image for a platform; the suffix tells its format unless `image_format` does.

    `base` is where the bytes of a .bin belong: the start of the flash unless given. ProgramError if
    the file can't be read, is for another core, or lies where the platform has no memory.
    """
    chosen = image_format or _format_of(path)
    if base is not None and chosen != "bin":
        raise ProgramError(
            f"{path.name} says itself where it belongs: a base is for a .bin", file=path.name
        )
    if chosen == "elf":
        program = read_program(path)
    elif chosen == "hex":
        program = _read_hex(path)
    else:
        program = _read_bin(path, flash_base(platform) if base is None else base)
    check_placement(program, platform)
    return program


def flash_base(platform: Platform) -> int:
    """Where flash that can be programmed starts; of a chip without flash, its lowest memory."""
    flash = [r.base for r in platform.regions if r.kind == "flash" and r.alias_of is None]
    return min(flash or [region.base for region in platform.regions])


def _format_of(path: Path) -> ImageFormat:
    suffix = path.suffix.lower()
    if suffix not in _BY_SUFFIX:
        known = ", ".join(suffix for suffix in _BY_SUFFIX if suffix)
        raise ProgramError(
            f"{path.name}: what a {suffix} file holds is not known ({known} are): "
            "name its format (elf, hex or bin)",
            file=path.name,
        )
    return _BY_SUFFIX[suffix]


def _read_bytes(path: Path) -> bytes:
    data = read_file(path)
    if not data:
        raise ProgramError(f"{path.name} is empty", file=path.name)
    return data


def _read_bin(path: Path, base: int) -> Program:
    data = _read_bytes(path)
    if data.startswith(b"\x7fELF"):
        raise ProgramError(
            f"{path.name} is an ELF file: name its format (elf), or call it .elf", file=path.name
        )
    if base % 4 or not 0 <= base < 1 << 32:
        raise ProgramError(
            f"the base of {path.name}, {base:#x}, is no address of a word", file=path.name
        )
    return make_program(path.name, (_segment(base, data),))


def _read_hex(path: Path) -> Program:
    try:
        text = _read_bytes(path).decode("ascii")
    except UnicodeDecodeError as exc:
        raise ProgramError(
            f"{path.name} is no Intel HEX file: it is not text", file=path.name
        ) from exc
    image = IntelHex()
    try:
        image.loadhex(io.StringIO(text))
    except HexReaderError as exc:
        raise ProgramError(f"{path.name} is damaged: {str(exc).lower()}", file=path.name) from exc
    if text.split()[-1:] != [_END_RECORD]:
        raise ProgramError(
            f"{path.name} is truncated: it does not end with an end-of-file record", file=path.name
        )
    segments = tuple(
        _segment(start, image.tobinstr(start=start, size=end - start))
        for start, end in image.segments()
    )
    if not segments:
        raise ProgramError(f"{path.name} has nothing to load (no data record)", file=path.name)
    return make_program(path.name, segments)


def _segment(address: int, data: bytes) -> Segment:
    return Segment(address, address, data, len(data), executable=True)
