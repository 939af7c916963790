"""What the shipped platform descriptions say, and what a platform answers."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError
from itertools import pairwise
from pathlib import Path

import pytest

from usim.errors import PlatformError
from usim.formatting import format_address, format_bytes
from usim.platforms import SECTION_NAMES, Cache, Extent, load_platform, platform_names
from usim.repl import read_repl

KIB = 1024

F746_REGIONS = {
    "itcm": (0x0000_0000, 16 * KIB),
    "flash_itcm": (0x0020_0000, 1024 * KIB),
    "flash": (0x0800_0000, 1024 * KIB),
    "dtcm": (0x2000_0000, 64 * KIB),
    "sram1": (0x2001_0000, 240 * KIB),
    "sram2": (0x2004_C000, 16 * KIB),
}
F767_REGIONS = {
    "itcm": (0x0000_0000, 16 * KIB),
    "flash_itcm": (0x0020_0000, 2048 * KIB),
    "flash": (0x0800_0000, 2048 * KIB),
    "dtcm": (0x2000_0000, 128 * KIB),
    "sram1": (0x2002_0000, 368 * KIB),
    "sram2": (0x2007_C000, 16 * KIB),
}


def test_both_chips_are_listed_by_name() -> None:
    assert {"stm32f746", "stm32f767"} <= set(platform_names())


@pytest.mark.parametrize(
    ("name", "regions"), [("stm32f746", F746_REGIONS), ("stm32f767", F767_REGIONS)]
)
def test_regions_have_the_chips_addresses_and_sizes(
    name: str, regions: dict[str, tuple[int, int]]
) -> None:
    platform = load_platform(name)
    found = {region.name: (region.base, region.size_bytes) for region in platform.regions}
    assert found == regions


def test_f746_core_is_the_single_precision_one_with_small_caches() -> None:
    core = load_platform("stm32f746").core
    assert (core.name, core.architecture) == ("cortex-m7", "armv7e-m")
    assert (core.fpu, core.float_abi, core.mpu_regions) == ("fpv5-sp-d16", "hard", 8)
    assert core.icache == Cache(size_bytes=4 * KIB, ways=2, line_bytes=32)
    assert core.dcache == Cache(size_bytes=4 * KIB, ways=4, line_bytes=32)


def test_f767_core_is_the_double_precision_one_with_large_caches() -> None:
    core = load_platform("stm32f767").core
    assert core.fpu == "fpv5-d16"
    assert core.icache == Cache(size_bytes=16 * KIB, ways=2, line_bytes=32)
    assert core.dcache == Cache(size_bytes=16 * KIB, ways=4, line_bytes=32)


@pytest.mark.parametrize("name", ["stm32f746", "stm32f767"])
def test_clock_and_flash_wait_states(name: str) -> None:
    platform = load_platform(name)
    assert platform.clock_hz == 216_000_000
    assert platform.flash.wait_states == 7


@pytest.mark.parametrize(
    ("name", "external_hz"), [("nucleo_f746zg", 8_000_000), ("stm32f746g_disco", 25_000_000)]
)
def test_a_board_is_its_chip_with_a_clock_input(name: str, external_hz: int) -> None:
    board, chip = load_platform(name), load_platform("stm32f746")
    assert (board.external_clock_hz, chip.external_clock_hz) == (external_hz, None)
    assert board.clock_setup == chip.clock_setup == "stm32f7"
    assert (board.regions, board.placed_sections) == (chip.regions, chip.placed_sections)
    assert (board.core, board.flash) == (chip.core, chip.flash)
    parts = {entry.name: entry.addresses for entry in read_repl(board.repl_path).peripherals}
    assert (
        parts.items()
        >= {entry.name: entry.addresses for entry in read_repl(chip.repl_path).peripherals}.items()
    )
    (clock,) = (fact for fact in board.facts if fact.subject == "clock")
    assert clock.value == (
        f"216 MHz, set up on a board by clock_stm32f7.c; external {external_hz // 1_000_000} MHz"
    )


@pytest.mark.parametrize("name", platform_names())
def test_every_fact_names_its_document(name: str) -> None:
    platform = load_platform(name)
    subjects = {fact.subject for fact in platform.facts}
    assert {"core", "clock", "FPU", "MPU", "flash reads"} <= subjects
    has_caches = name != "mps2-an500"  # QEMU models none
    assert ({"I-cache", "D-cache"} <= subjects) is has_caches
    assert {region.name for region in platform.regions} <= subjects
    documents = ("RM", "DS", "PM") if name != "mps2-an500" else ("mps2.c", "cpu, ")
    assert all(fact.source.startswith(documents) for fact in platform.facts)


def test_only_the_axi_side_is_cached() -> None:
    platform = load_platform("stm32f746")
    assert {region.name for region in platform.regions if region.cached} == {
        "flash",
        "sram1",
        "sram2",
    }


def test_f746_sections_stand_in_order_in_the_dtcm() -> None:
    sections = load_platform("stm32f746").sections
    assert sections["stack"].extents == (Extent("dtcm", 0x2000_0000, 4 * KIB),)
    assert sections["args"].extents == (Extent("dtcm", 0x2000_1000, 4 * KIB),)
    assert sections["data"].extents[0] == Extent("dtcm", 0x2000_2000, 1 * KIB)
    assert sections["bss"].extents[0] == Extent("dtcm", 0x2000_2400, 3 * KIB)
    assert sections["workspace"].extents[0] == Extent("dtcm", 0x2000_3000, 8 * KIB)
    assert sections["heap"].extents[0] == Extent("dtcm", 0x2000_5000, 44 * KIB)


def test_f746_sections_overflow_into_the_srams_and_flash() -> None:
    sections = load_platform("stm32f746").sections
    sizes = {
        name: [(extent.region, extent.size_bytes // KIB) for extent in section.extents]
        for name, section in sections.items()
    }
    assert sizes["text"] == [("itcm", 16), ("sram1", 64)]
    assert sizes["rodata"] == [("flash", 1024)]
    assert sizes["data"][1] == ("sram1", 8)
    assert sizes["bss"][1] == ("sram1", 8)
    assert sizes["workspace"][1] == ("sram2", 16)
    assert sizes["heap"][1] == ("sram1", 240 - 64 - 8 - 8)


@pytest.mark.parametrize("name", platform_names())
def test_extents_are_aligned_disjoint_and_inside_their_region(name: str) -> None:
    platform = load_platform(name)
    assert set(platform.sections) == set(SECTION_NAMES)
    extents = [extent for section in platform.sections.values() for extent in section.extents]
    for extent in extents:
        assert extent.base % 32 == 0
        assert platform.region(extent.region).contains(extent.base, extent.size_bytes)
    by_address = sorted(extents, key=lambda extent: extent.base)
    for below, above in pairwise(by_address):
        assert below.end <= above.base


@pytest.mark.parametrize("name", platform_names())
def test_below_the_stack_there_is_no_memory(name: str) -> None:
    platform = load_platform(name)
    assert platform.region_at(platform.section("stack").base - 1) is None


def test_a_section_counts_all_extents_and_spans_the_first() -> None:
    heap = load_platform("stm32f746").section("heap")
    assert heap.size_bytes == (44 + 160) * KIB
    assert (heap.base, heap.end) == (0x2000_5000, 0x2001_0000)


def test_region_at_wants_the_whole_access_inside() -> None:
    platform = load_platform("stm32f746")
    last = platform.region_at(0x2004_FFFC, 4)
    assert last is not None
    assert last.name == "sram2"
    assert platform.region_at(0x2004_FFFE, 4) is None
    assert platform.region_at(0x3000_0000, 1) is None


def test_an_unknown_section_or_region_is_named_with_the_known_ones() -> None:
    platform = load_platform("stm32f746")
    with pytest.raises(PlatformError, match=r"^stm32f746 has no section ram \(sections: text, "):
        platform.section("ram")
    with pytest.raises(PlatformError, match=r"^stm32f746 has no region ccm \(regions: itcm, "):
        platform.region("ccm")


def test_a_platform_cannot_be_changed() -> None:
    platform = load_platform("stm32f746")
    with pytest.raises(FrozenInstanceError):
        platform.clock_hz = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        platform.sections["heap"] = platform.sections["data"]  # type: ignore[index]


def test_a_platform_travels_to_another_process_and_keys_a_cache() -> None:
    platform = load_platform("stm32f767")
    assert pickle.loads(pickle.dumps(platform)) == platform
    assert {platform: 1}[load_platform("stm32f767")] == 1


def test_a_platform_is_found_by_its_folder_or_its_file() -> None:
    folder = load_platform("stm32f746").folder
    by_name = load_platform("stm32f746")
    assert load_platform(folder) == by_name
    assert load_platform(str(folder / "platform.yaml")) == by_name
    assert by_name.repl_path == folder / "stm32f746.repl"


def test_an_unknown_platform_is_answered_with_the_nearest_names() -> None:
    with pytest.raises(PlatformError) as caught:
        load_platform("stm32f764")
    assert str(caught.value) == (
        "unknown platform 'stm32f764' (nearest: stm32f767, stm32f746, stm32f746g_disco); "
        "see `usim platforms list`"
    )
    assert caught.value.key == "stm32f764"


def test_a_name_near_to_nothing_is_answered_with_all_names() -> None:
    with pytest.raises(PlatformError, match=r"^unknown platform 'esp' \(known: .*stm32f746"):
        load_platform("esp")


def test_a_path_without_a_description_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "board").mkdir()
    with pytest.raises(PlatformError, match=r"^no platform description at board/platform\.yaml$"):
        load_platform(tmp_path / "board")


def test_addresses_and_sizes_are_written_one_way() -> None:
    assert format_address(0x2000_0000) == "0x2000_0000"
    assert format_address(0xE000_ED28) == "0xe000_ed28"
    assert format_bytes(16 * KIB) == "16 KiB"
    assert format_bytes(2048 * KIB) == "2 MiB"
    assert format_bytes(1500) == "1,500 bytes"
    assert format_bytes(0) == "0 bytes"
