"""The conformance programs on the embedded device: what they see is what the manual states."""

from __future__ import annotations

import pytest
from conformance import PLATFORMS, PROGRAMS, build_program, expected_trace, run_on_usim


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_embedded_device_takes_exceptions_as_the_manual_states(name, platform, tmp_path):
    trace = run_on_usim(build_program(name, platform, tmp_path), platform)
    assert trace == expected_trace(name)
