"""Compiled C, as opposed to chosen instructions: nothing that compilers emit is unknown."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from usim.timing.decode import Instruction, decode
from usim.timing.mnemonics import is_fp
from usim.timing.pipeline import issue
from usim.toolchain.zig_clang import zig_executable

_FLAGS = ["-target", "thumbv7em-none-eabihf", "-mcpu=cortex-m7", "-mfpu=fpv5-sp-d16"]
_C = """
typedef unsigned u; typedef unsigned long long ull; typedef signed char s8; typedef short s16;
struct point { float x, y; }; struct big { u words[24]; };
int table(int k, int a) { switch (k) { case 0: return a * 3; case 1: return a / 5; case 2:
    return -a; case 3: return a << 7; case 4: return a % 11; case 5: return a ^ 0x1fc0;
    default: return 0; } }
ull wide(ull a, ull b) { return a * b + (a >> 7) - (b << 9) + (ull)(u)a * (u)b; }
u divide(u a, int b, u c) { return a / c + (u)(b / 3) + (u)(b % (int)c); }
int dot(const s8 *a, const s8 *b, int n) { int s = 0; while (n--) s += *a++ * *b++; return s; }
int dot16(const s16 *a, const s16 *b, int n) { int s = 0; for (int i = 0; i < n; i++)
    s += a[i] * b[i]; return s; }
float norm(const struct point *p, int n) { float s = 0; for (int i = 0; i < n; i++)
    s += p[i].x * p[i].x + p[i].y / (p[i].x - 2.5f); return __builtin_sqrtf(s) > 1.0f ? s : -s; }
int convert(float f) { return (int)f + (f < 3.0f) + (int)(f * 256.0f); }
float back(int i, u j) { return (float)i + (float)j; }
u bits(u a, u b) { return ((a >> 3) & 0x3f) | (b << 6 & 0xfc0) | __builtin_bswap32(a) ^
    (u)__builtin_clz(b) ^ (a & 0xff) ^ (u)(s16)b; }
int clamp(int a) { return a < -128 ? -128 : a > 127 ? 127 : a; }
struct big copy(struct big b) { b.words[3] ^= 1; return b; }
u sum(u a, u b, u c, u d, u e, u f) { return a + b - c * d + e - f; }
void fill(unsigned char *p, u n) { for (u i = 0; i < n; i++) p[i] = (unsigned char)i; }
int call(int (*f)(int), int a) { return f(a) + f(a + 1); }
double twice(double a) { return a + a; }
void swap(float *a, float *b, int k) { float t = *a; if (k) { *a = *b; *b = t; } }
int exchange(int *p) { return __atomic_add_fetch(p, 1, __ATOMIC_RELAXED); }
"""


def _functions(path: Path) -> list[tuple[Instruction, ...]]:
    with path.open("rb") as file:
        elf = ELFFile(file)
        symbols = list(elf.get_section_by_name(".symtab").iter_symbols())
        found = []
        for index, section in enumerate(elf.iter_sections()):
            marks = sorted(
                (symbol["st_value"] & ~1, symbol.name[:2])
                for symbol in symbols
                if symbol["st_shndx"] == index and symbol.name[:2] in ("$t", "$d")
            )
            if not marks:
                continue
            ends = [start for start, _ in marks[1:]] + [section["sh_size"]]
            for (start, kind), end in zip(marks, ends, strict=True):
                if kind == "$t":
                    found.append(decode(section.data()[start:end], start))
        return found


@pytest.fixture(scope="module", params=["-O0", "-O2", "-Os"])
def functions(request, tmp_path_factory) -> list[tuple[Instruction, ...]]:
    folder = tmp_path_factory.mktemp("compiled")
    (folder / "all.c").write_text(_C)
    command = [str(zig_executable()), "clang", *_FLAGS, request.param, "-ffunction-sections", "-c"]
    subprocess.run([*command, "all.c", "-o", "all.o"], cwd=folder, check=True)
    return _functions(folder / "all.o")


def test_nothing_that_a_compiler_emits_is_taken_for_a_system_instruction(functions):
    system = [one.text for code in functions for one in code if one.class_name == "system"]
    assert system == []
    assert len(functions) > 15


def test_every_operand_is_a_register_that_exists(functions):
    core = {f"r{n}" for n in range(10)} | {"sb", "sl", "fp", "ip", "sp", "lr"}
    for code in functions:
        for one in code:
            names = {source.register for source in one.sources} | set(one.results)
            rest = {name for name in names if not is_fp(name)} - core
            assert rest <= {"flags", "ge", "fpscr"}, one.text


def test_functions_issue_between_half_a_cycle_and_a_few_an_instruction(functions):
    for code in functions:
        issued = issue(code)
        blocking = sum(one.issue_cycles for one in code if one.issue_cycles > 1)
        assert len(code) / 2 - 1 <= issued.cycles <= 3 * len(code) + 2 * blocking
