"""Cycles as sums over what ran: nothing but the program and its input may decide them."""

from __future__ import annotations

import logging
from collections import Counter

import pytest
from machine import DTCM, FLASH, ITCM, SRAM, SRAM_DATA, TIMEOUT_S, Machine, machine

from usim.errors import DeviceError
from usim.timing.decode import decode
from usim.timing.tables import DEFAULT_PARAMETERS

# Loops, calls, IT blocks, a division, loads that depend on one another, stores, floating point.
MIXED = (
    """
movs r4, #6; mov r5, r0; b 2f; nop
1: push {r4, lr}; ldr r3, [r1]; ldr r3, [r1, r3, lsl #2]; muls r3, r4; udiv r3, r3, r4
vmov s0, r3; vadd.f32 s1, s0, s0; vmov r6, s1; str r6, [r1, #64]; pop {r4, pc}
2: bl 1b; ldr r6, [r5], #4; add r7, r7, r6; tst r4, #1; ittee eq; addeq r7, #3; streq r7, [r5]
subne r7, #1; ldrne r6, [r5, #32]; strb r7, [r5, r4]; adr.w r8, 3f; orr r8, r8, #1; bx r8
nop; .balign 4; 3: subs r4, #1; bne 2b; nop
""".replace("\n", "; ")
    .replace("; ; ", "; ")
    .strip("; ")
)
REGISTERS = {"r0": SRAM_DATA, "r1": SRAM_DATA + 0x400, "r7": 0}
MODES = ["core", "full"]
# What separates two pieces of code: the pipeline is empty behind it.
GAP = "; ".join([".balign 8; dsb", "isb", *["nop"] * 24])


def run_mixed(m: Machine, at: int = ITCM) -> int:
    if m.device.core.engine.memory is not None:
        m.caches(instruction=True, data=True)
    return m.run(MIXED, at, REGISTERS)


def core_cycles(text: str, registers: dict[str, int] | None = None) -> int:
    with machine("core") as m:
        return m.run(text, ITCM, registers)


# What decides a count.


@pytest.mark.parametrize("at", [ITCM, SRAM + 6, FLASH])
def test_waiting_for_memory_only_adds(at):
    with machine("core") as quick, machine("full") as slow:
        assert run_mixed(quick, at) < run_mixed(slow, at)


@pytest.mark.parametrize("mode", MODES)
def test_a_fresh_device_takes_the_same_cycles(mode):
    with machine(mode) as first, machine(mode) as second:
        assert run_mixed(first, SRAM) == run_mixed(second, SRAM)


@pytest.mark.parametrize("mode", MODES)
def test_after_a_reset_it_takes_the_same_cycles(mode):
    with machine(mode) as m:
        first = run_mixed(m, SRAM)
        m.run("movs r0, #9; 1: subs r0, #1; bne 1b", SRAM + 0x1000)
        m.device.reset()
        assert run_mixed(m, SRAM) == first


@pytest.mark.parametrize("mode", MODES)
def test_what_ran_before_elsewhere_does_not_change_prices(mode):
    """Blocks are priced when they are first met, by nothing but code and state."""
    with machine(mode) as fresh, machine(mode) as used:
        used.run("movs r0, #9; 1: ldr r3, [sp]; subs r0, #1; bne 1b; mul r3, r3, r3", DTCM + 0x4000)
        used.device.reset()
        assert run_mixed(fresh, SRAM) == run_mixed(used, SRAM)


PIECES = [
    "ldr r2, [r0]; add r2, r2, r1; mul r3, r2, r2; mul r3, r3, r3; str r3, [r0, #4]",
    "movs r4, #5; 1: subs r4, #1; bne 1b",
    "vmov s0, r1; vmul.f32 s1, s0, s0; vadd.f32 s2, s1, s1; vmov r5, s2",
    "movs r1, #3; movs r2, #9; udiv r6, r2, r1; ldrb r5, [r0, r1]; ldr r5, [r0, r5]",
]


