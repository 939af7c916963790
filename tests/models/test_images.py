"""Pictures and data sets: which values reach the model's input."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from tflite_builder import Op, Tensor, build_model

from usim.errors import ArgumentError, ModelError
from usim.models import (
    Model,
    PixelRange,
    guess_pixel_range,
    image_input,
    load_dataset,
    load_image,
    read_graph,
)


def spec(shape=(1, 4, 4, 3), scale=1 / 255, zero_point=-128):
    tensors = [Tensor(shape, scale, zero_point), Tensor(shape, scale, zero_point)]
    return read_graph(build_model(tensors, [Op("RESHAPE", [0], [1])], [0], [1])).tensors[0]


ALL_PIXELS = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)


@pytest.mark.parametrize("scale", [1 / 255, 1.0])
def test_pixels_lose_128_where_the_scale_says_0_to_1_or_0_to_255(scale):
    stored = image_input(ALL_PIXELS, spec((1, 16, 16, 1), scale))
    assert stored.dtype == np.int8
    np.testing.assert_array_equal(stored.ravel(), np.arange(256) - 128)


def test_pixels_span_a_signed_input():
    stored = image_input(ALL_PIXELS, spec((1, 16, 16, 1), 2 / 255, 0)).ravel()
    assert (stored[0], stored[127], stored[129], stored[255]) == (-127, 0, 1, 127)


@pytest.mark.parametrize(
    ("scale", "zero_point", "expected"),
    [
        (1 / 255, -128, PixelRange.UNIT),
        (0.0078125, 0, PixelRange.SIGNED),
        (0.0078125, -1, PixelRange.SIGNED),
        (1.0, -128, PixelRange.BYTE),
        (0.99, -127, PixelRange.BYTE),
    ],
)
def test_pixel_range_follows_from_what_the_input_can_hold(scale, zero_point, expected):
    assert PixelRange.of(spec(scale=scale, zero_point=zero_point)) is expected


@pytest.mark.parametrize(
    ("scale", "zero_point", "darkest", "brightest"),
    [(1 / 255, -128, 0.0, 1.0), (0.0078125, 0, -1.0, 1.0), (1.0, -128, 0.0, 255.0)],
)
def test_pixels_of_a_float_input_are_what_its_quantisation_can_hold(
    scale, zero_point, darkest, brightest
):
    shape = (1, 16, 16, 1)
    tensors = [Tensor(shape, dtype="float32"), Tensor(shape, scale, zero_point)]
    model = Model(read_graph(build_model(tensors, [Op("QUANTIZE", [0], [1])], [0], [1])))
    stored = image_input(ALL_PIXELS, model.inputs[0], guess_pixel_range(model))
    assert (stored.dtype, stored.min(), stored.max()) == (np.float32, darkest, brightest)


def test_a_float_input_that_is_never_quantised_takes_no_pictures():
    tensors = [Tensor([4, 1], dtype="float32"), Tensor([1, 4], dtype="float32")]
    model = Model(read_graph(build_model(tensors, [Op("RESHAPE", [0], [1])], [0], [1])))
    with pytest.raises(ArgumentError, match="is not quantised; it takes no pictures"):
        guess_pixel_range(model)


def test_pixel_range_can_be_chosen():
    stored = image_input(ALL_PIXELS, spec((1, 16, 16, 1), 1.0, 0), PixelRange.UNIT)
    assert sorted(set(stored.ravel().tolist())) == [0, 1]


def save(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def test_picture_of_the_inputs_size_keeps_its_pixels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    np.testing.assert_array_equal(load_image(save(tmp_path / "a.png", pixels), spec()), pixels)


def test_wide_picture_is_cropped_around_its_centre_and_resized(tmp_path):
    pixels = np.zeros((8, 24, 3), np.uint8)
    pixels[:, 8:16] = (200, 100, 50)
    loaded = load_image(save(tmp_path / "a.png", pixels), spec())
    np.testing.assert_array_equal(loaded, np.full((4, 4, 3), (200, 100, 50)))


def test_picture_is_turned_as_its_exif_data_says(tmp_path):
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[0] = 255  # the top row, which orientation 3 (upside down) puts at the bottom
    exif = Image.Exif()
    exif[0x0112] = 3
    loaded = load_image(save(tmp_path / "a.png", pixels, exif=exif), spec())
    assert loaded[3].min() == 255
    assert loaded[:3].max() == 0


def test_grey_transparent_and_palette_pictures_become_rgb(tmp_path):
    for mode in ("L", "LA", "P", "RGBA", "1", "I;16"):
        path = tmp_path / f"{mode[:1]}.png"
        Image.new(mode, (10, 10)).save(path)
        assert load_image(path, spec()).shape == (4, 4, 3)


def test_colour_becomes_grey_for_one_channel(tmp_path):
    path = save(tmp_path / "a.png", np.full((4, 4, 3), 77, np.uint8))
    np.testing.assert_array_equal(load_image(path, spec((1, 4, 4, 1))), np.full((4, 4, 1), 77))


def test_damaged_pictures_end_in_one_line(tmp_path):
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)
    for suffix in ("png", "jpg"):
        path = tmp_path / f"a.{suffix}"
        good = save(path, pixels).read_bytes()
        refused = 0
        for kept in range(0, len(good), 7):
            path.write_bytes(good[:kept])
            refused += _refused(path)
        assert refused > len(good) // 7 * 0.9
        for _ in range(150):
            changed = bytearray(good)
            changed[rng.integers(len(good))] = rng.integers(256)
            path.write_bytes(changed)
            _refused(path)


def _refused(path) -> bool:
    try:
        load_image(path, spec())
    except ArgumentError as error:
        assert str(error).startswith(f"{path}: ")
        assert "\n" not in str(error)
        return True
    return False


def test_huge_picture_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "bomb.png"
    Image.new("1", (9000, 9000)).save(path)
    with pytest.raises(ArgumentError, match="9000 x 9000 pixels are too many"):
        load_image(path, spec())


def test_missing_picture_is_named(tmp_path):
    with pytest.raises(ArgumentError, match=r"a\.png: cannot read the picture: No such file"):
        load_image(tmp_path / "a.png", spec())


def test_model_without_picture_input_is_named(tmp_path):
    with pytest.raises(ModelError, match="takes no pictures"):
        load_image(save(tmp_path / "a.png", ALL_PIXELS[..., 0]), spec((1, 49, 10, 2)))


def test_pixels_of_another_shape_are_refused():
    with pytest.raises(
        ArgumentError, match=r"pixels are uint8\[16, 16, 1\]; the input takes uint8"
    ):
        image_input(ALL_PIXELS, spec())


IMAGES = np.random.default_rng(2).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
LABELS = np.arange(5, dtype=np.uint8)


def jpeg_arrays(images):
    files = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG")
        files.append(np.frombuffer(buffer.getvalue(), np.uint8))
    return np.concatenate(files), np.cumsum([0, *(len(file) for file in files)])


def test_dataset_of_pixels(tmp_path):
    np.savez(tmp_path / "d.npz", images=IMAGES, labels=LABELS)
    data = load_dataset(tmp_path / "d.npz", spec())
    assert len(data) == 5
    assert [data.label(i) for i in range(5)] == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(data.image(4), IMAGES[4])
    with pytest.raises(ArgumentError, match="picture 5 of 5"):
        data.image(5)


def test_dataset_of_jpeg_files(tmp_path):
    flat = np.stack([np.full((4, 4, 3), 40 * i, np.uint8) for i in range(5)])
    jpeg, offsets = jpeg_arrays(flat)
    np.savez(tmp_path / "d.npz", jpeg=jpeg, offsets=offsets, labels=LABELS)
    data = load_dataset(tmp_path / "d.npz", spec())
    for i in range(5):
        np.testing.assert_allclose(data.image(i), flat[i], atol=2)


JPEG, OFFSETS = jpeg_arrays(IMAGES)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"images": IMAGES},
            "needs the arrays images and labels, or jpeg, offsets and labels; has",
        ),
        ({"labels": LABELS, "jpeg": JPEG}, "needs the arrays images and labels"),
        ({"images": IMAGES[:3], "labels": LABELS}, "3 pictures but 5 labels"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "0 pictures but 0 labels"),
        ({"images": IMAGES[:, :2], "labels": LABELS}, r"images are uint8\[5, 2, 4, 3\]; the model"),
        ({"images": IMAGES.astype(float), "labels": LABELS}, "images are float64"),
        ({"images": IMAGES, "labels": LABELS / 2}, "labels must be one row of integers"),
        ({"images": np.array([{}]), "labels": LABELS}, r"not a readable \.npz data set"),
        ({"jpeg": JPEG, "offsets": OFFSETS[::-1], "labels": LABELS}, "offsets do not divide"),
        ({"jpeg": JPEG, "offsets": OFFSETS + 1, "labels": LABELS}, "offsets do not divide"),
        ({"jpeg": JPEG, "offsets": OFFSETS - 1, "labels": LABELS}, "offsets do not divide"),
    ],
)
def test_dataset_that_does_not_fit_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(ArgumentError, match=message):
        load_dataset(tmp_path / "d.npz", spec())


def test_damaged_datasets_end_in_one_line(tmp_path):
    path = tmp_path / "d.npz"
    np.savez_compressed(path, images=IMAGES, labels=LABELS)
    good = path.read_bytes()
    rng = np.random.default_rng(3)
    variants = [b"", b"PK", good[: len(good) // 2], good[:-3], b"\x93NUMPY" + bytes(100)]
    for _ in range(200):
        changed = bytearray(good)
        changed[rng.integers(len(good))] = rng.integers(256)
        variants.append(bytes(changed))
    for variant in variants:
        path.write_bytes(variant)
        try:
            load_dataset(path, spec())
        except ArgumentError as error:
            assert "\n" not in str(error)


def test_missing_dataset_is_named(tmp_path):
    with pytest.raises(ArgumentError, match=r"d\.npz: no such file"):
        load_dataset(tmp_path / "d.npz", spec())
