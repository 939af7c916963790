"""Loads from counters in small programs: answered natively they find what Python's would."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machine import DTCM, Machine, machine

from usim.devices.base import Timing
from usim.devices.nvic import SYSTICK
from usim.devices.peripherals.bus import TraceRecord
from usim.devices.stops import Stop, StopKind
from usim.devices.system_registers import VTOR

THREAD, HANDLER, TABLE, DATA = 0x400, 0x800, DTCM + 0x4000, DTCM + 0x6000
CYCCNT, CVR, TIM2, APB1ENR = 0xE000_1004, 0xE000_E018, 0x4000_0000, 0x4002_3840
REGISTERS = {"r4": DATA, "r5": CYCCNT, "r6": TIM2 + 0x24, "r7": CVR, "r8": 200}
SUM = "; add r0, r0, r1"
LOOP_END = "; subs r8, #1; bne 1b"
# What loops are made of: loads of three counters, and what makes their times differ.
PIECES = (
    *(f"ldr r1, [r{base}]{SUM}" for base in (5, 5, 6, 6, 7)),
    *(f"ldrh r1, [r6]{SUM}", f"ldrb r1, [r6, #1]{SUM}"),
    *(f"tst r0, #1; it eq; ldreq r1, [r5]{SUM}", "ldrd r2, r3, [r6, #4]; add r0, r0, r2"),
    *("mul r2, r0, r1", "udiv r2, r0, r8", "str r0, [r4]", "ldr r3, [r4]", "add r0, r0, #1"),
    *("tst r0, #8; beq 2f; add r0, r0, #3; 2:", "str r0, [r6]", "wfi"),
)


def prepare(m: Machine, text: str, registers: Mapping[str, int] = REGISTERS) -> int:
    """Counters that run, SysTick's interrupt, and a program; returns its end."""
    bus = m.device.bus_write
    for address, value in (
        *((0xE000_EDFC, 1 << 24), (0xE000_1000, 1), (APB1ENR, 1)),
        *((TIM2 + 0x28, 2), (TIM2 + 0x2C, 990), (TIM2 + 0x14, 1), (TIM2, 1)),
        *((0xE000_E014, 776), (CVR, 0), (0xE000_E010, 7)),
    ):
        if 0xE000_1000 <= address < 0xE000_2000:
            m.device.write_dwt(address, value)
        else:
            bus(address, value.to_bytes(4, "little"))
    m.put(f"ldr r0, ={CYCCNT}; ldr r1, [r0]; ldr r2, [r0]; bx lr", HANDLER)
    m.device.write(TABLE + 4 * SYSTICK, (HANDLER | 1).to_bytes(4, "little"))
    end = m.start(text, THREAD, registers)
    m.device.core.system.set_value(VTOR, TABLE)
    return end


def run(m: Machine, end: int) -> Stop:
    """To the program's end, or to a fault."""
    while True:
        stop = m.device.run_slice(end, 1_000_000)
        if stop.kind is StopKind.EXCEPTION_RETURN:
            m.device.take_exception(stop)
        elif stop.kind is not StopKind.SLICE:
            return stop


def state(m: Machine) -> tuple[object, ...]:
    """What a program can tell, and what it cost."""
    registers = tuple(m.device.read_register(f"r{i}") for i in range(16))
    return registers, m.device.counted, m.device.now, m.device.executed_instructions


def both(timing: Timing, work: Callable[[Machine], Any]) -> tuple[Any, Any]:
    """The same with the native side's answers, and hooks taken away at once; and without."""
    found = []
    for enabled in (True, False):
        with machine(timing) as m:
            engine = m.device.core.engine
            engine.counting.enabled = enabled
            if enabled:
                engine._hooks.patience, engine._hooks.few = 20, 0
            found.append((work(m), state(m)))
    return found[0], found[1]


def python_loads(m: Machine) -> list[int]:
    """Gets one more for each load from a system register that Python serves."""
    system, loads = m.device.core.system, []
    read = system.read

    def counted_read(offset: int, size_bytes: int) -> int:
        loads.append(offset)
        return read(offset, size_bytes)

    system.read = counted_read  # type: ignore[method-assign]
    return loads


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=8),
    st.sampled_from(["count", "core", "full"]),
)
def test_random_loops_find_the_same(pieces, timing):
    def work(m: Machine) -> StopKind:
        return run(m, prepare(m, f"1: {'; '.join(pieces)}{LOOP_END}")).kind

    native, served = both(timing, work)
    assert native == served
    assert native[0] is StopKind.REACHED


@pytest.mark.parametrize("timing", ["count", "full"])
def test_a_loop_on_the_cycle_counter_seldom_asks_python(timing):
    with machine(timing) as m:
        end = prepare(m, f"1: ldr r1, [r5]{SUM}{LOOP_END}", REGISTERS | {"r8": 5_000})
        loads = python_loads(m)
        assert run(m, end).kind is StopKind.REACHED
    # A few after each of SysTick's interrupts.
    assert 0 < len(loads) < 500


def test_what_the_host_writes_between_runs_is_seen():
    def work(m: Machine) -> list[int]:
        end = prepare(m, f"1: ldr r1, [r5]; ldr r2, [r6]{LOOP_END}", REGISTERS | {"r8": 1 << 20})
        m.device.bus_write(0xE000_E010, bytes(4))  # no interrupts
        found = []
        for value in (0x1000_0000, 0x2000_0000, 0x3000_0000):
            m.device.run_slice(end, 500)
            m.device.write_dwt(CYCCNT, value)
            m.device.bus_write(TIM2 + 0x28, (value >> 28).to_bytes(4, "little"))
            m.device.run_slice(end, 500)
            found += [m.device.read_register("r1"), m.device.read_register("r2")]
        return found

    native, served = both("full", work)
    assert native == served
    assert [found >> 28 for found in native[0][::2]] == [1, 2, 3]


def test_code_that_replaces_other_code_has_its_own_times():
    def work(m: Machine) -> list[int]:
        found = []
        for text in ("ldr r1, [r5]; udiv r2, r1, r8", "udiv r2, r1, r8; ldr r1, [r5]") * 2:
            m.device.run_until(prepare(m, f"1: {text}{LOOP_END}"), 10.0)
            found.append(m.device.read_register("r1"))
        return found

    native, served = both("core", work)
    assert native == served


@pytest.mark.parametrize("load", ["ldr", "ldrt"])
def test_unprivileged_loads_of_system_registers_fault_though_their_course_is_known(load):
    # The second time the block that writes CONTROL is none that is looked at.
    text = (
        "mov r9, #0; movs r8, #2; 2: movs r1, #20; 1: ldr r2, [r5]; subs r1, #1; bne 1b; "
        f"msr control, r9; isb; {load} r2, [r5]; mov r9, #1; subs r8, #1; bne 2b"
    )

    def work(m: Machine) -> tuple[StopKind, int, int]:
        stop = run(m, prepare(m, text))
        return stop.kind, stop.address, stop.pc

    native, served = both("full", work)
    assert native == served
    assert native[0][:2] == (StopKind.READ, CYCCNT)


def test_every_load_of_a_counter_is_traced():
    def work(m: Machine) -> list[TraceRecord]:
        records: list[TraceRecord] = []
        m.device.chip.bus.trace = records.append
        run(m, prepare(m, f"1: ldr r1, [r6]{SUM}{LOOP_END}"))
        return records

    native, served = both("full", work)
    assert native == served
    assert sum(record.register == "TIM2.CNT" for record in native[0]) == REGISTERS["r8"]
