"""The conformance programs on QEMU: that the traces expected of usim are not of our own making."""

from __future__ import annotations

import shutil

import pytest
from conformance import NOT_ON_QEMU, PROGRAMS, build_program, expected_trace, trace_on_qemu

pytestmark = pytest.mark.skipif(
    shutil.which("qemu-system-arm") is None,
    reason="qemu-system-arm, which the traces are compared with, is not installed",
)


@pytest.mark.parametrize("name", sorted(set(PROGRAMS) - NOT_ON_QEMU))
def test_qemu_sees_what_the_manual_states_but_for_what_is_marked(name, tmp_path):
    trace = trace_on_qemu(build_program(name, "mps2-an500", tmp_path))
    assert trace == expected_trace(name, on_qemu=True)
