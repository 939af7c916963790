"""`usim exec`: what cannot be run is one line, with the exit code that docs/exec.md gives."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

TIMEOUT_S = 60
PROGRAM_HEADERS = 28  # e_phoff
HEADER_BYTES = 32


def refused(result, code: int) -> str:
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    lines = [line for line in result.stderr.splitlines() if line.lower().startswith("error: ")]
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_an_image_for_risc_v_is_refused(shell_elf, run_exec, tmp_path):
    image = bytearray(shell_elf.read_bytes())
    image[18] = 243  # e_machine: EM_RISCV
    (tmp_path / "other.elf").write_bytes(image)
    assert "is for RISCV (32 bits), not for a 32-bit Arm" in refused(
        run_exec(tmp_path / "other.elf"), 1
    )


@pytest.mark.parametrize(
    ("name", "message"), [("a.elf", "is not an ELF file"), ("a.bin", "is empty")]
)
def test_an_empty_file_is_refused(run_exec, tmp_path, name, message):
    (tmp_path / name).touch()
    assert message in refused(run_exec(tmp_path / name), 1)


def test_a_folder_is_refused(run_exec, tmp_path):
    assert "Is a directory" in refused(run_exec(tmp_path), 1)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--platform", "stm32x"], 1, "unknown platform 'stm32x'"),
        (["--for", "0"], 2, "a limit is more than 0"),
        (["--for", "0s"], 2, "a limit is more than 0"),
        (["--json", "/nowhere/run.json"], 1, "cannot write /nowhere/run.json"),
        (["--uart", "usart1=/"], 1, "cannot write /"),
    ],
)
def test_bad_options_are_one_line(shell_elf, run_exec, options, code, message):
    arguments = options if "--for" in options else [*options, "--for", "1ms"]
    assert message in refused(run_exec(shell_elf, *arguments), code)


def test_segments_over_one_another_are_refused(shell_elf, run_exec, tmp_path):
    image = bytearray(shell_elf.read_bytes())
    (first,) = struct.unpack_from("<I", image, PROGRAM_HEADERS)
    addresses = image[first + 8 : first + 16]  # p_vaddr, p_paddr
    image[first + HEADER_BYTES + 8 : first + HEADER_BYTES + 16] = addresses
    (tmp_path / "twice.elf").write_bytes(image)
    assert "two segments over one another" in refused(run_exec(tmp_path / "twice.elf"), 1)


def test_a_file_without_an_end_is_refused(run_exec):
    assert "is larger than 256 MiB" in refused(run_exec("/dev/zero", "--format", "bin"), 1)


def test_two_usarts_do_not_write_one_file(shell_elf, run_exec, tmp_path):
    log = tmp_path / "log.txt"
    uarts = [part for name in ("usart1", "usart2") for part in ("--uart", f"{name}={log}")]
    assert "can't write the same file" in refused(run_exec(shell_elf, *uarts, "--for", "1ms"), 1)
    assert not log.exists()


@pytest.mark.parametrize("option", ["--json", "--trace"])
@pytest.mark.parametrize("place", ["/proc/run.txt", "/nowhere/run.txt", "/"])
def test_what_cannot_be_written_is_refused_before_the_run(shell_elf, run_exec, option, place):
    result = run_exec(shell_elf, "--for", "1ms", option, place)
    assert f"cannot write {place}" in refused(result, 1)
    assert result.stdout == ""
    assert "Ended" not in result.stderr


@pytest.mark.parametrize(
    "options", [["--json", "/dev/full"], ["--trace", "/dev/full"], ["--uart", "usart1=/dev/full"]]
)
def test_a_full_disk_is_named(shell_elf, run_exec, options):
    result = run_exec(shell_elf, "--for", "1ms", *options)
    assert "cannot write /dev/full: No space left on device" in refused(result, 1)
    assert Path("/dev/full").is_char_device()


def test_a_pipe_is_written_to_and_not_replaced(shell_elf, run_exec, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert run_exec(shell_elf, "--for", "1ms", "--json", pipe).exit_code == 0
        assert os.read(reader, 1) == b"{"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def run_in_shell(command: str, image: Path) -> subprocess.CompletedProcess[bytes]:
    """`$RUN` is `usim exec` with that image, for a millisecond."""
    run = f"{sys.executable} -m usim exec {image} --for 1ms"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env=os.environ | {"RUN": run}, capture_output=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip


needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")


@needs_bash
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("$RUN >&-", 0),
        ("$RUN <&-", 0),
        ("$RUN <&- >&- 2>&-", 0),
        ("$RUN | head -c 1", 1),
        ("$RUN > /dev/full", 1),
        ("$RUN --send $'\\xff'", 0),
    ],
)
def test_streams_that_are_closed_or_full_cause_no_traceback(shell_elf, command, code):
    done = run_in_shell(command, shell_elf)
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr


def test_sigterm_ends_the_run_with_what_was_asked_for(shell_elf, tmp_path):
    summary = tmp_path / "run.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "usim", "exec", str(shell_elf), "--json", str(summary)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout.readline() == b"ready\r\n"
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
    assert process.returncode == 128 + signal.SIGTERM
    assert b"Traceback" not in stderr
    assert '"interrupted"' in summary.read_text("utf-8")
