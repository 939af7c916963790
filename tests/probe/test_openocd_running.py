"""A real OpenOCD halts, steps, resumes and resets the emulated chip over JTAG."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from openocd_runs import OpenOcd, put

CODE = 0x2000_1000
COUNTER = 0x2000_0800
FLASH = 0x0800_0000
DHCSR, AIRCR = 0xE000_EDF0, 0xE000_ED0C
S_SLEEP, S_LOCKUP = 1 << 18, 1 << 19

# movs r0, #5; cmp r0, #5; itte eq; addeq r0, #1; addeq r0, #1; addne r0, #7; nop; nop; b .
IT_BLOCK = bytes.fromhex("0520 0528 06bf 0130 0130 0730 00bf 00bf fee7")
FOREVER = bytes.fromhex("fee7")


def start(code: bytes) -> list[str]:
    """Commands that put code into RAM and pc at it."""
    return [
        "reset halt",
        put(CODE, code),
        f"reg pc {CODE:#x}",
        "reg sp 0x20002000",
        "reg xPSR 0x01000000",
    ]


def register(name: str) -> str:
    return f"echo {name}=[dict get [get_reg -force {name}] {name}]"


def values(said: str) -> dict[str, int]:
    """What `register` asked for, the last answer of each name."""
    pairs = [line.split("=") for line in said.splitlines() if line.count("=0x") == 1]
    return {name: int(value, 0) for name, value in pairs}


def test_registers_keep_what_they_are_set_to_while_the_core_runs(openocd: OpenOcd) -> None:
    wanted = {f"r{number}": 0x1111_1111 * number for number in range(13)}
    wanted |= {f"d{number}": 0x0102_0304_0506_0700 + number for number in range(16)}
    wanted |= {"lr": 0x0800_1235, "msp": 0x2000_2000, "psp": 0x2000_3000, "fpscr": 0x0300_0000}
    wanted |= {"xPSR": 0xA900_0000, "primask": 1, "basepri": 0x20, "faultmask": 1, "control": 4}
    said = openocd.run(
        *start(FOREVER),
        *(f"reg {name} {value:#x}" for name, value in wanted.items()),
        "resume",
        "halt",
        *(register(name) for name in (*wanted, "pc")),
    )
    assert values(said) == {**wanted, "pc": CODE}


def test_breakpoints_halt_inside_an_it_block_and_steps_go_through_it(openocd: OpenOcd) -> None:
    said = openocd.run(
        *start(IT_BLOCK),
        f"bp {CODE + 8:#x} 2 hw",
        f"bp {CODE + 14:#x} 2 hw",
        "resume",
        "wait_halt",
        "echo at=[lindex [get_reg pc] 1]",
        "step",
        "step",
        "echo stepped=[lindex [get_reg pc] 1]",
        "resume",
        "wait_halt",
        register("r0"),
        register("pc"),
    )
    answers = values(said)
    assert answers == {"at": CODE + 8, "stepped": CODE + 12, "r0": 7, "pc": CODE + 14}
    assert said.count("halted due to breakpoint") == 2
    assert said.count("halted due to single-step") == 2


def test_a_breakpoint_instruction_halts(openocd: OpenOcd) -> None:
    said = openocd.run(*start(bytes.fromhex("00bf 2abe fee7")), "resume", "wait_halt")
    assert "halted due to breakpoint" in said
    assert f"pc: {CODE + 2:#x}" in said


# movw r1, #0x0800; movt r1, #0x2000; ldr r0, [r1]; adds r0, #1; str r0, [r1]; b .-6
COUNTS = bytes.fromhex("40f60001 c2f20001 0868 0130 0860 fbe7")


@pytest.fixture
def firmware(tmp_path: Path) -> Path:
    """A program for the start of the flash that counts in RAM."""
    image = tmp_path / "firmware.bin"
    image.write_bytes(struct.pack("<II", 0x2000_4000, FLASH + 0x40 | 1).ljust(0x40, b"\0") + COUNTS)
    return image


def test_resets_halt_or_run_the_program_in_flash(openocd: OpenOcd, firmware: Path) -> None:
    said = openocd.run(
        "reset init",
        f"flash write_image erase {firmware} {FLASH:#x} bin",
        "reset halt",
        register("pc"),
        register("msp"),
        f"mww {COUNTER:#x} 0",
        "reset run",
        "stm32f7x.cpu arp_poll",
        f"echo before=[lindex [read_memory {COUNTER:#x} 32 1] 0]",
        "stm32f7x.cpu arp_poll",
        f"echo after=[lindex [read_memory {COUNTER:#x} 32 1] 0]",
        "echo state:[stm32f7x.cpu curstate]",
        "halt",
        "reset init",
        "echo state:[stm32f7x.cpu curstate]",
    )
    answers = values(said)
    assert (answers["pc"], answers["msp"]) == (FLASH + 0x40, 0x2000_4000)
    assert 0 < answers["before"] < answers["after"]
    assert [line for line in said.splitlines() if line.startswith("state:")] == [
        "state:running",
        "state:halted",
    ]


def test_a_program_can_reset_the_chip(openocd: OpenOcd, firmware: Path) -> None:
    # movw r1, #0xed0c; movt r1, #0xe000; movw r0, #4; movt r0, #0x05fa; str r0, [r1]; b .
    code = bytes.fromhex("4ef60c51 cef20001 40f20400 c0f2fa50 0860 fee7")
    said = openocd.run(
        "reset init",
        f"flash write_image erase {firmware} {FLASH:#x} bin",
        *start(code),
        f"bp {FLASH + 0x40:#x} 2 hw",
        "resume",
        "wait_halt",
        register("pc"),
        register("msp"),
    )
    assert values(said) == {"pc": FLASH + 0x40, "msp": 0x2000_4000}


@pytest.mark.parametrize(
    ("code", "flag"),
    [
        ("30bf fee7", S_SLEEP),  # wfi, and no interrupt to come
        ("00de fee7", S_LOCKUP),  # udf, whose fault has no vector in VTOR's table
    ],
)
def test_sleep_and_lockup_are_states_that_a_halt_ends(
    openocd: OpenOcd, code: str, flag: int
) -> None:
    said = openocd.run(
        *start(bytes.fromhex(code)),
        "mww 0xE000ED08 0x20003000",  # VTOR: zeros
        "poll off",
        "resume",
        f"echo running=[lindex [read_memory {DHCSR:#x} 32 1] 0]",
        "stm32f7x.cpu arp_halt",
        f"echo halted=[lindex [read_memory {DHCSR:#x} 32 1] 0]",
    )
    answers = values(said)
    assert answers["running"] & (S_SLEEP | S_LOCKUP) == flag
    assert answers["halted"] & (S_SLEEP | S_LOCKUP) == 0


def test_a_watchpoint_halts_behind_the_access_and_is_told_from_a_breakpoint(
    openocd: OpenOcd,
) -> None:
    said = openocd.run(
        *start(COUNTS),
        f"mww {COUNTER:#x} 41",
        f"mww {COUNTER + 4:#x} 0",
        f"wp {COUNTER:#x} 4 w",
        f"wp {COUNTER + 4:#x} 4 r",  # which the program leaves alone
        "resume",
        "wait_halt",
        register("r0"),
        f"echo stored=[lindex [read_memory {COUNTER:#x} 32 1] 0]",
        f"rwp {COUNTER:#x}",
        f"wp {COUNTER:#x} 4 r",
        "resume",
        "wait_halt",
        register("pc"),
    )
    assert said.count("halted due to watchpoint") == 2
    answers = values(said)
    assert (answers["r0"], answers["stored"]) == (42, 42)
    assert answers["pc"] == CODE + 10  # behind the load


def test_a_debugger_counts_with_cyccnt_although_it_is_locked(openocd: OpenOcd) -> None:
    said = openocd.run(
        *start(IT_BLOCK),
        "mmw 0xE000EDFC 0x01000000 0",  # DEMCR.TRCENA
        "mww 0xE0001004 1000",
        "mmw 0xE0001000 1 0",
        "step",
        "step",
        "echo count=[lindex [read_memory 0xE0001004 32 1] 0]",
        # A system reset leaves the debug registers alone.
        "reset halt",
        "echo demcr=[lindex [read_memory 0xE000EDFC 32 1] 0]",
    )
    assert values(said)["count"] == 1002
    assert values(said)["demcr"] & 1 << 24
