"""Every way to get a platform.yaml wrong ends in one line that names file, line and key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from usim.errors import PlatformError
from usim.platforms import Platform, load_platform

GOOD = """\
title: a chip
core:
  name: cortex-m7
  architecture: armv7e-m
  source: the manual
  mpu: {regions: 8, source: the manual}
  dcache:
    size: 4 KiB
    ways: 4
    line_bytes: 32
    source: the manual
clock:
  hz: 216_000_000
  source: the manual
memory:
  regions:
    rom:
      base: 0x0800_0000
      size: 64 KiB
      kind: flash
      cached: true
      source: the manual
    rom_alias:
      base: 0x0020_0000
      size: 64 KiB
      kind: flash
      cached: false
      alias_of: rom
      source: the manual
    ram:
      base: 0x2000_0000
      size: 32 KiB
      kind: ram
      cached: false
      source: the manual
    ram2:
      base: 0x2000_8000
      size: 32 KiB
      kind: ram
      cached: false
      source: the manual
  flash_interface:
    wait_states: 7
    row_bytes: 32
    source: the manual
sections:
  stack: [{region: ram, size: 4 KiB}]
  args: [{region: ram, size: 4096}]
  data: [{region: ram, size: 1 KiB}]
  bss: [{region: ram, size: 1 KiB}]
  workspace: [{region: ram, size: 1 KiB}]
  heap: [{region: ram, size: rest}]
  text: [{region: ram2, size: rest}]
  rodata: [{region: rom, size: rest}]
"""

Load = Callable[..., Platform]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load GOOD with one passage replaced, from platforms/foo below the working directory."""
    folder = tmp_path / "platforms" / "foo"
    folder.mkdir(parents=True)
    (folder / "foo.repl").write_text("")
    monkeypatch.chdir(tmp_path)

    def load_changed(old: str = "", new: str = "") -> Platform:
        assert GOOD.count(old) == 1 or not old, f"{old!r} must stand in GOOD once"
        (folder / "platform.yaml").write_text(GOOD.replace(old, new) if old else GOOD)
        return load_platform(folder)

    return load_changed


def refused(load: Load, old: str, new: str) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        load(old, new)
    assert "\n" not in str(caught.value)
    return caught.value


def line_of(text: str) -> int:
    """The line of GOOD where `text` begins."""
    return GOOD.count("\n", 0, GOOD.index(text)) + 1


def test_the_unchanged_description_loads(load: Load) -> None:
    platform = load()
    assert platform.name == "foo"
    assert platform.core.fpu is None
    assert platform.core.float_abi == "soft"
    assert platform.core.icache is None
    assert platform.section("heap").size_bytes == (32 - 4 - 4 - 3) * 1024


