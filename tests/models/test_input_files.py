"""A model's inputs from files and pipes, and its outputs in files."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tflite_builder import Op, Tensor, build_model

import usim
from usim import demo
from usim.cli import usim as command
from usim.errors import ArgumentError
from usim.models import InputFiles, Model, PixelRange, image_input, load_image, read_graph

SHAPE = (1, 3, 4)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sum_model(shape: tuple[int, ...] = SHAPE, count: int = 2) -> bytes:
    """left + right (+ third): int8."""
    names = ("left", "right", "third")[:count]
    tensors = [Tensor(shape, 0.1 + 0.1 * i, 3 - i, name=name) for i, name in enumerate(names)]
    operators = []
    for i in range(1, count):
        tensors.append(Tensor(shape, 0.3, 1, name=f"sum{i}"))
        operators.append(Op("ADD", [0 if i == 1 else len(tensors) - 2, i], [len(tensors) - 1]))
    return build_model(tensors, operators, range(count), [len(tensors) - 1])


def model_of(data: bytes) -> Model:
    return Model(read_graph(data, "sum.tflite"))


MODEL = model_of(sum_model())
LEFT = np.arange(-6, 6, dtype=np.int8).reshape(SHAPE)
RIGHT = np.arange(50, 62, dtype=np.int8).reshape(SHAPE)


def read(*texts: str, model: Model = MODEL, stdin: bytes = b""):
    return InputFiles(model, io.BytesIO(stdin)).read(texts)


def one(*texts: str, stdin: bytes = b"") -> tuple[np.ndarray, ...]:
    (found,) = read(*texts, stdin=stdin)
    return found.stored


def assert_sides(stored: tuple[np.ndarray, ...]) -> None:
    assert [item.dtype for item in stored] == [np.int8, np.int8]
    assert np.array_equal(stored[0], LEFT)
    assert np.array_equal(stored[1], RIGHT)


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize("texts", [
    ("a.npy", "b.npy"), ("left=a.npy", "right=b.npy"), ("right=b.npy", "left=a.npy"),
    ("right=b.npy", "a.npy"), ("1=b.npy", "0=a.npy"), ("a.bin", "b.npy"), ("a.raw", "b=b.npy"),
])  # fmt: skip
def test_inputs_come_by_order_or_by_name(texts, folder):
    np.save("a.npy", LEFT)
    for name in ("b.npy", "b=b.npy"):  # a file may have a = in its name
        np.save(name, RIGHT)
    for name in ("a.bin", "a.raw"):
        Path(name).write_bytes(LEFT.tobytes())
    assert_sides(one(*texts))


@pytest.mark.parametrize("keys", [("left", "right"), ("input_0", "input_1"), ("left", "input_1")])
def test_an_archive_feeds_all_inputs(keys, folder):
    np.savez("all.npz", **dict(zip(keys, (LEFT, RIGHT), strict=True)), more=np.zeros(3))
    assert_sides(one("all.npz"))
    assert_sides(one("-", stdin=Path("all.npz").read_bytes()))


def test_an_archive_of_one_array_is_one_input(folder):
    np.savez("a.npz", LEFT)
    np.savez_compressed("b.npz", anything=RIGHT)
    assert_sides(one("a.npz", "b.npz"))
    assert_sides(one("right=b.npz", "left=a.npz"))


@pytest.mark.parametrize("data", [npy(RIGHT), RIGHT.tobytes(), npy(RIGHT[0])])
def test_a_pipe_has_an_array_or_raw_bytes(data, folder):
    np.save("a.npy", LEFT)
    assert_sides(one("a.npy", "-", stdin=data))
    assert_sides(one("right=-", "left=a.npy", stdin=data))


def test_several_inferences_follow_one_another(folder):
    np.save("a.npy", LEFT)
    np.save("b.npy", RIGHT)
    first, second = read("a.npy", "b.npy", "b.npy", "right=a.npy")
    assert_sides(first.stored)
    assert np.array_equal(second.stored[0], RIGHT)
    assert np.array_equal(second.stored[1], LEFT)
    assert first.name == "a.npy, b.npy"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_real_numbers_are_quantised_as_the_input_says(dtype, folder):
    reals = np.linspace(-100, 100, 12).reshape(SHAPE).astype(dtype)
    np.save("real.npy", reals)
    left, right = one("real.npy", "real.npy")
    assert np.array_equal(left, MODEL.quantize_input(reals, 0))
    assert np.array_equal(right, MODEL.quantize_input(reals, 1))
    assert (left.min(), left.max()) == (-128, 127)


def test_the_batch_extent_may_be_left_out_and_order_in_memory_does_not_matter(folder):
    np.save("a.npy", LEFT[0])
    np.save("b.npy", np.asfortranarray(RIGHT))
    assert_sides(one("a.npy", "b.npy"))


def test_a_picture_feeds_an_input_that_takes_one(folder):
    pixels = np.random.default_rng(1).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("p.png")
    model = model_of(sum_model((1, 4, 6, 3)))
    np.save("a.npy", np.zeros((4, 6, 3), np.int8))
    (found,) = read("right=p.png", "a.npy", model=model)
    spec = model.inputs[1]
    assert np.array_equal(found.stored[1], image_input(load_image("p.png", spec), spec))
    files = InputFiles(model, io.BytesIO(), PixelRange.SIGNED)
    (found,) = files.read(["a.npy", "p.png"])
    wanted = image_input(load_image("p.png", spec), spec, PixelRange.SIGNED)
    assert np.array_equal(found.stored[1], wanted)


# What is refused: with the file's name, in one line.


def save_zip(name: str, **members: bytes) -> None:
    with zipfile.ZipFile(name, "w") as archive:
        for key, data in members.items():
            archive.writestr(key, data)


@pytest.fixture
def bad_files(folder) -> Path:
    np.save("a.npy", LEFT)
    np.save("wide.npy", LEFT.astype(np.int64))
    np.save("unsigned.npy", LEFT.astype(np.uint8))
    np.save("flat.npy", LEFT.reshape(-1))
    np.save("batch.npy", np.stack([LEFT[0], LEFT[0]]))
    np.save("nan.npy", np.full(SHAPE, np.nan))
    np.save("words.npy", np.full(SHAPE, "word"))
    np.save("complex.npy", np.zeros(SHAPE, complex))
    np.save("objects.npy", np.full(SHAPE, None), allow_pickle=True)
    np.savez("other.npz", one=LEFT, two=RIGHT)
    np.savez("both.npz", left=LEFT, right=RIGHT)
    np.savez("none.npz")
    save_zip("text.npz", readme=b"hello")
    huge = npy(np.zeros(1, np.int8)).replace(b"(1,), }", b"(99999999999999,), }")
    Path("huge.npy").write_bytes(huge)
    Path("short.npy").write_bytes(npy(LEFT)[:-1])
    Path("text.npy").write_text("no array")
    Path("text.bin").write_text("no array")
    Path("empty.npy").write_bytes(b"")
    Path("a.wav").write_bytes(b"RIFF")
    Image.new("RGB", (4, 4)).save("a.png")
    return folder


@pytest.mark.parametrize(("texts", "message"), [
    (["absent.npy"], "cannot read absent.npy: No such file or directory"),
    (["."], "cannot read .: Is a directory"),
    (["middle=a.npy"], "no input is called 'middle' (inputs: 0 'left', 1 'right')"),
    (["2=a.npy"], "no input is called '2'"),
    (["left=absent.npy"], "cannot read absent.npy"),
    (["a.npy"], "sum has 2 inputs; nothing was given for 1 'right'"),
    (["right=a.npy"], "nothing was given for 0 'left'"),
    (["left=a.npy", "left=a.npy"], "a.npy: input 0 'left' has values already"),
    (["wide.npy"], "wide.npy: tensor 0 'left' int8[1, 3, 4] of sum got int64; it takes int8"),
    (["unsigned.npy"], "got uint8"),
    (["flat.npy"], "flat.npy: tensor 0 'left' int8[1, 3, 4] of sum got an array of [12]"),
    (["batch.npy"], "got an array of [2, 3, 4]"),
    (["nan.npy"], "nan.npy: tensor 0 'left' int8[1, 3, 4] cannot hold these values"),
    (["words.npy"], "words.npy: "),
    (["complex.npy"], "got complex128"),
    (["objects.npy"], "objects.npy is no .npy array: Object arrays cannot be loaded"),
    (["other.npz"], "other.npz: has no array left or input_0 (it has one, two)"),
    (["left=other.npz"], "left=other.npz: holds several arrays; one input takes one"),
    (["a.npy", "both.npz"], "both.npz: an archive of several arrays must come before"),
    (["none.npz"], "none.npz holds something else than arrays, or nothing"),
    (["text.npz"], "text.npz holds something else than arrays, or nothing"),
    (["huge.npy"], "huge.npy is no .npy array"),
    (["short.npy"], "short.npy is no .npy array"),
    (["text.npy"], "text.npy is no .npy array"),
    (["empty.npy"], "empty.npy is no .npy array"),
    (["text.bin"], "text.bin: 8 raw bytes; tensor 0 'left' int8[1, 3, 4] takes 12 as stored"),
    (["a.wav"], "a.wav: usim makes no features of sound"),
    (["a.png"], "takes no pictures"),
    (["-"], "standard input: 5 raw bytes"),
    (["-", "-"], "standard input: 5 raw bytes"),
])  # fmt: skip
def test_bad_files_are_refused_in_one_line(texts, message, bad_files):
    path = bad_files / "sum.tflite"
    path.write_bytes(sum_model())
    result = run("--model", path, *inputs(*texts), stdin=b"12345")
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr


def test_standard_input_is_read_once(folder):
    with pytest.raises(ArgumentError, match="standard input can be read only once"):
        one("-", "-", stdin=LEFT.tobytes())


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_arrays_raise_argument_errors_only(folder, data):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, left=LEFT, right=RIGHT)
    original = data.draw(st.sampled_from([npy(LEFT), buffer.getvalue(), npy(np.zeros(SHAPE))]))
    damaged = bytearray(original[: data.draw(st.integers(0, len(original)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if damaged:
            at = data.draw(st.integers(0, len(damaged) - 1))
            damaged[at] = data.draw(st.integers(0, 255))
    suffix = "npz" if original.startswith(b"PK") else "npy"
    Path(f"damaged.{suffix}").write_bytes(damaged)
    Path("right.bin").write_bytes(RIGHT.tobytes())
    try:
        for found in read(f"damaged.{suffix}", "right=right.bin"):
            assert [item.shape for item in found.stored] == [SHAPE, SHAPE]
    except ArgumentError as exc:
        assert "\n" not in str(exc)


# The commands.


def run(*arguments: object, stdin: bytes = b"") -> Result:
    options = ["run", "--platform", "stm32f746", "--timing", "count"]
    return CliRunner().invoke(command, [*options, *map(str, arguments)], input=stdin)


def inputs(*texts: str) -> list[str]:
    return [part for text in texts for part in ("--input", text)]


@pytest.fixture
def expected() -> np.ndarray:
    with usim.Session("stm32f746", timing="count") as session:
        return session.load_model(MODEL)(LEFT, RIGHT)


@pytest.fixture
def two(folder) -> list[str]:
    """The options that feed the model of two inputs."""
    (folder / "sum.tflite").write_bytes(sum_model())
    np.save("a.npy", LEFT)
    np.save("b.npy", RIGHT)
    return ["--model", "sum.tflite", *inputs("a.npy", "b.npy")]


def test_outputs_are_written_as_stored_and_as_real_numbers(two, expected):
    for name in ("out.npz", "out.npy", "out.bin"):
        result = run(*two, "--output", name)
        assert result.exit_code == 0, result.output
    with np.load("out.npz") as written:
        assert set(written.files) == {"output_0", "output_0_real"}
        assert written["output_0"].dtype == np.int8
        assert np.array_equal(written["output_0"], expected)
        assert np.array_equal(written["output_0_real"], MODEL.dequantize_output(expected))
    assert np.array_equal(np.load("out.npy"), expected)
    assert np.load("out.npy").dtype == np.int8
    assert Path("out.bin").read_bytes() == expected.tobytes()


def test_what_is_written_can_be_read_as_an_input_again(two):
    assert run(*two, "--output", "out.npy").exit_code == 0
    result = run("--model", "sum.tflite", *inputs("out.npy", "out.npy"))
    assert result.exit_code == 0, result.output


def test_several_inferences_make_a_batch(two, expected):
    result = run(*two, *inputs("left=b.npy", "a.npy"), "--output", "out.npz")
    assert result.exit_code == 0, result.output
    with np.load("out.npz") as written:
        assert written["output_0"].shape == (2, *SHAPE[1:])
        assert written["output_0_real"].shape == (2, *SHAPE[1:])
        assert np.array_equal(written["output_0"][:1], expected)


def test_a_model_of_several_outputs_is_written_whole(folder):
    """Both a sum and the sum of the sum with itself."""
    tensors = [Tensor(SHAPE, 0.1, 3), Tensor(SHAPE, 0.2, 3), Tensor(SHAPE, 0.4, 3)]
    operators = [Op("ADD", [0, 0], [1]), Op("ADD", [1, 1], [2])]
    data = build_model(tensors, operators, [0], [1, 2])
    Path("two.tflite").write_bytes(data)
    np.save("a.npy", LEFT)
    options = ["--model", "two.tflite", "--input", "a.npy", "--output"]
    assert run(*options, "out.npz").exit_code == 0
    with usim.Session("stm32f746", timing="count") as session:
        first, second = session.load_model("two.tflite")(LEFT)
    with np.load("out.npz") as written:
        assert np.array_equal(written["output_0"], first)
        assert np.array_equal(written["output_1"], second)
    result = run(*options, "out.npy")
    assert result.exit_code == 1
    assert result.stderr == "error: out.npy: two has 2 outputs; write a .npz\n"
    assert not Path("out.npy").exists()


def test_the_demos_pictures_can_be_written_as_a_batch(folder):
    result = run("--output", "out.npz")
    assert result.exit_code == 0, result.output
    with np.load("out.npz") as written:
        assert written["output_0"].shape == (10, 10)


def test_a_model_without_files_gets_zeros_for_every_input(two):
    assert run("--model", "sum.tflite", "--output", "out.npy").exit_code == 0
    zeros = [MODEL.quantize_input(np.zeros(SHAPE), index) for index in range(2)]
    with usim.Session("stm32f746", timing="count") as session:
        assert np.array_equal(np.load("out.npy"), session.load_model(MODEL)(*zeros))


def test_pixels_say_what_a_pictures_bytes_stand_for(folder):
    image = demo.images()[0][0]
    outputs = []
    for pixels in ("unit", "signed", None):
        chosen = ["--pixels", pixels] if pixels else []
        assert run("--image", image, *chosen, "--output", "out.npy").exit_code == 0
        outputs.append(np.load("out.npy"))
    assert np.array_equal(outputs[0], outputs[2])
    assert not np.array_equal(outputs[0], outputs[1])


def test_export_takes_the_same_inputs(two, folder):
    np.savez("all.npz", left=LEFT, right=RIGHT)
    made = []
    for number, texts in enumerate((["a.npy", "b.npy"], ["right=b.npy", "a.npy"], ["all.npz"])):
        name = f"{number}.elf"
        arguments = ["export", "sum.tflite", *inputs(*texts), "--output", name]
        result = CliRunner().invoke(command, arguments)
        assert result.exit_code == 0, result.output
        made.append(Path(name).read_bytes())
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize(("output", "message"), [
    ("out.txt", "out.txt: outputs are written as .npz, .npy or .bin"),
    ("out", "out: outputs are written as"),
    ("no/folder/out.npz", "cannot write no/folder/out.npz: No such file"),
])  # fmt: skip
def test_outputs_that_cannot_be_written_are_refused(output, message, two, folder):
    before = sorted(folder.rglob("*"))
    result = run(*two, "--output", output)
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("arguments", [
    ["--input", "a.npy", "--image", "b.png"],
    ["--input", "a.npy", "--dataset", "b.npz"],
    ["--output", "a.npy", "--dataset", "b.npz"],
    ["--pixels", "float"],
])  # fmt: skip
def test_options_that_exclude_each_other_are_wrong_usage(arguments):
    assert run(*arguments).exit_code == 2
