"""Boards in tests: the pytest fixture `usim_board`, and the Robot keywords."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from robot.api import ExecutionResult

from usim.cache import cache_folder

pytest_plugins = ["pytester"]
CACHE = cache_folder()  # before pytester has another home
ROOT = Path(__file__).resolve().parents[2]
TESTING = (ROOT / "docs" / "testing.md").read_text("utf-8")


@pytest.fixture
def run(pytester, monkeypatch, shell_elf):
    """Run pytest on tests beside "firmware.elf", in a process that has no plugin but usim's."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("USIM_CACHE_DIR", str(CACHE))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run_tests(tests: str) -> pytest.RunResult:
        pytester.makepyfile(tests)
        shutil.copy(shell_elf, pytester.path / "firmware.elf")
        options = ("-p", "usim.pytest_plugin", "-p", "no:cacheprovider", "--strict-markers")
        return pytester.runpytest_subprocess(*options, timeout=120)

    return run_tests


def python_example() -> str:
    return next(
        code
        for code in re.findall(r"^```python\n(.*?)^```$", TESTING, re.MULTILINE | re.DOTALL)
        if "usim_board" in code
    )


def test_the_test_in_the_documentation_passes(run):
    run(python_example()).assert_outcomes(passed=1)


def test_a_failed_test_tells_of_the_boards_fault_and_its_last_words(run):
    result = run("""
        def test_crash(usim_board):
            board = usim_board("firmware.elf")
            board.wait_for_line("ready")
            board.send_line("b")
            board.wait_for_line("never")
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([
        "*FirmwareEndedError: 'never' was not seen: HardFault: *",
        "*- usim firmware.elf -*",
        "Ended *HardFault: store to where no memory can be written*",
        "*r0 0x*",
        "Last of usart1: *ready*",
    ])  # fmt: skip


def test_the_marker_chooses_platform_and_timing(run):
    run("""
        import pytest

        @pytest.mark.usim(platform="stm32f767", timing="count")
        def test_marked(usim_board):
            board = usim_board("firmware.elf")
            assert board.platform.name == "stm32f767"
            assert board.count_kind.unit == "instructions"
            assert usim_board("firmware.elf", timing="core").count_kind.fidelity == "core"
    """).assert_outcomes(passed=1)


HEAD = "*** Settings ***\nLibrary    usim.robot.UsimLibrary\n\n*** Test Cases ***\n"


@pytest.fixture
def robot(tmp_path, shell_elf):
    """Run a plan beside "firmware.elf"; messages of its tests by name."""
    shutil.copy(shell_elf, tmp_path / "firmware.elf")

    def run_plan(plan: str) -> dict[str, str]:
        (tmp_path / "plan.robot").write_text(plan)
        output = tmp_path / "output.xml"
        options = ["--output", str(output), "--log", "NONE", "--report", "NONE"]
        done = subprocess.run(
            [sys.executable, "-m", "robot", *options, str(tmp_path / "plan.robot")],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        assert output.is_file(), done.stderr
        return {test.name: test.message for test in ExecutionResult(output).suite.all_tests}

    return run_plan


def test_the_plan_in_the_documentation_passes(robot):
    plan = next(
        plan
        for plan in re.findall(r"^```robotframework\n(.*?)^```$", TESTING, re.MULTILINE | re.DOTALL)
        if "Boot Image" in plan
    )
    messages = robot(plan)
    assert messages
    assert set(messages.values()) == {""}


def test_keywords_talk_with_the_firmware(robot):
    assert set(
        robot(
            HEAD
            + """
Talk
    Boot Image    firmware.elf
    Create Terminal Tester    sysbus.usart1    timeout=100 ms
    ${line} =    Wait For Line On Uart    ready
    Should Be Equal    ${line}    ready
    Write Char On Uart    a
    Write To Uart    b
    Write Line To Uart    c
    Wait For Prompt On Uart    you
    ${line} =    Wait For Next Line On Uart
    Should Be Equal    ${line}    ${SPACE}said abc
    Should Not Be On Uart    more    timeout=1 ms
    Write Line To Uart    more
    Run Keyword And Expect Error    'more' was sent at *    Should Not Be On Uart    more

Times
    Boot Image    firmware.elf    timing=core
    Advance Time    2 ms
    ${now} =    Simulated Time
    Should Be True    0.0019 < ${now} < 0.0021
    Simulated Time Should Be At Most    3 ms
    Run Keyword And Expect Error    expected at most 0.001 s of the chip's time, got *
    ...    Simulated Time Should Be At Most    1 ms
    Write Line To Uart    c
    Cycles Between Lines Should Be At Most    begin    end    20_000
    Reset Board
    Cycles Between Symbols Should Be At Most    Reset_Handler    main    100_000

Ends
    Boot Image    firmware.elf
    Wait For Line On Uart    ready
    Write Line To Uart    q6
    Firmware Should Exit    6
    Reset Board
    Wait For Line On Uart    ready
    Write Line To Uart    d
    Firmware Should Crash    HardFault    cause=division by zero
"""
        ).values()
    ) == {""}


FAILURES = {
    "Wait For Line On Uart    x": "ArgumentError: no board: start one with `Boot Image`",
    "Boot Image    absent.elf": "ProgramError: cannot read *absent.elf: No such file*",
    "Ready\nBoot Image    firmware.elf": (
        "ArgumentError: a board firmware.elf runs already: give this one an alias"
    ),
    "Ready\nSwitch Board    other": "ArgumentError: no board 'other'; there are: firmware.elf",
    "Ready\nCreate Terminal Tester    usart9": (
        "ArgumentError: no USART 'usart9' on stm32f746; there are *"
    ),
    "Ready\nWait For Line On Uart    login    timeout=2 ms": (
        "ExpectationError: 'login' was not seen within 0.002 s *'ready*"
    ),
    "Ready\nWait For Line On Uart    ready\nWrite Line To Uart    u\nAdvance Time    1 s": (
        "FirmwareEndedError: the firmware ended in 1 s: HardFault: undefined instruction*"
    ),
    "Ready\nFirmware Should Exit    0    timeout=1 ms": (
        "expected an exit with code 0, got: it would go on"
    ),
    "Boot Image    firmware.elf    timing=count\nCycles Between Symbols Should Be At Most    "
    "Reset_Handler    main    9": (
        "ArgumentError: the board counts instructions (counted), not cycles: *"
    ),
}


def test_a_failing_keyword_says_why(robot):
    plan = HEAD
    for number, steps in enumerate(FAILURES):
        plan += f"{number}\n" + "".join(f"    {step}\n" for step in steps.split("\n"))
    plan += "*** Keywords ***\nReady\n    Boot Image    firmware.elf\n"
    got = list(robot(plan).values())
    wrong = [
        (message, expected)
        for message, expected in zip(got, FAILURES.values(), strict=True)
        if not fnmatchcase(message, expected.replace("[", "[[]"))
    ]
    assert wrong == []