CASES = {
    "unknown key": (
        "      size: 64 KiB\n      kind: flash\n      cached: true",
        "      size: 64 KiB\n      sze: 1\n      kind: flash\n      cached: true",
        20,
        "memory.regions.rom.sze",
        "unknown key (known: base, size, kind, cached, alias_of, source)",
    ),
    "unknown section": (
        "  rodata:",
        "  code:",
        line_of("  rodata:"),
        "sections.code",
        "unknown key (known: text, rodata, data, bss, args, heap, workspace, stack) (and 1 more)",
    ),
    "unknown key in an extent": (
        "stack: [{region: ram, size",
        "stack: [{at: 0, region: ram, size",
        line_of("  stack"),
        "sections.stack[0].at",
        "unknown key (known: region, size)",
    ),
    "unknown key in an optional block": (
        "    ways: 4\n",
        "    ways: 4\n    sets: 4\n",
        line_of("    line_bytes"),
        "core.dcache.sets",
        "unknown key (known: size, ways, line_bytes, source)",
    ),
    "missing key": (
        "  hz: 216_000_000\n",
        "",
        line_of("clock:"),
        "clock.hz",
        "missing key",
    ),
    "a clock that its set-up does not make": (
        "  hz: 216_000_000\n",
        "  hz: 200_000_000\n  setup: stm32f7\n",
        line_of("clock:"),
        "clock",
        "clock_stm32f7.c sets up 216000000 Hz, not 200000000; write `setup: null` without it",
    ),
    "missing source": (
        "clock:\n  hz: 216_000_000\n  source: the manual\n",
        "clock:\n  hz: 216_000_000\n",
        line_of("clock:"),
        "clock.source",
        "missing key",
    ),
    "missing section": (
        "  args: [{region: ram, size: 4096}]\n",
        "",
        line_of("sections:"),
        "sections.args",
        "missing key",
    ),
    "duplicate key": (
        "clock:\n",
        "title: again\nclock:\n",
        line_of("clock:"),
        "title",
        "duplicate key (first on line 1)",
    ),
    "wrong type": (
        "hz: 216_000_000",
        "hz: fast",
        line_of("  hz:"),
        "clock.hz",
        "'fast': input should be a valid integer",
    ),
    "wrong choice": (
        "      kind: ram\n      cached: false\n      source: the manual\n    ram2",
        "      kind: rom\n      cached: false\n      source: the manual\n    ram2",
        line_of("    ram2") - 3,
        "memory.regions.ram.kind",
        "'rom': input should be 'ram' or 'flash'",
    ),
    "a list where keys belong": (
        "clock:\n  hz: 216_000_000\n  source: the manual\n",
        "clock: []\n",
        line_of("clock:"),
        "clock",
        "[]: input should be a valid dictionary or instance of ClockSpec",
    ),
    "a size in words": (
        "args: [{region: ram, size: 4096}]",
        "args: [{region: ram, size: big}]",
        line_of("  args"),
        "sections.args[0].size",
        "'big' is not a size; write bytes or \"16 KiB\"",
    ),
    "a size in another unit": (
        "args: [{region: ram, size: 4096}]",
        "args: [{region: ram, size: 4 KB}]",
        line_of("  args"),
        "sections.args[0].size",
        "'4 KB' is not a size; write bytes or \"16 KiB\"",
    ),
    "a negative size": (
        "args: [{region: ram, size: 4096}]",
        "args: [{region: ram, size: -32}]",
        line_of("  args"),
        "sections.args[0].size",
        "-32 is not a positive multiple of 32 bytes",
    ),
    "an unaligned size": (
        "args: [{region: ram, size: 4096}]",
        "args: [{region: ram, size: 100}]",
        line_of("  args"),
        "sections.args[0].size",
        "100 is not a positive multiple of 32 bytes",
    ),
    "a region of the rest": (
        "size: 32 KiB\n      kind: ram\n      cached: false\n      source: the manual\n    ram2",
        "size: rest\n      kind: ram\n      cached: false\n      source: the manual\n    ram2",
        line_of("    ram:") + 2,
        "memory.regions.ram.size",
        "'rest' is not a size; write bytes or \"16 KiB\"",
    ),
    "an impossible cache": (
        "    ways: 4\n",
        "    ways: 3\n",
        line_of("  dcache"),
        "core.dcache",
        "4096 bytes in 3 ways of 32-byte lines is not a power of two of sets",
    ),
    "overlapping regions": (
        "base: 0x2000_8000",
        "base: 0x2000_4000",
        line_of("    ram2:"),
        "memory.regions.ram2",
        "0x2000_4000 .. 0x2000_bfff overlaps ram (0x2000_0000 .. 0x2000_7fff)",
    ),
    "a region beyond the address space": (
        "base: 0x2000_8000",
        "base: 0xFFFF_C000",
        line_of("      base: 0x2000_8000") + 1,
        "memory.regions.ram2.size",
        "reaches beyond the 32-bit address space",
    ),
    "an alias of nothing": (
        "alias_of: rom",
        "alias_of: eeprom",
        line_of("      alias_of"),
        "memory.regions.rom_alias.alias_of",
        "no memory region eeprom (regions: rom, ram, ram2)",
    ),
    "an alias of another size": (
        "      base: 0x0020_0000\n      size: 64 KiB",
        "      base: 0x0020_0000\n      size: 32 KiB",
        line_of("      base: 0x0020_0000") + 1,
        "memory.regions.rom_alias.size",
        "32768 bytes, but rom, whose alias it is, has 65536",
    ),
    "unknown region in a section": (
        "data: [{region: ram, size: 1 KiB}]\n  bss",
        "data: [{region: ccm, size: 1 KiB}]\n  bss",
        line_of("  data:"),
        "sections.data[0].region",
        "no region ccm (regions: rom, rom_alias, ram, ram2)",
    ),
    "written data in flash": (
        "data: [{region: ram, size: 1 KiB}]\n  bss",
        "data: [{region: rom, size: 1 KiB}]\n  bss",
        line_of("  data:"),
        "sections.data[0].region",
        "rom is flash; data needs ram",
    ),
    "an oversized section": (
        "workspace: [{region: ram, size: 1 KiB}]",
        "workspace: [{region: ram, size: 64 KiB}]",
        line_of("  workspace"),
        "sections.workspace[0].size",
        "needs 65536 bytes of ram, which has 22528 of 32768 left",
    ),
    "no room for a rest": (
        "workspace: [{region: ram, size: 1 KiB}]",
        "workspace: [{region: ram, size: 22 KiB}]",
        line_of("  heap"),
        "sections.heap[0].size",
        "nothing is left of ram for a rest",
    ),
    "two rests in one region": (
        "workspace: [{region: ram, size: 1 KiB}]",
        "workspace: [{region: ram, size: rest}]",
        line_of("  heap"),
        "sections.heap[0].size",
        f"ram has a rest already (line {line_of('  workspace')})",
    ),
    "two rests in one memory at two addresses": (
        "text: [{region: ram2, size: rest}]",
        "text: [{region: rom_alias, size: rest}]",
        line_of("  rodata"),
        "sections.rodata[0].size",
        f"rom has a rest already (line {line_of('  text')})",
    ),
    "a stack that is not first": (
        "  stack: [{region: ram, size: 4 KiB}]\n  args: [{region: ram, size: 4096}]\n",
        "  args: [{region: ram, size: 4096}]\n  stack: [{region: ram, size: 4 KiB}]\n",
        line_of("  stack") + 1,
        "sections.stack",
        "must be the first section in ram (at 0x2000_0000), so that an overflow faults; "
        "move it above the others",
    ),
    "a stack above other memory": (
        "  stack: [{region: ram, size: 4 KiB}]",
        "  stack: [{region: ram2, size: 4 KiB}]",
        line_of("  stack"),
        "sections.stack",
        "ram lies right below ram2, so that an overflow would spoil it; "
        "choose a region with nothing below",
    ),
    "a stack in two pieces": (
        "  stack: [{region: ram, size: 4 KiB}]",
        "  stack: [{region: ram, size: 4 KiB}, {region: ram2, size: 4 KiB}]",
        line_of("  stack"),
        "sections.stack",
        "must be one piece; give it one region and size",
    ),
    "a YAML alias": (
        "  mpu: {regions: 8, source: the manual}",
        "  mpu: &loop {regions: 8, source: *loop}",
        line_of("  mpu"),
        "core.mpu.source",
        "YAML aliases (*name) are not supported; write the value out",
    ),
    "a value of a foreign type": (
        "hz: 216_000_000",
        "hz: !!python/name:os.system",
        line_of("  hz:"),
        "clock.hz",
        "cannot read '' as tag:yaml.org,2002:python/name:os.system",
    ),
    "extending an unknown platform": (
        "title: a chip\n",
        "title: a chip\nextends: stm32f76\n",
        2,
        "extends",
        "unknown platform 'stm32f76' (nearest: stm32f767, stm32f746, stm32f746g_disco); "
        "see `usim platforms list`",
    ),
    "extending itself": (
        "title: a chip\n",
        "title: a chip\nextends: foo\n",
        2,
        "extends",
        "foo extends this platform in turn",
    ),
}


