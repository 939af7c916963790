"""Writes files whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from usim.errors import ArgumentError


def write_whole(path: Path, data: bytes) -> None:
    """Write `data`; ArgumentError, and the file that was there is untouched, if that fails."""
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = file.name
            file.write(data)
        os.chmod(temporary, 0o644)  # noqa: PTH101 - a temporary file is its owner's only
        os.replace(temporary, path)  # noqa: PTH105
    except OSError as exc:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise ArgumentError(f"cannot write {path}: {exc.strerror}") from exc


def check_writable(path: Path) -> None:
    """ArgumentError if write_whole() can't write there: to say so before the work is done."""
    reason = 0
    if path.is_dir():
        reason = errno.EISDIR
    elif not path.parent.is_dir():
        reason = errno.ENOTDIR if path.parent.exists() else errno.ENOENT
    elif not os.access(path.parent, os.W_OK):
        reason = errno.EACCES
    if reason:
        raise ArgumentError(f"cannot write {path}: {os.strerror(reason)}")
