"""An exported model in plain Renode, without usim and pyrenode3: the platform's .resc."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import usim
from usim import demo
from usim.firmware import build_firmware
from usim.models import Model, image_input, load_image
from usim.platforms import load_platform

ROBOT = Path(__file__).resolve().parents[1] / "robot" / "renode" / "exported_model.robot"


@pytest.fixture(scope="module")
def exported():
    model = Model.load(demo.MODEL)
    spec = model.inputs[0]
    values = image_input(load_image(demo.images()[3][0], spec), spec)
    return model, values, build_firmware(load_platform("stm32f746"), model, [values])


@pytest.fixture(scope="module")
def suite_variables(exported, tmp_path_factory) -> list[str]:
    """For robot: the image, and the answer that it should leave."""
    model, values, firmware = exported
    with usim.Session("stm32f746", timing="count") as session:
        expected = session.load_model(model)(values)
    image = tmp_path_factory.mktemp("image") / "firmware.elf"
    image.write_bytes(firmware.elf)
    answer = ",".join(hex(byte) for byte in expected.tobytes())
    return ["--variable", f"IMAGE:{image}", "--variable", f"ANSWER:{answer}"]


def run_suite(*command: str | Path) -> None:
    done = subprocess.run(
        [*command, ROBOT], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_script_and_suite_run_on_a_recorded_stand_in_for_the_monitor(suite_variables, tmp_path):
    keywords = tmp_path / "keywords.resource"
    library = Path(__file__).parent / "plain_monitor.py"
    keywords.write_text(f"*** Settings ***\nLibrary    {library}\n")
    own = ["--variable", f"RENODEKEYWORDS:{keywords}", "--outputdir", tmp_path]
    run_suite(sys.executable, "-m", "robot", *own, *suite_variables)


@pytest.mark.skipif(shutil.which("renode-test") is None, reason="renode-test is not installed")
def test_renode_test_runs_the_suite(suite_variables, tmp_path):
    run_suite("renode-test", "-r", tmp_path, *suite_variables)