@pytest.mark.parametrize(("old", "new", "line", "key", "problem"), CASES.values(), ids=list(CASES))
def test_a_wrong_description_is_refused_with_file_line_and_key(
    load: Load, old: str, new: str, line: int, key: str, problem: str
) -> None:
    error = refused(load, old, new)
    assert str(error) == f"platforms/foo/platform.yaml:{line}: {key}: {problem}"
    assert (error.file.name, error.line, error.key) == ("platform.yaml", line, key)


def test_what_does_not_fit_says_needed_and_available_bytes(load: Load) -> None:
    error = refused(
        load, "workspace: [{region: ram, size: 1 KiB}]", "workspace: [{region: ram, size: 64 KiB}]"
    )
    assert (error.needed_bytes, error.available_bytes) == (65536, 22528)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"title: [1, 2\ncore: 3\n", "2: not YAML: expected ',' or ']', but got ':'"),
        (b"a: 1\n---\nb: 2\n", "2: not YAML: but found another document"),
        (b"a: 1\nb: \x01\n", "2: not YAML: special characters are not allowed (character 0x01)"),
        (b"a: 1\nb: caf\xe9\n", "2: not UTF-8: byte 0xe9; save the file as UTF-8"),
        (b"", "1: not a platform description: expected keys and values"),
        (b"- 1\n", "1: not a platform description: expected keys and values"),
        (b"1: 2\n", "1: keys must be plain words, not '1'"),
        (b"? [a]\n: 2\n", "1: keys must be plain words, not lists or mappings"),
    ],
    ids=["syntax", "two documents", "control", "latin-1", "empty", "list", "number", "complex"],
)
def test_a_file_that_is_no_description_is_refused_by_its_line(
    load: Load, content: bytes, message: str
) -> None:
    folder = load().folder
    (folder / "platform.yaml").write_bytes(content)
    with pytest.raises(PlatformError) as caught:
        load_platform(folder)
    assert str(caught.value).startswith(f"platforms/foo/platform.yaml:{message}")


