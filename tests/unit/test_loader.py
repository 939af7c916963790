"""Placing objects: symbols across objects, weak ones, alignment, veneers, and clean failure."""

from __future__ import annotations

import struct

import pytest

from usim.errors import LinkError, MemoryFullError
from usim.image import SectionKind, read_object
from usim.loader import load
from usim.memory import SectionAllocator
from usim.platforms import load_platform
from usim.platforms.facts import Extent, Section
from usim.relocations import Target
from usim.toolchain import find_toolchain

NAMES = ("text", "rodata", "data", "bss")


def compile_object(source: str, *flags: str):
    elf = find_toolchain().compile(source, core=load_platform("stm32f746").core, flags=flags)
    return read_object(elf)


def make_allocators(**sizes: int) -> dict[str, SectionAllocator]:
    return {
        name: SectionAllocator(
            Section(name, (Extent("r", 0x2000_0000 + i * 0x10000, sizes.get(name, 0x4000)),))
        )
        for i, name in enumerate(NAMES)
    }


def place(*sources: str, externals: dict[str, Target] | None = None, **sizes: int):
    allocators = make_allocators(**sizes)
    objects = [compile_object(source) for source in sources]
    return load(objects, allocators, externals or {}, {}), allocators


def word_at(image, kind: SectionKind, address: int) -> int:
    offset = address - image.blocks[kind].address
    return int(struct.unpack_from("<I", image.contents[kind], offset)[0])


def test_objects_find_each_others_symbols():
    image, _ = place(
        "extern int number; int *here = &number;",
        "int number = 3; extern int *here; int **p = &here;",
    )
    number, here, p = (image.symbol(name) for name in ("number", "here", "p"))
    assert word_at(image, SectionKind.DATA, here.address) == number.address
    assert word_at(image, SectionKind.DATA, p.address) == here.address


def test_pointers_to_functions_have_the_thumb_bit():
    image, _ = place("int f(void) { return 1; } int (*p)(void) = f;")
    pointer = word_at(image, SectionKind.DATA, image.symbol("p").address)
    assert pointer == image.symbol("f").address | 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_strong_definition_beats_a_weak_one(order):
    sources = [
        "__attribute__((weak)) int which = 1; int *first = &which;",
        "int which = 2; int *second = &which;",
    ]
    image, _ = place(*(sources[i] for i in order))
    pointers = {
        word_at(image, SectionKind.DATA, image.symbol(name).address) for name in ("first", "second")
    }
    assert len(pointers) == 1
    assert word_at(image, SectionKind.DATA, pointers.pop()) == 2


def test_a_weak_reference_that_nobody_defines_is_null():
    image, _ = place("extern __attribute__((weak)) int absent; int *p = &absent;")
    assert word_at(image, SectionKind.DATA, image.symbol("p").address) == 0


def test_two_strong_definitions_are_refused():
    with pytest.raises(LinkError, match="which is defined twice") as caught:
        place("int which = 1;", "int which = 2;")
    assert caught.value.symbol == "which"


def test_undefined_symbols_are_all_named():
    with pytest.raises(LinkError, match="undefined symbol a, b"):
        place("extern int b, a; int *p = &b, *q = &a;")


def test_symbols_of_the_same_name_that_are_local_stay_apart():
    image, _ = place(
        "static int hidden = 11; int *one = &hidden;", "static int hidden = 22; int *two = &hidden;"
    )
    values = [
        word_at(image, SectionKind.DATA, word_at(image, SectionKind.DATA, image.symbol(n).address))
        for n in ("one", "two")
    ]
    assert values == [11, 22]
    assert image.symbol("hidden") is None