@pytest.mark.parametrize("first", range(len(PIECES)))
@pytest.mark.parametrize("second", range(len(PIECES)))
def test_pieces_that_are_apart_cost_the_same_in_either_order(first, second):
    one, other = PIECES[first], PIECES[second].replace("1:", "2:").replace("1b", "2b")
    there = core_cycles(f"{GAP}; {one}; {GAP}; {other}; {GAP}; nop", {"r0": DTCM})
    back = core_cycles(f"{GAP}; {other}; {GAP}; {one}; {GAP}; nop", {"r0": DTCM})
    assert there == back


def visits(m: Machine) -> dict[int, int]:
    """How often each instruction ran."""
    times: dict[int, int] = {}
    for block in m.timer.blocks():
        for instruction in block.instructions:
            times[instruction.address] = times.get(instruction.address, 0) + block.executions
    return times


# In all of an IT block Unicorn does not stop: it is one instruction to it.
STRAIGHT = MIXED.replace("movs r4, #6", "movs r4, #3").replace(
    "ittee eq; addeq r7, #3; streq r7, [r5]", "add r7, #3; str r7, [r5]"
)
STRAIGHT = STRAIGHT.replace("subne r7, #1; ldrne r6", "subs r7, #1; ldr r6")


@pytest.mark.parametrize(
    ("mode", "at", "caches"),
    [("core", ITCM, True), ("full", ITCM, True), ("full", SRAM + 2, True), ("full", SRAM, False)],
)
def test_breakpoints_change_nothing(mode, at, caches):
    with machine(mode) as m:

        def prepare() -> tuple[int, int, int]:
            m.device.reset()
            m.device.write(SRAM_DATA, bytes(0x500))
            end = m.start(STRAIGHT, at, REGISTERS)
            if mode == "full":
                m.caches(instruction=caches, data=caches)
            return end, m.timer.cycles, m.instructions

        def spent(cycles: int, instructions: int) -> tuple[object, ...]:
            used = m.memory.use() if mode == "full" else ()
            data = m.device.read(SRAM_DATA, 0x500)
            return m.timer.cycles - cycles, m.instructions - instructions, used, data

        end, *before = prepare()
        m.device.run_until(end, TIMEOUT_S)
        undisturbed = spent(*before)
        for place, times in visits(m).items():
            end, *before = prepare()
            for visit in range(times):
                m.device.run_slice(place, 10_000)
                assert m.device.read_register("pc") == place
                if visit + 1 < times:
                    m.device.run_slice(end, 1)  # over the breakpoint, and a block on
            m.device.run_until(end, TIMEOUT_S)
            assert spent(*before) == undisturbed, f"{times} stops at {place:#x}"


@pytest.mark.parametrize("mode", MODES)
def test_stepping_through_every_instruction_changes_nothing(mode):
    text = "ldr r3, [r0]; add r3, r3, r1; ldr r4, [r0, #32]; str r3, [r0, #64]; ldr r5, [r3]"
    with machine(mode) as m:
        straight = m.run(text, SRAM, REGISTERS)
        places = [item.address for item in decode(m.device.read(SRAM, 12), SRAM)]
    with machine(mode) as m:
        end = m.start(text, SRAM, REGISTERS)
        for place in [*places[1:], end]:
            m.device.run_until(place, TIMEOUT_S)
        assert m.timer.cycles == straight


@pytest.mark.parametrize("place", [6, 8])
def test_a_stop_inside_an_it_block_is_refused_and_loses_no_count(place):
    text = "nop; cmp r0, r0; itt eq; moveq r1, #1; moveq r2, #2; nop"
    with machine("core") as m:
        cycles = m.run(text, ITCM)
        instructions = m.instructions
    with machine("core") as m:
        end = m.start(text, ITCM)
        with pytest.raises(DeviceError, match="inside an IT block"):
            m.device.run_until(ITCM + place, TIMEOUT_S)
        m.device.run_until(end, TIMEOUT_S)
        assert (m.timer.cycles, m.instructions) == (cycles, instructions)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("budget", [1, 2, 3, 7, 50])
