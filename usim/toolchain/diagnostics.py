"""Turns what a compiler printed into one error, or into lines of the log."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from usim.errors import CompileError

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOG = logging.getLogger("usim.toolchain")
# "clang: error: ..." has no place in a file; "module.c:3:5: fatal error: ..." has one.
_ERROR = re.compile(r"^(?:\S.*?:)? ?(?:fatal )?error: ")


def make_compile_error(command: Sequence[str], name: str, output: str, status: int) -> CompileError:
    """Return the error for a failed compilation: the first `error:` line, the others counted."""
    errors = [line.strip() for line in output.splitlines() if _ERROR.match(line)]
    if errors:
        further = len(errors) - 1
        plural = "s" if further > 1 else ""
        summary = errors[0] + (f" (and {further} more error{plural})" if further else "")
    else:
        said = next((line.strip() for line in output.splitlines() if line.strip()), "")
        summary = f"{name}: the compiler failed with status {status}"
        summary += f": {said}" if said else " and said nothing"
    return CompileError(summary, command=tuple(command), output=output)


def log_warnings(output: str) -> None:
    """Log what a successful compilation had to say."""
    text = output.strip()
    if text:
        _LOG.warning("%s", text)
