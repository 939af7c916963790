"""The stack that code needs, computed from the machine code, against what it is measured to use."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import usim
from usim import demo
from usim.errors import ModelError
from usim.module import Module

# What a path that the run did not take may need more.
_MARGIN_BYTES = 64

_LEAF = "int32_t f(int32_t a) { return a - a; }"
_BUFFER = "int32_t f(int32_t a) { volatile char b[200]; b[a] = 1; return b[a] - 1; }"
_NESTED = """
#define NOINLINE __attribute__((noinline)) static
NOINLINE int32_t low(int32_t a) { volatile char b[64]; b[a] = 3; return b[a]; }
NOINLINE int32_t mid(int32_t a) { volatile char b[96]; b[a] = 2; return b[a] + low(a); }
int32_t f(int32_t a) { volatile int32_t sum = mid(a) + low(a + 1); return sum - 8; }
"""
_MANY = (
    "int32_t f(int32_t a, int32_t b, int32_t c, int32_t d, int32_t e, int32_t g, int32_t h)"
    " { volatile int32_t s = a + b + c + d + e + g + h; return s - 21; }"
)
_HELPERS = """
int32_t f(int32_t a) {
    char *p = usim_workspace_alloc(64);
    if (p == NULL) { usim_set_last_error("none"); return 1; }
    p[a] = 1;
    return usim_workspace_free(p);
}
"""
_TABLE = """
__attribute__((noinline))
static int32_t g(int32_t a) { volatile char b[120]; b[a] = 1; return b[a]; }
int32_t f(int32_t a) {
    switch (a) {
    case 1: return g(a) - 1;
    case 2: return a * 3;
    case 3: __asm volatile("nop"); return g(2);
    case 4: __asm volatile("nop\\nnop"); return a / 3;
    case 5: __asm volatile("isb"); return g(3) * 7;
    case 6: return a ^ 0x55;
    }
    return 2;
}
"""
_FLOATS = """
int32_t f(int32_t n) {
    float x[40];
    for (int32_t i = 0; i < 40; i++) {
        x[i] = (float)(i * n);
        __asm volatile("" : : "r"(x) : "memory");
    }
    float a = 0;
    __asm volatile("" : : : "s16", "s17", "s18", "s30", "r8", "r9");
    for (int32_t i = 0; i < 40; i++) { a += x[i]; }
    return a > 1e9f;
}
"""


@pytest.mark.parametrize(
    ("source", "arguments"),
    [
        (_LEAF, [1]), (_BUFFER, [1]), (_NESTED, [1]), (_MANY, [0, 1, 2, 3, 4, 5, 6]),
        (_HELPERS, [1]), (_TABLE, [1]), (_FLOATS, [1]),
    ],
)  # fmt: skip
def test_need_is_what_the_run_uses(
    own_session: usim.Session, source: str, arguments: list[int]
) -> None:
    with own_session.load_module(f'#include "usim.h"\n{source}') as module:
        need = module.stack_need({"f": len(arguments)}).size_bytes
        module["f"](*arguments).wait()
        peak = _peak(own_session)
    assert need is not None
    assert peak <= need <= peak + _MARGIN_BYTES


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("int32_t f(int32_t a) { volatile int32_t b = a; return a ? f(b - 1) + b : 0; }", "itself"),
        ("int32_t (*p)(int32_t); int32_t f(int32_t a) { int32_t b = p(a); return b + 1; }",
         "f calls through a pointer"),
        ("void g(void *); int32_t f(int32_t a) { volatile char b[a]; b[0] = 1; return b[a - 1]; }",
         "f has a frame of variable size"),
    ],
)  # fmt: skip
def test_what_has_no_bound_says_why(
    load: Callable[[str], Module], source: str, problem: str
) -> None:
    need = load(source).stack_need({"f": 1})
    assert need.size_bytes is None
    assert problem in need.problem


@pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed"
)
@pytest.mark.parametrize("source", [_BUFFER, _NESTED, _TABLE, _FLOATS])
def test_code_of_the_other_compiler_has_a_bound_too(source: str) -> None:
    with usim.Session(toolchain="gcc") as session:
        module = session.load_module(f'#include "usim.h"\n{source}')
        need = module.stack_need({"f": 1}).size_bytes
        module["f"](1).wait()
        assert need is not None
        assert _peak(session) <= need <= _peak(session) + _MARGIN_BYTES


def test_a_model_needs_what_it_uses_of_stack_and_workspace(own_session: usim.Session) -> None:
    _check_model(own_session, demo.MODEL)


@pytest.mark.parametrize("file", ["pretrainedResnet_quant.tflite", "kws_ref_model.tflite"])
def test_the_models_of_mlperf_tiny_too(
    own_session: usim.Session, shared_data: Path, file: str
) -> None:
    _check_model(own_session, shared_data / "models" / file)


def _check_model(session: usim.Session, file: Path) -> None:
    compiled = session.load_model(file)
    compiled(*(np.zeros(spec.shape, spec.numpy_dtype()) for spec in compiled.model.inputs))
    need = compiled.working_memory
    use = {item.name: item.peak_bytes for item in session.memory_use()}
    assert need.workspace_bytes == use["workspace"]
    assert need.stack.size_bytes is not None
    assert use["stack"] <= need.stack.size_bytes <= use["stack"] + _MARGIN_BYTES


@pytest.mark.parametrize(("section", "size"), [("stack", 640), ("workspace", 4096)])
def test_a_model_is_refused_where_its_kernels_have_no_room(
    tmp_path: Path, section: str, size: int
) -> None:
    folder = tmp_path / "tight"
    folder.mkdir()
    (folder / "platform.yaml").write_text(
        f"extends: stm32f746\ntitle: tight\n"
        f"sections:\n  {section}:\n    - {{region: dtcm, size: {size}}}\n"
    )
    with usim.Session(folder) as session:
        free = session.free_bytes("text")
        with pytest.raises(ModelError, match=rf"kernels need [\d,]+ bytes of {section}.*larger in"):
            session.load_model(demo.MODEL)
        assert session.free_bytes("text") == free


def _peak(session: usim.Session) -> int:
    (peak,) = (use.peak_bytes for use in session.memory_use() if use.name == "stack")
    return peak