def test_slices_change_nothing(mode, budget):
    with machine(mode) as m:
        whole = run_mixed(m, SRAM), m.instructions
    with machine(mode) as m:
        end = m.start(MIXED, SRAM, REGISTERS)
        if mode == "full":
            m.caches(instruction=True, data=True)
        slices = 0
        while m.device.read_register("pc") != end:
            m.device.run_slice(end, budget)
            slices += 1
        assert slices > 1
        assert (m.timer.cycles, m.instructions) == whole


# Branches.


def loop(outcomes: list[bool], *, early_flags: bool = False) -> tuple[str, dict[str, int]]:
    """A loop with a forward branch that is taken as `outcomes` say."""
    wait = "nop; nop; nop; nop; nop; nop; " if early_flags else ""
    bits = sum(taken << place for place, taken in enumerate(outcomes))
    text = f"1: lsrs r2, r2, #1; {wait}bcs 2f; nop; nop; 2: dsb; isb; subs r4, #1; bne 1b; nop"
    return text, {"r2": bits, "r4": len(outcomes)}


def wrong_by_block(m: Machine) -> Counter[int]:
    """Mispredictions, by the address of the block that the branch ends."""
    found: Counter[int] = Counter()
    for block in m.timer.blocks():
        found[block.address] += block.mispredicts
    return found


@pytest.mark.parametrize(("taken", "most"), [(False, 0), (True, 1)])
def test_a_branch_that_always_goes_one_way_is_soon_predicted(taken, most):
    text, registers = loop([taken] * 16)
    with machine("core") as m:
        m.run(text, ITCM, registers)
        # Never seen, a forward branch is predicted not to be taken.
        assert wrong_by_block(m)[ITCM] == most


def test_one_exception_to_the_rule_is_one_misprediction():
    """Two bits, not one: the branch goes on to be predicted as before."""
    text, registers = loop([True] * 8 + [False] + [True] * 7)
    with machine("core") as m:
        m.run(text, ITCM, registers)
        assert wrong_by_block(m)[ITCM] == 2


@pytest.mark.parametrize(("early_flags", "penalty"), [(False, 8), (True, 6)])
def test_what_a_misprediction_costs(early_flags, penalty):
    """The same program twice: the second time, the predictor knows its branches."""
    text, registers = loop([True] * 6, early_flags=early_flags)
    with machine("core") as m:
        first = m.run(text, ITCM, registers)
        end = m.device.read_register("pc")
        wrong = wrong_by_block(m)
        for name, value in registers.items():
            m.device.write_register(name, value)
        m.device.write_register("pc", ITCM)
        before = m.timer.cycles
        m.device.run_until(end, TIMEOUT_S)
        second = m.timer.cycles - before
        still_wrong = wrong_by_block(m)
        assert (wrong[ITCM], still_wrong[ITCM]) == (1, 1)
        # The loop's own branch, right behind what sets its flags, was wrong once, or twice by now.
        fewer = wrong.total() - 1 - (still_wrong.total() - wrong.total())
        assert first - second == penalty + 8 * fewer


@pytest.mark.parametrize("iterations", [2, 3, 10, 100])
def test_a_loop_is_mispredicted_once_at_its_end(iterations):
    with machine("core") as m:
        m.run(
            f"movs r0, #{iterations}; nop; nop; nop; 1: subs r0, #1; bne 1b; nop; b 3f; 3: nop",
            ITCM,
        )
        assert sum(block.mispredicts for block in m.timer.blocks()) == 1


def test_more_iterations_cost_one_cycle_each():
    text = "nop; .balign 8; 1: subs r0, #1; bne 1b"
    assert core_cycles(text, {"r0": 1000}) - core_cycles(text, {"r0": 500}) == 500