def test_a_platform_without_its_renode_file_is_refused(load: Load) -> None:
    folder = load().folder
    (folder / "foo.repl").unlink()
    with pytest.raises(PlatformError) as caught:
        load_platform(folder)
    assert str(caught.value) == (
        "no Renode platform file platforms/foo/foo.repl; put one beside platform.yaml"
    )


def test_a_board_is_described_as_a_difference_to_a_chip(load: Load, tmp_path: Path) -> None:
    chip = load()
    board = tmp_path / "platforms" / "board"
    board.mkdir()
    (board / "platform.yaml").write_text(
        "title: a slow board\n"
        "extends: foo\n"
        "clock: {hz: 16_000_000}\n"
        "core: {dcache: null}\n"
        "memory:\n"
        "  regions:\n"
        "    sdram: {base: 0xC000_0000, size: 8 MiB, kind: ram, cached: true, source: board}\n"
        "sections:\n"
        "  heap: [{region: sdram, size: rest}]\n"
    )
    platform = load_platform(board)
    assert (platform.name, platform.title) == ("board", "a slow board")
    assert platform.clock_hz == 16_000_000
    assert platform.core.dcache is None
    assert platform.core.mpu_regions == chip.core.mpu_regions
    assert platform.section("heap").base == 0xC000_0000
    assert platform.section("bss") == chip.section("bss")
    assert platform.repl_path == chip.repl_path


def test_an_error_in_a_difference_names_the_file_it_stands_in(load: Load, tmp_path: Path) -> None:
    load()
    board = tmp_path / "platforms" / "board"
    board.mkdir()
    (board / "platform.yaml").write_text("extends: foo\nclock:\n  hz: soon\n")
    with pytest.raises(PlatformError, match=r"^platforms/board/platform\.yaml:3: clock\.hz: "):
        load_platform(board)
    (board / "platform.yaml").write_text("extends: foo\nclock:\n  source: null\n")
    with pytest.raises(PlatformError) as caught:
        load_platform(board)
    assert str(caught.value) == "platforms/board/platform.yaml:2: clock.source: missing key"
