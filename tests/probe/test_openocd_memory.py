"""A real OpenOCD reads and writes the emulated chip over JTAG."""

from __future__ import annotations

import random
from pathlib import Path

from openocd_runs import OpenOcd, put

RAM = 0x2000_0000


def test_openocd_finds_the_taps_the_core_and_its_debug_units(openocd: OpenOcd) -> None:
    said = openocd.run("reset halt", "targets", "dap info")
    assert "stm32f7x.cpu tap/device found: 0x5ba00477" in said
    assert "stm32f7x.bs tap/device found: 0x06449041" in said
    assert "Cortex-M7 r0p1 processor detected" in said
    assert "target has 8 breakpoints, 4 watchpoints" in said
    state = next(line for line in said.splitlines() if line.startswith(" 0* stm32f7x.cpu"))
    assert state.split()[-1] == "halted"
    for unit in ("Part is 0x449", "Cortex-M7 FPB", "Cortex-M3 DWT", "SCS (System Control Space)"):
        assert unit in said
    assert said.count("End of ROM table") == 3
    assert "UNEXPECTED" not in said


def test_each_width_reaches_its_bytes_at_each_alignment(openocd: OpenOcd) -> None:
    said = openocd.run(
        "reset halt",
        *(f"mww {RAM + 4 * word:#x} 0" for word in range(4)),
        f"mww {RAM:#x} 0x33221100",
        f"mwh {RAM + 6:#x} 0x7766",
        f"mwb {RAM + 9:#x} 0x99",
        put(RAM + 11, bytes(range(0xB0, 0xB5))),
        f"echo words:[read_memory {RAM:#x} 32 4]",
        f"echo halves:[read_memory {RAM + 2:#x} 16 3]",
        f"echo bytes:[read_memory {RAM + 1:#x} 8 5]",
    )
    assert "words:0x33221100 0x77660000 0xb0009900 0xb4b3b2b1" in said
    assert "halves:0x3322 0x0 0x7766" in said
    assert "bytes:0x11 0x22 0x33 0x0 0x0" in said


def test_an_image_comes_back_as_it_was_loaded(openocd: OpenOcd, tmp_path: Path) -> None:
    image = random.Random(7).randbytes(65_536)
    # Behind OpenOCD's work area. At an odd address it uses bytes, halfwords, packed transfers.
    for address, size in ((RAM + 0x2_0000, 65_536), (RAM + 0x3_0003, 8_191)):
        (tmp_path / "in.bin").write_bytes(image[:size])
        openocd.run(
            "reset halt",
            f"load_image {tmp_path}/in.bin {address:#x} bin",
            # By a checksum that the chip itself calculates.
            f"verify_image {tmp_path}/in.bin {address:#x} bin",
            f"dump_image {tmp_path}/out.bin {address:#x} {size}",
        )
        assert (tmp_path / "out.bin").read_bytes() == image[:size]


def test_an_access_to_nothing_fails_and_leaves_the_link_usable(openocd: OpenOcd) -> None:
    said = openocd.run(
        "reset halt",
        f"mww {RAM:#x} 0x12345678",
        "catch {mdw 0x30000000}",
        f"echo first:[read_memory {RAM:#x} 32 1]",
        "catch {mww 0x30000000 1}",
        f"echo second:[read_memory {RAM:#x} 32 1]",
    )
    assert "Failed to read memory at 0x30000000" in said
    assert "Failed to write memory at 0x30000000" in said
    assert "first:0x12345678" in said
    assert "second:0x12345678" in said


def test_the_transfer_address_counts_within_a_kibibyte(openocd: OpenOcd) -> None:
    said = openocd.run(
        "reset halt",
        f"mww {RAM:#x} 0x11111111",
        f"mww {RAM + 0x3FC:#x} 0x22222222",
        "poll off",  # it would use the same registers
        "stm32f7x.dap apreg 0 0x00 0x23000012",  # 32 bits, single increments
        f"stm32f7x.dap apreg 0 0x04 {RAM + 0x3FC:#x}",
        "echo last:[stm32f7x.dap apreg 0 0x0c]",
        "echo first:[stm32f7x.dap apreg 0 0x0c]",
        "echo no-such-port:[stm32f7x.dap apreg 7 0xfc]",
    )
    assert "last:0x22222222" in said
    assert "first:0x11111111" in said
    assert "no-such-port:0x00000000" in said
