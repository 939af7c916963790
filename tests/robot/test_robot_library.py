"""UsimLibrary beyond the scenarios: what failures say, what is closed when, documentation."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest
from robot import result
from robot.api import ExecutionResult

HERE = Path(__file__).resolve().parent
ENVIRONMENT = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
needs_qemu = pytest.mark.skipif(
    shutil.which("qemu-system-arm") is None,
    reason="backend qemu needs qemu-system-arm, which is not installed",
)
HEAD = """*** Settings ***
Library        usim.robot.UsimLibrary
Suite Setup    {setup}

*** Variables ***
${{KERNELS}}     {kernels}

"""


def run_robot(plan: str, folder: Path, setup: str = "No Operation") -> dict[str, result.TestCase]:
    """Run a suite of this text as a process; its tests by name."""
    head = "" if "*** Settings ***" in plan else HEAD.format(setup=setup, kernels=HERE / "kernels")
    (folder / "plan.robot").write_text(head + plan)
    output = folder / "output.xml"
    options = ["--output", str(output), "--log", "NONE", "--report", "NONE"]
    done = subprocess.run(
        [sys.executable, "-m", "robot", *options, str(folder / "plan.robot")],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert output.is_file(), done.stderr
    return {test.name: test for test in ExecutionResult(output).suite.all_tests}


# Each is a test of its own: its steps, and what its failure says.
FAILURES = {
    "Open Platform    stm32f746    backend=jtag": (
        "ArgumentError: no backend 'jtag'; there are: embedded, qemu*"
    ),
    "Open Platform    stm32f747": "PlatformError: *stm32f746*",
    "Open Platform    stm32f746    timing=slow": "ValueError: Argument 'timing' got value 'slow' *",
    "Close Platform": "ArgumentError: no platform: open one with `Open Platform`",
    "Ready\nOpen Platform    stm32f746": "ArgumentError: a platform stm32f746 is open already: *",
    "Ready\nSwitch Platform    board": "ArgumentError: no platform 'board'; there are: stm32f746",
    "Ready\nLoad Module    absent.c": "ArgumentError: cannot read *absent.c: No such file*",
    "Ready\nLoad Module    int32_t one(void) { return x; }": "CompileError: *module.c*",
    "Ready\nCall    scal    x": (
        "ArgumentError: no function 'scal'; there are: store, load, divide, spin, scale"
    ),
    "Ready\nCall    scale    z    1    y    5": (
        "ArgumentError: 'z' is neither a number nor a tensor (there are: x, y)"
    ),
    "Ready\nCall    scale    x    1.5    y    0.5": (
        "ArgumentError: scale: count (*) takes an integer, got 0.5"
    ),
    "Ready\nTensor    t    1 2 three": (
        "ArgumentError: '1 2 three' is neither a row of numbers nor a .npy file"
    ),
    "Ready\nTensor    t    1 300    dtype=int8": (
        "ArgumentError: [[]1, 300] cannot be kept as int8"
    ),
    "Ready\nTensor    t    1 2 3    shape=2x2": (
        "ArgumentError: 3 values do not fill the shape 2x2"
    ),
    "Ready\nTensor Should Equal    x    0 1 2 3 5": (
        "tensor x (float32): 1 of 5 values differ, the first at [[]4]: expected 5.0, got 4.0"
    ),
    "Ready\nTensor Should Equal    x    0 1 2 3 4.1    tolerance=0.01": (
        "tensor x (float32): 1 of 5 values differ by more than 0.01, the first at [[]4]: "
        "expected 4.1, got 4.0"
    ),
    "Ready\nTensor Should Equal    x    0 1": (
        "tensor x (float32): expected the shape 2, got 5"
    ),
    "Ready\nCycles Should Be At Most    10": (
        "ArgumentError: nothing ran yet: use `Call` or `Run Model` first"
    ),
    "Ready\nCall    scale    x    1    y    5\nCycles Should Be At Most    10": (
        "scale: expected at most 10 cycles, got * cycles (modelled, full)"
    ),
    "Ready\nInstructions Should Be At Most    10": (
        "ArgumentError: backend embedded counts cycles (modelled, full), not instructions; "
        "use `Cycles Should Be At Most`"
    ),
    "Ready\nMemory Peak Should Be At Most    heap    16 bytes": (
        "section heap: expected a peak of at most 16 bytes, got * bytes (of 208,896)"
    ),
    "Ready\nMemory Peak Should Be At Most    attic    16": (
        "ArgumentError: no section 'attic'; there are: text, rodata, data, bss, heap, *"
    ),
    "Ready\nMemory Peak Should Be At Most    heap    lots": (
        "ValueError: Argument 'limit' got value 'lots' that cannot be converted to Size: *KiB"
    ),
    "Ready\nFault Should Be    BusFault    Call Now    scale    x    1    y    5": (
        "expected a BusFault, but Call Now went well"
    ),
    "Ready\nFault Should Be    BusFault    Call Now    scale    x    1    y    0": (
        "expected a BusFault, got TaskError: task 0 (scale) failed: it returned -3: nothing *"
    ),
    "Ready\nFault Should Be    BusFault    Call Now    scale    x": (
        "expected a BusFault, but Call Now failed otherwise: ArgumentError: scale(*) takes 4 arg*"
    ),
    "Ready\nFault Should Be    UsageFault    Call Now    store    0x30000000    address=0x4": (
        "expected a UsageFault, expected the address 0x0000_0004 (0x3000_0000); "
        "got: task 0 (store): BusFault: *misbehave.c:4*"
    ),
    "Ready\nTask Should Fail With Status    3    Call Now    scale    x    1    y    0": (
        "expected a task to return 3, got TaskError: task 0 (scale) failed: it returned -3*"
    ),
    "Ready\nTask Should Time Out    Call Now    scale    x    1    y    5": (
        "expected a task to time out, but Call Now went well"
    ),
    "Ready\nUSART Should Contain    hello    usart=usart9": (
        "DeviceError: no USART 'usart9' on stm32f746; there are usart1*"
    ),
    "Ready\nRun Model    demo    input=demo:9_lorry.png": (
        "ArgumentError: no picture '9_lorry.png'; there are: 0_airplane.png, *"
    ),
    "Ready\nRun Model    demo    input=1 2 3": "ArgumentError: *got an array of [[]3]",
    "Ready\nRun Model    other": "ArgumentError: no model 'other'; there is none: *`Load Model`",
    "Ready\nAnswer Should Be    ship": "ArgumentError: no model ran last: use `Run Model` first",
    "Ready\nRun Model    demo    input=demo:8_ship.png\nAnswer Should Be    dog": (
        "expected the answer dog, got ship (score 0.9*)"
    ),
    "Models Should Agree    embedded    embedded": (
        "ArgumentError: both backends are embedded; two different ones can be compared"
    ),
    "Ready\nRun Model    demo\nAnswer Should Be    whale": (
        "ArgumentError: no class 'whale'; there are: airplane, *"
    ),
    "Ready\nRun Model    demo\nLayer Cycles Should Be At Most    6    10": (
        "ArgumentError: cifar10_cnn has no layer 6 that runs; there are: 0, 1, 2, 3, 4, 5, 7, 8"
    ),
    "Ready\nRun Model    demo\nLayer Cycles Should Be At Most    8    10": (
        "layer 8 (SOFTMAX): expected at most 10 cycles, got * cycles (modelled, full)"
    ),
    "Ready\nRun Model    demo\nOutput Should Equal    0 0 0 0 0 0 0 0 0 0": (
        "output 0 (int8): * of 10 values differ, the first at [[]0, 0]: expected 0, got -*"
    ),
}  # fmt: skip
READY = """
*** Keywords ***
Ready
    Open Platform    stm32f746
    Load Module    ${KERNELS}/misbehave.c
    Load Module    ${KERNELS}/scale.c
    Tensor    x    0 1 2 3 4
    Empty Tensor    y    5
