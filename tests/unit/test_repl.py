"""The Renode platform file reader: the forms that Renode accepts, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from usim.errors import PlatformError
from usim.platforms import load_platform
from usim.repl import PlatformFile, Tag, read_repl


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(folder: Path, text: str, name: str = "chip.repl") -> PlatformFile:
    (folder / name).write_text(text)
    return read_repl(folder / name)


def test_the_shipped_file_has_the_memories_and_the_peripherals() -> None:
    machine = read_repl(load_platform("stm32f746").repl_path)
    memories = {memory.name: (memory.addresses, memory.size_bytes) for memory in machine.memories()}
    assert memories == {
        "itcm": ((0x0000_0000,), 0x4000),
        "flash": ((0x0800_0000, 0x0020_0000), 0x10_0000),
        "dtcm": ((0x2000_0000,), 0x1_0000),
        "sram1": ((0x2001_0000,), 0x3_C000),
        "sram2": ((0x2004_C000,), 0x4000),
    }
    usarts = {usart.name: usart.addresses for usart in machine.of_type("UART.STM32F7_USART")}
    assert usarts == {
        "usart1": (0x4001_1000,),
        "usart2": (0x4000_4400,),
        "usart3": (0x4000_4800,),
        "uart4": (0x4000_4C00,),
        "uart5": (0x4000_5000,),
        "usart6": (0x4001_1400,),
        "uart7": (0x4000_7800,),
        "uart8": (0x4000_7C00,),
    }
    (cpu,) = machine.of_type("CPU.CortexM")
    assert cpu.properties["cpuType"] == "cortex-m7"
    assert cpu.addresses == ()


def test_shipped_files_fetch_nothing_from_the_network() -> None:
    for name in ("stm32f746", "stm32f767"):
        assert "http" not in load_platform(name).repl_path.read_text()


def test_tags_of_the_system_bus_say_what_is_read_there(folder: Path) -> None:
    text = """\
sysbus:
    init:
        Tag <0xE0042000, 0xE0042003> "IDCODE" 0x10006449
        Tag <0x1000, 0x1000> "ONE"
        ApplySVD @chip.svd

uart: UART.Model @ sysbus 0x0
    init:
        Tag <0x0, 0x3> "NO_TAG_OF_THE_BUS"
"""
    assert read(folder, text).tags == (
        Tag("IDCODE", 0xE004_2000, 4, 0x1000_6449),
        Tag("ONE", 0x1000, 1, 0),
    )


@pytest.mark.parametrize(
    ("bounds", "problem"),
    [
        ("<0x1000, +0x4>", "cannot read the range <0x1000, +0x4>"),
        ("<0x1000, 0xFFF>", "the range <0x1000, 0xFFF> ends before it begins"),
    ],
)
def test_a_tag_that_covers_nothing_is_refused(folder: Path, bounds: str, problem: str) -> None:
    with pytest.raises(PlatformError, match=re.escape(problem)):
        read(folder, f'sysbus:\n    init:\n        Tag {bounds} "NAME" 0x1\n')


@pytest.mark.parametrize(
    ("registration", "addresses", "size_bytes"),
    [
        ("@ sysbus 0x40011000", (0x4001_1000,), None),
        ("@ sysbus 4096", (4096,), None),
        ("@ sysbus <0x40020000, +0x400>", (0x4002_0000,), 0x400),
        ("@ sysbus <0x40020000, 0x40020400>", (0x4002_0000,), 0x400),
        ("@ { sysbus 0x0; sysbus 0x08000000 }", (0, 0x0800_0000), None),
        ("@ {\n    sysbus 0x0;\n    sysbus 0x08000000\n}", (0, 0x0800_0000), None),
        ("@ {\n        sysbus 0x0;\n        sysbus 0x100\n    }", (0, 0x100), None),
        ("@ sysbus new Bus.BusPointRegistration { address: 0x800; cpu: cpu0 }", (0x800,), None),
        ("@ sysbus new Bus.BusRangeRegistration { address: 0x8; size: 0x10 }", (8,), 16),
        ("@ sysbus", (), None),
        ("@ none", (), None),
        ("@ i2c1 0x44", (), None),
        ('@ sysbus 0x10 as "other"', (0x10,), None),
        ("", (), None),
    ],
)
def test_registrations(
    folder: Path, registration: str, addresses: tuple[int, ...], size_bytes: int | None
) -> None:
    (entry,) = read(folder, f"thing: Some.Type {registration}\n    key: 1\n").peripherals
    assert (entry.type, entry.addresses, entry.size_bytes) == ("Some.Type", addresses, size_bytes)
    assert entry.properties == {"key": 1}


def test_values_keep_their_type(folder: Path) -> None:
    text = """\
