"""Writes JSON files whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

from usim.report.whole_file import write_whole


def write_json(path: Path, data: dict[str, object]) -> None:
    """Write `data`; ArgumentError, and the file that was there is untouched, if that fails."""
    write_whole(path, (json.dumps(data, indent=2) + "\n").encode())
