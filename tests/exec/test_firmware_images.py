"""Images: ELF, Intel HEX and .bin boot alike; what is wrong with one is said in a line."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from firmware import build, compile_c
from intelhex import IntelHex

from usim.board import Board
from usim.board.boot import boot_address
from usim.board.images import read_image
from usim.errors import ProgramError
from usim.platforms import load_platform
from usim.profile.program import read_program

EMPTY = "int main(void) { return 0; }"
needs_gcc = pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed"
)


@pytest.fixture
def platform():
    return load_platform("stm32f746")


def flash_bytes(elf: Path, base: int = 0x0800_0000) -> bytes:
    """What a programmer writes from `base` on."""
    image = bytearray()
    for segment in read_program(elf).segments:
        if segment.data:
            at = segment.load_address - base
            image.extend(bytes(max(at + len(segment.data) - len(image), 0)))
            image[at : at + len(segment.data)] = segment.data
    return bytes(image)


def hex_text(data: bytes, base: int = 0x0800_0000) -> str:
    image = IntelHex()
    image.frombytes(data, offset=base)
    text = io.StringIO()
    image.write_hex_file(text)
    return text.getvalue()


def refusal(path: Path, platform, **options) -> str:
    with pytest.raises(ProgramError) as refused:
        boot_address(read_image(path, platform, **options), platform)
    assert "\n" not in str(refused.value)
    assert path.name in str(refused.value)
    return str(refused.value)


def test_elf_hex_and_bin_do_the_same_in_the_same_cycles(shell_elf, tmp_path):
    data = flash_bytes(shell_elf)
    (tmp_path / "shell.bin").write_bytes(data)
    (tmp_path / "shell.hex").write_text(hex_text(data))
    heard = set()
    for image in (shell_elf, tmp_path / "shell.bin", tmp_path / "shell.hex"):
        with Board(image) as board:
            heard.add(board.wait_for_line("ready"))
    assert len(heard) == 1


@needs_gcc
def test_hex_and_bin_files_of_objcopy_are_read(shell_elf, tmp_path, platform):
    for kind, suffix in (("ihex", "hex"), ("binary", "bin")):
        image = tmp_path / f"shell.{suffix}"
        subprocess.run(
            ["arm-none-eabi-objcopy", "-O", kind, str(shell_elf), str(image)], check=True
        )
        (segment, *_) = read_image(image, platform).segments
        assert segment.load_address == 0x0800_0000
        assert flash_bytes(shell_elf).startswith(segment.data[:64])


def test_the_chip_boots_from_the_flash_on_the_itcm_bus(shell_elf):
    with Board(shell_elf) as board:
        assert board.vector_table == 0x0020_0000
        assert board.chip.device.bus_read(0xE000_ED08, 4) == struct.pack("<I", 0x0020_0000)


def test_a_table_behind_a_boot_loader_is_booted_from(tmp_path, platform):
    (tmp_path / "app.elf").write_bytes(linked_at("0x08008000"))
    assert boot_address(read_image(tmp_path / "app.elf", platform), platform) == 0x0800_8000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (":04000000000100207B\n:00000001FF\n", "damaged: record at line 1 has invalid checksum"),
        (":020000040800F2\n:0400\n:00000001FF\n", "contains invalid record at line 2"),
        ("hello\n", "damaged: hex file contains invalid record at line 1"),
        (":020000040800F2\n:0400000000100020CC\n", "truncated"),
        (":00000001FF\n", "nothing to load"),
        ("", "is empty"),
        ("\u00e9", "is not text"),
    ],
)
def test_a_damaged_hex_file_is_refused_with_the_line(tmp_path, platform, text, message):
    (tmp_path / "a.hex").write_text(text, encoding="utf-8")
    assert message in refusal(tmp_path / "a.hex", platform)


def test_an_empty_bin_is_refused(tmp_path, platform):
    (tmp_path / "a.bin").write_bytes(b"")
    assert "is empty" in refusal(tmp_path / "a.bin", platform)


def test_a_bin_at_a_wrong_base_has_no_vector_table(shell_elf, tmp_path, platform):
    (tmp_path / "a.bin").write_bytes(flash_bytes(shell_elf))
    message = refusal(tmp_path / "a.bin", platform, base=0x0804_0000)
    assert "the reset vector at 0x0804_0000" in message
    assert "is its base right?" in message


def test_a_bin_where_no_memory_is_is_refused(tmp_path, platform):
    (tmp_path / "a.bin").write_bytes(bytes(64))
    message = refusal(tmp_path / "a.bin", platform, base=0x9000_0000)
    assert "at 0x9000_0000, outside the memory of stm32f746: itcm 0x0000_0000" in message


def test_a_bin_larger_than_the_flash_is_refused(tmp_path, platform):
    (tmp_path / "a.bin").write_bytes(bytes((1 << 20) + 1))
    message = refusal(tmp_path / "a.bin", platform)
    assert "flash has 1,048,576 bytes from there (it ends at 0x080f_ffff)" in message


def linked_at(base: str) -> bytes:
    """An executable whose flash starts elsewhere."""
    script = Path(__file__).parents[1] / "profile" / "data" / "flash.ld"
    return build(EMPTY, script=script.read_text("utf-8").replace("0x08000000", base))


def test_a_bin_linked_for_the_itcm_bus_is_booted(tmp_path, platform):
    (tmp_path / "a.elf").write_bytes(linked_at("0x00200000"))
    (tmp_path / "a.bin").write_bytes(flash_bytes(tmp_path / "a.elf", 0x0020_0000))
    assert boot_address(read_image(tmp_path / "a.bin", platform), platform) == 0x0020_0000
    with Board(tmp_path / "a.bin") as board:
        assert board.run().reason == "exit"


def test_a_base_is_for_a_bin(shell_elf, platform):
    assert "a base is for a .bin" in refusal(shell_elf, platform, base=0x0800_0000)


@pytest.mark.parametrize(("suffix", "message"), [("s19", "a .s19 file"), ("bin", "is an ELF file")])
def test_a_misleading_suffix_is_told(shell_elf, tmp_path, platform, suffix, message):
    path = tmp_path / f"shell.{suffix}"
    shutil.copy(shell_elf, path)
    assert message in refusal(path, platform)
    assert read_image(path, platform, image_format="elf").segments


def test_a_missing_file_is_told(tmp_path, platform):
    assert "No such file" in refusal(tmp_path / "absent.hex", platform)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((0x2000_1002, 0x0800_0009), "the stack pointer at 0x0800_0000, 0x2000_1002, is"),
        ((0x1000_1000, 0x0800_0009), "0x1000_1000, is at the end of no RAM"),
        ((0x2000_1000, 0x0800_0008), "the reset vector at 0x0800_0000, 0x0800_0008, is no Thumb"),
        ((0x2000_1000, 0x0810_0001), "0x0810_0001, points at nothing loaded"),
        ((0xFFFF_FFFF, 0xFFFF_FFFF), "no vector table"),
    ],
)
def test_a_vector_table_that_makes_no_sense_is_refused(tmp_path, platform, words, message):
    (tmp_path / "a.bin").write_bytes(struct.pack("<II", *words) + bytes(64))
    assert message in refusal(tmp_path / "a.bin", platform)


def gcc(tmp_path: Path, *flags: str) -> Path:
    """An executable for another core."""
    source, elf = tmp_path / "a.c", tmp_path / "a.elf"
    source.write_text("void _start(void) { }\n")
    command = ["arm-none-eabi-gcc", *flags, "-nostdlib", "-Wl,-Ttext=0x08000000"]
    subprocess.run([*command, str(source), "-o", str(elf)], check=True)
    return elf


@needs_gcc
@pytest.mark.parametrize(
    ("flags", "core"),
    [
        (("-mcpu=cortex-m33", "-mthumb"), "Armv8-M Mainline (Cortex-M33)"),
        (("-mcpu=cortex-m23", "-mthumb"), "Armv8-M Baseline (Cortex-M23)"),
        (("-mcpu=cortex-m55", "-mthumb"), "Armv8.1-M Mainline (Cortex-M55)"),
        (("-mcpu=cortex-a9",), "Armv7-A (Cortex-A)"),
        (("-mcpu=cortex-r5",), "Armv7-R (Cortex-R)"),
        (("-mcpu=cortex-a53",), "Armv8-A"),
    ],
)
def test_an_elf_for_another_arm_core_is_named(tmp_path, platform, flags, core):
    message = refusal(gcc(tmp_path, *flags), platform)
    assert f"was built for {core}, which a Cortex-M7 (Armv7E-M) can't run" in message


@needs_gcc
@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m3", "cortex-m4", "cortex-m7"])
def test_an_elf_for_an_older_cortex_m_is_read(tmp_path, platform, core):
    assert read_image(gcc(tmp_path, f"-mcpu={core}", "-mthumb"), platform).segments


def test_an_elf_for_another_machine_is_named(shell_elf, tmp_path, platform):
    elf = bytearray(shell_elf.read_bytes())
    struct.pack_into("<H", elf, 18, 243)  # e_machine: RISC-V
    (tmp_path / "a.elf").write_bytes(elf)
    assert "is for RISCV (32 bits)" in refusal(tmp_path / "a.elf", platform)


def test_an_object_file_is_refused(tmp_path, platform):
    (tmp_path / "a.elf").write_bytes(compile_c(EMPTY, "a.c"))
    assert "an object file: link it first" in refusal(tmp_path / "a.elf", platform)
