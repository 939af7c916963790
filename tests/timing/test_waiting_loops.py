"""Rounds of loops that wait for an interrupt are added up: the same comes out as when they run."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machine import DTCM, ITCM, SRAM_DATA, machine

from usim.devices.nvic import SYSTICK
from usim.devices.stops import StopKind
from usim.devices.system_registers import VTOR

THREAD, HANDLER, TABLE, TICKS = ITCM + 0x400, ITCM + 0x200, DTCM + 0x4000, DTCM + 0x6000
SYST, CYCCNT, TIM2, APB1ENR = 0xE000_E010, 0xE000_1004, 0x4000_0000, 0x4002_3840
BASES = {"r4": TICKS, "r5": TIM2, "r6": SYST, "r7": SRAM_DATA, "r8": CYCCNT}

# What may be in a round. Some of it leaves everything as it is, some counts, some asks a counter.
PIECES = [
    "movs r1, #3",
    "adds r0, r0, #1",
    "cmp r0, #5; it ne; movne r1, #4",
    "movs r2, #7; 1: subs r2, r2, #1; bne 1b",
    "push {r0-r3}; pop {r0-r3}",
    "bl 80f; b 81f; 80: bx lr; 81: nop",
    "str r1, [r7, #64]",
    "ldr r2, [r7, #64]",
    "ldr r2, [r7, #128]; adds r2, r2, #1; str r2, [r7, #128]",
    "ldr r2, [r7, #128]; eor r2, r2, #1; str r2, [r7, #128]",
    "vadd.f32 s0, s0, s1",
    "vmov s2, r1; vmul.f32 s2, s2, s2",
    "ldr r3, [r8]",
    "ldr r3, [r5, #0x24]",
    "ldr r3, [r5, #0x24]; movs r3, #0",
    "ldr r3, [r5, #0x10]",
    "ldr r3, [r5, #0x10]; cmp r3, #0; it ne; strne r1, [r5, #0x10]",
    "ldr r3, [r6]; and r3, r3, #0x10000",
    "ldr r3, [r6, #8]; lsrs r3, r3, #14",
    "str r1, [r5, #0x34]",
]
BODIES = st.lists(st.sampled_from(PIECES), max_size=5).map("; ".join)


def outcome(timing: str, body: str, period: int, prescaler: int, *, skips: bool) -> tuple:
    with machine(timing) as m:
        device = m.device
        device.skip_polling(enabled=skips)
        m.put("ldr r0, [r4]; adds r0, r0, #1; str r0, [r4]; bx lr", HANDLER)
        device.write(TABLE + 4 * SYSTICK, (HANDLER | 1).to_bytes(4, "little"))
        floats = {"s1": 0x3F80_0000}
        end = m.start(f"10: {body}; ldr r9, [r4]; cmp r9, #3; blt 10b", THREAD, BASES | floats)
        device.core.system.set_value(VTOR, TABLE)
        for address, value in [
            (APB1ENR, 1), (TIM2 + 0x28, prescaler), (TIM2 + 0x14, 1), (TIM2 + 0x10, 0), (TIM2, 1),
            (0xE000_EDFC, 1 << 24), (0xE000_1FB0, 0xC5AC_CE55), (0xE000_1000, 1),
            (SYST + 4, period - 1), (SYST + 8, 0), (SYST, 7),
        ]:  # fmt: skip
            device.bus_write(address, value.to_bytes(4, "little"))
        m.caches(instruction=True, data=True) if timing == "full" else None
        while (stop := device.run_slice(end, 1_000_000)).kind is not StopKind.REACHED:
            if stop.kind is StopKind.EXCEPTION_RETURN:
                device.take_exception(stop)
        return (
            {f"r{i}": device.read_register(f"r{i}") for i in range(16)},
            [device.read_register(f"s{i}") for i in range(3)],
            (device.now, device.executed_instructions),
            device.bus_read(TIM2 + 0x24, 4),
            device.read(SRAM_DATA, 256),
            m.timer.state() if timing != "count" else 0,
        )


@pytest.mark.parametrize("timing", ["count", "core", "full"])
@given(BODIES, st.integers(3_000, 12_000), st.sampled_from([0, 3, 999, 4_999]))
@settings(max_examples=25, deadline=None)
def test_nobody_can_tell_that_rounds_were_added_up(timing, body, period, prescaler):
    arguments = timing, body, period, prescaler
    assert outcome(*arguments, skips=True) == outcome(*arguments, skips=False)