thing: Some.Type
    hexadecimal: 0x10
    decimal: 200
    grouped: 216_000_000
    negative: -3
    fraction: 1.5
    word: "a \\"b\\" // c; d"
    yes: true
    no: false
    reference: nvic
    choice: Mode.Fast
    short: .Fast
    table: { "low": 0; "high": 3.3 }
    range: <0x0, +0x10>
    lines: '''one
two'''
    gone: none
"""
    (entry,) = read(folder, text).peripherals
    assert entry.properties == {
        "hexadecimal": 16,
        "decimal": 200,
        "grouped": 216_000_000,
        "negative": -3,
        "fraction": 1.5,
        "word": 'a "b" // c; d',
        "yes": True,
        "no": False,
        "reference": "nvic",
        "choice": "Mode.Fast",
        "short": ".Fast",
        "table": '{ "low": 0; "high": 3.3 }',
        "range": "<0x0, +0x10>",
        "lines": "one\ntwo",
    }


def test_comments_interrupts_and_blocks_are_skipped(folder: Path) -> None:
    text = """\
// a comment
/* over
   lines */
uart: UART.Model @ sysbus 0x40011000 // at the end
    -> nvic@37
    [0-3] -> nvic@[19-22] | other@1
    Event -> nvic@31
    /* alone */
    frequency: /* inside */ 108
    init:
        WriteDoubleWord 0x0 0x1
        Label "x: y"
    reset:
        Reset

sysbus:
    init add:
        Tag <0xE0001000, 0xE0001FFF> "M4_DWT"
        ApplySVD @https://example.com/chip.svd.gz

last: Some.Type @ sysbus 0x0
"""
    machine = read(folder, text)
    assert [entry.name for entry in machine.peripherals] == ["uart", "last"]
    assert machine.peripherals[0].properties == {"frequency": 108}
    assert [entry.line for entry in machine.peripherals] == [4, 21]


def test_attributes_in_braces_are_read_like_indented_ones(folder: Path) -> None:
    machine = read(
        folder, "ram: Memory.MappedMemory @ { sysbus 0x0; sysbus 0x8 } { size: 0x20; -> nvic@1 }\n"
    )
    (ram,) = machine.memories()
    assert (ram.addresses, ram.size_bytes) == ((0, 8), 0x20)


def test_an_inline_object_may_have_its_own_indented_lines(folder: Path) -> None:
    text = "a: Some.Type\n    part: new Other.Type\n        size: 4\n    key: 2\n"
    (entry,) = read(folder, text).peripherals
    assert entry.properties == {"part": "new Other.Type", "key": 2}


def test_a_later_entry_updates_an_earlier_one(folder: Path) -> None:
    text = """\
ram: Memory.MappedMemory @ sysbus 0x0
    size: 0x100
    writable: true

ram: @ sysbus 0x2000
    size: 0x200