"""


@pytest.fixture(scope="module")
def failed(tmp_path_factory) -> dict[str, str]:
    """What each of FAILURES said, by its steps; all of them ran in one suite."""
    plan = ["*** Test Cases ***"]
    for number, steps in enumerate(FAILURES):
        plan += [f"Case {number}", *(f"    {step}" for step in steps.splitlines())]
    tests = run_robot("\n".join(plan) + READY, tmp_path_factory.mktemp("failures"))
    assert len(tests) == len(FAILURES)
    assert all(test.failed for test in tests.values()), [t.name for t in tests.values() if t.passed]
    return {steps: tests[f"Case {number}"].message for number, steps in enumerate(FAILURES)}


@pytest.mark.parametrize("steps", FAILURES)
def test_a_failure_is_one_line_with_what_was_expected_and_what_came(steps, failed):
    assert "\n" not in failed[steps]
    assert fnmatchcase(failed[steps], FAILURES[steps]), failed[steps]


ENDINGS = """
*** Test Cases ***
Leaves A Platform Open And Fails
    Open Platform    stm32f746    backend=qemu    alias=own
    Load Module    ${KERNELS}/scale.c
    Fail    on purpose

Finds It Closed
    ${children} =    Evaluate    pathlib.Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()    modules=os,pathlib
    Should Be Empty    ${children}
    Run Keyword And Expect Error    ArgumentError: no platform 'own'; there are: kept    Switch Platform    own
    Switch Platform    kept
    Load Module    ${KERNELS}/misbehave.c

