"""The workspace: scratch memory for a task, its limits, its peak, and its misuse."""

from __future__ import annotations

import numpy as np
import pytest

import usim
from usim.errors import TaskError

SOURCE = """
#include "usim.h"
#define MAX 64
int32_t take(uint32_t size, uint32_t *address)
{ *address = (uint32_t)(uintptr_t)usim_workspace_alloc(size); return 0; }
int32_t give_back(uint32_t address) { return usim_workspace_free((void *)address); }
int32_t twice(uint32_t size) {
    void *block = usim_workspace_alloc(size);
    (void)usim_workspace_free(block);
    return usim_workspace_free(block);
}
int32_t null(void) { return usim_workspace_free(NULL); }
int32_t inside(void) {
    uint8_t *block = usim_workspace_alloc(64);
    return usim_workspace_free(block + 8);
}
int32_t past_the_end(void) {
    uint32_t *block = usim_workspace_alloc(16);
    for (int i = 0; i < 8; i++) { block[i] = 1; }
    return usim_workspace_alloc(16) == NULL ? 7 : 0;
}
/* A size above 0 takes a block into its slot, 0 frees the slot. Each block is filled with
   its slot's number, and checked before it is freed: nobody else may have written there. */
int32_t play(const uint32_t *slots, const uint32_t *sizes, uint32_t count, uint32_t *failed) {
    static uint8_t *blocks[MAX];
    static uint32_t lengths[MAX];
    for (uint32_t i = 0; i < MAX; i++) { blocks[i] = NULL; }
    *failed = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t slot = slots[i];
        if (sizes[i] > 0) {
            blocks[slot] = usim_workspace_alloc(sizes[i]);
            lengths[slot] = sizes[i];
            if (blocks[slot] == NULL) { (*failed)++; continue; }
            if (((uintptr_t)blocks[slot] & 7) != 0) { return 100; }
            for (uint32_t k = 0; k < sizes[i]; k++) { blocks[slot][k] = (uint8_t)slot; }
        } else if (blocks[slot] != NULL) {
            for (uint32_t k = 0; k < lengths[slot]; k++) {
                if (blocks[slot][k] != (uint8_t)slot) { return 101; }
            }
            if (usim_workspace_free(blocks[slot]) != USIM_OK) { return 102; }
            blocks[slot] = NULL;
        }
    }
    return 0;
}
"""


@pytest.fixture
def workspace():
    with usim.Session("stm32f746") as session:
        yield session, session.load_module(SOURCE)


def peak(session) -> int:
    (use,) = [use for use in session.memory_use() if use.name == "workspace"]
    assert use.size_bytes == 24 * 1024
    return use.peak_bytes


def take(session, module, size: int) -> int:
    out = session.empty((), np.uint32)
    module.take(size, out)
    return int(out.numpy())


def test_blocks_lie_in_the_section_aligned_to_eight(workspace):
    session, module = workspace
    extents = session.platform.section("workspace").extents
    for size in (0, 1, 7, 8, 100, 4000):
        address = take(session, module, size)
        assert address % 8 == 0
        assert any(e.base <= address and address + size <= e.end for e in extents)


def test_the_peak_is_what_was_in_use_at_once(workspace):
    session, module = workspace
    assert peak(session) == 0
    take(session, module, 1000)
    first = peak(session)
    assert 1000 <= first <= 1000 + 16
    take(session, module, 500)
    assert peak(session) == first
    take(session, module, 3000)
    assert 3000 <= peak(session) <= 3016


def test_what_a_task_forgets_is_free_for_the_next(workspace):
    session, module = workspace
    addresses = {take(session, module, 6000) for _ in range(10)}
    assert len(addresses) == 1
    out = [session.empty((), np.uint32) for _ in range(10)]
    for tensor in out:
        module.take(6000, tensor)
    assert {int(tensor.numpy()) for tensor in out} == addresses


def test_too_much_gives_null_and_no_fault(workspace):
    session, module = workspace
    for size in (20_000, 1 << 20, 0x7FFF_FFFF, 0xFFFF_FFF0, 0xFFFF_FFFF):
        assert take(session, module, size) == 0
    assert take(session, module, 16) != 0


def test_what_the_first_pool_cannot_hold_comes_from_the_second(workspace):
    session, module = workspace
    small, large = session.platform.section("workspace").extents
    address = take(session, module, small.size_bytes + 1000)
    assert large.base <= address < large.end


def test_every_byte_of_a_pool_but_its_header_can_be_had(workspace):
    session, module = workspace
    small, large = session.platform.section("workspace").extents
    assert take(session, module, large.size_bytes - 8) == large.base + 8
    assert take(session, module, large.size_bytes - 7) == 0
    assert take(session, module, small.size_bytes - 8) == small.base + 8


@pytest.mark.parametrize("bad", [0x2000_0000, 4, 0x3000_0000, 0xFFFF_FFF8])
def test_a_pointer_that_was_not_given_out_is_refused(bad, workspace):
    session, module = workspace
    module.give_back(bad)
    with pytest.raises(TaskError, match="it returned -1"):
        session.sync()


@pytest.mark.parametrize("function", ["inside", "twice"])
def test_a_block_is_given_back_once_and_by_its_own_address(function, workspace):
    session, module = workspace
    module[function](*([64] if function == "twice" else []))
    with pytest.raises(TaskError, match="it returned -1"):
        session.sync()


def test_null_can_be_given_back(workspace):
    _, module = workspace
    module.null().wait()


def test_a_block_written_past_its_end_is_noticed_by_the_next_allocation(workspace):
    session, module = workspace
    module.past_the_end()
    with pytest.raises(TaskError) as caught:
        session.sync()
    assert caught.value.last_error == "workspace corrupted: a block was written past its end"
    assert take(session, module, 100) != 0


@pytest.mark.parametrize("seed", range(8))
def test_blocks_never_overlap_and_neighbours_merge(seed, workspace):
    """A random play of a thousand takes and frees, checked on the device byte by byte."""
    session, module = workspace
    rng = np.random.default_rng(seed)
    slots, sizes, live = [], [], set()
    for _ in range(1000):
        slot = int(rng.integers(0, 40))
        slots.append(slot)
        sizes.append(0 if slot in live else int(rng.choice([1, 8, 24, 100, 500, 1500])))
        live ^= {slot}
    for slot in sorted(live, key=lambda _: rng.random()):
        slots.append(slot)
        sizes.append(0)
    # Everything is free again: the largest block of each pool can be had.
    for slot, pool in enumerate(session.platform.section("workspace").extents):
        slots.append(50 + slot)
        sizes.append(pool.size_bytes - 8)
    failed = session.empty((), np.uint32)
    arguments = [session.tensor(np.array(column, np.uint32)) for column in (slots, sizes)]
    before = peak(session)
    module.play(*arguments, len(slots), failed)
    count = int(failed.numpy())
    assert before <= peak(session) <= 24 * 1024
    only_last = [*slots[-2:]], [*sizes[-2:]]
    module.play(*[session.tensor(np.array(c, np.uint32)) for c in only_last], 2, failed)
    assert failed.numpy() == 0
    assert count < len(slots) // 4
