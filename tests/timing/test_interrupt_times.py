"""When interrupts are taken, and what they cost: to the cycle, whatever the host does."""

from __future__ import annotations

import pytest
from machine import DTCM, FLASH, SRAM, STACK_TOP, Machine, machine

from usim.devices.nvic import FIRST_LINE, PENDSV, SYSTICK, Nvic
from usim.devices.stops import StopKind
from usim.devices.system_registers import VTOR

# Code in the ITCM, stack and vectors in the DTCM: no waits for memory.
THREAD, HANDLER, OTHER, TABLE = 0x400, 0x800, 0xA00, DTCM + 0x4000
SYST_CSR, SYST_RVR, SYST_CVR = 0xE000_E010, 0xE000_E014, 0xE000_E018
CYCCNT, DWT_CTRL, DWT_LAR, DEMCR = 0xE000_1004, 0xE000_1000, 0xE000_1FB0, 0xE000_EDFC
COUNT = f"ldr r4, =0; ldr r5, ={CYCCNT}"
NOWHERE = 0xFFFF_FFF0


def nvic_of(m: Machine) -> Nvic:
    return m.device.core.nvic


def prepare(m: Machine, thread: str, handlers: dict[int, tuple[int, str]]) -> None:
    """A program at THREAD, with a vector table and handlers by exception number."""
    for number, (address, text) in handlers.items():
        m.put(text, address)
        m.device.write(TABLE + 4 * number, (address | 1).to_bytes(4, "little"))
    m.start(thread, THREAD)
    m.device.core.system.set_value(VTOR, TABLE)


def run_to(m: Machine, address: int, slice_size: int = 1_000_000) -> None:
    """Run until `address` is next, exceptions returned from on the way."""
    while True:
        stop = m.device.run_slice(address, slice_size)
        if stop.kind is StopKind.REACHED:
            return
        if stop.kind is StopKind.EXCEPTION_RETURN:
            m.device.take_exception(stop)
        else:
            assert stop.kind is StopKind.SLICE, stop


def pend_at(m: Machine, cycle: int, number: int) -> None:
    m.device.events.at(cycle, lambda: nvic_of(m).pend(number))


STRAIGHT = "1: " + "; ".join(["add r0, r0, #1"] * 40) + "; b 1b"


@pytest.mark.parametrize("after", [*range(100, 130), 1_000, 1_001])
def test_the_first_instruction_of_a_handler_comes_12_cycles_after_the_event(after):
    with machine("core") as m:
        prepare(m, STRAIGHT, {PENDSV: (HANDLER, "1: b 1b")})
        event = m.device.now + after
        pend_at(m, event, PENDSV)
        run_to(m, HANDLER)
        assert m.device.now - event == 12


# A loop whose head lies inside the block through which it is entered.
ENTERED_ABOVE = (
    "; ".join(["add r0, r0, #1"] * 6) + "; 1: " + "; ".join(["add r0, r0, #1"] * 6) + "; b 1b"
)


@pytest.mark.parametrize("timing", ["count", "core"])
def test_an_event_may_fall_on_a_jump_back_into_the_block_that_has_just_ended(timing):
    delays = set()
    for after in range(1, 30):
        with machine(timing) as m:
            prepare(m, ENTERED_ABOVE, {PENDSV: (HANDLER, "1: b 1b")})
            event = m.device.now + after
            pend_at(m, event, PENDSV)
            run_to(m, HANDLER)
            delays.add(m.device.now - event)
    assert delays == {12 if timing == "core" else 0}


def test_an_interrupt_waits_for_an_instruction_that_has_begun_and_no_longer():
    with machine("core") as m:
        prepare(m, "1: udiv r0, r1, r2; udiv r0, r1, r2; b 1b", {PENDSV: (HANDLER, "1: b 1b")})
        delays = set()
        for after in range(200, 240):
            m.device.write_register("pc", THREAD)
            event = m.device.now + after
            pend_at(m, event, PENDSV)
            run_to(m, HANDLER)
            delays.add(m.device.now - event)
            nvic_of(m).deactivate(PENDSV)
            m.device.write_register("ipsr", 0)
            m.device.write_register("sp", STACK_TOP)
        assert min(delays) == 12
        assert max(delays) <= 12 + 8  # a division takes at most as long


