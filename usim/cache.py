"""The folder in which usim keeps what is dear to make: objects, archives, host libraries.

Entries are addressed by the content that they were made from, so a wrong answer is never cheaper
than a right one: what cannot be read, written or trusted is made again, with a line in the log.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sys
import tempfile
from pathlib import Path

_LOG = logging.getLogger(__name__)
_DIGEST_BYTES = 32
_DEFAULT_LIMIT_BYTES = 512 * 1024 * 1024


def cache_folder() -> Path:
    """Return where the cache is: $USIM_CACHE_DIR, or the place that the system has for caches."""
    chosen = os.environ.get("USIM_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else _home() / "AppData" / "Local") / "usim" / "Cache"
    if sys.platform == "darwin":
        return _home() / "Library" / "Caches" / "usim"
    xdg = os.environ.get("XDG_CACHE_HOME")
    # The XDG specification: a relative path is invalid and is ignored.
    return (Path(xdg) if xdg and Path(xdg).is_absolute() else _home() / ".cache") / "usim"


def content_key(*parts: str | bytes) -> str:
    """Return the key of what is made from `parts` (and their boundaries)."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Write `path` so that another process sees all of it or nothing. May raise OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


class Cache:
    """Bytes by key in a folder, the least recently used out first. Never raises OSError."""

    def __init__(
        self, folder: Path | None = None, *, limit_bytes: int = _DEFAULT_LIMIT_BYTES
    ) -> None:
        self.folder = (folder or cache_folder()) / "objects"
        self._limit_bytes = limit_bytes
        # Unknown until the first write has looked: reading must not cost a walk of the folder.
        self._stored_bytes: int | None = None
        self._complained = False

    def get(self, key: str) -> bytes | None:
        """Return what was put under `key`, or None."""
        path = self._path(key)
        try:
            stored = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as exc:
            _LOG.warning("cannot read the cache %s: %s", path, exc.strerror)
            return None
        digest, data = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
        if hashlib.sha256(data).digest() != digest:
            _LOG.warning("the cache entry %s is damaged and is made again", path)
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):  # a read-only cache still serves
            os.utime(path)
        return data

    def put(self, key: str, data: bytes) -> None:
        """Keep `data` under `key`, if that is possible."""
        path = self._path(key)
        try:
            write_atomically(path, hashlib.sha256(data).digest() + data)
            self._make_room(path, len(data) + _DIGEST_BYTES)
        except OSError as exc:
            level = logging.DEBUG if self._complained else logging.WARNING
            _LOG.log(level, "cannot write the cache %s: %s", self.folder, exc.strerror)
            self._complained = True

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key[2:]

    def _make_room(self, newest: Path, added_bytes: int) -> None:
        if self._stored_bytes is not None:
            self._stored_bytes += added_bytes
            if self._stored_bytes <= self._limit_bytes:
                return
        entries = sorted(self._entries())
        self._stored_bytes = sum(size for _, size, _ in entries)
        # Down to three quarters, so that a full cache is not walked on every write.
        goal_bytes = self._limit_bytes * 3 // 4
        if self._stored_bytes <= self._limit_bytes:
            return
        for _, size, path in entries:
            if self._stored_bytes <= goal_bytes:
                return
            if path == newest:
                continue
            with contextlib.suppress(OSError):
                path.unlink()
            self._stored_bytes -= size

    def _entries(self) -> list[tuple[float, int, Path]]:
        """Age (oldest first when sorted), size and path of each entry, half-written ones too."""
        found = []
        for path in self.folder.glob("*/*"):
            with contextlib.suppress(OSError):  # another process may have removed it
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        return found


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # no HOME and no passwd entry, as in some containers
        return Path(tempfile.gettempdir())
