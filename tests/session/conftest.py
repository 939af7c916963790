"""Sessions on the embedded device; tests that leave no traces share one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import usim
from usim.module import Module


@pytest.fixture(scope="module")
def session() -> Iterator[usim.Session]:
    """A lazy session that the tests of a file share; each leaves it usable."""
    with usim.Session("stm32f746", timeout_s=20) as opened:
        yield opened


@pytest.fixture
def own_session() -> Iterator[usim.Session]:
    """A session for one test alone."""
    with usim.Session("stm32f746", timeout_s=20) as opened:
        yield opened


@pytest.fixture
def load(session: usim.Session) -> Iterator[Callable[[str], Module]]:
    """Load C (with usim.h) into the shared session for one test."""
    loaded: list[Module] = []

    def load_source(source: str) -> Module:
        loaded.append(session.load_module(f'#include "usim.h"\n#line 1\n{source}'))
        return loaded[-1]

    yield load_source
    for module in loaded:
        module.unload()
