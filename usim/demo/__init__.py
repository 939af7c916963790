"""The model and the images that `usim run` uses when it is given none.

The network is the CIFAR-10 CNN of the 2020 microTVM evaluation, trained by
scripts/train_cifar10.py; the images are, of each class, the first of CIFAR-10's test split
(scripts/make_demo_images.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).resolve().parent
MODEL: Final = _FOLDER / "cifar10_cnn.tflite"
LABELS: Final = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


def images() -> list[tuple[Path, int]]:
    """The ten images, each with the index of its class."""
    return [(path, int(path.stem.split("_")[0])) for path in sorted(_FOLDER.glob("images/*.png"))]