Leaves A Bad Call In The Queue
    Call    store    0x30000000

Leaves A Bad Call In The Queue And Fails
    Call    store    0x30000000
    Fail    on purpose

Leaves A Bad Call On A Platform Of Its Own
    Open Platform    stm32f746    alias=own
    Load Module    ${KERNELS}/misbehave.c
    Call    store    0x30000000

Is Not Troubled By Them
    Empty Tensor    result    1    dtype=int32
    Call    divide    5    result
    Tensor Should Equal    result    20
    Close Platform
    Open Platform    stm32f746    alias=kept
"""  # noqa: E501 - a cell cannot be broken


@needs_qemu
def test_what_a_test_leaves_behind_is_closed_and_counts_as_its_own(tmp_path):
    tests = run_robot(ENDINGS, tmp_path, setup="Open Platform    stm32f746    alias=kept")
    left = "when the test ended: FaultError: task 0 (store): BusFault"
    assert tests["Leaves A Platform Open And Fails"].message == "on purpose"
    assert tests["Finds It Closed"].passed, tests["Finds It Closed"].message
    for name in ("Leaves A Bad Call In The Queue", "Leaves A Bad Call On A Platform Of Its Own"):
        assert tests[name].failed
        assert tests[name].message.startswith(left)
    first, second = tests["Leaves A Bad Call In The Queue And Fails"].message.splitlines()
    assert first == "on purpose"
    assert second.startswith(left)
    assert tests["Is Not Troubled By Them"].passed, tests["Is Not Troubled By Them"].message


def test_the_log_of_a_failed_keyword_has_registers_and_memory(tmp_path):
    plan = """
*** Test Cases ***
Faults
    Load Module    ${KERNELS}/misbehave.c
    Call Now    store    0x30000000
"""
    tests = run_robot(plan, tmp_path, setup="Open Platform    stm32f746")
    messages = [message.message for message in tests["Faults"].body[1].messages]
    (told,) = (message for message in messages if "  pc 0x" in message)
    assert told.startswith("stm32f746, backend embedded, counts cycles (modelled, full)")
    assert "BusFault: store to where no memory can be written (0x3000_0000)" in told
    assert "heap      0 bytes in use, peak 0 of 208,896" in told


@pytest.mark.parametrize("backend", ["embedded", pytest.param("qemu", marks=needs_qemu)])
def test_robots_own_timeout_stops_a_call_and_the_platform_is_used_on(backend, tmp_path):
    plan = """
