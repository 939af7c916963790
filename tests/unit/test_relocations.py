"""Relocations, byte for byte against LLD's final link of the same objects at the same addresses."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st

from usim.errors import LinkError
from usim.image import read_object
from usim.loader import load
from usim.memory import SectionAllocator
from usim.platforms import Platform, load_platform
from usim.platforms.facts import Extent, Section
from usim.relocations import RelocationType, Target, branch_reaches, relocate
from usim.toolchain import find_toolchain

CALLS = """
#include <stdint.h>
extern int32_t other(int32_t);
extern int32_t variable, array[20];
static int32_t own(int32_t x) { return x * 3 + other(x); }
int32_t (*const pointers[])(int32_t) = {other, own};
int32_t *const inner = &array[7];
const char *const words[] = {"alpha", "beta"};
int32_t writable = 5;
int32_t *to_writable = &writable;
static int32_t zeroed[30];
int32_t call(int32_t x) { zeroed[x] = own(x); return other(x) + variable + array[3] + zeroed[x]; }
int32_t tail(int32_t x) { return other(x + 1); }
int32_t choose(int32_t x) { return pointers[x & 1](x) + words[x & 1][0] + *to_writable; }
int32_t conditional(int32_t x) { if (x > 3) { return other(x); } return x; }
__attribute__((naked)) void assembly(void) {
    __asm volatile("bl other\\n b.w other\\n beq.w call\\n ldr r0, =variable\\n"
                   "movw r1, #:lower16:other\\n movt r1, #:upper16:other\\n"
                   "movw r2, #:lower16:(array+12)\\n movt r2, #:upper16:(array+12)\\n"
                   "movw r3, #:lower16:(variable-.)\\n movt r3, #:upper16:(variable-.)\\n"
                   "bx lr\\n .word other-.\\n .word array+400\\n .ltorg");
}
"""
OTHER = """
#include <stdint.h>
int32_t variable = 77, array[20] = {1, 2, 3};
extern int32_t call(int32_t);
int32_t other(int32_t x) { return x > 100 ? call(x - 1) : variable + x; }
"""
# Where text, rodata, data and bss stand: close, at a branch's far ends, and apart.
PLACES = [
    (0x0000_0000, 0x0800_0000, 0x2000_0000, 0x2000_8000),
    (0x2001_0000, 0x2001_4000, 0x2001_8000, 0x2001_C000),
    (0x0800_0000, 0x0880_0000, 0x2000_0000, 0x2004_C000),
    (0x1234_5678 & ~31, 0x2345_6780, 0xFFFF_0000, 0xFFFF_8000),
]
NAMES = ("text", "rodata", "data", "bss")


@pytest.fixture(scope="module")
def platform() -> Platform:
    return load_platform("stm32f746")


@pytest.fixture(scope="module")
def objects(platform) -> list[bytes]:
    toolchain = find_toolchain()
    return [toolchain.compile(text, core=platform.core) for text in (CALLS, OTHER)]


def load_at(objects: list[bytes], places: tuple[int, ...]):
    allocators = {
        name: SectionAllocator(Section(name, (Extent("r", base, 0x4000),)))
        for name, base in zip(NAMES, places, strict=True)
    }
    return load([read_object(data) for data in objects], allocators, {}, {})


def link_with_lld(objects: list[bytes], image, folder: Path) -> ELFFile:
    """A final link in which every input section stands where the loader put it."""
    lines = []
    for number, data in enumerate(objects):
        (folder / f"{number}.o").write_bytes(data)
        for section in read_object(data).sections:
            address = image.section_addresses.get((number, section.index))
            if address is not None and section.size_bytes:
                lines.append(
                    (address, f".s{number}_{section.index} {address:#x} : "
                              f"{{ {number}.o({section.name}) }}")
                )  # fmt: skip
    script = "\n".join(text for _, text in sorted(lines))
    (folder / "script.ld").write_text(f"SECTIONS {{\n{script}\n/DISCARD/ : {{ *(.ARM.*) }}\n}}\n")
    names = [f"{number}.o" for number in range(len(objects))]
    command = [
        *(sys.executable, "-m", "ziglang", "ld.lld", "-T", "script.ld", "-e", "0"),
        *("-O0", "--no-check-sections", "--orphan-handling=place", *names, "-o", "out.elf"),
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    return ELFFile(io.BytesIO((folder / "out.elf").read_bytes()))


@pytest.mark.parametrize("places", PLACES, ids=lambda places: f"{places[0]:#x}")
def test_every_byte_is_what_lld_links(places, objects, tmp_path):
    image = load_at(objects, places)
    elf = link_with_lld(objects, image, tmp_path)
    compared = 0
    for (number, index), address in image.section_addresses.items():
        (section,) = [s for s in read_object(objects[number]).sections if s.index == index]
        linked = elf.get_section_by_name(f".s{number}_{index}")
        if not section.data:
            continue
        block = image.blocks[section.kind]
        offset = address - block.address
        ours = image.contents[section.kind][offset : offset + section.size_bytes]
        assert linked["sh_addr"] == address
        assert ours == linked.data()[: section.size_bytes], section.name
        compared += section.size_bytes
    assert compared > 300


@pytest.mark.parametrize("places", PLACES, ids=lambda places: f"{places[0]:#x}")
def test_every_symbol_is_where_lld_puts_it(places, objects, tmp_path):
    image = load_at(objects, places)
    table = link_with_lld(objects, image, tmp_path).get_section_by_name(".symtab")
    for name in ("call", "tail", "other", "variable", "array", "pointers", "writable"):
        (linked,) = table.get_symbol_by_name(name)
        symbol = image.symbol(name)
        assert symbol.address == linked["st_value"] & ~int(symbol.is_function), name
        assert symbol.size_bytes == linked["st_size"]


def test_every_relocation_type_that_is_supported_occurs_in_the_comparison(objects):
    found = {item.type for data in objects for item in read_object(data).relocations}
    t = RelocationType
    assert found >= {
        t.ABS32, t.REL32, t.THM_CALL, t.THM_JUMP24, t.THM_JUMP19, t.THM_MOVW_ABS_NC,
        t.THM_MOVT_ABS, t.THM_MOVW_PREL_NC, t.THM_MOVT_PREL,
    }  # fmt: skip


def decode_branch24(code: bytes, place: int) -> int:
    """Where BL or B.W goes (DDI 0403E, A7.7.18, encoding T1), from the manual's pseudocode."""
    first, second = int.from_bytes(code[:2], "little"), int.from_bytes(code[2:], "little")
    s = first >> 10 & 1
    i1 = ~((second >> 13 & 1) ^ s) & 1
    i2 = ~((second >> 11 & 1) ^ s) & 1
    value = s << 24 | i1 << 23 | i2 << 22 | (first & 0x3FF) << 12 | (second & 0x7FF) << 1
    return place + 4 + (value - (1 << 25) if s else value)


