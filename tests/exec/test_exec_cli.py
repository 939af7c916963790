"""`usim exec`: what it shows, and its exit codes and one-line errors."""

from __future__ import annotations

import json
import re
import signal
import socket

import pytest


def error_line(result, code: int = 1) -> str:
    assert result.exit_code == code, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return lines[0]


def test_a_script_is_done_in_the_order_given(shell_elf, run_exec):
    result = run_exec(
        shell_elf, "--expect", "ready", "--send", r"one\r", "--expect", "said one",
        "--send", r"\x74wo\r", "--expect", r"said two\r\n",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert result.stdout_bytes == b"ready\r\nyou said one\r\nyou said two\r\n"
    assert "Instructions " in result.stderr


def test_an_expectation_that_is_not_met_is_an_error(shell_elf, run_exec):
    result = run_exec(shell_elf, "--expect", "login:", "--timeout", "3ms")
    assert "'login:' was not seen within 0.003 s of the chip's time" in error_line(result)
    assert "seen instead: usart1 'ready\\r\\n'" in result.stderr


def test_for_limits_the_script_too(shell_elf, run_exec):
    result = run_exec(shell_elf, "--expect", "login:", "--for", "2ms")
    assert "was not seen within 0.002 s" in error_line(result)


def test_for_is_no_error(shell_elf, run_exec):
    result = run_exec(shell_elf, "--for", "5ms")
    assert result.exit_code == 0, result.stderr
    assert result.stdout_bytes == b"ready\r\n"
    assert "Ended         not yet, it is at 0x0800_" in result.stderr
    assert "Time          5.0" in result.stderr


def test_ctrl_c_is_the_callers_again_behind_the_command(shell_elf, run_exec):
    before = signal.getsignal(signal.SIGINT)
    run_exec(shell_elf, "--expect", "ready")
    assert signal.getsignal(signal.SIGINT) is before


def test_the_exit_code_is_that_of_semihosting(shell_elf, run_exec):
    assert run_exec(shell_elf, "--expect", "ready", "--send", r"q7\r", "--for", "1s").exit_code == 7
    assert run_exec(shell_elf, "--expect", "ready", "--send", r"q0\r", "--for", "1s").exit_code == 0


def test_a_crash_is_told_with_its_report(shell_elf, run_exec):
    result = run_exec(shell_elf, "--expect", "ready", "--send", r"b\r", "--for", "1s")
    assert "the firmware crashed: HardFault: store to where no" in error_line(result, 3)
    assert "  r0 0x" in result.stderr
    assert "IMPRECISERR" in result.stderr


def test_quiet_leaves_the_summary_out(shell_elf, run_exec):
    assert run_exec(shell_elf, "--for", "2ms", "--quiet").stderr == ""


def test_lines_of_a_second_usart_bear_its_name(firmware, run_exec):
    image = firmware(
        "static void rest(void) { for (volatile int i = 0; i < 9000; i++) { } }\n"
        "int main(void) {\n"
        "    open_usart(USART1);\n    open_usart(USART3);\n"
        '    say(USART1, "on");\n    rest();\n    say(USART3, "three\\n");\n    rest();\n'
        '    say(USART1, "one\\n");\n'
        '    say(USART3, "end");\n'
        "    for (;;) { }\n"
        "}"
    )
    result = run_exec(image)
    assert result.exit_code == 0
    assert result.stdout == "on\nusart3: three\none\nusart3: end\n"
    assert run_exec(image, "--uart", "usart3").stdout == "three\nend\n"


def test_a_usart_goes_to_a_file(shell_elf, run_exec, tmp_path):
    log = tmp_path / "log.txt"
    result = run_exec(shell_elf, "--for", "2ms", "--uart", f"usart1={log}")
    assert result.stdout == ""
    assert log.read_bytes() == b"ready\r\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--uart", "usart1=tcp:0.0.0.0:4000"], "0.0.0.0 is not served"),
        (["--uart", "usart1=tcp:127.0.0.1:x"], "'x' is no port"),
        (["--uart", "=null"], "names no USART"),
        (["--base", "flash"], "no address"),
        (["--expect", r"\q"], "has a backslash that means nothing"),
        (["--send", ""], "no text to send"),
        (["--for", "soon"], "neither a number of cycles nor a time"),
    ],
)
def test_wrong_options_are_wrong_usage(shell_elf, run_exec, options, message):
    result = run_exec(shell_elf, *options)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_usart_that_the_chip_lacks_is_named(shell_elf, run_exec):
    result = run_exec(shell_elf, "--uart", "usart9=null")
    assert "no USART 'usart9' on stm32f746; there are" in error_line(result)
    assert "is given twice" in error_line(
        run_exec(shell_elf, "--uart", "usart1", "--uart", "usart1=null")
    )


def test_a_port_in_use_is_one_line(shell_elf, run_exec):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run_exec(shell_elf, "--uart", f"usart1=tcp:127.0.0.1:{port}")
    message = error_line(result)
    assert f"cannot listen on 127.0.0.1:{port} for usart1: address already in use" in message


def test_a_file_that_cannot_be_written_is_one_line(shell_elf, run_exec, tmp_path):
    result = run_exec(shell_elf, "--uart", f"usart1={tmp_path}/absent/log.txt")
    assert "No such file or directory" in error_line(result)


def test_a_bad_image_is_one_line(run_exec, tmp_path):
    (tmp_path / "a.hex").write_text("hello")
    assert "invalid record at line 1" in error_line(run_exec(tmp_path / "a.hex"))


def test_the_summary_is_written_as_json(shell_elf, run_exec, tmp_path):
    path = tmp_path / "run.json"
    result = run_exec(
        shell_elf, "--expect", "ready", "--send", r"b\r", "--for", "1s", "--json", path
    )
    assert result.exit_code == 3
    data = json.loads(path.read_text("utf-8"))
    assert data["end"]["reason"] == "fault"
    assert data["fault"]["kind"] == "HardFault"
    assert data["fault"]["registers"]["pc"] >> 20 == 0x080
    assert data["count"] == {"unit": "cycles", "source": "modelled", "fidelity": "full"}
    assert data["usarts"] == {"usart1": 7}
    # From the flash without wait states, at the reset's clock: two at once at the best.
    assert 0 < data["instructions"] < 2 * data["cycles"]
    assert data["seconds"] * data["core_hz"] == pytest.approx(data["cycles"])


def test_a_profile_is_shown(shell_elf, run_exec):
    result = run_exec(shell_elf, "--expect", "ready", "--profile", "--timing", "core")
    assert result.exit_code == 0
    assert re.search(r"^main +1 +[\d,]+ ", result.stderr, re.MULTILINE)
    assert "Ended         stopped at 0x0800_" in result.stderr
