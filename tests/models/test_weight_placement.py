"""Where a model's constants lie: flash, RAM, or as much of them in RAM as there is room for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from usim import Session, demo
from usim.cli import usim
from usim.compiled_model import CompiledModel
from usim.errors import ArgumentError, ModelError
from usim.models import Model
from usim.platforms import Platform, load_platform
from usim.weight_placement import WEIGHTS, placing_order

MODEL = Model.load(demo.MODEL)
INPUT = np.random.default_rng(3).integers(-128, 128, (1, 32, 32, 3), dtype=np.int8)
CHIP = Path(demo.__file__).parents[2] / "platforms" / "stm32f746"


@pytest.fixture
def small_heap(tmp_path) -> Platform:
    """72 KiB: the activations and less than half of the constants."""
    folder = tmp_path / "smallheap"
    folder.mkdir()
    text = (CHIP / "platform.yaml").read_text()
    for region, size in (("dtcm", "8 KiB"), ("sram1", "64 KiB")):
        old = f"- {{region: {region}, size: rest}}"
        assert old in text
        text = text.replace(old, f"- {{region: {region}, size: {size}}}")
    (folder / "platform.yaml").write_text(text)
    (folder / "smallheap.repl").write_bytes((CHIP / "stm32f746.repl").read_bytes())
    return load_platform(folder)


def in_ram(compiled: CompiledModel, platform: Platform) -> dict[str, bool]:
    """Of each constant, whether the memory it is in is RAM."""
    constants = MODEL.lowered.constants
    found = {}
    for call, arguments in zip(MODEL.lowered.calls, compiled._arguments, strict=True):
        for item, tensor in zip(call.arguments, arguments, strict=True):
            if hasattr(item, "index"):
                region = platform.region_at(tensor.address, tensor.nbytes)
                found[constants[item.index].name] = region.kind == "ram"
    assert len(found) == len(constants)
    return found


@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_answer_is_the_same_wherever_constants_lie(weights):
    chip = load_platform("stm32f746")
    with Session(chip, timing="count") as session:
        expected = session.load_model(MODEL)(INPUT)
    with Session(chip, timing="count") as session:
        compiled = session.load_model(MODEL, weights=weights)
        assert np.array_equal(compiled(INPUT), expected)
        places = in_ram(compiled, chip)
        assert set(places.values()) == {weights != "flash"}  # on this chip all have room
        total = MODEL.lowered.constant_bytes
        assert compiled.ram_constant_bytes == (0 if weights == "flash" else total)
        assert compiled.rodata_bytes + compiled.ram_constant_bytes >= total


def test_auto_fills_what_is_left_with_what_is_read_most_often(small_heap):
    with Session(small_heap, timing="count") as session:
        compiled = session.load_model(MODEL, weights="auto")
        places = in_ram(compiled, small_heap)
        answer = compiled(INPUT)
        assert 0 < compiled.ram_constant_bytes < MODEL.lowered.constant_bytes
        in_flash = MODEL.lowered.constant_bytes - compiled.ram_constant_bytes
        assert compiled.rodata_bytes == in_flash + compiled.module.size_bytes("rodata")
        compiled.unload()
        assert session.load_model(MODEL, weights="auto").ram_constant_bytes > 0
    assert all(places[name] for name in places if name.startswith("layer_00"))
    assert not all(places.values())
    with Session("stm32f746", timing="count") as session:
        assert np.array_equal(answer, session.load_model(MODEL)(INPUT))


def test_the_order_is_that_of_reads_for_each_byte():
    lowered = MODEL.lowered
    order = [lowered.constants[index].name for index in placing_order(lowered, "auto")]
    layers = list(dict.fromkeys(name[:8] for name in order))
    # The first convolution reads its 2,400 weights for each of 1,024 pixels, the last layer once.
    assert layers[:4] == ["layer_00", "layer_02", "layer_04", "layer_07"]
    assert placing_order(lowered, "flash") == list(range(len(lowered.constants)))


def test_what_does_not_fit_the_ram_is_refused_and_given_back(small_heap):
    with Session(small_heap, timing="count") as session:
        before = session.free_bytes("heap")
        with pytest.raises(ModelError, match=r"bytes of heap \(73,728 were free\)"):
            session.load_model(MODEL, weights="ram")
        assert session.free_bytes("heap") == before
        session.load_model(MODEL)


def test_a_policy_that_there_is_not_is_refused():
    with (
        Session("stm32f746", timing="count") as session,
        pytest.raises(ArgumentError, match="weights='sram'; have flash, ram, auto"),
    ):
        session.load_model(MODEL, weights="sram")


def run(*arguments: object) -> Result:
    image = demo.images()[0][0]
    options = ["run", "--platform", "stm32f746", "--timing", "core", "--image", str(image)]
    return CliRunner().invoke(usim, [*options, *map(str, arguments)])


def test_the_command_says_what_is_in_ram(tmp_path):
    path = tmp_path / "result.json"
    result = run("--weights", "ram", "--json", path)
    assert result.exit_code == 0, result.output
    sizes = json.loads(path.read_text())["model_bytes"]
    assert sizes["constants_in_ram"] == MODEL.lowered.constant_bytes
    assert f"constants in RAM {sizes['constants_in_ram']:,}" in result.output
    assert "constants in RAM" not in run().output
    assert run("--weights", "sram").exit_code == 2


def test_constants_in_ram_are_not_slower():
    """With caches and memories modelled: flash makes reads wait, RAM does not."""
    counts = []
    for weights in ("flash", "ram"):
        with Session("stm32f746", timing="full") as session:
            counts.append(session.load_model(MODEL, weights=weights).profile(INPUT).count.value)
    assert counts[1] < counts[0]
