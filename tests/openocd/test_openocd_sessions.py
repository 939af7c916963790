"""Backend openocd under Session and the command line, next to the embedded device."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from openocd_servers import serve

import usim
from usim import demo
from usim.cli import usim as command
from usim.platforms import load_platform


def test_run_on_a_chip_agrees_with_the_embedded_device(tmp_path):
    file = tmp_path / "run.json"
    image = str(next(path for path, _ in demo.images()))
    options = ["--backend", "openocd", "--openocd", "virtual", "--check-against", "embedded"]
    arguments = ["--platform", "stm32f746", "--image", image, "--timing", "count", *options]
    done = CliRunner().invoke(command, ["run", *arguments, "--json", str(file)])
    assert done.exit_code == 0, done.output
    result = json.loads(file.read_text())
    assert result["backend"] == "openocd"
    assert (result["count"]["unit"], result["count"]["source"]) == ("instructions", "counted")
    assert result["check"]["agrees"]
    assert all(len(set(layer["counts"])) == 1 for layer in result["check"]["layers"])


@pytest.mark.parametrize(
    ("timing", "count"),
    [("count", "instructions (counted)"), ("full", "cycles (modelled, full)")],
)
def test_an_emulated_chip_is_never_said_to_measure(timing, count):
    session = usim.Session("stm32f746", backend="openocd", openocd="virtual", timing=timing)
    with session:
        assert str(session.capabilities.count) == count
        assert session.capabilities.simulated


def test_a_board_measures_and_has_its_clock_set_up():
    capabilities = usim.Session("nucleo_f746zg", backend="openocd").capabilities
    assert str(capabilities.count) == "cycles (measured)"
    assert not capabilities.simulated
    assert capabilities.has_caches
    assert capabilities.needs_clock_setup
    assert capabilities.writes_flash


@pytest.mark.parametrize(
    ("timing", "count"),
    [("count", "instructions (counted)"), ("core", "cycles (modelled, core)")],
)
def test_a_chip_that_someone_else_serves_tells_what_it_counts(timing, count):
    with serve(load_platform("stm32f746"), timing) as address:
        session = usim.Session("stm32f746", backend="openocd", openocd=address, timing="full")
        with session:
            assert str(session.capabilities.count) == count