BL = bytes.fromhex("fff7feff")  # bl . (addend -4), as compilers emit it


@given(distance=st.integers(-(1 << 23), (1 << 23) - 1).map(lambda half: 2 * half))
def test_a_branch_lands_anywhere_in_its_reach(distance):
    place = 0x4000_0000
    memory = bytearray(BL)
    target = Target("f", place + 4 + distance, thumb=True)
    assert branch_reaches(place, target.address)
    relocate(memory, 0, place, RelocationType.THM_CALL, target)
    assert decode_branch24(bytes(memory), place) == target.address


@pytest.mark.parametrize("distance", [1 << 24, -(1 << 24) - 2, 0x2000_0000])
def test_a_branch_out_of_reach_is_refused_with_both_addresses(distance):
    place = 0x4000_0000
    target = Target("far", place + 4 + distance, thumb=True)
    assert not branch_reaches(place, target.address)
    with pytest.raises(LinkError, match=r"far at 0x.* is out of a branch's reach from 0x4000_0000"):
        relocate(bytearray(BL), 0, place, RelocationType.THM_CALL, target)


@settings(max_examples=200)
@given(address=st.integers(0, 2**31 - 1).map(lambda half: 2 * half), thumb=st.booleans())
def test_movw_and_movt_hold_any_address(address, thumb):
    movw, movt = bytearray.fromhex("40f20000"), bytearray.fromhex("c0f20000")
    target = Target("x", address, thumb)
    relocate(movw, 0, 0x100, RelocationType.THM_MOVW_ABS_NC, target)
    relocate(movt, 0, 0x104, RelocationType.THM_MOVT_ABS, target)

    def immediate(code: bytes) -> int:  # A7.7.76, encoding T3: imm4:i:imm3:imm8
        first, second = int.from_bytes(code[:2], "little"), int.from_bytes(code[2:], "little")
        i, imm3 = first >> 10 & 1, second >> 12 & 7
        return (first & 15) << 12 | i << 11 | imm3 << 8 | second & 255

    assert immediate(movt) << 16 | immediate(movw) == address | int(thumb)


@pytest.mark.parametrize("kind", [1, 5, 28, 29, 96, 102, 104, 105, 200])
def test_other_relocations_are_refused_by_number_and_symbol(kind):
    message = f"relocation type {kind} for x is not supported"
    with pytest.raises(LinkError, match=message) as caught:
        relocate(bytearray(4), 0, 0, kind, Target("x", 0, thumb=False))
    assert caught.value.relocation == kind


def test_position_independent_code_is_refused(platform):
    elf = find_toolchain().compile(
        "extern int x; int f(void) { return x; }", core=platform.core, flags=["-fPIC"]
    )
    externals = {"x": Target("x", 0x2000_0000, thumb=False)}
    allocators = {name: SectionAllocator(platform.section(name)) for name in NAMES}
    with pytest.raises(LinkError, match=r"relocation type \d+ for x is not supported"):
        load([read_object(elf)], allocators, externals, {})
    assert all(allocator.used_bytes == 0 for allocator in allocators.values())
