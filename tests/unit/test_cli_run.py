"""`usim run`: what it prints and writes, and how it ends on bad input."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from usim import demo
from usim.cli import usim

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
QUICK = ["--timing", "count"]


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(usim, ["run", *QUICK, *map(str, arguments)])


def on_chip(*arguments: object) -> Result:
    return invoke("--platform", "stm32f746", *arguments)


@pytest.fixture(scope="module")
def result_file(tmp_path_factory) -> Path:
    """The default run as a process, its JSON beside what it printed."""
    path: Path = tmp_path_factory.mktemp("run") / "result.json"
    command = [sys.executable, "-m", "usim", "run", "--platform", "stm32f746"]
    done = subprocess.run(
        [*command, *QUICK, "--json", str(path)],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    path.with_suffix(".txt").write_text(done.stdout)
    path.with_suffix(".err").write_text(done.stderr)
    return path


@pytest.fixture(scope="module")
def printed(result_file) -> str:
    return result_file.with_suffix(".txt").read_text()


@pytest.fixture(scope="module")
def written(result_file) -> dict:
    return json.loads(result_file.read_text())


def section(printed: str, title: str) -> list[list[str]]:
    """The rows of a printed table, without its header."""
    lines = printed.split(f"{title}", 1)[1].split("\n\n", 1)[0].splitlines()
    checkout = str(Path(demo.__file__).parent)  # its path may have spaces in it
    return [line.replace(checkout, "demo").split() for line in lines[2:]]


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_it_says_nothing_on_stderr(result_file):
    assert result_file.with_suffix(".err").read_text() == ""


def test_each_of_the_ten_images_has_class_score_and_verdict(printed, written):
    rows = section(printed, "Answers")
    assert [row[0] for row in rows] == [path.name for path, _ in demo.images()]
    for row, answer, (_, label) in zip(rows, written["answers"], demo.images(), strict=True):
        assert answer["expected"] == demo.LABELS[label]
        assert row[1] == answer["label"] == demo.LABELS[answer["winner"]]
        assert float(row[2]) == pytest.approx(answer["score"], abs=5e-4)
        assert 0 < answer["score"] <= 1
        assert answer["verdict"] == ("right" if answer["label"] == answer["expected"] else "wrong")
        assert row[3].rstrip(",") == answer["verdict"]
    right = sum(answer["verdict"] == "right" for answer in written["answers"])
    assert right >= 7
    assert f"Right      {right} of 10" in printed


def test_each_layer_has_its_share_and_the_sums_agree(printed, written):
    layers = written["layers"]
    rows = section(printed, "Layers")
    assert [row[1] for row in rows[:-1]] == [layer["operator"] for layer in layers]
    assert rows[-1][:3] == ["all", "12,298,240", f"{written['count']['total']:,}"]
    assert sum(layer["macs"] for layer in layers) == written["macs"] == 12_298_240
    assert sum(layer["count"] for layer in layers) == written["count"]["total"]
    assert written["count"]["unit"] == "instructions"
    assert written["count"]["source"] == "counted"
    for layer in layers:
        assert layer["milliseconds"] == pytest.approx(1e3 * layer["count"] / written["clock_hz"])
    assert written["count"]["per_mac"] == pytest.approx(written["count"]["total"] / written["macs"])
    convolution = rows[0]
    assert convolution[2:5] == ["1x32x32x32", "2,457,600", f"{layers[0]['count']:,}"]
    shares = [float(row[-1].rstrip("%")) for row in rows]
    assert sum(shares[:-1]) == pytest.approx(100, abs=0.5)
    assert layers[0]["output_shape"] == [1, 32, 32, 32]


def test_instructions_are_not_passed_off_as_cycles(printed):
    assert "Layers (instructions counted, ms at 216 MHz)" in printed
    assert "Counted, not timed" in printed


def test_memory_is_told_by_section_against_its_size(printed, written):
    rows = {row[0]: row for row in section(printed, "Memory")}
    uses = {use["name"]: use for use in written["memory"]}
    assert rows.keys() == uses.keys() == {
        "text", "rodata", "data", "bss", "heap", "workspace", "stack",
    }  # fmt: skip
    for name, use in uses.items():
        assert use["peak_bytes"] <= use["size_bytes"]
        assert number(rows[name][-2]) == use["size_bytes"]
        assert number(rows[name][-3]) == use["peak_bytes"]
    assert uses["heap"]["peak_bytes"] >= written["model_bytes"]["arena"] == 40_960
    assert uses["rodata"]["used_bytes"] >= written["model_bytes"]["rodata"] > 80_000
    assert uses["stack"]["peak_bytes"] > 0


def test_compiler_flags_and_link_are_told(printed, written):
    assert written["compiler"] in printed
    assert " ".join(written["flags"]) in printed
    statistics = written["statistics"]
    assert statistics["batches"] == 10
    assert statistics["tasks"] == 10 * len(written["layers"])
    assert f"{statistics['tasks']:,} tasks in 10 batches" in printed
    assert written["platform"] == "stm32f746"
    assert written["format"] == 1


def test_strict_runs_each_layer_on_its_own_with_the_same_answers(written, tmp_path):
    image, path = demo.images()[4][0], tmp_path / "strict.json"
    result = on_chip("--image", image, "--strict", "--json", path)
    assert result.exit_code == 0, result.output
    strict = json.loads(path.read_text())
    assert strict["strict"] is True
    assert strict["statistics"]["batches"] == len(written["layers"])
    assert strict["answers"][0]["score"] == written["answers"][4]["score"]
    assert strict["answers"][0]["expected"] is None
    assert "strict" in result.output


@pytest.mark.parametrize(("size", "mode", "suffix"), [
    ((32, 32), "RGB", "png"), ((333, 77), "RGB", "jpg"), ((1, 1), "RGB", "png"),
    ((50, 40), "L", "png"), ((64, 64), "RGBA", "png"), ((48, 48), "P", "png"),
])  # fmt: skip
def test_pictures_of_any_size_and_mode_are_classified(size, mode, suffix, tmp_path):
    path = tmp_path / f"my picture.{suffix}"
    Image.effect_noise(size, 80).convert(mode).save(path)
    result = on_chip("--image", path, "--model", demo.MODEL)
    assert result.exit_code == 0, result.output
    (row,) = section(result.output, "Answers")
    assert row[-2].isdigit()  # a model without labels has numbered classes


def test_labels_name_the_classes(tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(f"class-{i}" for i in range(10)) + "\n")
    image = demo.images()[5][0]
    result = on_chip("--model", demo.MODEL, "--image", image, "--labels", labels)
    assert result.exit_code == 0, result.output
    assert section(result.output, "Answers")[0][1] == "class-5"


def test_the_model_runs_on_a_larger_chip_too():
    result = invoke("--platform", "stm32f767", "--image", demo.images()[8][0])
    assert result.exit_code == 0, result.output
    assert section(result.output, "Answers")[0][1] == "ship"


@pytest.fixture
def dataset(tmp_path) -> Path:
    images = np.stack([np.asarray(Image.open(path)) for path, _ in demo.images()])
    labels = np.array([label for _, label in demo.images()])
    path: Path = tmp_path / "small.npz"
    np.savez(path, images=images, labels=labels)
    return path


def test_a_data_set_gives_the_accuracy(dataset, tmp_path, written):
    path = tmp_path / "accuracy.json"
    result = on_chip("--dataset", dataset, "--json", path)
    assert result.exit_code == 0, result.output
    right = sum(answer["verdict"] == "right" for answer in written["answers"])
    assert f"Accuracy   {right / 10:.2%} ({right} of 10 images)" in result.output
    assert json.loads(path.read_text())["accuracy"] == {
        "file": str(dataset), "right": right, "total": 10,
    }  # fmt: skip


def test_limit_takes_the_first_images(dataset, written):
    result = on_chip("--dataset", dataset, "--limit", 3)
    right = sum(answer["verdict"] == "right" for answer in written["answers"][:3])
    assert f"({right} of 3 images)" in result.output


# Bad input: one line, exit code 1 (usage 2), nothing half-written.


def refused(result: Result) -> str:
    """The one line of an error."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


