"""`usim inspect`'s facts, tables, picture and SVG, and whether a model fits."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_builder import Op, Tensor, build_model

from usim import Session, demo
from usim.cli import usim
from usim.errors import ModelError
from usim.fitting import fit_model
from usim.models import Model
from usim.models.inspection import Inspection, inspect_graph, inspect_model
from usim.models.planner import ArenaPlan, Lifetime, Placement, plan_arena
from usim.models.tflite import read_graph
from usim.platforms import load_platform, platform_names
from usim.report.arena_svg import arena_svg
from usim.report.arena_text import arena_text
from usim.report.console import make_console
from usim.report.inspection_json import inspection_json
from usim.report.inspection_tables import print_inspection

MLPERF = ("pretrainedResnet_quant.tflite", "kws_ref_model.tflite")
# Operators that no int8 model of a microcontroller has.
STRANGE = ("COS", "UNIQUE")


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(usim, ["inspect", *map(str, arguments)])


def activation(*shape: int, name: str = "t") -> Tensor:
    return Tensor(shape, 0.05, -3, name=name)


def strange_model() -> bytes:
    """ADD, COS, RESHAPE, UNIQUE, ADD with an unknown activation."""
    tensors = [activation(1, 4, 8) for _ in range(3)]
    tensors += [activation(4, 8) for _ in range(3)]
    operators = [
        Op("ADD", (0, 0), (1,)),
        Op(STRANGE[0], (1,), (2,)),
        Op("RESHAPE", (2,), (3,)),
        Op(STRANGE[1], (3,), (4,)),
        Op("ADD", (4, 4), (5,), {"FusedActivationFunction": 5}),
    ]
    return build_model(tensors, operators, inputs=(0,), outputs=(5,))


def inspected_strange_model() -> Inspection:
    return inspect_graph(read_graph(strange_model(), "strange", keep_unsupported=True))


def test_the_shipped_model_is_described_as_it_is_lowered():
    found, model = inspect_model(demo.MODEL), Model.load(demo.MODEL)
    assert found.file_bytes == demo.MODEL.stat().st_size
    assert found.macs == model.macs == 12_298_240
    assert found.plan.size_bytes == model.lowered.plan.size_bytes
    assert found.device_constant_bytes == model.lowered.constant_bytes
    assert found.problems == ()
    kinds = [operator.kind for operator in found.operators]
    assert kinds == [operator.kind for operator in model.graph.operators]
    first = found.operators[0]
    assert dict(first.options)["padding"] == "same"
    assert dict(first.options)["activation"] == "relu"
    assert first.constant_bytes == 32 * 5 * 5 * 3 + 4 * 32
    assert [operator.renames for operator in found.operators].count(True) == 1


@pytest.mark.parametrize("name", MLPERF)
def test_mlperf_tiny_models_are_inspected_and_fit_every_platform(name, shared_data, tmp_path):
    path, svg, data = shared_data / "models" / name, tmp_path / "a.svg", tmp_path / "a.json"
    result = invoke(path, "--svg", svg, "--json", data)
    assert result.exit_code == 0, result.output
    written = json.loads(data.read_text())
    assert [fit["platform"] for fit in written["platforms"]] == platform_names()
    assert all(fit["fits"] for fit in written["platforms"])
    model = Model.load(path)
    assert written["macs"] == model.macs
    assert written["arena"]["bytes"] == model.lowered.plan.size_bytes
    assert_pictured(svg.read_text(), inspect_model(path))


def test_parts_of_a_whole_are_shown_as_views_of_it(tmp_path, capsys):
    part, whole = activation(1, 16), activation(1, 32)
    tensors = [part, part, part, whole, whole]
    operators = [
        Op("ADD", (0, 0), (1,), {"FusedActivationFunction": 0}),
        Op("ADD", (0, 1), (2,), {"FusedActivationFunction": 0}),
        Op("CONCATENATION", (1, 2), (3,), {"Axis": 1}),
        Op("ADD", (3, 3), (4,), {"FusedActivationFunction": 0}),
    ]
    path = tmp_path / "joined.tflite"
    path.write_bytes(build_model(tensors, operators, inputs=(0,), outputs=(4,)))
    found = inspect_model(path)
    assert [operator.is_view for operator in found.operators] == [False, False, True, False]
    print_inspection(make_console(), found)
    shown = capsys.readouterr().out
    assert re.search(r"CONCATENATION .*no code: a view", shown)
    for tensor in (1, 2):
        assert re.search(rf"\n\S +{tensor} +{found.plan.offset(tensor)} +16 +in tensor 3", shown)
    arena = inspection_json(found, [])["arena"]
    assert arena["alias_offsets"]["2"] == arena["alias_offsets"]["1"] + 16


def test_constants_that_operators_share_are_counted_once():
    shared = Tensor((4, 8), 0.01, 0, data=np.ones((4, 8), np.int8))
    again = Tensor((8, 4), 0.01, 0, data=np.ones((8, 4), np.int8))
    tensors = [
        activation(1, 8),
        shared,
        activation(1, 4),
        again,
        activation(1, 8),
        activation(1, 4),
    ]
    operators = [
        Op("FULLY_CONNECTED", (0, 1, -1), (2,)),
        Op("FULLY_CONNECTED", (2, 3, -1), (4,)),
        Op("FULLY_CONNECTED", (4, 1, -1), (5,)),
    ]
    data = build_model(tensors, operators, inputs=(0,), outputs=(5,))
    found = inspect_graph(read_graph(data, keep_unsupported=True))
    assert [operator.constant_bytes for operator in found.operators] == [32, 32, 0]
    assert found.file_constant_bytes == 64


# Operators that usim does not have.


def test_all_unsupported_operators_are_listed_and_the_rest_is_planned():
    found = inspected_strange_model()
    problems = [operator.problem for operator in found.operators]
    assert [problem is not None for problem in problems] == [False, True, False, True, True]
    for kind, problem in zip(STRANGE, (problems[1], problems[3]), strict=True):
        assert f"is {kind}, which is not supported" in problem
    assert "fused activation 5" in problems[4]
    assert found.operators[1].macs is None
    assert found.lowered is None
    assert found.plan.offset(2) == found.plan.offset(3)  # RESHAPE shares its input's buffer
    assert found.plan.size_bytes == found.plan.lower_bound_bytes == 2 * 32


def test_the_command_shows_unsupported_operators_and_still_draws_the_plan(tmp_path):
    path, svg, data = (tmp_path / f"m.{suffix}" for suffix in ("tflite", "svg", "json"))
    path.write_bytes(strange_model())
    result = invoke(path, "--svg", svg, "--json", data)
    assert result.exit_code == 0, result.output
    assert result.output.count("NOT SUPPORTED") == 3
    assert "3 operators cannot be run:" in result.output
    for kind in STRANGE:
        assert re.search(rf"^\d +{kind} ", result.output, re.MULTILINE)
        assert f"is {kind}, which is not supported" in result.output
    assert "whether it fits a chip is not known" in result.output
    written = json.loads(data.read_text())
    assert written["platforms"] == []
    assert sum(operator["problem"] is not None for operator in written["operators"]) == 3
    assert_pictured(svg.read_text(), inspected_strange_model())


def test_to_run_such_a_model_is_still_refused():
    with pytest.raises(ModelError, match=rf"not supported: {STRANGE[0]} \(1\), {STRANGE[1]} \(3\)"):
        read_graph(strange_model())


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_models_are_inspected_or_refused(data):
    """Nothing else than a ModelError; the file's bytes are what a stranger sent."""
    model = bytearray(strange_model())
    for _ in range(data.draw(st.integers(1, 5))):
        model[data.draw(st.integers(8, len(model) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = inspect_graph(read_graph(bytes(model), "damaged", keep_unsupported=True))
    except ModelError as exc:
        assert "\n" not in str(exc)
        return
    assert_pictured(arena_svg(found), found)
    list(arena_text(found.plan, len(found.operators)))
    json.dumps(inspection_json(found, []))
    print_inspection(make_console(), found)


# Pictures.


def assert_pictured(svg: str, inspection: Inspection) -> None:
    """Every buffer has its rectangle, and rectangles overlap no more than the buffers do."""
    root = ElementTree.fromstring(svg)
    boxes = [
        tuple(float(item.attrib[key]) for key in ("x", "y", "width", "height"))
        for item in root.iter("{http://www.w3.org/2000/svg}rect")
        if item.attrib.get("class") == "buffer"
    ]
    assert len(boxes) == len(inspection.plan.placements)
    for number, (x, y, width, height) in enumerate(boxes):
        assert 0 <= x < x + width <= float(root.attrib["width"])
        # A few bytes of a very large arena are less than a hundredth of a pixel.
        assert 0 <= y <= y + height <= float(root.attrib["height"])
        for other_x, other_y, other_width, other_height in boxes[:number]:
            apart_in_time = x >= other_x + other_width or other_x >= x + width
            apart_in_memory = y + 0.02 >= other_y + other_height or other_y + 0.02 >= y + height
            assert apart_in_time or apart_in_memory
    about = [item.text for item in root.iter("{http://www.w3.org/2000/svg}title")]
    for placement in inspection.plan.placements:
        assert any(f"{placement.lifetime.size_bytes:,} bytes at" in (text or "") for text in about)


def test_names_cannot_break_the_svg():
    evil = '<script>"&\x01\ud7ff\x7f]]>'
    tensors = [activation(1, 8, name=evil), activation(1, 8, name=evil)]
    data = build_model(tensors, [Op("ADD", (0, 0), (1,))], inputs=(0,), outputs=(1,))
    found = inspect_graph(read_graph(data, f"folder/{evil}.tflite", keep_unsupported=True))
    assert_pictured(arena_svg(found), found)
    assert "<script" not in arena_svg(found)


def picture(plan: ArenaPlan, steps: int) -> list[str]:
    return [line.split("|")[1] for line in arena_text(plan, steps) if "|" in line]


def test_the_picture_has_each_buffer_where_and_when_it_lives():
    lifetimes = [Lifetime(0, 160, -1, 0), Lifetime(1, 160, 0, 1), Lifetime(2, 80, 1, 2)]
    plan = ArenaPlan(
        (Placement(lifetimes[0], 0), Placement(lifetimes[1], 160), Placement(lifetimes[2], 0)),
        {}, 320, 320,
    )  # fmt: skip
    rows = picture(plan, 2)
    assert len(rows) == 20
    assert rows[0] == "." * 4 + "b" * 8 + "." * 4
    assert rows[10] == "a" * 8 + "." * 8
    assert rows[-1] == "a" * 8 + "c" * 8


@pytest.mark.parametrize("steps", [1, 2, 60, 98, 99, 500, 5000])
def test_the_picture_keeps_its_width_for_any_number_of_operators(steps):
    plan = plan_arena([Lifetime(i, 16 + i % 7 * 16, i - 1, i) for i in range(steps + 1)])
    lines = list(arena_text(plan, steps))
    assert len({len(line) for line in lines[:-1]}) == 1
    assert len(lines[-1]) <= len(lines[0]) + 4
    assert len(lines[0]) <= 120


def test_an_empty_arena_draws_nothing():
    assert list(arena_text(plan_arena([]), 3)) == []


# Whether it fits.


def test_what_a_model_needs_is_what_a_session_takes():
    chip, model = load_platform("stm32f746"), Model.load(demo.MODEL)
    fit = fit_model(chip, model)
    assert fit.fits
    assert fit.short == ()
    needs = {need.section: need for need in fit.needs}
    with Session(chip, timing="count") as session:
        before = {use.name: use.used_bytes for use in session.memory_use()}
        compiled = session.load_model(model)
        after = {use.name: use.used_bytes for use in session.memory_use()}
        assert needs["text"].needed_bytes == compiled.text_bytes == after["text"] - before["text"]
    for name in ("rodata", "heap"):
        # Between tensors there may be some bytes of alignment.
        assert 0 <= needs[name].needed_bytes - (after[name] - before[name]) < 1024


def small_chip(folder: Path, *changes: tuple[str, str]) -> Path:
    """A copy of the STM32F746 whose description is changed."""
    original = Path(demo.__file__).parents[2] / "platforms" / "stm32f746"
    text = (original / "platform.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    folder.mkdir()
    (folder / "platform.yaml").write_text(text)
    (folder / f"{folder.name}.repl").write_bytes((original / "stm32f746.repl").read_bytes())
    return folder / "platform.yaml"


HEAP = (
    ("- {region: dtcm, size: rest}", "- {region: dtcm, size: 8 KiB}"),
    ("- {region: sram1, size: rest}", "- {region: sram1, size: 16 KiB}"),
)
RODATA = (("- {region: flash, size: rest}", "- {region: flash, size: 64 KiB}"),)
TEXT = (
    ("- {region: itcm, size: rest}", "- {region: itcm, size: 6 KiB}"),
    ("- {region: sram1, size: 64 KiB}", "- {region: sram1, size: 2 KiB}"),
)


@pytest.mark.parametrize(("changes", "sections"), [
    (HEAP, ["heap"]), (RODATA, ["rodata"]), (TEXT, ["text"]),
    (HEAP + RODATA + TEXT, ["text", "rodata", "heap"]),
])  # fmt: skip
def test_what_is_short_is_said_to_the_byte(changes, sections, tmp_path):
    chip = load_platform(small_chip(tmp_path / "small", *changes))
    fit = fit_model(chip, Model.load(demo.MODEL))
    assert not fit.fits
    assert [need.section for need in fit.short] == sections
    for need in fit.short:
        assert need.short_bytes == need.needed_bytes - need.available_bytes > 0
    if sections == ["heap"]:
        assert fit.short[0].short_bytes == 40_976 - 16 * 1024
    printed = invoke("demo", "--platform", chip.folder / "platform.yaml").output
    line = next(row for row in printed.splitlines() if row.startswith("small"))
    assert " no " in line
    for need in fit.short:
        assert f"{need.section} by {need.short_bytes:,}" in line


def test_a_heap_that_has_just_room_fits(tmp_path):
    """The arena with its guard needs 40,976 bytes; sections have multiples of 32."""
    for size, fits in ((40_992, True), (40_960, False)):
        changes = (HEAP[0], ("- {region: sram1, size: rest}", f"- {{region: sram1, size: {size}}}"))
        chip = load_platform(small_chip(tmp_path / f"heap{size}", *changes))
        assert fit_model(chip, Model.load(demo.MODEL)).fits is fits


# The command.


def test_the_command_prints_graph_sizes_plan_picture_and_platforms():
    result = invoke("demo")
    assert result.exit_code == 0, result.output
    assert "12,298,240 MACs" in result.output
    assert "Arena      40,960 bytes" in result.output
    assert re.search(r"^0 +CONV_2D +1x32x32x3 +32x5x5x3 ", result.output, re.MULTILINE)
    assert "aaaaaaaacccccccc" in result.output
    for name in platform_names():
        assert re.search(rf"^{name} +yes ", result.output, re.MULTILINE)


@pytest.mark.parametrize("size", [0, 100, 5000, 60_000])
def test_a_damaged_model_is_refused_in_one_line(size, tmp_path):
    path = tmp_path / "short.tflite"
    path.write_bytes(demo.MODEL.read_bytes()[:size])
    refused(invoke(path), "short.tflite")


def test_bad_arguments_are_refused_in_one_line(tmp_path):
    refused(invoke(tmp_path / "absent.tflite"), "absent.tflite: cannot read the model")
    refused(invoke("demo", "--platform", "stm32f747"), "stm32f746")
    svg = tmp_path / "no" / "folder.svg"
    result = invoke("demo", "--platform", "stm32f746", "--svg", svg)
    assert result.exit_code == 1
    assert result.stderr == f"error: cannot write {svg}: No such file or directory\n"


def refused(result: Result, message: str) -> None:
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
