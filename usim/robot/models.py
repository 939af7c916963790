"""Keywords for int8 models: load, run, and say what should come out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from robot.api import logger

from usim import demo
from usim.check import CheckedModel
from usim.errors import ArgumentError
from usim.models import Model, guess_pixel_range, image_input, load_image
from usim.robot.bench import LoadedModel, Target, find
from usim.robot.group import KeywordGroup
from usim.robot.values import convert_exactly, describe_difference, load_array, parse_values
from usim.session import Session

_DEMO = "demo"


class ModelKeywords(KeywordGroup):
    """Load Model, Run Model, Answer Should Be and the like."""

    def load_model(self, file: str, name: str | None = None, labels: str | None = None) -> None:
        """Compiles an int8 .tflite model and loads it; ``name`` is for `Run Model`.

        ``file`` is relative to the suite file's folder; ``demo`` is the CIFAR-10 network that comes
        with usim. ``labels`` is a file with the classes' names, one a line. By default a model is
        called by the file's name without suffix.

        | Load Model    models/keywords.tflite    labels=models/keywords.txt
        """
        target = self._target()
        model = self._read(file)
        name = name or (_DEMO if file == _DEMO else model.name)
        if name in target.models:
            raise ArgumentError(f"a model {name} is loaded already; unload it, or name this one")
        classes = self._labels(file, labels)
        target.models[name] = LoadedModel(target.session.load_model(model), classes)

    def unload_model(self, name: str) -> None:
        """Runs what is queued, then takes a model off the platform: its memory is free again."""
        target = self._target()
        loaded = find(target.models, name, "model", "load one with `Load Model`")
        del target.models[name]
        self._run(loaded.compiled.unload)

    def run_model(self, model: str, input: object = "zeros") -> None:
        """Runs one inference. ``model`` is a loaded one's name; or a file, which is loaded first.

        ``input`` is a picture (.png, .jpg) or an array (.npy) relative to the suite file's folder,
        a row of numbers, an array, or ``zeros``. An array of the model's own type (int8) is taken
        as it is, real values are quantised. ``demo:4_deer.png`` is one of the ten pictures that
        come with usim.

        | Run Model    demo    input=demo:4_deer.png
        | Answer Should Be    deer
        """
        target = self._target()
        loaded = self._loaded(target, model)
        stored = self._input(loaded.compiled.model, input)
        self._run(lambda: target.ran_model(loaded, loaded.compiled.profile(stored)))
        _, count = target.last_count()
        logger.info(f"{loaded.compiled.model.name}: {count}")

    def answer_should_be(self, expected: str) -> None:
        """Fails unless this class has the highest score in the last `Run Model`'s output.

        ``expected`` is a label, or the class's index.
        """
        loaded, profile = self._target().run_of_model()
        scores = loaded.compiled.model.dequantize_output(profile.outputs[0]).reshape(-1)
        winner = int(scores.argmax())
        label = loaded.labels[winner] if winner < len(loaded.labels) else str(winner)
        if expected not in {label, str(winner)}:
            known = [*loaded.labels, *map(str, range(scores.size))]
            if expected not in known:
                raise ArgumentError(f"no class {expected!r}; there are: {', '.join(known)}")
            raise AssertionError(
                f"expected the answer {expected}, got {label} (score {scores[winner]:.3f})"
            )
        logger.info(f"answer {label}, score {scores[winner]:.3f}")

    def output_should_equal(self, expected: object, output: int = 0) -> None:
        """Fails unless an output of the last `Run Model` holds exactly these stored values.

        ``expected`` is a row of numbers, a list, an array, or a .npy file relative to the suite
        file's folder (see `Save Output`).

        | Output Should Equal    -128 -128 -120 -125 127 -128 -128 -128 -128 -128
        | Output Should Equal    expected/deer.npy
        """
        got = self._output(output)
        wanted = parse_values(expected, self._folder())
        if wanted.size == got.size and wanted.ndim <= 1:
            wanted = wanted.reshape(got.shape)
        difference = describe_difference(got, convert_exactly(wanted, got.dtype))
        if difference:
            raise AssertionError(f"output {output} ({got.dtype}): {difference}")

    def get_output(self, output: int = 0) -> npt.NDArray[Any]:
        """Returns an output of the last `Run Model`, as an array of its stored values."""
        return self._output(output)

    def save_output(self, file: str, output: int = 0) -> None:
        """Writes an output of the last `Run Model` to a .npy file for `Output Should Equal`.

        The file is relative to the suite file's folder.
        """
        path = self._folder() / file
        if path.suffix != ".npy":
            raise ArgumentError(f"{file}: outputs are kept in .npy files")
        try:
            np.save(path, self._output(output), allow_pickle=False)
        except OSError as exc:
            raise ArgumentError(f"cannot write {path}: {exc.strerror}") from exc

    def models_should_agree(
        self,
        backend: str,
        other_backend: str,
        model: str = _DEMO,
        platform: str = "stm32f746",
        input: object = "zeros",
    ) -> None:
        """Runs a model on two backends; fails unless all outputs are equal, byte for byte.

        The failure names the first layer that differs, how many bytes do, and both values. The
        backends are opened for this and closed again. ``input`` is as for `Run Model`.

        | Models Should Agree    embedded    qemu    model=demo    input=demo:4_deer.png
        """
        loaded = self._read(model)
        stored = self._input(loaded, input)
        names = (backend, other_backend)
        if backend == other_backend:
            raise ArgumentError(f"both backends are {backend}; two different ones can be compared")
        first, second = (Session(platform, backend=name) for name in names)
        with first, second:
            both = (first.load_model(loaded), second.load_model(loaded))
            checked = CheckedModel(*both, names)
            checked.profile(stored)
        found = checked.check
        counts = " and ".join(map(str, found.inputs[0].counts))
        logger.info(f"{backend} and {other_backend}: {found.inputs[0]}; {counts}")
        if not found.agrees:
            raise AssertionError(
                f"{loaded.name}: expected {backend} and {other_backend} to agree; {found.inputs[0]}"
            )

    def _read(self, file: str) -> Model:
        return Model.load(demo.MODEL if file == _DEMO else self._folder() / file)

    def _loaded(self, target: Target, model: str) -> LoadedModel:
        name = Path(model).stem if Path(model).suffix else model
        if name not in target.models:
            if model != _DEMO and not Path(model).suffix:
                find(target.models, model, "model", "load one with `Load Model`")
            self.load_model(model)
        return target.models[name]

    def _labels(self, file: str, labels: str | None) -> tuple[str, ...]:
        if labels is None:
            return demo.LABELS if file == _DEMO else ()
        path = self._folder() / labels
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as exc:
            raise ArgumentError(f"cannot read the class names in {path}: {exc}") from exc
        return tuple(line.strip() for line in lines if line.strip())

    def _input(self, model: Model, value: object) -> npt.NDArray[Any]:
        """Stored values for the model's only input."""
        if len(model.inputs) != 1:
            raise ArgumentError(f"{model.name} has {len(model.inputs)} inputs; one can be given")
        spec = model.inputs[0]
        text = value if isinstance(value, str) else ""
        if text == "zeros":
            return model.quantize_input(np.zeros(spec.shape))
        if text.startswith(f"{_DEMO}:"):
            pictures = {path.name: path for path, _ in demo.images()}
            path = find(pictures, text.removeprefix(f"{_DEMO}:"), "picture", "")
            return image_input(load_image(path, spec), spec, guess_pixel_range(model))
        if Path(text).suffix.lower() in {".png", ".jpg", ".jpeg"}:
            return image_input(
                load_image(self._folder() / text, spec), spec, guess_pixel_range(model)
            )
        if text.endswith(".npy"):
            array = load_array(self._folder() / text)
        else:
            array = parse_values(value, self._folder())
            if array.ndim == 1 and array.size == spec.element_count:
                array = array.reshape(spec.shape)
        quantise = array.dtype.kind == "f" and spec.numpy_dtype().kind != "f"
        if quantise:
            return model.quantize_input(array)
        return model.raw_input(convert_exactly(array, spec.numpy_dtype()))

    def _output(self, index: int) -> npt.NDArray[Any]:
        _, profile = self._target().run_of_model()
        if not 0 <= index < len(profile.outputs):
            raise ArgumentError(f"no output {index}; the model has {len(profile.outputs)}")
        return profile.outputs[index]
