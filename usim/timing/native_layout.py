"""The native timer's data, as timer.h declares it."""

from __future__ import annotations

import ctypes
from typing import Final

import numpy as np

PRICE_COUNT: Final = 262144
MAX_PRICES: Final = PRICE_COUNT // 4 * 3  # beyond, looking rows up would be slow
MAX_STATES: Final = 1 << 18
# enum branch_kind.
BRANCH_KINDS: Final = {
    "none": 0,
    "conditional": 1,
    "direct": 2,
    "call": 3,
    "indirect": 4,
    "return": 5,
    "indirect_call": 6,
}

PRICE_DTYPE: Final = np.dtype(
    [
        ("key", "<u8"),
        ("cycles", "<u4"),
        ("instructions", "<u4"),
        ("next_state", "<u4", (2,)),
        ("branch", "u1"),
        ("backward", "u1"),
        ("mispredict", "u1"),
        ("in_flight", "u1"),
        ("mispredicts", "<u4"),
        ("function", "<u4"),
        ("own_cycles", "<u4"),
        ("executions", "<u8"),
        ("stall_cycles", "<u8"),
        ("accesses", "<u8"),
    ]
)


class Price(ctypes.Structure):
    _fields_ = (
        ("key", ctypes.c_uint64),
        ("cycles", ctypes.c_uint32),
        ("instructions", ctypes.c_uint32),
        ("next_state", ctypes.c_uint32 * 2),
        ("branch", ctypes.c_uint8),
        ("backward", ctypes.c_uint8),
        ("mispredict", ctypes.c_uint8),
        ("in_flight", ctypes.c_uint8),
        ("mispredicts", ctypes.c_uint32),
        ("function", ctypes.c_uint32),
        ("own_cycles", ctypes.c_uint32),
        ("executions", ctypes.c_uint64),
        ("stall_cycles", ctypes.c_uint64),
        ("accesses", ctypes.c_void_p),
    )


class Node(ctypes.Structure):
    _fields_ = (
        ("parent", ctypes.c_uint32),
        ("function", ctypes.c_uint32),
        ("first_child", ctypes.c_uint32),
        ("next_sibling", ctypes.c_uint32),
        ("calls", ctypes.c_uint64),
        ("cycles", ctypes.c_uint64),
        ("instructions", ctypes.c_uint64),
    )


NODE_DTYPE: Final = np.dtype(Node)

PRICE_CALLBACK = ctypes.CFUNCTYPE(
    None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32, ctypes.POINTER(Price)
)
MAKE_ROOM_CALLBACK = ctypes.CFUNCTYPE(None)


class Timer(ctypes.Structure):
    """The head of struct timer in timer.h."""

    _fields_ = (
        ("cycles", ctypes.c_uint64),
        ("stalls", ctypes.c_uint64),
        ("price", PRICE_CALLBACK),
        ("previous", ctypes.c_void_p),
        ("memory", ctypes.c_void_p),
        ("state", ctypes.c_uint32),
        ("after_mispredict", ctypes.c_uint32),
        ("block_address", ctypes.c_uint32),
        ("block_size", ctypes.c_uint32),
        ("block_state", ctypes.c_uint32),
        ("price_count", ctypes.c_uint32),
        ("node_count", ctypes.c_uint32),
        ("node", ctypes.c_uint32),
        ("depth", ctypes.c_uint32),
        ("max_prices", ctypes.c_uint32),
        ("paused_at", ctypes.c_uint32),
        ("make_room", MAKE_ROOM_CALLBACK),
    )
