"""Writes JSON files whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from usim.errors import ArgumentError


def write_json(path: Path, data: dict[str, object]) -> None:
    """Write `data`; ArgumentError, and the file that was there is untouched, if that fails."""
    text = json.dumps(data, indent=2) + "\n"
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = file.name
            file.write(text)
        os.chmod(temporary, 0o644)  # noqa: PTH101 - a temporary file is its owner's only
        os.replace(temporary, path)  # noqa: PTH105
    except OSError as exc:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise ArgumentError(f"cannot write {path}: {exc.strerror}") from exc
