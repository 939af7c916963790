"""Reading executables: what is refused and how that is said, and what addresses mean."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import build, compile_c

from usim.errors import ProgramError
from usim.platforms import load_platform
from usim.profile.placement import check_placement, find_vector_table
from usim.profile.program import read_program

EMPTY = "int main(void) { return 0; }"


def _refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(ProgramError) as caught:
        read_program(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def _patched(elf: bytes, offset: int, value: bytes) -> bytes:
    return elf[:offset] + value + elf[offset + len(value) :]


def test_a_file_that_is_no_elf_is_refused(tmp_path):
    assert "a.bin is not an ELF file" in _refusal(tmp_path / "a.bin", b"\0\x10\0 ")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ProgramError, match=r"cannot read .*none.elf: No such file"):
        read_program(tmp_path / "none.elf")


def test_an_object_file_must_be_linked_first(tmp_path):
    message = _refusal(tmp_path / "a.o", compile_c(EMPTY, "a.c"))
    assert message == "a.o is no executable but an object file: link it first"


def test_another_machine_is_named(tmp_path):
    elf = _patched(build(EMPTY), 18, struct.pack("<H", 243))
    assert "is for RISCV (32 bits), not for a 32-bit Arm" in _refusal(tmp_path / "a.elf", elf)


def test_big_endian_is_refused(tmp_path):
    header = b"\x7fELF\x01\x02\x01" + bytes(9) + struct.pack(">HHI", 2, 40, 1)
    elf = header + struct.pack(">IIIIHHHHHH", 0, 0, 0, 0, 52, 32, 0, 40, 0, 0)
    assert "big-endian" in _refusal(tmp_path / "a.elf", elf)


def test_a_truncated_file_says_where_it_ends(tmp_path):
    elf = build(EMPTY)
    program_headers = struct.unpack_from("<I", elf, 28)[0]
    # The header of the first loaded segment claims more than there is.
    assert "truncated" in _refusal(
        tmp_path / "a.elf", _patched(elf, program_headers + 16, struct.pack("<I", 1 << 24))
    )


@pytest.mark.parametrize("keep", [20, 60, 400])
def test_the_beginning_of_an_executable_is_refused_in_one_line(tmp_path, keep):
    assert "a.elf" in _refusal(tmp_path / "a.elf", build(EMPTY)[:keep])


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_damage_is_refused_or_survived(tmp_path, data):
    elf = bytearray(build(EMPTY))
    for _ in range(data.draw(st.integers(1, 4))):
        elf[data.draw(st.integers(0, len(elf) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.elf"
    path.write_bytes(elf)
    try:
        read = read_program(path)
        check_placement(read, load_platform("stm32f746"))
        find_vector_table(read, load_platform("stm32f746"))
    except ProgramError as refusal:
        assert "\n" not in str(refusal)
    else:
        assert read.describe(0x0800_0042).startswith("0x0800_0042")


def test_a_segment_outside_memory_is_named_with_what_memory_there_is(tmp_path):
    script = Path(__file__).with_name("data") / "flash.ld"
    elf = build(EMPTY, script=script.read_text("utf-8").replace("0x08000000", "0x90000000"))
    (tmp_path / "a.elf").write_bytes(elf)
    with pytest.raises(
        ProgramError, match=r"at 0x9000_0000, outside the memory of stm32f746: itcm"
    ):
        check_placement(read_program(tmp_path / "a.elf"), load_platform("stm32f746"))


def test_an_unknown_symbol_comes_with_the_nearest_names(mixed_elf):
    with pytest.raises(ProgramError, match="no symbol 'fibonaci'; nearest: fibonacci"):
        read_program(mixed_elf).find_address("fibonaci")


def test_an_address_is_taken_for_a_symbol(mixed_elf):
    assert read_program(mixed_elf).find_address("0x0800_0201") == 0x0800_0200


def test_without_a_vector_table_the_first_function_can_still_be_called(tmp_path):
    script = Path(__file__).with_name("data") / "flash.ld"
    text = script.read_text("utf-8").replace(".isr_vector : { KEEP(*(.isr_vector)) } > FLASH", "")
    text = text.replace("/DISCARD/ : {", "/DISCARD/ : { *(.isr_vector)")
    (tmp_path / "a.elf").write_bytes(build(EMPTY, script=text))
    with pytest.raises(ProgramError, match=r"no vector table .*use --entry SYMBOL"):
        find_vector_table(read_program(tmp_path / "a.elf"), load_platform("stm32f746"))


def test_a_vector_table_that_points_nowhere_is_refused(tmp_path):
    elf = build(EMPTY)
    program_headers = struct.unpack_from("<I", elf, 28)[0]
    offset = struct.unpack_from("<I", elf, program_headers + 4)[0]
    (tmp_path / "a.elf").write_bytes(_patched(elf, offset + 4, struct.pack("<I", 0x0810_0001)))
    with pytest.raises(ProgramError, match=r"reset vector .*0x0810_0001, points at nothing loaded"):
        find_vector_table(read_program(tmp_path / "a.elf"), load_platform("stm32f746"))


def test_addresses_are_described_with_function_and_line(mixed_elf, mixed_source):
    program = read_program(mixed_elf)
    before, _, _ = mixed_source.partition("return value + 1;")
    last = program.find_function("add_one").end - 2
    assert program.describe(last).endswith(f" (mixed.c:{before.count(chr(10)) + 1})")
    assert " in add_one+0x" in program.describe(last)


def test_code_inlined_from_another_function_is_known(mixed_elf):
    program = read_program(mixed_elf)
    weighted = program.find_function("weighted")
    inlined = {
        program.source.inlined_at(address) for address in range(weighted.address, weighted.end, 2)
    }
    assert inlined == {(), ("weigh",)}
