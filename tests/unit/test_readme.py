"""The README tells the truth: its examples print what it shows, and what it names is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from usim.cli import usim
from usim.models import OPERATORS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "BENCHMARKS.md", *sorted((ROOT / "docs").glob("*.md"))]


def run_python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT), "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def without_figures(text: str) -> list[str]:
    """Lines without what another compiler version changes: counts, addresses, column widths."""
    text = re.sub(r"0x[0-9a-f_]+", "0x", text)
    text = re.sub(r"\d[\d,.]*(?= (instructions|cycles))", "N", text)
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def without_numbers(text: str) -> list[str]:
    text = text.replace(f"{ROOT}{os.sep}", "")
    text = re.sub(r"\d[\d,.]*%?", "N", text)
    # The Compiler line is cut short in the README.
    text = re.sub(r"^(Compiler .* -mcpu=[\w-]+) .*$", r"\1", text, flags=re.MULTILINE)
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def test_python_example_prints_what_the_readme_shows() -> None:
    (example,), (shown,) = blocks("python"), blocks("text")
    assert without_figures(run_python("-c", example)) == without_figures(shown)


def test_session_prints_the_lines_that_the_readme_shows() -> None:
    (session,) = blocks("console")
    prompt, shown = session.split("\n", 1)
    assert prompt.startswith("$ scripts/usim ")
    arguments = prompt.removeprefix("$ scripts/usim ").split()
    assert without_numbers(run_python("-m", "usim", *arguments)) == without_numbers(shown)


def commands() -> Iterator[str]:
    yield from re.findall(r"^\$ (.+)$", README, re.MULTILINE)
    for code in re.findall(r"`([^`\n]+)`", README):
        if code.startswith("scripts/"):
            yield code
        elif code.startswith("--"):
            yield f"scripts/usim run {code}"


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_commands_in_the_readme_exist(command: str) -> None:
    script, *arguments = command.split()
    assert (ROOT / script).is_file()
    if script != "scripts/usim":
        return
    context = usim.make_context("usim", [], resilient_parsing=True)
    called: click.Command = usim
    while isinstance(called, click.Group) and arguments and not arguments[0].startswith("-"):
        name = arguments.pop(0)
        found = called.get_command(context, name)
        assert found is not None, f"{command}: no command {name}"
        called = found
    known = {option for parameter in called.params for option in parameter.opts} | {"--help"}
    assert {word for word in arguments if word.startswith("--")} <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_supported_operators_are_named() -> None:
    assert [kind for kind in OPERATORS if kind not in README] == []
