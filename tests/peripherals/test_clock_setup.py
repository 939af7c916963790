"""The runtime's clock set-up, run on the embedded chip as if that were a board."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import usim
import usim.session
from usim.devices import Capabilities, Timing
from usim.devices.embedded import EmbeddedDevice
from usim.devices.peripherals.pwr import CSR1, PowerControl
from usim.devices.peripherals.rcc import CFGR, CR, ResetAndClockControl
from usim.errors import DeviceError
from usim.platforms import Platform, load_platform

PLLRDY, SW = 1 << 25, 3
OpenBoard = Callable[..., usim.Session]


class Board(EmbeddedDevice):
    """An embedded chip whose clock nobody has set up."""

    @property
    def capabilities(self) -> Capabilities:
        return dataclasses.replace(super().capabilities, needs_clock_setup=True)


@pytest.fixture
def boards(monkeypatch: pytest.MonkeyPatch) -> list[Board]:
    """Every device that a session opens is a board; here they are."""
    made: list[Board] = []

    def make(_backend: str, platform: Platform, timing: Timing, **_: object) -> Board:
        made.append(Board(platform, timing))
        return made[-1]

    monkeypatch.setattr(usim.session, "make_device", make)
    return made


def word(board: Board, address: int) -> int:
    return int.from_bytes(board.bus_read(address, 4), "little")


@pytest.mark.parametrize("platform", ["stm32f746", "stm32f767", "nucleo_f746zg"])
def test_a_board_runs_at_216_mhz_with_slow_enough_flash_and_over_drive(boards, platform):
    with usim.Session(platform) as session:
        (board,) = boards
        assert board.clocks is not None
        assert session.clock_hz == board.clocks.core_hz == 216_000_000
        assert board.clocks.bus_hz == (54_000_000, 108_000_000)
        assert word(board, 0x4002_3C00) == 0x307  # ART, prefetch, 7 wait states
        assert word(board, 0x4000_7004) & 0x3_4000 == 0x3_4000  # over-drive, voltage scale


def test_the_clock_is_there_again_after_a_batch_that_needed_a_reset(boards):
    with usim.Session("stm32f746", timeout_s=0.2) as session:
        module = session.load_module("void hang(void) { for (;;) {} }\nvoid fine(void) {}")
        module.hang()
        with pytest.raises(DeviceError):
            session.sync()
        module.fine()
        session.sync()
        assert boards[0].clocks.core_hz == 216_000_000
        assert session.clock_hz == 216_000_000


def test_another_set_up_is_replaced(boards):
    """What OpenOCD's reset-init leaves: HSI * 10 through the PLL, which must be off to change."""
    opened = Board.open

    def open_at_160_mhz(board: Board) -> None:
        opened(board)
        for address, value in (
            (0x4002_3804, 0x0800_2808),
            (0x4002_3C00, 0x107),
            (0x4002_3800, 0x0100_0081),
            (0x4002_3808, 0x9400),
            (0x4002_3808, 0x9402),
        ):
            board.bus_write(address, value.to_bytes(4, "little"))
        assert board.clocks is not None
        assert board.clocks.core_hz == 160_000_000

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Board, "open", open_at_160_mhz)
        with usim.Session("stm32f746") as session:
            assert session.clock_hz == boards[0].clocks.core_hz == 216_000_000


def never(bits: int, register: int, of: type) -> Callable[[pytest.MonkeyPatch], None]:
    """A chip on which some bits of a register never read as set."""
    read = of.read_word

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            of,
            "read_word",
            lambda self, offset: read(self, offset) & ~(bits if offset == register else 0),
        )

    return patch


@pytest.mark.parametrize(
    ("defect", "message"),
    [
        (never(PLLRDY, CR, ResetAndClockControl), "the PLL did not lock"),
        (never(3 << 2, CFGR, ResetAndClockControl), "the core did not switch to the PLL"),
        (never(1 << 16, CSR1, PowerControl), "the regulator did not reach over-drive"),
        (never(1 << 17, CSR1, PowerControl), "the regulator did not reach over-drive"),
        (never(1 << 14, CSR1, PowerControl), "the regulator did not reach voltage scale 1"),
    ],
)
def test_a_step_that_never_ends_is_one_clear_error(boards, monkeypatch, defect, message):
    defect(monkeypatch)
    with pytest.raises(DeviceError) as caught:
        usim.Session("stm32f746").open()
    assert str(caught.value).startswith(
        f"stm32f746: the clock could not be set up: {message}; power-cycle the board and check "
        "its supply (RCC_CFGR 0x"
    )
    with pytest.raises(DeviceError, match="not open"):
        boards[0].read_register("pc")


def test_a_chip_without_such_registers_is_one_clear_error(boards, tmp_path: Path):
    chip = load_platform("stm32f746").folder
    folder = Path(shutil.copytree(chip, tmp_path / "other"))
    repl = (chip / "stm32f746.repl").read_text()
    (folder / "other.repl").write_text(repl[: repl.index("// Clocks, supply")])
    with pytest.raises(DeviceError, match="an access to RCC, PWR or FLASH faulted"):
        usim.Session(folder).open()


def test_a_board_whose_clock_nobody_sets_up_has_none_that_is_known(boards, tmp_path: Path):
    chip = load_platform("stm32f746")
    folder = tmp_path / "slow"
    folder.mkdir()
    (folder / "platform.yaml").write_text("extends: stm32f746\nclock:\n  setup: null\n")
    with usim.Session(folder) as session:
        assert session.clock_hz is None
        assert boards[0].clocks.core_hz == 16_000_000
    assert chip.clock_setup is not None


def test_a_model_of_the_chip_runs_at_the_platforms_clock():
    with usim.Session("stm32f746", timing="count") as session:
        assert session.clock_hz == 216_000_000
