"""Every backend under a Session: modules, lazy batches, faults, and a model's output."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pytest
from every_backend import EVERY_BACKEND, open_session
from tflite_micro import runtime

import usim
from usim import demo
from usim.errors import DeviceTimeoutError, FaultError, TaskError

SOURCE = """
#include "usim.h"
static const int32_t table[4] = {3, 5, 7, 11};
static int32_t calls = 40;
static int32_t zeroed[3];
int32_t count(int32_t *out) {
    zeroed[calls % 3]++;
    out[0] = ++calls;
    out[1] = table[calls & 3] + zeroed[0] + zeroed[1] + zeroed[2];
    return 0;
}
int32_t mix(const float *a, float scale, int64_t wide, int8_t small, float *out, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) { out[i] = a[i] * scale + (float)(wide >> 32) + (float)small; }
    return 0;
}
int32_t fail(int32_t status) { usim_set_last_error("on purpose"); return status; }
int32_t load(uint32_t address, int32_t *out) { *out = *(volatile int32_t *)address; return 0; }
int32_t divide(int32_t a, int32_t b, int32_t *out) { *out = a / b; return 0; }
int32_t scratch(uint32_t *out, uint32_t bytes) {
    uint32_t *room = usim_workspace_alloc(bytes);
    if (room == NULL) { return 7; }
    for (uint32_t i = 0; i < bytes / 4; i++) { room[i] = i; }
    *out = room[bytes / 4 - 1];
    return usim_workspace_free(room);
}
void spin(void) { for (;;) { __asm volatile(""); } }
int32_t deep(int32_t n) {
    volatile int32_t room[64];
    room[0] = n;
    const int32_t rest = n > 100000 ? 0 : deep(n + 1);
    return rest + room[0];
}
"""


@pytest.fixture(scope="module", params=EVERY_BACKEND)
def session(request: pytest.FixtureRequest) -> Iterator[usim.Session]:
    with open_session(request.param, timing="count", timeout_s=60) as opened:
        yield opened


@pytest.fixture
def module(session):
    with session.load_module(SOURCE, name="contract.c") as loaded:
        yield loaded


def check_usable(session, module) -> None:
    out = session.empty(1, np.int32)
    module.divide(84, 2, out)
    assert out.numpy() == 42


def test_constants_and_variables_of_a_module_are_in_place_and_stay(session, module):
    out = session.empty(2, np.int32)
    for n in range(3):
        module.count(out)
        # table[41 & 3], [42 & 3], [43 & 3], and as many increments as calls
        assert out.numpy().tolist() == [41 + n, [5, 7, 11][n] + n + 1]


def test_arguments_of_all_kinds_arrive(session, module):
    a = session.tensor(np.array([1, -2, np.inf, 1e38], np.float32))
    out = session.empty(4, np.float32)
    module.mix(a, 2.5, -3 << 32, -7, out, 4)
    expected = np.array([1, -2, np.inf, 1e38], np.float32) * np.float32(2.5) - 3 - 7
    np.testing.assert_array_equal(out.numpy(), expected.astype(np.float32))


def test_a_batch_runs_in_order_with_few_transactions(session, module):
    a = session.tensor(np.ones(8, np.float32))
    session.sync()
    before = session.stats
    for _ in range(20):
        module.mix(a, 1.0, 0, 1, a, 8)
    np.testing.assert_array_equal(a.numpy(), np.full(8, 21, np.float32))
    assert session.stats.batches == before.batches + 1
    assert session.stats.transactions - before.transactions <= 6


def test_counts_are_positive_repeatable_and_name_their_unit(session, module):
    if session.capabilities.count.unit == "none":
        pytest.skip("this backend counts nothing")
    out = session.empty(1, np.int32)
    first, second = module.divide(1, 1, out), module.divide(1, 1, out)
    session.sync()
    assert first.count.value > 0
    assert first.count.kind == session.capabilities.count
    if session.capabilities.simulated and session.capabilities.exact_counter:
        assert first.count.value == second.count.value


def test_scratch_memory_is_there_and_too_much_is_refused(session, module):
    out = session.empty(1, np.uint32)
    module.scratch(out, 4000)
    assert out.numpy() == 999
    with pytest.raises(TaskError) as caught:
        module.scratch(out, 1 << 20).wait()
    assert caught.value.status == 7


def test_the_task_that_fails_is_named_and_later_ones_do_not_run(session, module):
    outs = [session.tensor(np.zeros(1, np.int32)) for _ in range(2)]
    module.divide(6, 2, outs[0])
    module.fail(9)
    module.divide(8, 2, outs[1])
    with pytest.raises(TaskError, match=r"task 1 \(fail\) failed: .*on purpose"):
        session.sync()
    assert [int(out.numpy()[0]) for out in outs] == [3, 0]
    check_usable(session, module)


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda module, out: module.load(0x3000_0000, out), "BusFault"),
        (lambda module, out: module.divide(1, 0, out), "UsageFault"),
        (lambda module, out: module.deep(0), "stack overflow"),
    ],
    ids=["load from nowhere", "division by zero", "stack overflow"],
)
def test_a_fault_is_named_with_its_function_and_the_session_goes_on(call, kind, session, module):
    if not session.capabilities.architectural_faults:
        pytest.skip("this backend's faults are not those of the architecture")
    out = session.empty(1, np.int32)
    with pytest.raises(FaultError, match=kind):
        call(module, out).wait()
    check_usable(session, module)


def test_a_call_that_never_ends_is_ended_and_named(session):
    with open_session(session.backend, timing="count", timeout_s=0.5) as hurried:
        module = hurried.load_module(SOURCE, name="contract.c")
        with pytest.raises(DeviceTimeoutError, match=r"spin"):
            module.spin().wait()
        check_usable(hurried, module)


def test_unload_gives_the_memory_back(session):
    gc.collect()  # tensors of earlier tests, which the errors that they caught still held
    before = {use.name: use.used_bytes for use in session.memory_use()}
    with session.load_module(SOURCE, name="contract.c"):
        assert {use.name: use.used_bytes for use in session.memory_use()} != before
    assert {use.name: use.used_bytes for use in session.memory_use()} == before


def test_tensors_of_every_size_come_back_as_they_went(session):
    for size in (0, 1, 3, 1021, 100_001):
        data = np.random.default_rng(size).integers(0, 256, size).astype(np.uint8)
        np.testing.assert_array_equal(session.tensor(data).numpy(), data)


def test_the_cifar10_model_computes_what_tflite_micro_does(session):
    interpreter = runtime.Interpreter.from_file(str(demo.MODEL), arena_size=1 << 20)
    model = session.load_model(demo.MODEL)
    try:
        for seed in range(2):
            shape = model.model.inputs[0].shape
            noise = np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)
            interpreter.set_input(noise, 0)
            interpreter.invoke()
            np.testing.assert_array_equal(model(noise), interpreter.get_output(0))
    finally:
        model.unload()
