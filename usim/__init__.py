"""usim: compile, run and time tensor kernels and int8 models on an emulated (or real) Cortex-M7."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from usim.board import Board
    from usim.models import Model
    from usim.session import Session

__all__ = ["Board", "Model", "Session"]

_HOMES = {"Board": "usim.board", "Session": "usim.session", "Model": "usim.models"}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import on first use, so that `import usim` and `usim --help` stay quick."""
    if name in _HOMES:
        from importlib import import_module  # noqa: PLC0415

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'usim' has no attribute {name!r}")
