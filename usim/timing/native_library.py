"""The native code of counting and timing: built once for this machine, and loaded."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path
from typing import Final

from usim.toolchain import build_host_library

_FOLDER: Final = Path(__file__).parent / "native"
_SOURCES: Final = (
    _FOLDER / "counter.c",
    _FOLDER / "timer.c",
    _FOLDER / "memory.c",
    _FOLDER / "cache.c",
    _FOLDER / "fetch.c",
    _FOLDER / "protection.c",
    _FOLDER / "registers.c",
    _FOLDER / "waiting.c",
)


@lru_cache(maxsize=1)
def native_library() -> ctypes.CDLL:
    """The library, with its functions' types."""
    library = ctypes.CDLL(str(build_host_library(_SOURCES, "usim_counter")))
    library.usim_counter_size.restype = ctypes.c_uint64
    library.usim_counter_behind.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    library.usim_counter_behind.restype = ctypes.c_uint32
    library.usim_counter_holds_code.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32]
    library.usim_counter_holds_code.restype = ctypes.c_uint32
    library.usim_counter_forget.argtypes = [ctypes.c_void_p]
    library.usim_counter_forget.restype = None
    library.usim_must_be_aligned.argtypes = [ctypes.c_uint32, ctypes.c_uint32]
    library.usim_must_be_aligned.restype = ctypes.c_uint32
    library.usim_counter_look_again.argtypes = [ctypes.c_void_p]
    library.usim_counter_look_again.restype = None
    library.usim_counter_hook_again.argtypes = [ctypes.c_void_p]
    library.usim_counter_hook_again.restype = None
    for name in ("usim_timer_size", "usim_timer_prices_offset", "usim_timer_nodes_offset"):
        getattr(library, name).restype = ctypes.c_uint64
    for name in ("usim_timer_restart", "usim_timer_forget"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
        getattr(library, name).restype = None
    for name in ("usim_memory_size", "usim_cache_hits", "usim_cache_misses"):
        getattr(library, name).restype = ctypes.c_uint64
    integer = ctypes.c_uint32
    for name, count in (
        ("usim_cache_configure", 3),
        ("usim_cache_enable", 2),
        ("usim_cache_invalidate", 1),
        ("usim_cache_maintain", 3),
        ("usim_cache_maintain_line", 3),
        ("usim_cache_hits", 1),
        ("usim_cache_misses", 1),
        ("usim_memory_access", 3),
        ("usim_memory_restart", 0),
        ("usim_memory_forget", 0),
    ):
        getattr(library, name).argtypes = [ctypes.c_void_p, *[integer] * count]
    library.usim_waiting_size.restype = ctypes.c_uint64
    library.usim_waiting_forget.argtypes = [ctypes.c_void_p]
    library.usim_waiting_hurry.argtypes = [ctypes.c_void_p]
    library.usim_waiting_refuse.argtypes = [ctypes.c_void_p, ctypes.c_uint64]
    library.usim_timing_state.argtypes = [ctypes.c_void_p]
    library.usim_timing_state.restype = ctypes.c_uint64
    library.usim_timer_skip.argtypes = [ctypes.c_void_p, ctypes.c_uint64]
    library.usim_timer_skip.restype = None
    library.usim_protection_size.restype = ctypes.c_uint64
    library.usim_registers_size.restype = ctypes.c_uint64
    library.usim_registers_follow.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    library.usim_registers_forget_code.argtypes = [ctypes.c_void_p]
    library.usim_protection_denies.argtypes = [ctypes.c_void_p, *[integer] * 3]
    library.usim_protection_denies.restype = integer
    library.usim_memory_set_point.argtypes = [
        ctypes.c_void_p,
        integer,
        integer,
        ctypes.c_void_p,
    ]
    library.usim_memory_set_point.restype = integer
    return library
