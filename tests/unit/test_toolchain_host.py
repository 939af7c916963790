"""Building native code for this machine, without a compiler of this machine."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from usim.errors import ToolchainError
from usim.toolchain import build_host_library
from usim.toolchain.host import host_target


def _source(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "counter.c"
    path.write_text(text)
    return path


def test_library_loads_without_a_compiler_on_the_path_and_is_built_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    source = _source(
        tmp_path / "with space",
        '#include <stdint.h>\n#include <stdlib.h>\n#include "step.h"\n'
        "int64_t count(int64_t a) { char *p = malloc(8); free(p); return a + STEP; }\n",
    )
    (source.parent / "step.h").write_text("#define STEP 1\n")
    library = build_host_library([source], "counter")
    loaded = ctypes.CDLL(str(library))
    loaded.count.restype, loaded.count.argtypes = ctypes.c_int64, [ctypes.c_int64]
    assert loaded.count(1 << 40) == (1 << 40) + 1
    built = library.stat().st_mtime_ns
    assert build_host_library([source], "counter") == library
    assert library.stat().st_mtime_ns == built
    (source.parent / "step.h").write_text("#define STEP 2\n")
    assert build_host_library([source], "counter") != library


def test_source_that_does_not_compile_is_one_line(tmp_path: Path) -> None:
    source = _source(tmp_path, "int f(void) { return x; }\n")
    with pytest.raises(
        ToolchainError, match=r"counter\.c:1:22: error: use of undeclared"
    ) as caught:
        build_host_library([source], "broken")
    assert "\n" not in str(caught.value)


def test_without_a_cache_the_library_still_loads(tmp_path: Path) -> None:
    source = _source(tmp_path, "int answer(void) { return 42; }\n")
    (tmp_path / "file").touch()
    program = (
        "import ctypes, sys, pathlib; from usim.toolchain import build_host_library as build\n"
        "path = build([pathlib.Path(sys.argv[1])], 'answer')\n"
        "assert ctypes.CDLL(str(path)).answer() == 42\n"
        "print(path)"
    )
    environment = os.environ | {
        "USIM_CACHE_DIR": str(tmp_path / "file" / "below"),
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    command = [sys.executable, "-c", program, str(source)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert "cannot keep" in done.stderr
    assert not Path(done.stdout.strip()).exists()  # it is gone with the process


def test_two_processes_may_build_the_same_library_at_once(tmp_path: Path) -> None:
    source = _source(tmp_path, f"int unique(void) {{ return {os.getpid()}; }}\n")
    program = (
        "import ctypes, sys, pathlib; from usim.toolchain import build_host_library as build\n"
        "path = build([pathlib.Path(sys.argv[1])], 'unique')\n"
        f"assert ctypes.CDLL(str(path)).unique() == {os.getpid()}\n"
        "print(path)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, "-c", program, str(source)]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    printed = {process.communicate(timeout=300)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    (library,) = printed
    shutil.rmtree(Path(library).parent)


def test_target_is_not_this_very_processor() -> None:
    assert "native" not in host_target()
    assert host_target().split("-")[1] in {"linux", "macos", "windows"}
