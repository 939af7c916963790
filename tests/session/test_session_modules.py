"""Modules: side by side, unloaded, cached, in other memory, with the compiler's library."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

import usim
from usim.errors import CompileError, LinkError, MemoryFullError

PUT = "void put(int *out) {{ *out = {value}; }}"


def used(session) -> dict[str, int]:
    names = ("text", "rodata", "data", "bss")
    return {use.name: use.used_bytes for use in session.memory_use() if use.name in names}


def value_of(session, function) -> int:
    out = session.empty((), np.int32)
    function(out)
    return int(out.numpy())


def test_modules_live_side_by_side(session):
    modules = [session.load_module(PUT.format(value=value)) for value in range(5)]
    assert [value_of(session, module.put) for module in modules] == list(range(5))
    modules[2].unload()
    assert value_of(session, modules[4].put) == 4
    for module in modules:
        module.unload()


def test_the_same_source_loaded_twice_has_state_of_its_own(session):
    source = "static int n; void next(int *out) { *out = ++n; }"
    with session.load_module(source) as first, session.load_module(source) as second:
        assert [value_of(session, first.next) for _ in range(3)] == [1, 2, 3]
        assert value_of(session, second.next) == 1


def test_unload_returns_all_memory(session):
    before = used(session)
    source = (
        "static const int table[100] = {1, 2}; int data[50] = {3}; int zero[70];"
        "void use(int *out, int i) { zero[i] = table[i]; *out = zero[i] + data[i]; }"
    )
    for _ in range(3):
        module = session.load_module(source)
        now = used(session)
        assert all(now[name] > before[name] for name in before), now
        assert module.size_bytes("rodata") == 400
        assert module.size_bytes("data") == 200
        assert module.size_bytes("bss") == 280
        module.unload()
        module.unload()
        assert used(session) == before


def test_variables_start_as_c_says_each_time(session):
    source = (
        "static int counter; static int start = 40;"
        "void next(int *out) { *out = start + ++counter; }"
    )
    for _ in range(2):
        with session.load_module(source) as module:
            assert [value_of(session, module.next) for _ in range(2)] == [41, 42]


def test_unload_runs_what_is_queued(session):
    out = session.empty((), np.int32)
    with session.load_module(PUT.format(value=11)) as module:
        module.put(out)
    assert out.numpy() == 11


def test_a_module_whose_last_call_fails_is_unloaded_all_the_same(session):
    before = used(session)
    module = session.load_module("int fail(void) { return 1; }")
    module.fail()
    with pytest.raises(usim.errors.TaskError):
        module.unload()
    assert used(session) == before


def test_an_unloaded_modules_functions_are_refused(session):
    module = session.load_module(PUT.format(value=1), name="gone.c")
    function = module.put
    module.unload()
    with pytest.raises(LinkError, match=r"module gone\.c was unloaded"):
        module["put"]
    with pytest.raises(LinkError, match=r"module gone\.c was unloaded"):
        function(session.empty((), np.int32))


def test_functions_are_found_by_name_and_unknown_ones_named(session, load):
    module = load("void one(void) {} void two(void) {} static void hidden(void) { one(); }")
    assert set(module.functions) == {"one", "two"}
    assert module.one is module["one"]
    with pytest.raises(LinkError) as caught:
        module["three"]
    assert str(caught.value) == "module module.c has no function three (it has: one, two)"
    with pytest.raises(AttributeError, match="no function three"):
        _ = module.three
    assert not hasattr(module, "hidden")


def test_a_file_is_compiled_with_its_folder_on_the_include_path(session, tmp_path):
    (tmp_path / "value.h").write_text("#define VALUE 31\n")
    path = tmp_path / "kernel.c"
    path.write_text('#include "value.h"\nvoid put(int *out) { *out = VALUE; }\n')
    with session.load_module(path) as module:
        assert value_of(session, module.put) == 31
    with pytest.raises(usim.errors.ArgumentError, match=r"cannot read .*missing\.c: No such file"):
        session.load_module(Path(tmp_path / "missing.c"))


def test_flags_reach_the_compiler(session):
    with session.load_module(PUT.format(value="WANTED"), flags=["-DWANTED=17"]) as module:
        assert value_of(session, module.put) == 17


# Errors.


def test_c_that_does_not_compile_is_shown_with_the_users_line(session):
    source = "int good(void) { return 0; }\nint bad(void) { return missing; }\n"
    with pytest.raises(CompileError) as caught:
        session.load_module(source, name="mine.c")
    assert "mine.c:2:" in str(caught.value)
    assert "missing" in str(caught.value)
    if session.toolchain.name == "clang":  # GCC quotes no line of what it reads from a pipe
        assert "return missing" in caught.value.output


@pytest.mark.parametrize(
    "source",
    [
        "extern int absent(int); int call(void) { return absent(1); }",
        "extern int absent; int call(void) { return absent; }",
        "extern int absent; int *pointer = &absent; int call(void) { return *pointer; }",
    ],
)
def test_an_undefined_symbol_is_named_and_nothing_stays_allocated(source, session):
    before = used(session)
    with pytest.raises(LinkError) as caught:
        session.load_module(source)
    assert str(caught.value) == "undefined symbol absent"
    assert caught.value.symbol == "absent"
    assert used(session) == before


def test_a_module_that_does_not_fit_is_refused_and_nothing_stays_allocated(session):
    before = used(session)
    source = (
        "int small[10]; static int huge[20000]; int *use(int i) { return huge + i + small[i]; }"
    )
    with pytest.raises(MemoryFullError) as caught:
        session.load_module(source)
    assert caught.value.section == "bss"
    assert caught.value.needed_bytes >= 80_000
    assert caught.value.available_bytes < 80_000
    assert used(session) == before


def test_an_object_of_another_machine_is_refused(session):
    with pytest.raises(LinkError, match="not a usable object file"):
        session.load_object(b"not an object")
    with pytest.raises(LinkError, match="little-endian Arm relocatable object"):
        session.load_object(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x01\0\x3e\0" + bytes(200))


# What compilers leave to libraries.


def test_arithmetic_that_the_core_has_no_instructions_for(session, load):
    module = load(
        "void divide(const int64_t *a, const uint64_t *b, int64_t *q, uint64_t *r)"
        "{ q[0] = a[0] / a[1]; q[1] = a[0] % a[1]; r[0] = b[0] / b[1]; r[1] = b[0] % b[1]; }\n"
        "void doubles(const double *x, double *y)"
        "{ y[0] = x[0] + x[1]; y[1] = x[0] * x[1]; y[2] = x[0] / x[1];"
        "  y[3] = (double)(float)x[0]; y[4] = (double)(int64_t)x[1]; y[5] = x[0] < x[1]; }"
    )
    a = np.array([-(2**62) + 12345, 97], np.int64)
    b = np.array([2**64 - 3, 10**9 + 7], np.uint64)
    q, r = session.empty(2, np.int64), session.empty(2, np.uint64)
    module.divide(session.tensor(a), session.tensor(b), q, r)
    quotient = -((2**62 - 12345) // 97)
    assert list(q.numpy()) == [quotient, int(a[0]) - quotient * 97]
    assert list(r.numpy()) == [int(b[0]) // int(b[1]), int(b[0]) % int(b[1])]

    x, y = np.array([1.1, -3.7e9]), session.empty(6, np.float64)
    module.doubles(session.tensor(x), y)
    expected = [x[0] + x[1], x[0] * x[1], x[0] / x[1], float(np.float32(x[0])), -3.7e9, 0.0]
    assert list(y.numpy()) == expected


def test_structs_are_copied_and_cleared(session, load):
    module = load(
        "typedef struct { int values[60]; } big_t; static big_t from, to;\n"
        "void copy(const int *in, int *out) {\n"
        "    for (int i = 0; i < 60; i++) from.values[i] = in[i];\n"
        '    big_t local = from; __asm volatile("" : : "r"(&local) : "memory");\n'
        '    to = local; big_t zero = {{0}}; __asm volatile("" : : "r"(&zero) : "memory");\n'
        "    for (int i = 0; i < 60; i++) out[i] = to.values[i] + zero.values[i];\n}"
    )
    values = np.arange(60, dtype=np.int32)
    out = session.empty(60, np.int32)
    module.copy(session.tensor(values), out)
    np.testing.assert_array_equal(out.numpy(), values)


def test_the_compilers_library_is_not_among_the_functions(session, load):
    module = load("void divide(int64_t *a) { a[0] /= a[1]; }")
    assert list(module.functions) == ["divide"]


def test_tables_of_functions_and_jumps_are_relocated(session, load):
    module = load(
        "static int twice(int x) { return 2 * x; }\nstatic int square(int x) { return x * x; }\n"
        "static int negate(int x) { return -x; }\n"
        "static int (*const table[])(int) = {twice, square, negate};\n"
        'static const char *const words[] = {"ab", "cd", "ef"};\n'
        "void apply(int which, int x, int *out) { *out = table[which](x); }\n"
        "void letter(int which, int i, int *out) { *out = words[which][i]; }\n"
        "void jump(int which, int *out) { switch (which) {\n"
        + "".join(
            f'    case {i}: __asm volatile("nop"); *out = {i * i * 7 + 1}; break;\n'
            for i in range(12)
        )
        + "    default: *out = -1; } }"
    )
    out = session.empty((), np.int32)
    results = []
    for which in range(3):
        module.apply(which, 9, out)
        results.append(int(out.numpy()))
    assert results == [18, 81, -9]
    module.letter(2, 1, out)
    assert out.numpy() == ord("f")
    for which in (0, 5, 11, 12):
        module.jump(which, out)
        assert out.numpy() == (which * which * 7 + 1 if which < 12 else -1)


# Memory other than the first.


@pytest.fixture
def full_itcm(own_session):
    """A session whose ITCM has no room left: modules go to SRAM1."""
    session = own_session
    for size in (1024, 8):
        source = (
            f'__attribute__((naked)) void f(void) {{ __asm volatile(".space {size}\\n bx lr"); }}'
        )
        while True:
            filler = session.load_module(source)
            if filler.functions["f"].address >= session.platform.region("sram1").base:
                filler.unload()
                break
    return session


def test_helpers_are_reached_from_sram1(full_itcm):
    session = full_itcm
    module = session.load_module(
        '#include "usim.h"\n'
        "int32_t take(uint32_t size, uint32_t *cycles) {\n"
        "    void *block = usim_workspace_alloc(size); *cycles = usim_cycles();\n"
        '    if (block == NULL) { usim_set_last_error("too much"); return 1; }\n'
        "    return usim_workspace_free(block); }"
    )
    assert module.functions["take"].address >= session.platform.region("sram1").base
    cycles = session.tensor(np.uint32(0))
    module.take(100, cycles)
    assert cycles.numpy() > 0
    module.take(1 << 20, cycles)
    with pytest.raises(usim.errors.TaskError, match="too much"):
        session.sync()


def test_calls_out_of_a_branchs_reach_go_through_a_veneer(full_itcm):
    """ITCM and SRAM1 are 512 MiB apart; a branch reaches 16."""
    session = full_itcm
    module = session.load_module(
        "#include <stdint.h>\nextern void *usim_workspace_alloc(uint32_t);\n"
        "extern int32_t usim_workspace_free(void *);\n"
        "int32_t twice(uint32_t *out) {\n"
        "    void *a = usim_workspace_alloc(40), *b = usim_workspace_alloc(40);\n"
        "    out[0] = (uint32_t)a; out[1] = (uint32_t)b;\n"
        "    return usim_workspace_free(b) + usim_workspace_free(a); }"
    )
    assert module.functions["twice"].address >= session.platform.region("sram1").base
    out = session.empty(2, np.uint32)
    module.twice(out)
    first, second = out.numpy()
    pool = session.platform.section("workspace").extents[0]
    assert pool.base <= first < second < pool.end


def test_module_code_that_fits_nowhere_says_so(full_itcm):
    with pytest.raises(MemoryFullError) as caught:
        full_itcm.load_module(
            '__attribute__((naked)) void f(void) { __asm volatile(".space 70000\\n bx lr"); }'
        )
    assert caught.value.section == "text"
    assert "68 KiB" in str(caught.value) or "70,0" in str(caught.value)


# The cache.


def objects(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("objects/*/*")}


def test_a_module_that_was_compiled_before_is_not_compiled_again(cache_dir, caplog):
    source = "void unusual_name_for_the_cache(int *out) { *out = 5; }"
    with usim.Session("stm32f746") as session:
        session.load_module(source)
        known = objects(cache_dir)
        times = {path: path.stat().st_ino for path in cache_dir.rglob("objects/*/*")}
        assert known
    caplog.set_level(logging.DEBUG)
    with usim.Session("stm32f746") as session:
        module = session.load_module(source)
        assert value_of(session, module.functions["unusual_name_for_the_cache"]) == 5
        assert objects(cache_dir) == known
        assert {path: path.stat().st_ino for path in cache_dir.rglob("objects/*/*")} == times
        session.load_module(source, flags=["-O1"])
        assert objects(cache_dir) > known


def test_a_changed_header_is_compiled_again(session, tmp_path):
    path = tmp_path / "kernel.c"
    path.write_text('#include "value.h"\nvoid put(int *out) { *out = VALUE; }\n')
    for value in (1, 2):
        (tmp_path / "value.h").write_text(f"#define VALUE {value}\n")
        with session.load_module(path) as module:
            assert value_of(session, module.put) == value
