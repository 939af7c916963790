"""What `usim doctor` looks at: each check tries the thing itself where that is cheap."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from usim.cache import Cache, cache_folder
from usim.cli.doctor_finding import Finding, State, package_version
from usim.cli.doctor_tools import examine_tools
from usim.errors import UsimError
from usim.toolchain import TOOLCHAINS, build_host_library
from usim.toolchain.gcc import COMMAND as GCC

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_BACKEND = "embedded"
_REINSTALL = "python -m pip install --force-reinstall"


@dataclass(frozen=True)
class Backend:
    """A way to run programs, the findings it needs, and whether it can be used."""

    name: str
    needs: tuple[str, ...]
    usable: bool = False
    state: str = ""


_BACKENDS = (
    Backend(DEFAULT_BACKEND, ("python", "unicorn", "clang", "host library")),
    Backend("qemu", ("clang", "qemu-system-arm")),
    Backend("renode", ("clang", "pyrenode3", "renode location")),
    Backend("openocd", ("clang", "openocd")),
)


def examine() -> list[Finding]:
    """Look at everything; a failed check is a finding and never an exception."""
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("python", _check_python),
        ("usim", _check_usim),
        ("unicorn", _check_unicorn),
        ("clang", _check_clang),
        ("host library", _check_host_library),
        ("cache", _check_cache),
    ]
    findings = []
    for name, check in checks:
        try:
            findings.append(check())
        except (UsimError, OSError, ImportError) as exc:
            findings.append(Finding(name, "broken", str(exc).splitlines()[0]))
    return findings + examine_tools()


def judge_backends(findings: list[Finding]) -> list[Backend]:
    """Say of each backend whether it can be used, and what it lacks."""
    working = {finding.name for finding in findings if finding.state == "ok"}
    judged = []
    for backend in _BACKENDS:
        lacking = [need for need in backend.needs if need not in working]
        if not _is_implemented(backend.name):
            state = "not in this version of usim"
        elif lacking:
            state = f"lacks {', '.join(lacking)}"
        else:
            state = "usable"
        judged.append(Backend(backend.name, backend.needs, state == "usable", state))
    return judged


def worth_getting(findings: list[Finding], backends: list[Backend]) -> list[Finding]:
    """Return what does not work or is absent, of what this version of usim can use."""
    useful = {GCC, "gdb", "robotframework"} | {
        need for backend in backends if _is_implemented(backend.name) for need in backend.needs
    }
    return [
        finding
        for finding in findings
        if finding.remedy
        and (finding.state == "broken" or (finding.state == "missing" and finding.name in useful))
    ]


def _is_implemented(backend: str) -> bool:
    if backend == DEFAULT_BACKEND:
        return True
    return importlib.util.find_spec(f"usim.devices.{backend}") is not None


def _check_python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    state: State = "ok" if sys.version_info >= (3, 11) else "broken"
    return Finding("python", state, f"{version}, {sys.executable}", "usim needs Python 3.11")


def _check_usim() -> Finding:
    version = package_version("usim")
    where = Path(__file__).resolve().parents[1]
    return Finding("usim", "ok", f"{version or 'not installed, run from its source'}, {where}")


def _check_unicorn() -> Finding:
    """Run `movs r0, #42` on the emulated core."""
    remedy = f"{_REINSTALL} unicorn"
    if importlib.util.find_spec("unicorn") is None:
        return Finding("unicorn", "missing", "the package is not installed", remedy)
    # Loads the emulator: only when asked. It has no types.
    unicorn: Any = importlib.import_module("unicorn")
    arm_const: Any = importlib.import_module("unicorn.arm_const")
    try:
        core = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        core.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M7)
        core.mem_map(0x1000, 0x1000)
        core.mem_write(0x1000, b"\x2a\x20")
        core.emu_start(0x1001, 0x1002, timeout=1_000_000, count=1)
        answer = core.reg_read(arm_const.UC_ARM_REG_R0)
    except unicorn.UcError as exc:
        return Finding("unicorn", "broken", f"it does not run an instruction: {exc}", remedy)
    if answer != 42:
        return Finding("unicorn", "broken", f"an instruction gave {answer}, not 42", remedy)
    return Finding("unicorn", "ok", f"{package_version('unicorn')}, runs a Cortex-M7")


def _check_clang() -> Finding:
    """Compile a function without the cache."""
    remedy = f"{_REINSTALL} ziglang"
    from usim.platforms import load_platform, platform_names  # noqa: PLC0415

    try:
        with tempfile.TemporaryDirectory(prefix="usim-") as folder:
            compiler = TOOLCHAINS["clang"](Cache(Path(folder)))
            core = load_platform(platform_names()[0]).core
            compiler.compile("int add(int a, int b)\n{ return a + b; }\n", core=core)
            return Finding("clang", "ok", f"{compiler.version}, compiles for {core.name}")
    except UsimError as exc:
        missing = importlib.util.find_spec("ziglang") is None
        return Finding("clang", "missing" if missing else "broken", str(exc), remedy)


def _check_host_library() -> Finding:
    """Build a library for this machine and call it."""
    try:
        with tempfile.TemporaryDirectory(prefix="usim-") as folder:
            source = Path(folder) / "trial.c"
            source.write_text("int usim_trial(int a) { return a + 1; }\n", "utf-8")
            library = build_host_library([source], "usim_trial")
        answer = ctypes.CDLL(str(library)).usim_trial(41)
    except (UsimError, OSError) as exc:
        remedy = f"{_REINSTALL} ziglang"
        return Finding("host library", "broken", str(exc).splitlines()[0], remedy)
    state: State = "ok" if answer == 42 else "broken"
    return Finding("host library", state, "builds and loads (native counters need it)")


def _check_cache() -> Finding:
    """Write, read and count."""
    folder = cache_folder()
    remedy = "set USIM_CACHE_DIR to a folder that can be written; without one all is slower"
    cache = Cache()
    cache.put("doctor", b"42")
    if cache.get("doctor") != b"42":
        return Finding("cache", "broken", f"{folder} cannot be written", remedy)
    size_bytes = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
    return Finding("cache", "ok", f"{folder}, {size_bytes / 1e6:.0f} MB")
