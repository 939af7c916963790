"""An exported model in plain Renode, without usim and pyrenode3: the platform's .resc."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

import usim
from usim import demo
from usim.firmware import build_firmware
from usim.models import Model, image_input, load_image
from usim.platforms import load_platform
from usim.repl import read_repl

ROBOT = Path(__file__).resolve().parents[1] / "robot" / "renode" / "exported_model.robot"
SCRIPT = load_platform("stm32f746").folder / "stm32f746.resc"


@pytest.fixture(scope="module")
def exported():
    model = Model.load(demo.MODEL)
    spec = model.inputs[0]
    values = image_input(load_image(demo.images()[3][0], spec), spec)
    return model, values, build_firmware(load_platform("stm32f746"), model, [values])


def test_script_and_robot_file_ask_for_symbols_that_the_image_has(exported):
    table = ELFFile(io.BytesIO(exported[2].elf)).get_section_by_name(".symtab")
    asked = set(re.findall(r'GetSymbolAddress "(\w+)"', SCRIPT.read_text()))
    asked |= set(re.findall(r"Address Of +(\w+)", ROBOT.read_text()))
    assert {"usim_vectors", "usim_done", "usim_output", "usim_tasks"} <= asked
    for name in asked:
        assert table.get_symbol_by_name(name), name


def test_script_loads_the_description_beside_it():
    (name,) = re.findall(r"LoadPlatformDescription \$ORIGIN/(\S+)", SCRIPT.read_text())
    assert read_repl(SCRIPT.parent / name).memories()


@pytest.mark.skipif(shutil.which("renode-test") is None, reason="renode-test is not installed")
def test_renode_test_runs_it(exported, tmp_path):
    model, values, firmware = exported
    with usim.Session("stm32f746", timing="count") as session:
        expected = session.load_model(model)(values)
    image = tmp_path / "firmware.elf"
    image.write_bytes(firmware.elf)
    answer = ",".join(hex(byte) for byte in expected.tobytes())
    done = subprocess.run(
        ["renode-test", "-r", tmp_path, "--variable", f"IMAGE:{image}",
         "--variable", f"ANSWER:{answer}", ROBOT],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