*** Test Cases ***
Spins
    [Timeout]    1 second
    Load Module    ${KERNELS}/misbehave.c
    Call Now    spin

Goes On
    Empty Tensor    result    1    dtype=int32
    Call    divide    5    result
    Tensor Should Equal    result    20
"""
    tests = run_robot(plan, tmp_path, setup=f"Open Platform    stm32f746    backend={backend}")
    assert tests["Spins"].message == "Test timeout 1 second exceeded."
    assert tests["Goes On"].passed, tests["Goes On"].message


def test_outputs_and_tensors_can_be_files_beside_the_plan(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(6, dtype=np.float32).reshape(2, 3))
    labels = [f"class {index}" for index in range(10)]
    (tmp_path / "labels.txt").write_text("\n".join(labels))
    tests = run_robot(
        """
*** Test Cases ***
Tensor From A File
    Open Platform    stm32f746
    Tensor    x    x.npy
    Tensor Should Equal    x    [[0, 1, 2], [3, 4, 5]]
    Tensor Should Equal    x    x.npy
    ${values} =    Get Tensor    x
    Should Be Equal    ${values}    ${{[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]}}
    Free Tensor    x
    Memory In Use Should Be    heap    0

Output To A File And Back
    Open Platform    stm32f746    timing=count
    Load Model    demo    name=net    labels=labels.txt
    Run Model    net    input=demo:5_dog.png
    Answer Should Be    class 5
    Answer Should Be    5
    Save Output    dog.npy
    Run Model    net
    Run Keyword And Expect Error    output 0 (int8): *    Output Should Equal    dog.npy
    Run Model    net    input=demo:5_dog.png
    Output Should Equal    dog.npy
    Unload Model    net
    Memory In Use Should Be    heap    0
""",
        tmp_path,
    )
    assert [test.message for test in tests.values()] == ["", ""]
    assert np.load(tmp_path / "dog.npy").dtype == np.int8


def test_the_plan_in_the_documentation_passes(tmp_path):
    page = (HERE.parents[1] / "docs" / "testing.md").read_text("utf-8")
    plan, _ = re.findall(r"^```robotframework\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "kernels").symlink_to(HERE / "kernels")
    tests = run_robot(plan, tmp_path)
    assert len(tests) == 3
    assert [test.message for test in tests.values()] == ["", "", ""]


def test_every_keyword_is_documented_and_its_types_are_known(tmp_path):
    libdoc = [sys.executable, "-m", "robot.libdoc"]
    for name in ("library.json", "library.html"):
        done = subprocess.run(
            [*libdoc, "usim.robot.UsimLibrary", str(tmp_path / name)],
            env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    library = json.loads((tmp_path / "library.json").read_text())
    assert "warn" not in done.stderr.lower(), done.stderr
    keywords = {keyword["name"]: keyword for keyword in library["keywords"]}
    assert {"Open Platform", "Call", "Run Model", "Fault Should Be"} <= keywords.keys()
    assert [name for name, keyword in keywords.items() if not keyword["doc"].strip()] == []
    untyped = [
        f"{name}: {argument['name']}"
        for name, keyword in keywords.items()
        for argument in keyword["args"]
        if argument["type"] is None and argument["kind"] != "NAMED_ONLY_MARKER"
    ]
    assert untyped == []
    # A link in the documentation that leads nowhere stays a mere word.
    links = set(re.findall(r"`((?:[A-Z]\w+ ?)+)`", (tmp_path / "library.json").read_text()))
    assert links <= keywords.keys()


def test_usim_itself_does_not_need_robot_framework():
    program = (
        "import sys; sys.modules['robot'] = None\n"
        "import usim, usim.session, usim.cli.run, usim.pytest_plugin"
    )
    subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, timeout=60, check=True)