def test_a_handler_that_follows_another_is_entered_in_6_cycles():
    with machine("core") as m:
        prepare(
            m,
            STRAIGHT,
            {
                PENDSV: (HANDLER, "nop; bx lr"),
                SYSTICK: (OTHER, "1: b 1b"),
            },
        )
        nvic_of(m).set_priority(PENDSV, 0x40)
        nvic_of(m).set_priority(SYSTICK, 0x80)
        event = m.device.now + 200
        pend_at(m, event, PENDSV)
        pend_at(m, event, SYSTICK)
        stop = m.device.run_slice(NOWHERE, 10_000)
        while stop.kind is StopKind.SLICE:
            stop = m.device.run_slice(NOWHERE, 10_000)
        assert stop.kind is StopKind.EXCEPTION_RETURN
        returned = m.device.now
        stacked = m.device.read_register("sp")
        m.device.take_exception(stop)
        assert m.device.now - returned == 6
        assert m.device.read_register("pc") & ~1 == OTHER
        assert m.device.read_register("sp") == stacked


def test_what_arrives_while_an_entry_stacks_and_is_more_urgent_comes_first():
    with machine("core") as m:
        prepare(m, STRAIGHT, {PENDSV: (HANDLER, "1: b 1b"), SYSTICK: (OTHER, "1: b 1b")})
        nvic_of(m).set_priority(PENDSV, 0x80)
        nvic_of(m).set_priority(SYSTICK, 0x40)
        event = m.device.now + 200
        pend_at(m, event, PENDSV)
        pend_at(m, event + 5, SYSTICK)
        run_to(m, OTHER)
        assert m.device.now - event == 12
        assert nvic_of(m).active == 1 << SYSTICK
        assert nvic_of(m).pending == 1 << PENDSV


def test_what_arrives_while_an_entry_stacks_and_is_less_urgent_waits():
    with machine("core") as m:
        prepare(m, STRAIGHT, {PENDSV: (HANDLER, "1: b 1b"), SYSTICK: (OTHER, "1: b 1b")})
        nvic_of(m).set_priority(PENDSV, 0x40)
        nvic_of(m).set_priority(SYSTICK, 0x80)
        event = m.device.now + 200
        pend_at(m, event, PENDSV)
        pend_at(m, event + 5, SYSTICK)
        run_to(m, HANDLER)
        assert nvic_of(m).active == 1 << PENDSV
        assert nvic_of(m).pending == 1 << SYSTICK


# Counts in r4 how often it came, and in r6 how often not a period after the time before.
TICK = f"""
ldr r5, ={CYCCNT}; ldr r0, [r5]; subs r1, r0, r7; mov r7, r0; adds r4, #1;
cmp r1, r8; beq 1f; adds r6, #1; 1: bx lr; .ltorg
"""
SET_UP = f"""
ldr r0, ={DEMCR}; mov r1, #0x01000000; str r1, [r0]; ldr r0, ={DWT_LAR}; ldr r1, =0xC5ACCE55;
str r1, [r0]; ldr r0, ={DWT_CTRL}; movs r1, #1; str r1, [r0]; ldr r0, ={SYST_CSR};
sub r1, r8, #1; str r1, [r0, #4]; str r1, [r0, #8]; movs r1, #7; str r1, [r0];
1: cmp r4, r9; bne 1b; b 2f; .ltorg; 2: nop
"""


