"""Finds a compiler for the device and runs it; builds C for the host too.

`find_toolchain()` gives the Clang that comes with PyPI's ziglang, which needs nothing installed.
"""

from __future__ import annotations

import os

from usim.errors import ToolchainError
from usim.toolchain.base import Toolchain
from usim.toolchain.gcc import ArmGcc
from usim.toolchain.host import build_host_library
from usim.toolchain.zig_clang import ZigClang

__all__ = ["TOOLCHAINS", "Toolchain", "build_host_library", "find_toolchain"]

TOOLCHAINS: dict[str, type[Toolchain]] = {"clang": ZigClang, "gcc": ArmGcc}
_DEFAULT = "clang"


def find_toolchain(name: str | None = None) -> Toolchain:
    """Return the toolchain `name`; None: $USIM_TOOLCHAIN, else clang. Raises ToolchainError."""
    origin = ""
    if name is None:
        name = os.environ.get("USIM_TOOLCHAIN") or _DEFAULT
        origin = " (from USIM_TOOLCHAIN)" if os.environ.get("USIM_TOOLCHAIN") else ""
    kind = TOOLCHAINS.get(name)
    if kind is None:
        known = ", ".join(TOOLCHAINS)
        raise ToolchainError(f"no toolchain is called {name!r}{origin}; there are: {known}")
    return kind()
