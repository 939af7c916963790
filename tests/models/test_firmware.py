"""`usim export`: the executable gives a Session's answers wherever it is loaded."""

from __future__ import annotations

import io
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from elftools.elf.elffile import ELFFile
from tflite_builder import Op, Tensor, build_model

import usim
from usim import demo
from usim.cli import usim as command
from usim.devices.embedded import EmbeddedDevice
from usim.firmware import Firmware, build_firmware
from usim.models import Model, image_input, load_image
from usim.platforms import load_platform
from usim.profile.placement import check_placement, find_vector_table, write_program
from usim.profile.program import Program, read_program

TIMEOUT_S = 120.0
PLATFORMS = ["stm32f746", "stm32f767", "mps2-an500"]
QEMU, GDB = "qemu-system-arm", "gdb-multiarch"
qemu = pytest.mark.skipif(
    shutil.which(QEMU) is None, reason=f"backend qemu needs {QEMU}, which is not installed"
)
gdb = pytest.mark.skipif(shutil.which(GDB) is None, reason=f"{GDB} is not installed")


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """A picture that is not the one that the demo gets by itself."""
    spec = Model.load(demo.MODEL).inputs[0]
    return image_input(load_image(demo.images()[7][0], spec), spec)


def two_inputs(folder: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """A model that adds, and inputs for it."""
    shape = [1, 5, 7]
    tensors = [Tensor(shape, 0.1, 3), Tensor(shape, 0.2, -4), Tensor(shape, 0.15, 1)]
    options = {"FusedActivationFunction": 0}
    path = folder / "sum.tflite"
    path.write_bytes(build_model(tensors, [Op("ADD", [0, 1], [2], options)], [0, 1], [2]))
    rng = np.random.default_rng(5)
    left, right = rng.integers(-128, 128, (2, *shape), dtype=np.int8)
    return path, left, right


def export(*arguments: str | Path):
    return CliRunner().invoke(command, ["export", *map(str, arguments)])


def answer_of(program: Program, platform: str | Path) -> bytes:
    """Boot the program on the embedded device as a chip would, and read usim_output."""
    device = EmbeddedDevice(load_platform(platform))
    check_placement(program, device.platform)
    device.open()
    try:
        write_program(device, program, started_up=False)
        device.boot(find_vector_table(program, device.platform))
        device.run_until(program.find_address("usim_done"), TIMEOUT_S)
        return device.read(program.find_address("usim_output"), size_of(program, "usim_output"))
    finally:
        device.close()


def size_of(program: Program, symbol: str) -> int:
    elf = ELFFile(io.BytesIO(program._elf_bytes))
    (found,) = elf.get_section_by_name(".symtab").get_symbol_by_name(symbol)
    return found["st_size"]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_booted_it_leaves_a_sessions_answer(platform, picture, tmp_path):
    chip = load_platform(platform)
    with usim.Session(chip, timing="count") as session:
        expected = session.load_model(demo.MODEL)(picture)
    firmware = build_firmware(chip, Model.load(demo.MODEL), [picture])
    file = tmp_path / "firmware.elf"
    file.write_bytes(firmware.elf)
    assert answer_of(read_program(file), platform) == expected.tobytes()


def test_weights_in_ram_give_the_same_answer_and_leave_the_flash(picture, tmp_path):
    png, rodata_bytes, answers = demo.images()[7][0], [], []
    for weights in ("flash", "ram"):
        file = tmp_path / f"{weights}.elf"
        result = export("demo", "--image", png, "--weights", weights, "--output", file)
        assert result.exit_code == 0, result.output
        answers.append(answer_of(read_program(file), "stm32f746"))
        elf = ELFFile(io.BytesIO(file.read_bytes()))
        rodata_bytes.append(elf.get_section_by_name(".rodata")["sh_size"])
    assert answers[0] == answers[1]
    assert rodata_bytes[0] - rodata_bytes[1] >= Model.load(demo.MODEL).lowered.constant_bytes


def test_inputs_from_files_are_those_of_the_model(tmp_path):
    path, left, right = two_inputs(tmp_path)
    np.save(tmp_path / "left.npy", left)
    np.save(tmp_path / "right.npy", right)
    with usim.Session("stm32f746", timing="count") as session:
        expected = session.load_model(path)(left, right)
    output = tmp_path / "sum.elf"
    done = export(
        path, "--input", tmp_path / "left.npy", "--input", tmp_path / "right.npy",
        "--output", output,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "usim_input_1" in done.stdout
    assert answer_of(read_program(output), "stm32f746") == expected.tobytes()


def test_profile_runs_it_to_its_end_and_knows_its_layers(tmp_path):
    path, *_ = two_inputs(tmp_path)
    output = tmp_path / "sum.elf"
    assert export(path, "--output", output).exit_code == 0
    done = CliRunner().invoke(command, ["profile", str(output)])
    assert done.exit_code == 0, done.stderr
    assert "endless loop" in done.stdout
    assert "in usim_done" in done.stdout
    assert "layer_00_add" in done.stdout


def test_its_segments_lie_in_the_sections_of_the_platform(picture):
    firmware = build_firmware(load_platform("stm32f746"), Model.load(demo.MODEL), [picture])
    elf = ELFFile(io.BytesIO(firmware.elf))
    segments = list(elf.iter_segments("PT_LOAD"))
    assert elf["e_type"] == "ET_EXEC"
    assert elf["e_entry"] == firmware.start | 1
    assert elf["e_flags"] == 0x0500_0400
    for segment in segments:
        assert firmware.platform.region_at(segment["p_vaddr"], segment["p_memsz"]) is not None
        assert segment["p_offset"] % 4 == segment["p_vaddr"] % 4 == 0
    ends = sorted(
        (segment["p_vaddr"], segment["p_vaddr"] + segment["p_memsz"]) for segment in segments
    )
    assert all(before[1] <= after[0] for before, after in pairwise(ends))
    assert picture.tobytes() in b"".join(segment.data() for segment in segments)


def test_vectors_point_at_the_start_and_at_the_end_of_the_stack(picture):
    firmware = build_firmware(load_platform("stm32f746"), Model.load(demo.MODEL), [picture])
    elf = ELFFile(io.BytesIO(firmware.elf))
    table = elf.get_section_by_name(".isr_vector")
    words = np.frombuffer(table.data(), "<u4")
    assert table["sh_addr"] == firmware.vector_table == 0
    assert words[0] == firmware.platform.section("stack").end
    assert words[1] == firmware.start | 1
    assert all(word & 1 for word in words[1:])


def test_without_code_at_address_0_the_vector_table_stands_among_the_code(tmp_path, picture):
    """Where VTOR can point: at a multiple of 128 (DDI 0403E, B3.2.5)."""
    folder = tmp_path / "no_itcm"
    folder.mkdir()
    (folder / "platform.yaml").write_text(
        "extends: stm32f746\ntitle: code in SRAM1\n"
        "sections:\n  text:\n    - {region: sram1, size: 64 KiB}\n"
    )
    chip = load_platform(folder)
    firmware = build_firmware(chip, Model.load(demo.MODEL), [picture])
    assert chip.section("text").base <= firmware.vector_table < chip.section("text").end
    assert firmware.vector_table % 128 == 0
    with usim.Session(chip, timing="count") as session:
        expected = session.load_model(demo.MODEL)(picture)
    file = tmp_path / "firmware.elf"
    file.write_bytes(firmware.elf)
    assert answer_of(read_program(file), folder) == expected.tobytes()


@pytest.fixture(scope="module")
def qemu_firmware(tmp_path_factory, picture) -> tuple[Path, Firmware, bytes]:
    chip = load_platform("mps2-an500")
    with usim.Session(chip, timing="count") as session:
        expected = session.load_model(demo.MODEL)(picture).tobytes()
    firmware = build_firmware(chip, Model.load(demo.MODEL), [picture])
    file = tmp_path_factory.mktemp("an500") / "firmware.elf"
    file.write_bytes(firmware.elf)
    return file, firmware, expected


@qemu
@gdb
@pytest.mark.parametrize("way", ["-kernel", "loader", "gdb"])
def test_qemu_and_gdb_run_it(way, qemu_firmware, tmp_path):
    """As a kernel, by QEMU's generic loader, and loaded by gdb, which also starts and ends QEMU."""
    file, firmware, expected = qemu_firmware
    loads = {"-kernel": f"-kernel {file}", "loader": f"-device loader,file={file},cpu-num=0"}
    machine = f"{QEMU} -M mps2-an500 -display none -gdb stdio -S {loads.get(way, '')}"
    result = tmp_path / "output.bin"
    address, size = firmware.outputs[0].address, firmware.outputs[0].size_bytes
    commands = [
        "set confirm off",
        "set pagination off",
        "set remotetimeout 30",  # QEMU starts slowly on a busy machine
        f"target remote | exec {machine}",
        *(["load", "set $pc = usim_start"] if way == "gdb" else []),
        "break usim_done",
        "continue",
        f"dump binary memory {result} {address:#x} {address + size:#x}",
        "kill",
    ]
    done = subprocess.run(
        [GDB, "-batch", "-nx", *(part for text in commands for part in ("-ex", text)), str(file)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert "Breakpoint 1, 0x" in done.stdout, done.stdout + done.stderr
    assert result.read_bytes() == expected


# What cannot be done is said in a line, and no file is left.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.tflite"], "nothing.tflite"),
        (["demo", "--platform", "stm32f74"], "unknown platform 'stm32f74'"),
        (["demo", "--image", "nothing.png"], "nothing.png: cannot read the picture"),
        (["demo", "--input", "nothing.npy"], "cannot read nothing.npy: No such file"),
        (["demo", "--input", "text.npy"], "text.npy is no .npy array"),
        (["demo", "--input", "wrong.npy"], "got an array of [3]"),
        (["demo", "--input", "real.npy", "--input", "real.npy"], "has 1 inputs"),
    ],
)
def test_bad_input_is_one_line_and_no_file(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("text.npy").write_text("no array")
    np.save("wrong.npy", np.zeros(3, np.int8))
    np.save("real.npy", np.zeros((1, 32, 32, 3)))
    done = export(*arguments, "--output", "firmware.elf")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert not list(tmp_path.glob("*firmware.elf*"))


def test_an_output_that_cannot_be_written_is_named(tmp_path):
    done = export("demo", "--output", tmp_path / "nowhere" / "firmware.elf")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "cannot write" in done.stderr


def test_a_model_with_more_layers_than_a_batch_has_room_for_is_refused(tmp_path):
    """A long chain: the records of its calls do not fit the args section."""
    layers = 200
    tensors = [Tensor([1, 4], 0.1, 0) for _ in range(layers + 1)]
    operators = [
        Op("ADD", [index, index], [index + 1], {"FusedActivationFunction": 0})
        for index in range(layers)
    ]
    path = tmp_path / "long.tflite"
    path.write_bytes(build_model(tensors, operators, [0], [layers]))
    done = export(path, "--output", tmp_path / "long.elf")
    assert done.exit_code == 1
    assert "200 layers are too many for one batch in section args of stm32f746" in done.stderr
    assert not (tmp_path / "long.elf").exists()
