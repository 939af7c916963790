"""Programs on disk for the tests of profiles, and a way to run them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from programs import DATA, build, mixed

from usim.cli import usim
from usim.platforms import load_platform
from usim.profile.attribution import Attribution
from usim.profile.program import read_program
from usim.profile.run import Recording, Request, record


@pytest.fixture(scope="session")
def mixed_elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recursion, loops, a tail call, inlined code, text by semihosting, exit with code 7."""
    path = tmp_path_factory.mktemp("programs") / "mixed.elf"
    path.write_bytes(mixed())
    return path


@pytest.fixture(scope="session")
def mixed_profile(mixed_elf: Path) -> Attribution:
    """Its profile in modelled cycles."""
    return Attribution(run(mixed_elf))


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Path]:
    """Build a program from the body of a C file: main() and what it needs."""

    def make(source: str, **options: object) -> Path:
        path = tmp_path / "program.elf"
        path.write_bytes(build(source, **options))
        return path

    return make


def run(
    path: Path, write: Callable[[bytes], None] = lambda _: None, **request: object
) -> Recording:
    request.setdefault("limit", 20_000_000)
    return record(read_program(path), load_platform("stm32f746"), Request(**request), write)


@pytest.fixture
def recorded() -> Callable[..., Recording]:
    """Run an executable to its end."""
    return run


@pytest.fixture
def usim_command() -> Callable[..., Result]:
    """The `usim` command, in this process."""
    return lambda *arguments: CliRunner().invoke(usim, [str(item) for item in arguments])


@pytest.fixture(scope="session")
def mixed_source() -> str:
    return (DATA / "mixed.c").read_text(encoding="utf-8")
