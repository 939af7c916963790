"""What is done to each input: the whole import, but for the compiler."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from rich.console import Console

from usim.errors import ModelError
from usim.fitting import fit_model
from usim.models import Model, read_graph
from usim.models.inspection import inspect_graph
from usim.models.lowering import LoweredModel
from usim.platforms import Core, Platform, load_platform
from usim.report.arena_svg import arena_svg
from usim.report.inspection_json import inspection_json
from usim.report.inspection_tables import print_inspection
from usim.toolchain import TOOLCHAINS
from usim.toolchain.zig_clang import ZigClang

_FILE = "net.tflite"
_LONGEST_MESSAGE = 1000
_FUNCTION = re.compile(r"^int32_t (\w+)\(", re.MULTILINE)


class FuzzError(Exception):
    """The importer did something that it must not do."""


class _NoCompiler(ZigClang):
    """Leaves out what a model's functions do: their code is not what is looked at."""

    def compile(self, source: str, *, name: str, core: Core, **options: object) -> bytes:
        if name == "net.c":
            return _empty_functions(tuple(_FUNCTION.findall(source)), core)
        return super().compile(source, name=name, core=core, **options)


@contextmanager
def _no_compiler() -> Iterator[str]:
    """The name of a toolchain that leaves functions empty, while it is there."""
    TOOLCHAINS["none"] = _NoCompiler
    try:
        yield "none"
    finally:
        del TOOLCHAINS["none"]


@cache
def _empty_functions(names: tuple[str, ...], core: Core) -> bytes:
    source = "\n".join(f"int {name}(void) {{ return 0; }}" for name in names)
    return ZigClang().compile(source, name="empty.c", core=core)


@cache
def platform() -> Platform:
    return load_platform("stm32f746")


def import_model(data: bytes, *, fit: bool = True) -> LoweredModel | str:
    """All that usim does with a file: what it is lowered to, or the message of its refusal."""
    try:
        graph = read_graph(data, _FILE, keep_unsupported=True)
        inspection = inspect_graph(graph, len(data))
    except ModelError as error:
        return checked(error)
    print_inspection(Console(file=io.StringIO(), width=120), inspection)
    json.dumps(inspection_json(inspection, []), allow_nan=False)
    arena_svg(inspection)
    if inspection.lowered is None:
        return inspection.problems[0]
    if inspection.lowered.plan.size_bytes < inspection.lowered.plan.lower_bound_bytes:
        raise FuzzError("the plan is smaller than its lower bound")
    model = Model(graph)
    model.lowered = inspection.lowered
    if fit:
        with _no_compiler() as name:
            fit_model(platform(), model, toolchain=name)
    return model.lowered


def checked(error: ModelError) -> str:
    """An error's message, if it is one line that names the file and what is wrong."""
    message = str(error)
    if "\n" in message or len(message) > _LONGEST_MESSAGE or not message.startswith(f"{_FILE}: "):
        raise FuzzError(f"no good message: {message!r}")
    return message