def test_an_indirect_call_is_predicted_to_go_where_it_went():
    """Calls that alternate between two functions are always wrong, calls of one function once."""
    text = (
        "adr.w r2, 8f; adr.w r3, 8f; add r3, r3, r5; orr r2, #1; orr r3, #1; mov r6, r2;"
        "movs r4, #8;"
        "1: mov r7, r6; mov r6, r3; mov r3, r7; blx r6; subs r4, #1; bne 1b; b 9f;"
        " .balign 4; 8: bx lr; nop; nop; nop; bx lr; nop; 9: nop"
    )
    wrong = []
    for distance in (0, 8):
        with machine("core") as m:
            m.run(text, ITCM, {"r5": distance})
            wrong.append(
                sum(b.mispredicts for b in m.timer.blocks() if b.instructions[-1].text[:3] == "blx")
            )
    assert wrong == [1, 8]


# Exceptions.


def test_entering_an_exception_takes_twelve_cycles_and_so_does_leaving_it():
    with machine("core") as m:
        m.put("bx lr", ITCM + 0x400)
        m.device.write(ITCM + 4 * 11, (ITCM + 0x401).to_bytes(4, "little"))
        plain = m.run("nop; nop", ITCM + 0x200)
        m.timer.restart()
        with_svc = m.run("svc 0; nop; nop", ITCM + 0x200)
        assert m.timer.interruption_cycles == 24
        handler = decode(m.device.read(ITCM + 0x400, 2), ITCM + 0x400)
        own = {b.address: b.own_cycles for b in m.timer.blocks()}
        assert own[handler[0].address] >= 1
        assert with_svc >= plain + 24
        assert sum(own.values()) + 24 == pytest.approx(with_svc, abs=1)


# Sums.


@pytest.mark.parametrize("mode", MODES)
def test_blocks_and_call_tree_add_up_to_all_cycles(mode):
    with machine(mode) as m:
        start = m.timer.cycles
        run_mixed(m, SRAM)
        m.timer.finish()
        total = m.timer.cycles - start
        outside = m.timer.interruption_cycles
        assert sum(block.own_cycles for block in m.timer.blocks()) + outside == total
        assert int(m.timer.call_tree()["cycles"].sum()) + outside == total
        assert sum(len(b.instructions) * b.executions for b in m.timer.blocks()) == m.instructions
        assert int(m.timer.call_tree()["instructions"].sum()) == m.instructions


def test_executions_are_those_of_the_program():
    with machine("core") as m:
        m.run("movs r0, #7; nop; 1: nop; subs r0, #1; bne 1b; nop", ITCM)
        times = visits(m)
        assert times[ITCM] == 1
        assert times[ITCM + 4] == times[ITCM + 8] == 7


def test_calls_are_counted_where_they_are_made():
    with machine("core") as m:
        m.run("bl 1f; bl 1f; b 3f; 1: push {lr}; bl 2f; pop {pc}; 2: bx lr; 3: nop", ITCM)
        tree = m.timer.call_tree()
        # Root, the outer function, the inner one under it.
        assert list(tree["calls"]) == [0, 2, 2]
        assert list(tree["parent"]) == [0, 0, 1]


# What may go wrong.


@pytest.mark.parametrize("room", [1, 2, 3, 5, 8])
def test_a_full_table_of_prices_changes_no_sum(room):
    with machine("core") as m:
        usual = run_mixed(m)
        m.timer.finish()
        executions = sum(block.executions for block in m.timer.blocks())
    with machine("core") as m:
        m.timer._state.max_prices = room
        assert run_mixed(m) == usual
        m.timer.finish()
        assert sum(block.executions for block in m.timer.blocks()) == executions
        assert sum(block.own_cycles for block in m.timer.blocks()) == m.timer.cycles


