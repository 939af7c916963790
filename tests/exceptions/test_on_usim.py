"""The conformance programs on the embedded device: what they see is what the manual states."""

from __future__ import annotations

import pytest
from conformance import PLATFORMS, PROGRAMS, build_program, expected_trace, run_on_usim


# Caches and pipelines change when something happens, not what.
@pytest.mark.parametrize("timing", ["count", "full"])
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_embedded_device_takes_exceptions_as_the_manual_states(
    name, platform, timing, tmp_path
):
    trace = run_on_usim(build_program(name, platform, tmp_path), platform, timing)
    assert trace == expected_trace(name)
