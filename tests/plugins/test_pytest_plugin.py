"""The pytest plugin, used by tests in a folder of their own."""

from __future__ import annotations

import re
import shutil
import textwrap
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from usim.cache import cache_folder

pytest_plugins = ["pytester"]
ROOT = Path(__file__).resolve().parents[2]
CACHE = cache_folder()  # before pytester has another home
SOURCE = """
SOURCE = '''#include <usim.h>
int32_t scale(const float *x, float by, float *y, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) { y[i] = by * x[i]; }
    return 0;
}
int32_t store(uint32_t address) { *(volatile uint32_t *)address = 1U; return 0; }
'''
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run pytest on tests, in a process that has no plugin but usim's."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("USIM_CACHE_DIR", str(CACHE))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run_tests(tests: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(SOURCE + textwrap.dedent(tests))
        options = ("-p", "usim.pytest_plugin", "-p", "no:cacheprovider", "--strict-markers")
        return pytester.runpytest_subprocess(*options, *arguments, timeout=120)

    return run_tests


needs_qemu = pytest.mark.skipif(
    shutil.which("qemu-system-arm") is None,
    reason="backend qemu needs qemu-system-arm, which is not installed",
)


def test_the_entry_point_names_the_plugin():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert import_module(project["entry-points"]["pytest11"]["usim"]).usim_session


def test_a_session_is_open_in_a_test_and_closed_after_it_even_if_it_fails(run):
    result = run("""
        import numpy as np

        sessions = []

        def test_kernel(usim_session):
            sessions.append(usim_session)
            scale = usim_session.load_module(SOURCE)["scale"]
            x = usim_session.tensor(np.float32([1, 2]))
            scale(x, 2.0, x, 2)
            assert x.numpy().tolist() == [2, 4]

        def test_failing(usim_session):
            sessions.append(usim_session)
            assert usim_session.is_open
            raise ValueError

        def test_they_are_closed():
            assert len(sessions) == 2 and not any(session.is_open for session in sessions)
    """)
    result.assert_outcomes(passed=2, failed=1)


def test_the_marker_says_what_is_opened_and_the_one_nearest_to_the_test_wins(run):
    result = run("""
        import pytest

        pytestmark = pytest.mark.usim(platform="stm32f767", timing="count")

        @pytest.mark.usim(platform="stm32f746", strict=True)
        def test_near(usim_session):
            assert usim_session.platform.name == "stm32f746"
            assert usim_session.strict
            assert usim_session.capabilities.count.unit == "instructions"

        def test_far(usim_session):
            assert usim_session.platform.name == "stm32f767"
            assert not usim_session.strict
    """)
    result.assert_outcomes(passed=2)


@needs_qemu
def test_several_backends_run_a_test_on_each_and_options_serve_those_without_marker(run):
    tests = """
        import pytest

        @pytest.mark.usim(backend=["embedded", "qemu"], timing="count")
        def test_both(usim_session):
            pass

        def test_option(usim_session):
            assert usim_session.backend == "qemu"
            assert usim_session.platform.name == "stm32f767"
    """
    result = run(tests, "-v", "--usim-backend", "qemu", "--usim-platform", "stm32f767")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*test_both[[]embedded]*", "*test_both[[]qemu]*"])


@needs_qemu
def test_the_test_in_the_documentation_passes(run):
    page = (ROOT / "docs" / "testing.md").read_text("utf-8")
    example, _ = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    run(example).assert_outcomes(passed=2)


def test_a_failed_tests_report_explains_fault_registers_and_memory(run):
    result = run("""
        def test_store(usim_session):
            store = usim_session.load_module(SOURCE, name="kernel.c")["store"]
            store(0x3000_0000).wait()
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([
        "*- usim -*",
        "stm32f746, backend embedded, counts cycles (modelled, full)",
        "FaultError: task 0 (store): BusFault: store *(0x3000_0000) at * in store+* (kernel.c:*",
        "*pc 0x*",
        "*heap*bytes in use, peak*of*",
        "*stack*peak*of*",
    ])  # fmt: skip


def test_what_a_failing_test_left_queued_does_not_run(run):
    result = run("""
        def test_failing(usim_session):
            usim_session.load_module(SOURCE)["store"](0x3000_0000)
            raise ValueError("on purpose")
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*- usim -*", "0 tasks ran in 0 batches"])
    result.stdout.no_fnmatch_line("*FaultError*")


def test_what_a_passing_test_left_queued_still_counts(run):
    result = run("""
        def test_forgotten(usim_session):
            usim_session.load_module(SOURCE)["store"](0x3000_0000)
    """)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*FaultError: task 0 (store): BusFault*"])


@pytest.mark.parametrize(("marker", "message"), [
    ('backend="jtag"', "usim_session: no backend 'jtag'; there are: embedded*"),
    ('platform="stm32f747"', "usim_session: *stm32f747*"),
    ("speed=3", "the marker usim has no speed; it has platform, backend*"),
])  # fmt: skip
def test_a_wrong_marker_is_one_line_without_traceback(run, marker, message):
    result = run(f"""
        import pytest

        @pytest.mark.usim({marker})
        def test_nothing(usim_session):
            pass
    """)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_a_run_that_does_not_use_it_imports_neither_usim_nor_numpy(run):
    result = run("""
        import sys

        def test_plain():
            loaded = {name for name in sys.modules if name.split(".")[0] in {"usim", "numpy"}}
            assert loaded == {"usim", "usim.pytest_plugin"}
    """)
    result.assert_outcomes(passed=1)
