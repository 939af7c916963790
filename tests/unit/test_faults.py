"""Fault records in words: bits from DDI 0403E, B3.2.15 (CFSR) and B3.2.16 (HFSR)."""

from __future__ import annotations

import pytest

from usim.abi import FaultRecord
from usim.faults import explain_fault, faulting_address
from usim.platforms import load_platform
from usim.symbols import SymbolTable

PLATFORM = load_platform("stm32f746")
BFAR = 0x3000_0040


def record(
    cfsr: int = 0, *, exception: int = 5, hfsr: int = 0, sp: int = 0x2000_0800
) -> FaultRecord:
    registers = {"pc": 0x0000_0124}
    return FaultRecord(exception, cfsr, hfsr, 0x2000_9999, BFAR, 0xFFFF_FFFD, sp, registers)


def explain(fault: FaultRecord, *, exact_stores: bool = True) -> str:
    return explain_fault(fault, PLATFORM, SymbolTable(), exact_stores=exact_stores)


@pytest.mark.parametrize(
    ("bit", "text"),
    [
        (0, "code fetched from where none may be"),
        (1, "data access not allowed by the MPU"),
        (8, "code fetched from where no memory is"),
        (9, "load from where no memory is"),
        (10, "store to where no memory can be written"),
        (16, "undefined instruction"),
        (17, "call or jump to an even address"),
        (18, "invalid exception return"),
        (19, "coprocessor or FPU is off"),
        (24, "unaligned access"),
        (25, "division by zero"),
    ],
)
def test_each_cause_has_its_words(bit, text):
    explained = explain(record(1 << bit))
    assert text in explained
    assert f"CFSR {1 << bit:#010x}, HFSR 0x00000000" in explained


@pytest.mark.parametrize(
    ("exception", "name"),
    [(3, "HardFault"), (4, "MemManage fault"), (5, "BusFault"), (6, "UsageFault"), (11, "SVCall"),
     (31, "exception 31")],
)  # fmt: skip
def test_exceptions_have_their_names(exception, name):
    assert explain(record(1 << 16, exception=exception)).startswith(f"{name}: ")


def test_the_address_of_a_load_is_told():
    fault = record(1 << 9 | 1 << 15)
    assert faulting_address(fault, exact_stores=False) == BFAR
    assert "load from where no memory is (0x3000_0040) at 0x0000_0124" in explain(fault)


def test_the_address_of_a_buffered_store_is_told_only_where_it_is_known():
    fault = record(1 << 10)
    assert faulting_address(fault, exact_stores=True) == BFAR
    assert faulting_address(fault, exact_stores=False) is None
    assert "0x3000_0040" not in explain(fault, exact_stores=False)


def test_the_address_of_a_refused_access_is_mmfars():
    assert faulting_address(record(1 << 1 | 1 << 7), exact_stores=False) == 0x2000_9999


def test_a_breakpoint_is_named():
    assert "HardFault: breakpoint at" in explain(record(exception=3, hfsr=1 << 31))


@pytest.mark.parametrize(
    "fault",
    [
        record(1 << 12),
        record(1 << 4),
        record(1 << 10, sp=0x1FFF_FFE0),
        FaultRecord(5, 1 << 9 | 1 << 15, 0, 0, 0x1FFF_FF00, 0xFFFF_FFFD, 0x2000_0010, None),
    ],
)
def test_a_stack_that_grew_out_of_its_section_is_called_so(fault):
    assert "stack overflow (section stack, 4,096 bytes; sp 0x" in explain(fault)


def test_a_null_pointer_is_no_stack_overflow():
    fault = FaultRecord(5, 1 << 9 | 1 << 15, 0, 0, 0x0010_0000, 0xFFFF_FFFD, 0x2000_0800, None)
    assert "stack overflow" not in explain(fault)
    assert " at " not in explain(fault)
