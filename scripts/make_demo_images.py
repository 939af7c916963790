#!/usr/bin/env python3
"""Write the demo's ten images, as PNG: of each CIFAR-10 class the first one in the test split.

python scripts/make_demo_images.py --data DIR --output usim/demo/images
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

LABELS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with test.npz")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    with np.load(options.data / "test.npz") as archive:
        blob, offsets, labels = archive["jpeg"].tobytes(), archive["offsets"], archive["labels"]
    for label, name in enumerate(LABELS):
        first = int(np.flatnonzero(labels == label)[0])
        jpeg = blob[offsets[first] : offsets[first + 1]]
        image = Image.open(io.BytesIO(jpeg)).convert("RGB")
        image.save(options.output / f"{label}_{name}.png", optimize=True)


if __name__ == "__main__":
    main()