def tick_tick(m: Machine, period: int, ticks: int, slice_size: int = 1_000_000) -> tuple[int, ...]:
    """Run so many SysTicks; returns (cycle, instructions, ticks that came off their time)."""
    prepare(m, "nop", {SYSTICK: (HANDLER, TICK.replace("\n", ""))})
    end = m.start(SET_UP.replace("\n", ""), THREAD, {"r4": 0, "r6": 0, "r7": 0, "r8": period})
    m.device.write_register("r9", ticks)
    run_to(m, end, slice_size)
    return m.device.now, m.instructions, m.device.read_register("r6") - 1


@pytest.mark.parametrize("timing", ["count", "core", "full"])
def test_systick_is_exact_against_the_cycle_counter(timing):
    with machine(timing) as m:
        assert tick_tick(m, period=1_000, ticks=3_000)[2] == 0


@pytest.mark.parametrize("timing", ["count", "core", "full"])
def test_slices_change_nothing(timing):
    results = set()
    for slice_size in (300, 7_001, 1_000_000):
        with machine(timing) as m:
            results.add(tick_tick(m, period=777, ticks=150, slice_size=slice_size))
    assert len(results) == 1


def test_breakpoints_elsewhere_change_nothing():
    results = set()
    for stops in ((), (HANDLER + 0x100, THREAD + 0x200)):
        with machine("full") as m:
            m.device.set_breakpoints(stops)
            results.add(tick_tick(m, period=777, ticks=150))
    assert len(results) == 1


def test_an_interrupt_line_that_stays_high_is_taken_again():
    with machine("core") as m:
        prepare(m, STRAIGHT, {FIRST_LINE + 5: (HANDLER, "adds r4, #1; bx lr")})
        m.device.write_register("r4", 0)
        nvic_of(m).set_enabled(1 << FIRST_LINE + 5, enabled=True)
        nvic_of(m).set_line(5, True)
        for _ in range(3):
            run_to(m, HANDLER)
            m.device.run_slice(HANDLER + 2, 100)
        assert m.device.read_register("r4") == 3
        nvic_of(m).set_line(5, False)
        stop = m.device.run_slice(NOWHERE, 100)
        assert stop.kind is StopKind.EXCEPTION_RETURN
        m.device.take_exception(stop)
        assert m.device.run_slice(HANDLER, 5_000).kind is StopKind.SLICE


# Sleeps until SysTick wakes it, with CYCCNT before and behind in r0 and r1.
SLEEP = (
    SET_UP.replace("\n", "").partition("1: cmp r4")[0]
    + f"ldr r2, ={CYCCNT}; ldr r0, [r2]; wfi; ldr r1, [r2]; b 2f; .ltorg; 2: nop"
)


@pytest.mark.parametrize(("debugged", "counts"), [(False, False), (True, True)])
def test_the_cycle_counter_stands_still_in_sleep_unless_it_is_debugged(debugged, counts):
    with machine("core") as m:
        m.device.bus_write(0xE004_2004, bytes([debugged, 0, 0, 0]))  # DBGMCU_CR.DBG_SLEEP
        prepare(m, "nop", {SYSTICK: (HANDLER, "bx lr")})
        end = m.start(SLEEP, THREAD, {"r8": 10_000})
        before = m.device.now
        run_to(m, end)
        counted = m.device.read_register("r1") - m.device.read_register("r0")
        assert m.device.now - before > 10_000
        assert (counted > 9_000) == counts
        assert counts or counted < 100


@pytest.mark.parametrize("at", [FLASH, SRAM])
def test_code_that_an_event_cuts_is_not_fetched_twice(at):
    """Also where the event falls into the waits before its first instruction."""
    with machine("full") as m:
        m.caches(instruction=False, data=False)
        times = set()
        for after in range(1, 400, 7):
            end = m.start(f"dsb; isb; {'; '.join(['nop'] * 200)}", at)
            begin = m.device.now
            m.device.events.at(begin + after, lambda: None)
            run_to(m, end)
            times.add(m.device.now - begin)
        assert len(times) == 1
