"""Reads hand-written description files, and refuses a bad one by its file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from usim.errors import PlatformError


def shown_path(file: Path) -> str:
    """The path as a user would type it: relative where it lies below the working directory."""
    try:
        return str(file.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(file)


def fail_at(file: Path, line: int | None, problem: str, **attributes: Any) -> NoReturn:  # noqa: ANN401
    """Refuse a line of a file, or all of it."""
    where = shown_path(file) if line is None else f"{shown_path(file)}:{line}"
    attributes.setdefault("key", None)
    raise PlatformError(f"{where}: {problem}", file=file, line=line, **attributes)


def read_text(file: Path) -> str:
    """The text of a UTF-8 file."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise PlatformError(
            f"{shown_path(file)}: cannot read it: {error.strerror}", file=file, line=None, key=None
        ) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        fail_at(file, line, f"not UTF-8: byte {content[error.start]:#04x}; save the file as UTF-8")