@pytest.mark.parametrize("alignment", [1, 2, 8, 32])
def test_alignments_are_kept(alignment):
    image, _ = place(
        "char odd = 1; "
        f"__attribute__((aligned({alignment}))) char aligned = 2; char after = 3;"
        f"__attribute__((aligned({alignment}))) int zero; "
        f"__attribute__((aligned({alignment}))) int code(void) {{ return 5; }}"
    )
    for name in ("aligned", "zero", "code"):
        assert image.symbol(name).address % alignment == 0


def test_sections_go_where_their_kind_says():
    image, allocators = place(
        "const int constant = 1; int variable = 2; int zero; int code(void) { return variable; }"
    )
    for name, section in (
        ("constant", "rodata"), ("variable", "data"), ("zero", "bss"), ("code", "text"),
    ):  # fmt: skip
        extent = allocators[section].section.extents[0]
        assert extent.base <= image.symbol(name).address < extent.end
    assert image.contents[SectionKind.BSS] == bytes(4)
    assert not image.symbol("constant").is_function
    assert image.symbol("code").is_function


def test_calls_out_of_reach_share_one_veneer_each_target():
    far = {f"far{i}": Target(f"far{i}", 0x8000_0000 + 0x100 * i, thumb=True) for i in range(2)}
    image, _ = place(
        "extern void far0(void), far1(void);"
        "void one(void) { far0(); far1(); far0(); } void two(void) { far0(); }",
        externals=far,
    )
    text = image.contents[SectionKind.TEXT]
    veneers = [at for at in range(0, len(text) - 7, 4) if text[at : at + 4] == b"\xdf\xf8\x00\xf0"]
    targets = [struct.unpack_from("<I", text, at + 4)[0] for at in veneers]
    assert sorted(targets) == [0x8000_0001, 0x8000_0101]
    assert all((image.blocks[SectionKind.TEXT].address + at) % 4 == 0 for at in veneers)


def test_calls_within_reach_need_no_veneer():
    near = {"near": Target("near", 0x2000_8000, thumb=True)}
    image, _ = place("extern void near(void); void f(void) { near(); near(); }", externals=near)
    assert b"\xdf\xf8\x00\xf0" not in image.contents[SectionKind.TEXT]


def test_helpers_are_written_into_pointers_of_their_name_and_nowhere_else():
    allocators = make_allocators()
    source = (
        "__attribute__((weak)) void (*helper)(void); void (*other)(void); int helper_count = 3;"
        "int unrelated(void) { return helper != 0; }"
    )
    helpers = {
        "helper": Target("helper", 0x100, thumb=True),
        "unrelated": Target("unrelated", 0x200, thumb=True),
    }
    image = load([compile_object(source)], allocators, {}, helpers)
    assert word_at(image, SectionKind.BSS, image.symbol("helper").address) == 0x101
    assert word_at(image, SectionKind.BSS, image.symbol("other").address) == 0
    plain = load([compile_object(source)], make_allocators(), {}, {})
    assert image.contents[SectionKind.TEXT] == plain.contents[SectionKind.TEXT]


@pytest.mark.parametrize("full", NAMES)
def test_what_does_not_fit_leaves_nothing_allocated(full):
    allocators = make_allocators(**{full: 16})
    source = compile_object(
        "const int constant[9] = {1}; int variable[9] = {2}; int zero[9];"
        "__attribute__((noinline)) int code(int i) { return constant[i] + variable[i] + zero[i]; }"
        "int twice(int i) { return code(i) * code(i + 1) + code(i + 2); }"
    )
    with pytest.raises(MemoryFullError) as caught:
        load([source], allocators, {}, {})
    assert caught.value.section == full
    assert all(allocator.used_bytes == 0 for allocator in allocators.values())


def test_an_object_with_common_symbols_is_refused_with_what_to_do():
    with pytest.raises(LinkError, match="common symbol shared: compile with -fno-common"):
        compile_object("int shared;", "-fcommon")


def test_an_empty_object_loads_to_nothing():
    image, allocators = place("")
    assert image.symbols == ()
    assert all(allocator.used_bytes == 0 for allocator in allocators.values())