def test_an_unknown_platform_is_named_with_the_nearest():
    line = refused(invoke("--platform", "stm32f747"))
    assert "stm32f747" in line
    assert "stm32f746" in line


def test_a_missing_model_is_named(tmp_path):
    assert "absent.tflite" in refused(on_chip("--model", tmp_path / "absent.tflite"))


@pytest.mark.parametrize("size", [0, 3, 100, 5000, 60_000])
def test_a_truncated_model_is_refused(size, tmp_path):
    path = tmp_path / "short.tflite"
    path.write_bytes(demo.MODEL.read_bytes()[:size])
    assert "short.tflite" in refused(on_chip("--model", path))


def test_a_file_that_is_no_model_is_refused():
    assert "0_airplane.png" in refused(on_chip("--model", demo.images()[0][0]))


def test_a_file_that_is_no_picture_is_refused(tmp_path):
    path = tmp_path / "notes.png"
    path.write_text("not a picture")
    assert "notes.png: not a readable PNG or JPEG picture" in refused(on_chip("--image", path))
    assert "absent.png" in refused(on_chip("--image", tmp_path / "absent.png"))
    assert str(tmp_path) in refused(on_chip("--image", tmp_path))


@pytest.mark.parametrize(("names", "message"), [
    ("one\ntwo\n", "has 2 class names; the model has 10 classes"),
    ("", "has 0 class names"),
])  # fmt: skip
def test_labels_of_another_length_are_refused(names, message, tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text(names)
    assert message in refused(on_chip("--labels", path))


def test_labels_that_cannot_be_read_are_refused(tmp_path):
    path = tmp_path / "labels.txt"
    assert "No such file" in refused(on_chip("--labels", path))
    path.write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in refused(on_chip("--labels", path))


def test_a_data_set_that_does_not_fit_the_model_is_refused(tmp_path):
    path = tmp_path / "bad.npz"
    np.savez(path, images=np.zeros((2, 8, 8, 3), np.uint8), labels=np.array([0, 1]))
    assert "bad.npz" in refused(on_chip("--dataset", path))
    path.write_bytes(b"PK not really")
    assert "bad.npz" in refused(on_chip("--dataset", path))


@pytest.mark.parametrize("target", ["no/such/folder/result.json", "folder"])
def test_json_that_cannot_be_written_is_one_line_and_leaves_no_file(target, tmp_path):
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    path = tmp_path / target
    result = on_chip("--image", demo.images()[0][0], "--json", path)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert f"cannot write {path}" in result.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_failed_run_leaves_the_json_of_an_earlier_one(tmp_path):
    path = tmp_path / "result.json"
    path.write_text("earlier")
    refused(on_chip("--model", tmp_path / "absent.tflite", "--json", path))
    assert path.read_text() == "earlier"


def test_a_timeout_names_the_layer_and_where_it_is(tmp_path):
    path = tmp_path / "result.json"
    line = refused(on_chip("--timeout", 0.001, "--json", path))
    assert "did not end within 0.001 s; pc 0x" in line
    assert "task " in line
    assert not path.exists()


def test_a_model_that_does_not_fit_says_what_it_needs_and_what_there_is(tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    description = folder / "platform.yaml"
    chip = (
        Path(demo.__file__).parents[2] / "platforms" / "stm32f746" / "platform.yaml"
    ).read_text()
    description.write_text(
        chip.replace("- {region: dtcm, size: rest}", "- {region: dtcm, size: 8 KiB}").replace(
            "- {region: sram1, size: rest}", "- {region: sram1, size: 16 KiB}"
        )
    )
    repl = description.parent / "stm32f746.repl"
    original = Path(demo.__file__).parents[2] / "platforms" / "stm32f746" / "stm32f746.repl"
    repl.write_bytes(original.read_bytes())
    (folder / "tiny.repl").write_bytes(original.read_bytes())
    line = refused(invoke("--platform", description))
    assert "cifar10_cnn.tflite does not fit" in line
    assert re.search(r"short by [\d,]+ bytes of heap", line)
    assert "40,960" in line or "40 KiB" in line


@pytest.mark.parametrize("arguments", [
    [],
    ["--platform", "stm32f746", "--limit", "3"],
    ["--platform", "stm32f746", "--image", "a.png", "--dataset", "b.npz"],
    ["--platform", "stm32f746", "--timeout", "0"],
    ["--platform", "stm32f746", "--limit", "0", "--dataset", "b.npz"],
    ["--platform", "stm32f746", "--backend", "jtag"],
    ["--platform", "stm32f746", "--nonsense"],
])  # fmt: skip
def test_wrong_usage_is_exit_code_2(arguments):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr
    assert "Traceback" not in result.stderr


def test_help_shows_examples():
    result = CliRunner().invoke(usim, ["run", "--help"])
    assert result.exit_code == 0
    assert "usim run --platform stm32f746 --image cat.png" in result.output
