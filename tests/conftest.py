"""What every test may use."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

_BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of data sets that do not belong in the repository."""
    chosen = os.environ.get("USIM_SHARED_DATA")
    folder = Path(chosen) if chosen else _BESIDE_THE_CHECKOUT
    if not folder.is_dir():
        pytest.skip(f"no shared data in {folder} (set USIM_SHARED_DATA)")
    return folder


@pytest.fixture
def cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for one test; it may be looked into."""
    folder = tmp_path / "usim cache"
    monkeypatch.setenv("USIM_CACHE_DIR", str(folder))
    return folder


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt; a shell's background jobs have it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
