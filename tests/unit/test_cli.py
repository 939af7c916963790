"""The `usim` command: help, errors in one line, exit codes, pipes and interruptions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from usim.cli import COMMANDS, usim
from usim.cli.group import CommandGroup, write_log_to_stderr
from usim.errors import CompileError, PlatformError

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}


def _run(*arguments: str, program: str = "") -> subprocess.CompletedProcess[str]:
    start = ["-c", program] if program else ["-m", "usim"]
    command = [sys.executable, *start, *arguments]
    return subprocess.run(
        command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
    )


def _invoke_failing(error: BaseException, *options: str) -> Result:
    @click.group(cls=CommandGroup, commands_by_name={})
    @click.option("-v", "verbose", count=True)
    def group(verbose: int) -> None:
        write_log_to_stderr(verbose)

    @group.command()
    def fail() -> None:
        click.echo("output before")
        raise error

    return CliRunner().invoke(group, [*options, "fail"])


def test_help_names_every_command_and_shows_examples() -> None:
    result = CliRunner().invoke(usim, ["--help"])
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in result.stdout
    assert "usim run --platform stm32f746" in result.stdout


def test_help_imports_no_emulator_and_no_numpy() -> None:
    program = (
        "import sys; sys.argv[1:] = ['--help']; from usim.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'unicorn', 'rich', 'pydantic', 'tflite', 'elftools'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = _run(program=program)
    assert done.returncode == 0, done.stderr


def test_version_names_usim_and_python() -> None:
    done = _run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("usim ")
    assert f"Python {sys.version_info[0]}.{sys.version_info[1]}." in done.stdout


def test_unknown_command_is_wrong_usage_and_lists_the_commands() -> None:
    result = CliRunner().invoke(usim, ["rnu"])
    assert result.exit_code == 2
    assert "no command is called 'rnu'; there are: run, platforms, doctor" in result.stderr


def test_error_is_one_line_on_stderr_and_exit_code_1() -> None:
    result = _invoke_failing(PlatformError("unknown platform 'x'"))
    assert result.exit_code == 1
    assert result.stdout == "output before\n"
    assert result.stderr == "error: unknown platform 'x'\n"


def test_compilers_own_words_come_before_our_line() -> None:
    output = "k.c:1:2: error: bad\n  int x\n      ^\n"
    result = _invoke_failing(CompileError("k.c:1:2: error: bad", output=output))
    assert result.exit_code == 1
    assert result.stderr == output + "error: k.c:1:2: error: bad\n"


def test_file_that_cannot_be_opened_is_one_line() -> None:
    result = _invoke_failing(FileNotFoundError(2, "No such file or directory", "cat.png"))
    assert result.exit_code == 1
    assert result.stderr == "error: cat.png: No such file or directory\n"


def test_interruption_ends_with_130_and_no_traceback() -> None:
    result = _invoke_failing(KeyboardInterrupt())
    assert result.exit_code == 130
    assert result.stderr == "interrupted\n"


def test_traceback_is_there_when_asked_for() -> None:
    result = _invoke_failing(PlatformError("bad"), "-vv")
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("error: bad\n")


def test_our_own_mistakes_are_not_hidden() -> None:
    assert isinstance(_invoke_failing(ZeroDivisionError()).exception, ZeroDivisionError)


@pytest.mark.skipif(os.name != "posix", reason="signals and pipes as POSIX has them")
def test_real_interrupt_signal_ends_with_130() -> None:
    program = (
        "import os, signal, click, usim.cli as cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background\n"
        "@cli.usim.command()\n"
        "def hang(): os.kill(os.getpid(), signal.SIGINT); signal.pause()\n"
        "cli.main()"
    )
    done = _run("hang", program=program)
    assert done.returncode == 128 + signal.SIGINT
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals and pipes as POSIX has them")
def test_reader_that_has_enough_causes_no_noise() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "usim", "platforms", "show", "stm32f746"]
    done = subprocess.run(
        command, env=ENVIRONMENT, stdout=write, stderr=subprocess.PIPE, check=False, timeout=60
    )
    os.close(write)
    assert done.stderr == b""
    assert done.returncode == 1


def test_doctor_finds_the_default_path_in_order() -> None:
    result = CliRunner().invoke(usim, ["doctor", "--json"])
    report = json.loads(result.stdout)
    states = {finding["name"]: finding["state"] for finding in report["findings"]}
    assert {states[name] for name in ("python", "unicorn", "clang", "host library")} == {"ok"}
    backends = {backend["name"]: backend for backend in report["backends"]}
    assert backends["embedded"]["usable"]
    assert set(backends) == {"embedded", "qemu", "renode", "openocd"}
    assert report["healthy"]
    assert result.exit_code == 0


def test_doctor_says_how_to_get_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = CliRunner().invoke(usim, ["doctor"])
    assert result.exit_code == 0
    assert "arm-none-eabi-gcc: Debian and Ubuntu: apt install gcc-arm-none-eabi" in result.stdout
    assert "usim run has all that it needs" in result.stdout


def test_doctor_fails_when_the_compiler_is_missing(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['ziglang'] = None\n"
        "import importlib.util as util; find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'ziglang' else find(name, *rest)\n"
        "from usim.cli import main; main()"
    )
    done = _run("doctor", program=program)
    assert done.returncode == 1, done.stderr
    assert "clang              missing" in done.stdout
    assert "lacks clang, host library" in done.stdout
    assert "pip install" in done.stdout


def test_doctor_names_a_renode_that_is_not_where_it_should_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYRENODE_PKG", str(tmp_path / "renode.pkg"))
    result = CliRunner().invoke(usim, ["doctor", "--json"])
    findings = {finding["name"]: finding for finding in json.loads(result.stdout)["findings"]}
    assert findings["renode location"]["state"] == "broken"
    assert "renode.pkg: no such file" in findings["renode location"]["detail"]
