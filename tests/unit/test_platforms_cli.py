"""`usim platforms`: what it prints, and how it ends."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from usim.cli.platforms import platforms
from usim.errors import PlatformError
from usim.platforms import load_platform
from usim.report.console import make_console, make_table


def run(*arguments: str) -> Result:
    return CliRunner().invoke(platforms, list(arguments))


def test_list_has_one_line_a_platform_with_its_memory() -> None:
    result = run("list")
    assert result.exit_code == 0
    rows = [line.split() for line in result.output.splitlines()]
    assert rows[0] == ["platform", "clock", "RAM", "flash", "description"]
    assert ["stm32f746", "216", "MHz", "336", "KiB", "1", "MiB"] in [row[:7] for row in rows]
    assert ["stm32f767", "216", "MHz", "528", "KiB", "2", "MiB"] in [row[:7] for row in rows]


def test_show_prints_facts_with_sources_and_the_memory_map() -> None:
    result = run("show", "stm32f746")
    assert result.exit_code == 0
    rows = [line.split() for line in result.output.splitlines()]
    assert ["flash", "reads", "7", "wait", "states,"] in [row[:5] for row in rows]
    assert ["dtcm", "64", "KiB", "at", "0x2000_0000", "RM0385"] in [row[:6] for row in rows]
    assert ["heap", "0x2000_5000", "0x2000_ffff", "44", "KiB"] in rows
    assert ["sram2", "(ram)", "0x2004_c000", "0x2004_ffff", "16", "KiB", "0", "bytes"] in rows


def test_show_counts_what_no_section_uses_as_free(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(load_platform("stm32f746").folder, tmp_path / "stm32f746"))
    file = folder / "platform.yaml"
    text = file.read_text()
    file.write_text(
        text.replace("{region: flash, size: rest}", "{region: flash_itcm, size: 768 KiB}")
    )
    rows = [line.split() for line in run("show", str(folder)).output.splitlines()]
    assert ["flash", "(flash)", "0x0800_0000", "0x080f_ffff", "1", "MiB", "256", "KiB"] in rows
    assert ["rodata", "0x0020_0000", "0x002b_ffff", "768", "KiB"] in rows


def test_check_without_names_checks_all() -> None:
    result = run("check")
    assert result.exit_code == 0
    assert "stm32f746: platform.yaml and stm32f746.repl agree\n" in result.output
    assert "stm32f767: platform.yaml and stm32f767.repl agree\n" in result.output


def test_check_of_differing_files_prints_the_difference_and_fails(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(load_platform("stm32f746").folder, tmp_path / "stm32f746"))
    file = folder / "stm32f746.repl"
    file.write_text(file.read_text().replace("size: 0x3C000", "size: 0x50000"))
    result = run("check", str(folder), "stm32f767")
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "stm32f746: sram1 at 0x2001_0000: 245760 bytes in the YAML, 327680 in the .repl",
        "stm32f767: platform.yaml and stm32f767.repl agree",
    ]


def test_an_unknown_platform_is_left_to_the_main_command() -> None:
    result = run("show", "stm32f74")
    assert isinstance(result.exception, PlatformError)


def test_a_piped_table_is_plain_aligned_and_never_wrapped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    long_text = "word " * 100 + "[end]"
    table = make_table("Title", "name", "count", numeric=("count",))
    table.add_row(long_text, "7")
    table.add_row("b", "1234")
    make_console().print(table)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Title"
    assert lines[2] == f"{long_text}      7"
    assert lines[3] == "b".ljust(len(long_text)) + "   1234"
    assert len(lines) == 4


def test_a_table_in_a_terminal_has_rules_and_colours_unless_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    table = make_table("", "name")
    table.add_row("x")
    make_console().print(table)
    make_console().print("red", style="red")
    coloured = capsys.readouterr().out
    assert "─" in coloured
    assert "\x1b[31mred" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    make_console().print("red", style="red")
    assert "\x1b[31m" not in capsys.readouterr().out
