"""The same model on two targets: agreement with QEMU, and differences found where they are."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner, Result
from worn_chip import WornDevice

import usim
from usim import demo
from usim.check import CheckedModel, InputCheck, ModelCheck
from usim.cli import usim as command
from usim.compiled_model import CompiledModel
from usim.devices import BACKENDS, CountKind
from usim.errors import DisagreementError, FaultError
from usim.models import Model
from usim.report.check_tables import check_json, print_check
from usim.report.console import make_console
from usim.tasks import Count

CHANNELS = "layer_07_channels"
"""Records of four words, the bias first."""
RECORD_BYTES = 16
CLASS = 3
needs_qemu = pytest.mark.skipif(
    shutil.which("qemu-system-arm") is None,
    reason="backend qemu needs qemu-system-arm, which is not installed",
)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, ["run", "--platform", "stm32f746", *map(str, arguments)])


def noise(model: Model) -> np.ndarray:
    return np.random.default_rng(3).integers(-128, 128, model.inputs[0].shape).astype(np.int8)


def address_of(session: usim.Session, compiled: CompiledModel, name: str) -> int:
    """Where a constant of a model lies: found by its bytes."""
    (constant,) = (item for item in compiled.model.lowered.constants if item.name == name)
    rodata = session.platform.section("rodata")
    content = session.read_memory(rodata.base, rodata.extents[0].size_bytes)
    assert content.count(constant.data.tobytes()) == 1
    return rodata.base + content.index(constant.data.tobytes())


@pytest.fixture(scope="module")
def sessions():
    with (
        usim.Session("stm32f746", timing="count") as first,
        usim.Session("stm32f746", timing="count") as second,
    ):
        yield first, second


@needs_qemu
def test_the_demo_model_agrees_with_qemu_in_outputs_and_instructions(tmp_path):
    file = tmp_path / "result.json"
    result = run("--timing", "count", "--check-against", "qemu", "--json", file)
    assert result.exit_code == 0, result.output
    assert "embedded and qemu agree in all outputs of 10 of 10 inputs" in result.stdout
    written = json.loads(file.read_text())
    check = written["check"]
    assert check["targets"] == ["embedded", "qemu"]
    assert check["agrees"]
    assert len(check["inputs"]) == len(written["answers"]) == 10
    for item in check["inputs"]:
        assert item["agrees"]
        assert item["first_difference"] is None
        assert item["counts"][0] == item["counts"][1] > 10_000_000
    assert [kind["unit"] for kind in check["counts"]] == ["instructions", "instructions"]
    layers = {layer["index"]: [layer["count"]] * 2 for layer in written["layers"]}
    assert {layer["index"]: layer["counts"] for layer in check["layers"]} == layers


@needs_qemu
def test_counts_keep_their_own_units_side_by_side():
    result = run("--check-against", "qemu", "--image", demo.images()[0][0])
    assert result.exit_code == 0, result.output
    header = result.stdout.split("Outputs on embedded and qemu\n")[1].splitlines()[0]
    assert "embedded: cycles (modelled, full)" in header
    assert "qemu: instructions (counted)" in header


def test_a_changed_bias_is_found_in_its_layer_and_channel(sessions):
    first, second = (session.load_model(demo.MODEL) for session in sessions)
    checked = CheckedModel(first, second, ("good", "bad"))
    stored = noise(first.model)
    checked.profile(stored)
    assert checked.check.agrees
    address = address_of(sessions[1], second, CHANNELS) + RECORD_BYTES * CLASS
    bias = int.from_bytes(sessions[1].read_memory(address, 4), "little", signed=True)
    sessions[1].write_memory(address, (bias + 5_000).to_bytes(4, "little", signed=True))
    profile = checked.profile(stored)
    np.testing.assert_array_equal(profile.outputs[0], first(stored))
    check = checked.check
    assert check.differing == (1,)
    found = check.inputs[1].difference
    assert found is not None
    assert (found.layer, found.kind, found.output_shape) == (7, "FULLY_CONNECTED", (1, 10))
    assert (found.differing_bytes, found.size_bytes) == (1, 10)
    assert found.position == (0, CLASS)
    logits = dict((layer.index, output) for layer, output in first.trace(stored))[7]
    assert found.values[0] == logits[0, CLASS]
    assert found.values[1] > found.values[0]
    with pytest.raises(DisagreementError, match=r"good and bad differ in 1 of 2 inputs; input 1: "):
        check.require_agreement()
    first.unload()
    second.unload()


@needs_qemu
def test_a_worn_chip_is_told_by_layer_and_ends_the_command_with_1(tmp_path, monkeypatch):
    with usim.Session("stm32f746", timing="count") as session:
        address = address_of(session, session.load_model(demo.MODEL), CHANNELS)
    monkeypatch.setattr(WornDevice, "worn_address", address + RECORD_BYTES * CLASS + 1)
    monkeypatch.setattr(WornDevice, "worn_bit", 5)
    monkeypatch.setitem(BACKENDS, "embedded", "worn_chip:WornDevice")
    file = tmp_path / "result.json"
    picture = demo.images()[4][0]
    result = run(
        *("--backend", "qemu", "--check-against", "embedded", "--timing", "count"),
        *("--image", picture, "--json", file),
    )
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(
        f"error: qemu and embedded differ in 1 of 1 inputs; input {picture}: "
        "layer 7 (FULLY_CONNECTED): 1 of 10 bytes, first at [0, 3]: "
    )
    table = result.stdout.split("First layer that differs\n")[1].splitlines()
    assert table[1].replace(str(picture), "picture").split()[:8] == [
        "picture", "7", "FULLY_CONNECTED", "1x10", "10", "1", "[0,", "3]",
    ]  # fmt: skip
    check = json.loads(file.read_text())["check"]
    assert not check["agrees"]
    assert check["inputs"][0]["first_difference"]["layer"] == 7


def test_a_fault_on_one_target_names_it(sessions):
    first, second = (session.load_model(demo.MODEL) for session in sessions)
    name = first.model.lowered.calls[0].function
    undefined = (0xDE00).to_bytes(2, "little")  # UDF
    sessions[1].write_memory(second.module[name].address & ~1, undefined)
    checked = CheckedModel(first, second, ("good", "bad"))
    with pytest.raises(
        FaultError, match=rf"^on bad: task 0 \({name}\): UsageFault: undefined"
    ) as bad:
        checked.profile(noise(first.model))
    assert bad.value.fault.cfsr == 1 << 16
    first.unload()
    second.unload()


def test_of_many_inputs_only_those_that_differ_are_listed(capsys):
    count = Count(5, CountKind("instructions", "counted"))
    inputs = [InputCheck(index != 17, (count, count)) for index in range(100)]
    check = ModelCheck(("one", "other"), tuple(inputs), ())
    print_check(make_console(), check, [])
    printed = capsys.readouterr().out
    assert "one and other differ in 1 of 100 inputs" in printed
    rows = [line.split() for line in printed.splitlines()]
    assert [row for row in rows if row and row[-1] == "differ"] == [["17", "5", "5", "differ"]]
    assert "none, when the layers run one at a time" in printed
    assert len(check_json(check)["inputs"]) == 100


@pytest.mark.parametrize(("arguments", "message"), [
    (["--check-against", "embedded"], "needs another backend than embedded"),
    (["--check-against", "jtag"], "'jtag' is not one of"),
])  # fmt: skip
def test_wrong_usage_is_exit_code_2(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