@pytest.mark.parametrize("failure", [ValueError("no such thing"), KeyboardInterrupt()])
def test_a_failure_while_pricing_ends_the_run_and_is_raised(failure, capfd):
    def fail(_: object) -> None:
        raise failure

    with machine("core") as m:
        m.timer.on_new_block = fail
        with pytest.raises(type(failure)):
            m.run("nop; nop", ITCM)
        m.timer.on_new_block = None
        # Nothing of it stays behind.
        with machine("core") as other:
            assert m.run("nop; nop; mul r0, r0, r0", ITCM) == other.run(
                "nop; nop; mul r0, r0, r0", ITCM
            )
    assert "ignored" not in capfd.readouterr().err


def test_code_that_the_host_replaced_is_priced_anew():
    with machine("core") as m:
        slow = m.run("udiv r0, r1, r2; udiv r0, r0, r2", ITCM, {"r2": 1})
        quick = m.run("mov.w r0, r1; mov.w r3, r2", ITCM)
        assert quick < slow


def test_a_recording_tells_of_replaced_code_as_it_was():
    with machine("core") as m:
        recorder = m.device.recorder()
        m.run("udiv r0, r1, r2; nop", ITCM, {"r2": 1})
        m.run("mov.w r0, r1; nop", ITCM)
        recorder.finish()
        texts = [item.text for block in recorder.blocks() for item in block.instructions]
        assert any(text.startswith("udiv") for text in texts)
        assert any(text.startswith("mov") for text in texts)
        own = sum(block.own_cycles for block in recorder.blocks())
        assert own + recorder.interruption_cycles == recorder.cycles


def test_data_that_the_host_writes_leaves_prices_alone():
    """Code below and above it has run: only where code is, a write means new code."""
    with machine("core") as m:
        m.run("nop", ITCM)
        m.run("nop", SRAM)
        before = m.timer._state.price_count
        m.device.write(DTCM + 0x4000, b"data")
        assert m.timer._state.price_count == before > 0


def test_states_beyond_the_table_are_said(caplog, monkeypatch):
    monkeypatch.setattr("usim.timing.timer.MAX_STATES", 3)
    with caplog.at_level(logging.WARNING), machine("core") as m:
        run_mixed(m)
    assert len([r for r in caplog.records if "states" in r.getMessage()]) == 1


# DWT.

DWT_ON = (
    "movw r4, #0x1000; movt r4, #0xE000; movw r5, #0xEDFC; movt r5, #0xE000; mov r0, #0x1000000;"
    "str r0, [r5]; movw r0, #0xCE55; movt r0, #0xC5AC; movw r1, #0xFB0; str r0, [r4, r1];"
    "ldr r0, [r4]; orr r0, #1; str r0, [r4]"
)


@pytest.mark.parametrize("mode", MODES)
def test_cyccnt_counts_cycles(mode):
    text = "movs r3, #100; 1: subs r3, #1; bne 1b; udiv r0, r3, r3"
    with machine(mode) as m:
        m.run(f"{DWT_ON}; ldr r6, [r4, #4]; {text}; ldr r7, [r4, #4]", ITCM, {"r3": 1})
        counted = m.device.read_register("r7") - m.device.read_register("r6")
        assert 100 + DEFAULT_PARAMETERS.divide < counted < 140


@pytest.mark.parametrize("mode", MODES)
def test_cyccnt_can_be_set_and_locked(mode):
    with machine(mode) as m:
        m.run(f"{DWT_ON}; movw r0, #50000; str r0, [r4, #4]; ldr r6, [r4, #4]", ITCM)
        assert 50_000 < m.device.read_register("r6") < 50_020
        lock = "movs r0, #0; movw r1, #0xFB0; str r0, [r4, r1]; str r0, [r4, #4]; ldr r6, [r4, #4]"
        m.run(f"movw r4, #0x1000; movt r4, #0xE000; {lock}", ITCM + 0x400)
        assert m.device.read_register("r6") > 50_000
