"""Writes files whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from usim.errors import ArgumentError


def write_whole(path: Path, data: bytes) -> None:
    """Write `data`; ArgumentError, and the file that was there is untouched, if that fails.

    A device or a pipe (/dev/stdout, say) is written to, not replaced.
    """
    try:
        if _is_stream(path):
            with path.open("ab") as stream:
                stream.write(data)
        else:
            _replace(path.resolve(), data)
    except OSError as exc:
        raise ArgumentError(f"cannot write {path}: {exc.strerror}") from exc


def check_writable(path: Path) -> None:
    """ArgumentError if write_whole() can't write there: to say so before the work is done."""
    try:
        if path.is_dir():
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not _is_stream(path):
            # Permissions don't tell: root may write everywhere, but not into /proc.
            tempfile.TemporaryFile(dir=path.resolve().parent).close()
        elif not os.access(path, os.W_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as exc:
        raise ArgumentError(f"cannot write {path}: {exc.strerror}") from exc


def _is_stream(path: Path) -> bool:
    """Links to open files (/dev/stdout, /proc/self/fd/1) lead to what others write to as well."""
    links = path.is_symlink() and path.parent.resolve().parts[:2] in {("/", "dev"), ("/", "proc")}
    return links or (path.exists() and not path.is_file())


def _replace(path: Path, data: bytes) -> None:
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = file.name
            file.write(data)
        os.chmod(temporary, 0o644)  # noqa: PTH101 - a temporary file is its owner's only
        os.replace(temporary, path)  # noqa: PTH105
    except OSError:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise
