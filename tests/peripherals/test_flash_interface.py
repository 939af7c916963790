"""The flash interface by the manual's sequences (RM0385 and RM0410, chapter 3)."""

from __future__ import annotations

import pytest
from debug_view import FLASH, Chip

from usim.errors import AccessError

SR, CR, OPTCR, OPTCR1 = FLASH + 0x0C, FLASH + 0x10, FLASH + 0x14, FLASH + 0x18
PG, SER, MER, STRT, EOPIE, LOCK = 1, 2, 4, 1 << 16, 1 << 24, 1 << 31
X8, X16, X32, X64 = (size << 8 for size in range(4))
EOP, WRPERR, PGAERR, PGPERR, ERSERR = 1, 1 << 4, 1 << 5, 1 << 6, 1 << 7
BASE = 0x0800_0000
KIB = 1024


def erase(chip: Chip, sector: int) -> None:
    chip[CR] = SER | sector << 3
    chip[CR] |= STRT
    chip[CR] = 0


def fill(chip: Chip) -> None:
    size = chip.device.platform.region("flash").size_bytes
    chip.device.write(BASE, b"\0" * size)


def erased_ranges(chip: Chip) -> list[tuple[int, int]]:
    """(offset, size) in KiB of what reads as 0xFF; no sector is smaller than 16 KiB."""
    size = chip.device.platform.region("flash").size_bytes
    found: list[tuple[int, int]] = []
    for at in range(0, size, 16 * KIB):
        block = chip.device.read(BASE + at, 16 * KIB)
        assert set(block) in ({0}, {0xFF})
        if block[0] == 0xFF:
            if found and sum(found[-1]) == at // KIB:
                found[-1] = found[-1][0], found[-1][1] + 16
            else:
                found.append((at // KIB, 16))
    return found


def test_control_is_locked_until_both_keys_were_written(chip):
    assert chip[CR] == LOCK
    chip[CR] = PG
    assert chip[CR] == LOCK
    chip.unlock_flash()
    assert chip[CR] == 0
    chip[CR] = PG | X32
    assert chip[CR] == PG | X32
    chip[CR] = LOCK
    assert chip[CR] & LOCK


def test_a_wrong_key_locks_until_the_next_reset(chip):
    chip[FLASH + 0x04] = 0x4567_0123
    chip[FLASH + 0x04] = 0x1234_5678
    chip.unlock_flash()
    assert chip[CR] & LOCK
    chip.device.reset()
    chip.unlock_flash()
    assert not chip[CR] & LOCK


@pytest.mark.parametrize(
    ("chip", "sector", "extent"),
    [
        ("stm32f746", 0, (0, 32)),
        ("stm32f746", 3, (96, 32)),
        ("stm32f746", 4, (128, 128)),
        ("stm32f746", 5, (256, 256)),
        ("stm32f746", 7, (768, 256)),
        ("stm32f767", 4, (128, 128)),
        ("stm32f767", 11, (1792, 256)),
    ],
    indirect=["chip"],
)
def test_a_sector_is_erased_and_nothing_else(chip, sector, extent):
    fill(chip)
    chip.unlock_flash()
    erase(chip, sector)
    assert erased_ranges(chip) == [extent]
    assert chip[SR] == 0


def test_a_sector_that_the_part_lacks_is_an_error(chip):
    fill(chip)
    chip.unlock_flash()
    erase(chip, 8)
    assert chip[SR] == ERSERR
    assert erased_ranges(chip) == []


@pytest.mark.parametrize("chip", ["stm32f767"], indirect=True)
def test_a_part_with_two_banks_erases_smaller_sectors_and_single_banks(chip):
    chip.unlock_options()
    chip[OPTCR] = chip[OPTCR] & ~(1 << 29) | 2  # nDBANK, OPTSTRT
    chip.unlock_flash()
    fill(chip)
    for number in (0, 4, 11, 0x10, 0x14, 0x1B):
        erase(chip, number)
    assert erased_ranges(chip) == [
        (0, 16), (64, 64), (896, 144), (1088, 64), (1920, 128)
    ]  # fmt: skip
    fill(chip)
    chip[CR] = 1 << 15 | STRT  # MER2
    assert erased_ranges(chip) == [(1024, 1024)]


def test_a_mass_erase_takes_all(chip):
    fill(chip)
    chip.unlock_flash()
    chip[CR] = MER | STRT
    assert erased_ranges(chip) == [(0, 1024)]


def test_programming_clears_bits_and_sets_none(chip):
    chip.unlock_flash()
    chip[CR] = PG | X32
    chip[BASE + 64] = 0xFFFF_0F0F
    chip[BASE + 64] = 0x00FF_FFFF
    assert chip[BASE + 64] == 0x00FF_0F0F
    assert chip[SR] == 0


@pytest.mark.parametrize(("parallelism", "sizes"), [(X8, {1}), (X16, {2}), (X32, {4}), (X64, {4})])
def test_a_store_of_another_size_than_the_parallelism_is_refused(chip, parallelism, sizes):
    chip.unlock_flash()
    chip[CR] = PG | parallelism
    for size in (1, 2, 4):
        address = BASE + 16 * size
        if size in sizes:
            chip.device.bus_write(address, b"\0" * size)
            assert chip[SR] == 0
            continue
        chip.device.bus_write(address, b"\0" * size)
        assert chip[SR] == PGPERR
        assert set(chip.device.read(address, size)) == {0xFF}
        chip[SR] = PGPERR
        assert chip[SR] == 0


@pytest.mark.parametrize("control", [0, X32, PG | SER | X32])
def test_a_store_without_programming_enabled_is_refused(chip, control):
    chip.unlock_flash()
    chip[CR] = control
    with pytest.raises(AccessError, match="unlock FLASH_CR and set PG"):
        chip[BASE] = 0
    assert chip[SR] == ERSERR
    assert chip[BASE] == 0xFFFF_FFFF


def test_the_flash_is_read_only_at_its_other_address(chip):
    chip.unlock_flash()
    chip[CR] = PG | X32
    with pytest.raises(AccessError):
        chip[0x0020_0000] = 0
    chip[BASE] = 0x1234_5678
    assert chip[0x0020_0000] == 0x1234_5678


def test_the_end_of_an_operation_is_told_where_it_is_asked_for(chip):
    chip.unlock_flash()
    chip[CR] = PG | X32
    chip[BASE] = 0
    assert chip[SR] == 0
    chip[CR] = PG | X32 | EOPIE
    chip[BASE] = 0
    assert chip[SR] == EOP
    chip[SR] = EOP
    assert chip[SR] == 0


def test_a_write_protected_sector_is_neither_erased_nor_programmed(chip):
    fill(chip)
    chip.unlock_options()
    chip[OPTCR] = chip[OPTCR] & ~(1 << 16 + 5) | 2
    chip.unlock_flash()
    erase(chip, 5)
    assert chip[SR] == WRPERR
    chip[SR] = WRPERR
    chip[CR] = PG | X32
    chip[BASE + 256 * KIB + 4] = 0
    assert chip[SR] == WRPERR
    chip[CR] = MER | STRT
    assert erased_ranges(chip) == []
    chip[CR] = 0
    erase(chip, 6)
    assert erased_ranges(chip) == [(512, 256)]


@pytest.mark.parametrize(
    ("chip", "options"), [("stm32f746", 0xC0FF_AAFD), ("stm32f767", 0xFFFF_AAFD)], indirect=["chip"]
)
def test_option_bytes_are_as_delivered_and_locked(chip, options):
    assert (chip[OPTCR], chip[OPTCR1]) == (options, 0x0040_0080)
    assert chip[0x1FFF_0000] & 0xFFFF == options & 0xFFFC
    assert chip[0x1FFF_0008] & 0xFFFF == options >> 16
    chip[OPTCR1] = 0
    chip[OPTCR] = 0
    assert (chip[OPTCR], chip[OPTCR1]) == (options, 0x0040_0080)


def test_options_that_were_not_programmed_are_gone_after_a_reset(chip):
    before = chip[OPTCR1]
    chip.unlock_options()
    chip[OPTCR1] = 0x0040_0000
    chip.device.reset()
    assert chip[OPTCR1] == before
    chip.unlock_options()
    chip[OPTCR1] = 0x0040_0000
    chip[OPTCR] = chip[OPTCR] | 2
    chip.device.reset()
    assert chip[OPTCR1] == 0x0040_0000
    assert chip[0x1FFF_0010] & 0xFFFF == 0


def test_a_read_protected_flash_is_closed_to_debuggers_and_opening_it_erases_it(chip):
    fill(chip)
    chip.unlock_options()
    chip[OPTCR] = chip[OPTCR] & ~0xFF00 | 0x5500 | 2
    for access in (lambda: chip[BASE], lambda: chip.device.bus_write(0x0020_0000, b"\0")):
        with pytest.raises(AccessError, match="protected from debuggers"):
            access()
    chip[0x2000_0000] = 1  # RAM is not concerned
    chip[OPTCR] = chip[OPTCR] & ~0xFF00 | 0xAA00 | 2
    assert erased_ranges(chip) == [(0, 1024)]