"""
    (ram,) = read(folder, text).peripherals
    assert (ram.addresses, ram.size_bytes, ram.line) == ((0x2000,), 0x200, 1)
    assert ram.properties == {"size": 0x200, "writable": True}


def test_included_files_are_found_beside_the_including_one(folder: Path) -> None:
    (folder / "chips").mkdir()
    read(folder / "chips", "cpu: CPU.CortexM @ sysbus\n    PerformanceInMips: 1\n", "core.repl")
    read(folder / "chips", 'using "./core.repl"\n', "chip.repl")
    text = 'using "chips/chip.repl"\nusing "chips/core.repl" prefixed "second_"\n\n'
    machine = read(folder, text + "cpu:\n    PerformanceInMips: 216\n", "board.repl")
    assert [(cpu.name, cpu.properties["PerformanceInMips"]) for cpu in machine.peripherals] == [
        ("cpu", 216),
        ("second_cpu", 1),
    ]


def test_types_are_found_with_or_without_their_namespace(folder: Path) -> None:
    machine = read(folder, "a: Antmicro.Renode.Peripherals.UART.Model\nb: UART.Model\n")
    assert [entry.name for entry in machine.of_type("UART.Model")] == ["a", "b"]
    assert len(machine.of_type("Antmicro.Renode.Peripherals.UART.Model")) == 2


def test_windows_line_ends_are_read(folder: Path) -> None:
    (folder / "chip.repl").write_bytes(
        b"\xef\xbb\xbfram: Memory.ArrayMemory @ sysbus 0x0\r\n    size: 0x10\r\n"
    )
    (ram,) = read_repl(folder / "chip.repl").memories()
    assert ram.size_bytes == 16


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("    size: 1\n", 1, "indented, but there is no entry above it"),
        ("a: T\n  b: 1\n", 2, "indented by 2 spaces; use a multiple of four"),
        ("a: T\n\tb: 1\n", 2, "tab in the indentation; use four spaces"),
        (
            "a: T\n    b: 1\n        c: 2\n",
            3,
            "indented too deep; an entry's attributes stand four spaces in",
        ),
        (
            "a: T\n        c: 2\n",
            2,
            "indented too deep; an entry's attributes stand four spaces in",
        ),
        ("\nnonsense\n", 2, "expected `name: Type @ sysbus address`, found `nonsense`"),
        ("a: T\n    b\n", 2, "expected `name: value` or `-> controller@line`, found `b`"),
        ("a: T\n    b:\n", 2, "b has no value"),
        ("a: T\n    b: 0xZZ\n", 2, "cannot read the value of b: `0xZZ`"),
        ("a: T\n    b: 'c'\n", 2, "cannot read the value of b: `'c'`"),
        ("a: T\n    ->\n", 2, "an interrupt leads nowhere; write `-> nvic@37`"),
        ("a: T @ sysbus 0xZZ\n", 1, "0xZZ is not a number"),
        ("a: T @ sysbus <0x0>\n", 1, "cannot read the range <0x0>; write <0x40020000, +0x400>"),
        ("a: T @\n", 1, "a is registered at nothing; write `@ sysbus address`"),
        ("a: T @ sysbus 0x0 0x1\n", 1, "cannot read `0x1` after a"),
        ("a: T @ {\n    sysbus 0x0;\n", 1, "{ is never closed"),
        ("a: T\n\n}\n", 3, "} closes nothing"),
        ('a: T\n    b: "c\n    d: "e"\n', 2, "string is never closed"),
        ("a: T\n/* b\n", 2, "comment is never closed"),
        ("a:\n    b: 1\n", 1, "a has no type and was not declared before; write `a: Type`"),
        ("a: T\n\na: T\n", 3, "a is declared already, on line 1"),
        (
            "a: T\nram: Memory.MappedMemory @ sysbus 0x0\n",
            2,
            "memory ram has no size; add a line `size: 0x...`",
        ),
        ('using "no.repl"\n', 1, "no file no.repl beside this one to include"),
        ('using "chip.repl"\n', 1, "chip.repl is being included already"),
    ],
)
def test_bad_syntax_is_refused_with_file_and_line(
    folder: Path, text: str, line: int, problem: str
) -> None:
    with pytest.raises(PlatformError) as caught:
        read(folder, text)
    assert str(caught.value) == f"chip.repl:{line}: {problem}"
    assert (caught.value.file.name, caught.value.line) == ("chip.repl", line)


def test_a_file_in_another_encoding_is_refused(folder: Path) -> None:
    (folder / "chip.repl").write_bytes(b"// ok\n// \xff\n")
    with pytest.raises(PlatformError, match=r"^chip\.repl:2: not UTF-8: byte 0xff; "):
        read_repl(folder / "chip.repl")


def test_a_missing_file_is_refused(folder: Path) -> None:
    with pytest.raises(PlatformError, match=r"^chip\.repl: cannot read it: No such file"):
        read_repl(folder / "chip.repl")
