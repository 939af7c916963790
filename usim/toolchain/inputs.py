"""What a compilation reads besides its source, as part of the key of its cached object."""

from __future__ import annotations

import hashlib
import logging
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from usim.cache import content_key

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOG = logging.getLogger(__name__)
_MOST_FILES = 2000
_READING_FLAGS = ("-I", "-i", "-imacros", "-include", "-B", "-f", "-specs", "--specs", "@")
_READING_F_FLAGS = ("-fprofile-use", "-fprofile-instr-use", "-fplugin", "-fmodule")


def has_unseen_inputs(flags: Sequence[str]) -> bool:
    """Say whether `flags` make the compiler read files that no cache key can cover."""
    for flag in flags:
        if flag.startswith("-f"):
            if flag.startswith(_READING_F_FLAGS):
                return True
        elif flag.startswith(_READING_FLAGS):
            return True
    return False


def digest_of_folders(folders: Sequence[Path]) -> str | None:
    """Return a digest of all files in `folders`, None if they are too many to look at each time.

    All files and not only headers: `#include` takes any name.
    """
    parts: list[str] = []
    for folder in folders:
        # The name is in the object: -ffile-prefix-map puts it before the header's.
        parts.append(f"{len(folders)} {folder.name}")
        for parent, names, files in os.walk(folder):
            names[:] = sorted(name for name in names if not name.startswith((".", "__pycache__")))
            for file in sorted(files):
                path = Path(parent, file)
                parts += [path.relative_to(folder).as_posix(), _digest_of_file(path)]
                if len(parts) > 2 * _MOST_FILES:
                    _LOG.info("not cached: more than %d files in %s", _MOST_FILES, folder)
                    return None
    return content_key(*parts)


def _digest_of_file(path: Path) -> str:
    try:
        status = path.stat()
        return _digest_of_version(path, status.st_mtime_ns, status.st_size)
    except OSError:  # removed meanwhile, or a dangling link: the compiler cannot read it either
        return "unreadable"


@lru_cache(maxsize=2 * _MOST_FILES)
def _digest_of_version(path: Path, modified_ns: int, size_bytes: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
