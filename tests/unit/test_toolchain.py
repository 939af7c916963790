"""Compiling for the device: objects, names, reproducibility, messages, caching, the runtime."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from usim.errors import CompileError, LinkError, ToolchainError
from usim.platforms import Core, load_platform
from usim.toolchain import Toolchain, find_toolchain
from usim.toolchain.objects import undefined_symbols

ADD = "int add(int a, int b)\n{\n    return a + b;\n}\n"
RUNTIME_CALLS = """
struct block { int words[40]; };
long long divide(long long a, long long b) { return a / b; }
double product(double a, double b) { return a * b + 1.0; }
void copy(struct block *to, const struct block *from) { *to = *from; }
"""


@pytest.fixture(scope="module")
def core() -> Core:
    return load_platform("stm32f746").core


@pytest.fixture
def clang(cache_dir: Path) -> Toolchain:
    assert not cache_dir.exists()
    return find_toolchain("clang")


def _sections(data: bytes) -> dict[str, bytes]:
    return {section.name: section.data() for section in ELFFile(io.BytesIO(data)).iter_sections()}


def _compile_unit(data: bytes) -> tuple[str, str]:
    """Name and folder of the compile unit in DWARF."""
    unit = next(ELFFile(io.BytesIO(data)).get_dwarf_info().iter_CUs()).get_top_DIE()
    attributes = unit.attributes
    return (
        attributes["DW_AT_name"].value.decode(),
        attributes["DW_AT_comp_dir"].value.decode(),
    )


def test_clang_makes_a_hard_float_thumb_object_with_a_section_a_function(
    clang: Toolchain, core: Core
) -> None:
    compiled = clang.compile(ADD + "float twice(float x) { return x + x; }", core=core)
    elf = ELFFile(io.BytesIO(compiled))
    assert (elf["e_type"], elf["e_machine"], elf.elfclass) == ("ET_REL", "EM_ARM", 32)
    sections = _sections(compiled)
    assert {".text.add", ".text.twice"} <= set(sections)
    assert sections[".text.twice"] == bytes.fromhex("30ee000a7047")  # vadd.f32 s0, s0, s0; bx lr
    assert not [name for name in sections if "exidx" in name or "eh_frame" in name]


def test_single_precision_fpu_gets_no_double_precision_instruction(
    clang: Toolchain, core: Core
) -> None:
    source = "double twice(double x) { return x + x; }"
    assert undefined_symbols([clang.compile(source, core=core)]) == {"__aeabi_dadd"}
    double = load_platform("stm32f767").core
    assert undefined_symbols([clang.compile(source, core=double)]) == set()


def test_loops_do_not_become_calls_of_a_c_library(clang: Toolchain, core: Core) -> None:
    source = "void clear(char *p, int n) { for (int i = 0; i < n; i++) p[i] = 0; }"
    assert undefined_symbols([clang.compile(source, core=core)]) == set()


def test_version_names_compiler_and_package(clang: Toolchain) -> None:
    assert clang.version.startswith("clang ")
    assert "(ziglang " in clang.version


def test_error_names_the_users_file_line_and_column_and_counts_the_others(
    clang: Toolchain, core: Core
) -> None:
    source = "int f(void)\n{\n    return x;\n}\nint g(void) { return y + z; }\n"
    with pytest.raises(CompileError) as caught:
        clang.compile(source, name='my "kernels"/conv.c', core=core)
    message = str(caught.value)
    assert message.startswith('my "kernels"/conv.c:3:12: error: ')
    assert message.endswith("(and 2 more errors)")
    assert "\n" not in message
    assert "return y + z" in caught.value.output
    assert "clang" in caught.value.command


def test_missing_header_is_one_fatal_error(clang: Toolchain, core: Core) -> None:
    with pytest.raises(CompileError, match=r"^k\.c:1:10: fatal error: 'absent\.h' file not found$"):
        clang.compile('#include "absent.h"\n', name="k.c", core=core)


def test_unknown_compiler_flag_is_reported(clang: Toolchain, core: Core) -> None:
    with pytest.raises(CompileError, match="-fno-such-thing"):
        clang.compile(ADD, core=core, flags=["-fno-such-thing"])


def test_call_of_an_undeclared_function_is_an_error(clang: Toolchain, core: Core) -> None:
    with pytest.raises(CompileError, match=r"module\.c:1:22: error: .*absent"):
        clang.compile("int f(void) { return absent(); }", core=core)


def test_warning_is_logged_each_time_and_not_lost_to_the_cache(
    clang: Toolchain, core: Core, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        caplog.clear()
        clang.compile("int f(void) { int spare; return 0; }", name="w.c", core=core)
        assert "w.c:1:19: warning: unused variable 'spare'" in caplog.text


def test_debug_information_has_the_users_name_and_no_path_of_this_machine(
    clang: Toolchain, core: Core, tmp_path: Path
) -> None:
    include = tmp_path / "headers"
    include.mkdir()
    (include / "twice.h").write_text("static inline int twice(int a) { return 2 * a; }\n")
    source = '#include <stdint.h>\n#include "twice.h"\nint32_t f(int a) { return twice(a); }\n'
    compiled = clang.compile(source, name="net/layer_3.c", core=core, include=[include])
    assert _compile_unit(compiled) == ("net/layer_3.c", ".")
    assert str(tmp_path).encode() not in compiled
    assert b"site-packages" not in compiled
    assert b"headers" in compiled


def test_object_is_the_same_from_another_folder_and_an_empty_cache(
    core: Core, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []
    for name in ("one", "another place"):
        folder = tmp_path / name
        (folder / "include").mkdir(parents=True)
        (folder / "include" / "size.h").write_text("#define SIZE 3\n")
        monkeypatch.chdir(folder)
        monkeypatch.setenv("USIM_CACHE_DIR", str(folder / "cache"))
        source = '#include "size.h"\nconst char when[] = __DATE__ __TIME__;\nint n = SIZE;\n'
        compiled.append(find_toolchain().compile(source, core=core, include=[Path("include")]))
    assert compiled[0] == compiled[1]


def test_second_compilation_comes_from_the_cache(clang: Toolchain, core: Core) -> None:
    compiled = clang.compile(ADD, core=core)
    again = find_toolchain("clang")
    again._driver = lambda: ("no-such-compiler",)  # type: ignore[method-assign]
    assert again.compile(ADD, core=core) == compiled
    for changed in ({"source": ADD + "\n"}, {"name": "other.c"}, {"flags": ["-O1"]}):
        arguments = {"source": ADD, "core": core, **changed}
        with pytest.raises(ToolchainError, match="cannot run no-such-compiler"):
            again.compile(**arguments)


def test_changed_header_is_compiled_again(clang: Toolchain, core: Core, tmp_path: Path) -> None:
    header = tmp_path / "deep" / "value.inc"
    header.parent.mkdir()
    source = '#include "deep/value.inc"\nconst int value = VALUE;\n'
    for value in (1, 2):
        header.write_text(f"#define VALUE {value}\n")
        compiled = clang.compile(source, core=core, include=[tmp_path])
        assert _sections(compiled)[".rodata.value"] == value.to_bytes(4, "little")


def test_header_in_a_folder_given_by_flag_is_never_stale(
    clang: Toolchain, core: Core, tmp_path: Path
) -> None:
    for value in (1, 2):
        (tmp_path / "value.h").write_text(f"#define VALUE {value}\n")
        source = '#include "value.h"\nconst int value = VALUE;\n'
        compiled = clang.compile(source, core=core, flags=[f"-I{tmp_path}"])
        assert _sections(compiled)[".rodata.value"] == value.to_bytes(4, "little")


def test_header_of_the_folder_one_stands_in_is_not_found_by_accident(
    clang: Toolchain, core: Core, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "near.h").write_text("\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CPATH", str(tmp_path))
    with pytest.raises(CompileError, match=r"near\.h"):
        clang.compile('#include "near.h"\n', core=core)


def test_compiling_works_without_a_cache(
    core: Core, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("USIM_CACHE_DIR", str(tmp_path / "file" / "below"))
    assert ".text.add" in _sections(find_toolchain("clang").compile(ADD, core=core))


def test_unknown_toolchain_lists_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolchainError, match=r"'icc'; there are: clang, gcc$"):
        find_toolchain("icc")
    monkeypatch.setenv("USIM_TOOLCHAIN", "armcc")
    with pytest.raises(ToolchainError, match=r"'armcc' \(from USIM_TOOLCHAIN\)"):
        find_toolchain()


def test_gcc_that_is_not_installed_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("USIM_TOOLCHAIN", "gcc")
    with pytest.raises(ToolchainError, match="apt install gcc-arm-none-eabi"):
        find_toolchain()


def test_clang_works_with_an_empty_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clang: Toolchain, core: Core
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ".text.add" in _sections(clang.compile(ADD, core=core))


def test_partial_link_joins_objects_and_keeps_their_sections(clang: Toolchain, core: Core) -> None:
    table = '__attribute__((section(".vectors"), used)) static const int vectors[2] = {1, 2};\n'
    caller = "int add(int a, int b);\nint nowhere(void);\nint f(void) { return add(1, nowhere()); }"
    linked = clang.partial_link(
        [clang.compile(ADD, core=core), clang.compile(table + caller, core=core)], None, core
    )
    assert {".text.add", ".text.f", ".vectors"} <= set(_sections(linked))
    assert undefined_symbols([linked]) == {"nowhere"}


def test_partial_link_of_one_complete_object_changes_nothing(clang: Toolchain, core: Core) -> None:
    compiled = clang.compile(ADD, core=core)
    assert clang.partial_link([compiled], Path("never read"), core) == compiled


def test_symbol_defined_twice_is_refused(clang: Toolchain, core: Core) -> None:
    compiled = clang.compile(ADD, core=core)
    with pytest.raises(LinkError, match="duplicate symbol: add"):
        clang.partial_link([compiled, compiled], None, core)


def test_what_is_not_elf_is_refused(clang: Toolchain, core: Core) -> None:
    with pytest.raises(LinkError, match="not an ELF object"):
        clang.partial_link([b"text"], Path("never read"), core)


@pytest.mark.parametrize("name", ["clang", "gcc"])
def test_runtime_functions_are_taken_from_the_compilers_archive(name: str, core: Core) -> None:
    if name == "gcc" and shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    # The user's cache on purpose: building Clang's archive takes seconds, once a machine.
    toolchain = find_toolchain(name)
    compiled = toolchain.compile(RUNTIME_CALLS, core=core)
    assert {"__aeabi_ldivmod", "__aeabi_dmul"} <= undefined_symbols([compiled])
    archive = toolchain.builtins(core)
    assert archive is not None
    linked = toolchain.partial_link([compiled], archive, core)
    assert undefined_symbols([linked]) == set()
    assert {".text.divide", ".text.product", ".text.copy"} <= set(_sections(linked))
    assert len(linked) < 50_000  # what is called, and not the whole archive
