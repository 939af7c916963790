"""Lazy and strict execution: when calls run, what a batch costs, what an error leaves behind."""

from __future__ import annotations

import numpy as np
import pytest

import usim
from usim.errors import ArgumentError, DeviceError, DeviceTimeoutError, FaultError, TaskError

SOURCE = """
#include "usim.h"
int32_t add(const int32_t *a, int32_t b, int32_t *out) { *out = *a + b; return 0; }
int32_t fail(int32_t status) { return status; }
int32_t complain(int32_t status) { usim_set_last_error("weights are missing"); return status; }
int32_t divide(int32_t a, int32_t b, int32_t *out) { *out = a / b; return 0; }
void spin(void) { for (;;) { __asm volatile(""); } }
int32_t sum(int32_t depth) {
    volatile int32_t room[32];
    room[depth & 31] = depth;
    const int32_t rest = depth == 0 ? 0 : sum(depth - 1);
    return room[depth & 31] - depth + rest; // the room is used behind the call: no tail call
}
void overrun(int32_t *out, int32_t count) { for (int32_t i = 0; i < count; i++) out[i] = 7; }
void poke(uint32_t address, uint32_t value) { *(volatile uint32_t *)address = value; }
void peek(uint32_t address, uint32_t *out) { *out = *(volatile uint32_t *)address; }
void undefined(void) { __builtin_trap(); }
void call(uint32_t address) { ((void (*)(void))address)(); }
void supervisor(void) { __asm volatile("svc #0"); }
void breakpoint(void) { __asm volatile("bkpt #0"); }
"""


@pytest.fixture(scope="module")
def module(session):
    with session.load_module(SOURCE, name="batch.c") as loaded:
        yield loaded


def zeros(session, count: int) -> list:
    return [session.tensor(np.int32(0)) for _ in range(count)]


def check_usable(session, module) -> None:
    out = session.tensor(np.int32(0))
    module.add(session.tensor(np.int32(20)), 22, out)
    assert out.numpy() == 42


# When calls run.


def test_calls_wait_until_a_result_is_read(session, module):
    one, out = session.tensor(np.int32(1)), session.empty((), np.int32)
    batches = session.stats.batches
    module.add(one, 1, out)
    module.add(out, 1, out)
    assert session.stats.batches == batches
    assert out.numpy() == 3
    assert session.stats.batches == batches + 1


@pytest.mark.parametrize(
    "flush",
    [
        lambda session, call, tensor: session.sync(),
        lambda session, call, tensor: tensor.numpy(),
        lambda session, call, tensor: tensor.write(np.int32(0)),
        lambda session, call, tensor: call.wait(),
        lambda session, call, tensor: call.count,
        lambda session, call, tensor: session.memory_use(),
        lambda session, call, tensor: session.read_memory(tensor.address, 1),
        lambda session, call, tensor: tensor.free(),
    ],
)
def test_what_needs_results_runs_the_queue(flush, session, module):
    one, out = session.tensor(np.int32(1)), session.empty((), np.int32)
    tasks = session.stats.tasks
    call = module.add(one, 1, out)
    flush(session, call, one)
    assert session.stats.tasks == tasks + 1


def test_sync_with_nothing_queued_sends_nothing(session):
    before = session.stats
    session.sync()
    assert session.stats == before


def test_a_full_queue_runs_by_itself():
    with usim.Session("stm32f746", queue_length=4) as session:
        module = session.load_module(SOURCE)
        total = session.tensor(np.int32(0))
        for _ in range(11):
            module.add(total, 1, total)
        assert session.stats.tasks == 8
        assert total.numpy() == 11
        assert session.stats.batches == 3


def test_full_arguments_run_by_themselves(session, load):
    parameters = ", ".join(f"int64_t a{i}" for i in range(20))
    total = " + ".join(f"a{i}" for i in range(20))
    module = load(f"void many({parameters}, int64_t *out) {{ *out += {total}; }}")
    out = session.tensor(np.int64(0))
    batches = session.stats.batches
    for _ in range(32):
        module.many(*range(20), out)
    assert session.stats.batches > batches
    assert out.numpy() == 32 * 190


def test_leaving_the_session_runs_the_queue():
    with usim.Session("stm32f746") as session:
        call = session.load_module(SOURCE).fail(0)
        assert session.stats.tasks == 0
    assert call.count.value > 0


def test_an_error_at_the_end_of_a_session_is_raised():
    with pytest.raises(TaskError, match="returned 3"), usim.Session("stm32f746") as session:
        session.load_module(SOURCE).fail(3)


def test_leaving_with_an_error_of_ones_own_keeps_it():
    with pytest.raises(KeyError), usim.Session("stm32f746") as session:
        session.load_module(SOURCE).fail(3)
        raise KeyError


def test_closing_tells_calls_that_did_not_run():
    session = usim.Session("stm32f746").open()
    call = session.load_module(SOURCE).fail(0)
    session.close()
    with pytest.raises(DeviceError, match="fail did not run: the session was closed"):
        call.wait()


def test_lazy_and_strict_give_the_same_results_and_counts():
    results = []
    for strict in (False, True):
        with usim.Session("stm32f746", strict=strict) as session:
            module = session.load_module(SOURCE)
            values = zeros(session, 5)
            calls = [module.add(values[i - 1], i, values[i]) for i in range(1, 5) for _ in range(3)]
            results.append(
                ([int(value.numpy()) for value in values], [call.count.value for call in calls])
            )
    assert results[0] == results[1]
    assert results[0][0] == [0, 1, 3, 6, 10]


def test_strict_runs_each_call_at_once():
    with usim.Session("stm32f746", strict=True) as session:
        module = session.load_module(SOURCE)
        with pytest.raises(TaskError, match="returned 2"):
            module.fail(2)
        module.fail(0)
        assert session.stats.batches == 2


def test_a_lazy_batch_of_twenty_needs_a_tenth_of_the_transactions():
    needed = []
    for strict in (False, True):
        with usim.Session("stm32f746", strict=strict) as session:
            module = session.load_module(SOURCE)
            value = session.tensor(np.int32(0))
            before = session.stats.transactions
            for _ in range(20):
                module.add(value, 1, value)
            session.sync()
            needed.append(session.stats.transactions - before)
            assert value.numpy() == 20
    assert needed[1] >= 10 * needed[0]


def test_counts_belong_to_their_calls(session, module):
    short, long = module.sum(2), module.sum(20)
    assert 0 < short.count.value < long.count.value
    assert str(short.count).endswith(f" {session.capabilities.count}")


@pytest.mark.parametrize("timing", ["count", "core", "full"])
def test_the_same_calls_cost_the_same_in_every_session(timing):
    def counts():
        with usim.Session(timing=timing) as fresh:
            module = fresh.load_module(SOURCE)
            return [module.sum(n).count for n in (2, 20, 2)]

    first = counts()
    assert first == counts()
    if timing == "count":  # cycles also depend on what the branch predictor has learnt
        assert first[0] == first[2]


# Errors in a batch.


@pytest.mark.parametrize("bad", [0, 1, 4])
def test_a_failing_task_is_named_and_what_came_before_it_stays(bad, session, module):
    one, outs = session.tensor(np.int32(1)), zeros(session, 5)
    calls = [
        module.fail(-9) if i == bad else module.add(one, 10 * i, out) for i, out in enumerate(outs)
    ]
    with pytest.raises(TaskError) as caught:
        session.sync()
    error = caught.value
    assert (error.index, error.function, error.status) == (bad, "fail", -9)
    assert str(error) == f"task {bad} (fail) failed: it returned -9"
    expected = [10 * i + 1 if i < bad else 0 for i in range(5)]
    assert [int(out.numpy()) for out in outs] == expected
    for call in calls[:bad]:
        assert call.count.value > 0
    with pytest.raises(TaskError, match="it returned -9"):
        calls[bad].wait()
    for call in calls[bad + 1 :]:
        with pytest.raises(DeviceError, match="add did not run: its batch ended before it"):
            call.wait()
    check_usable(session, module)


def test_an_error_is_raised_once_and_not_again(session, module):
    module.fail(1)
    with pytest.raises(TaskError):
        session.sync()
    session.sync()


def test_the_text_that_a_task_sets_is_in_the_error(session, module):
    module.complain(4)
    with pytest.raises(TaskError) as caught:
        session.sync()
    assert caught.value.last_error == "weights are missing"
    assert str(caught.value) == ("task 0 (complain) failed: it returned 4: weights are missing")


def test_a_text_of_an_earlier_task_is_not_a_later_ones(session, module):
    module.complain(0)
    module.fail(4)
    with pytest.raises(TaskError) as caught:
        session.sync()
    assert caught.value.last_error == ""


def test_a_text_at_the_very_end_of_memory_is_readable(session, load):
    module = load("int32_t last(const char *text) { usim_set_last_error(text); return 1; }")
    end = session.platform.region("sram2").end
    before = session.read_memory(end - 4, 4)
    try:
        session.write_memory(end - 4, b"end\0")
        view = usim.tensor.Tensor(session, end - 4, (4,), "int8")
        module.last(view)
        with pytest.raises(TaskError) as caught:
            session.sync()
        assert caught.value.last_error == "end"
    finally:
        session.write_memory(end - 4, before)


def fault_of(session, module, call) -> FaultError:
    """The fault of the third of four tasks; the session is usable afterwards."""
    one, outs = session.tensor(np.int32(1)), zeros(session, 3)
    module.add(one, 1, outs[0])
    module.add(one, 2, outs[1])
    call()
    module.add(one, 3, outs[2])
    with pytest.raises(FaultError) as caught:
        session.sync()
    assert caught.value.index == 2
    assert [int(out.numpy()) for out in outs] == [2, 3, 0]
    check_usable(session, module)
    return caught.value


def test_a_division_by_zero_is_explained_with_its_line(session, module):
    out = session.tensor(np.int32(-1))
    error = fault_of(session, module, lambda: module.divide(7, 0, out))
    assert error.function == "divide"
    assert (error.fault.exception, error.fault.cfsr) == (6, 1 << 25)
    assert "task 2 (divide): UsageFault: division by zero at 0x" in str(error)
    assert "in divide+0x" in str(error)
    assert "(batch.c:6)" in str(error)
    assert out.numpy() == -1


def test_a_load_from_nowhere_is_explained_with_its_address(session, module):
    out = session.empty((), np.uint32)
    error = fault_of(session, module, lambda: module.peek(0x3000_0010, out))
    assert error.fault.bfar == 0x3000_0010
    assert "BusFault: load from where no memory is (0x3000_0010) at 0x" in str(error)
    assert "in peek+0x" in str(error)


def test_a_store_to_nowhere_is_explained_with_its_address(session, module):
    error = fault_of(session, module, lambda: module.poke(0x3000_0010, 1))
    assert "BusFault: store to where no memory can be written (0x3000_0010) at 0x" in str(error)


def test_a_trap_is_an_undefined_instruction(session, module):
    error = fault_of(session, module, module.undefined)
    assert "UsageFault: undefined instruction at 0x" in str(error)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (0x2000_0100, "UsageFault: call or jump to an even address (Arm state)"),
        (0x1000_0001, "BusFault: code fetched from where no memory is"),
        (0x4000_0001, "MemManage fault: code fetched from where none may be"),
    ],
)
def test_jumps_to_nowhere_are_explained(address, text, session, module):
    error = fault_of(session, module, lambda: module.call(address))
    assert text in str(error)
    assert error.fault.pc == address & ~1


def test_supervisor_calls_and_breakpoints_are_explained(session, module):
    assert "SVCall: a supervisor call" in str(fault_of(session, module, module.supervisor))
    assert "HardFault: breakpoint at 0x" in str(fault_of(session, module, module.breakpoint))


def test_a_stack_overflow_is_called_so(session, module):
    error = fault_of(session, module, lambda: module.sum(10_000))
    assert "stack overflow (section stack, 4,096 bytes; sp 0x" in str(error)
    (stack,) = [use for use in session.memory_use() if use.name == "stack"]
    assert stack.peak_bytes < stack.size_bytes / 2  # the mark starts anew


def test_a_stack_that_is_used_to_its_last_word_is_a_failure(session, load, module):
    load("void fill(uint32_t *lowest) { *lowest = 1; }").fill(
        usim.tensor.Tensor(session, session.platform.section("stack").base, (1,), "uint32")
    )
    with pytest.raises(TaskError, match="it used all of its stack"):
        session.sync()
    check_usable(session, module)


def test_a_task_that_never_ends_times_out_with_its_place():
    with usim.Session("stm32f746", timeout_s=0.3) as session:
        module = session.load_module(SOURCE, name="batch.c")
        out = session.tensor(np.int32(0))
        module.add(out, 5, out)
        module.spin()
        call = module.add(out, 5, out)
        with pytest.raises(DeviceTimeoutError) as caught:
            session.sync()
        error = caught.value
        assert (error.index, error.function, error.timeout_s) == (1, "spin", 0.3)
        assert "task 1 (spin) did not end within 0.3 s; pc 0x" in str(error)
        assert "in spin+0x" in str(error)
        assert "(batch.c:7)" in str(error)
        assert out.numpy() == 5
        with pytest.raises(DeviceError, match="did not run"):
            call.wait()
        check_usable(session, module)


@pytest.mark.parametrize("count", [5, 6, 20])
def test_a_write_behind_a_tensor_is_noticed_and_the_tensor_named(count, session, module):
    tensor, other = session.tensor(np.zeros(4, np.int32)), session.tensor(np.int32(1))
    module.overrun(tensor, 4)
    module.overrun(tensor, count)
    module.add(other, 1, other)
    with pytest.raises(TaskError) as caught:
        session.sync()
    assert caught.value.index == 1
    assert f"it wrote behind the end of out ({tensor!r})" in str(caught.value)
    if count == 5:
        assert other.numpy() == 1
    tensor.free()
    check_usable(session, module)


def test_after_a_broken_guard_the_tensor_is_guarded_again(session, module):
    tensor = session.tensor(np.zeros(4, np.int32))
    for _ in range(2):
        module.overrun(tensor, 5)
        with pytest.raises(TaskError, match="wrote behind the end of out"):
            session.sync()
    module.overrun(tensor, 4)
    session.sync()


@pytest.mark.parametrize("word", [0, 4, 32 + 32 + 4, 32 + 32 + 16])
def test_a_task_that_writes_over_the_task_records_is_found_out(word, session, module):
    base = session.platform.section("args").base
    out = session.tensor(np.int32(0))
    module.poke(base + word, 0xDEAD_BEEC)
    module.add(out, 1, out)
    with pytest.raises(DeviceError, match="poke" if word < 32 else r"task 1 \(add\)"):
        session.sync()
    check_usable(session, module)


def test_a_task_that_writes_over_the_runtimes_data_leaves_the_session_usable(session, load):
    module = load(
        "void wipe(volatile uint32_t *p, int n) { while (n--) *p++ = 0; }\n"
        "void add(const int32_t *a, int32_t b, int32_t *out) { *out = *a + b; }"
    )
    base = session.platform.section("bss").base
    module.wipe(usim.tensor.Tensor(session, base, (256,), "uint32"), 256)
    with pytest.raises(DeviceError):
        session.sync()
    check_usable(session, module)


# Misuse.


def test_use_before_open_and_after_close_says_what_to_do():
    session = usim.Session("stm32f746")
    for use in (lambda: session.tensor([1]), session.sync, lambda: session.load_module("")):
        with pytest.raises(DeviceError, match="use it in a with statement, or call open"):
            use()
    session.open()
    session.open()
    module = session.load_module(SOURCE)
    tensor = session.tensor(np.int32(1))
    session.close()
    session.close()
    for use in (lambda: module.fail(0), tensor.numpy, session.sync, session.memory_use):
        with pytest.raises(DeviceError, match="not open"):
            use()
    tensor.free()
    module.unload()
    with pytest.raises(DeviceError, match="make a new one"):
        session.open()


@pytest.mark.parametrize(
    "options", [{"queue_length": 0}, {"timeout_s": 0}, {"timeout_s": -1}, {"queue_length": 1000}]
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ArgumentError, match="queue_length"):
        usim.Session("stm32f746", **options)


def test_the_longest_queue_works():
    with pytest.raises(ArgumentError) as caught:
        usim.Session("stm32f746", queue_length=1000)
    longest = int(str(caught.value).split()[-2])
    with usim.Session("stm32f746", queue_length=longest) as session:
        module = session.load_module(SOURCE)
        for _ in range(2 * longest):
            module.fail(0)
        session.sync()
        assert session.stats.tasks == 2 * longest


def test_a_write_through_a_null_pointer_is_noticed(own_session):
    """Memory begins at address 0 on this chip, with code in it: nothing faults."""
    source = "#include <usim.h>\nvoid write(uint32_t *to, uint32_t n) { to[n] = n; }\n"
    module = own_session.load_module(source)
    module.write(None, 3)
    with pytest.raises(
        TaskError, match=r"task 0 \(write\) failed: it wrote through a null pointer"
    ):
        own_session.sync()
    out = own_session.tensor(np.zeros(4, np.uint32))
    module.write(out, 3)
    assert out.numpy().tolist() == [0, 0, 0, 3]


def test_double_arithmetic_is_a_usage_fault_on_a_single_precision_fpu(own_session):
    assert own_session.platform.core.fpu == "fpv5-sp-d16"
    source = 'void double_add(void) { __asm volatile(".short 0xee30, 0x0b00"); }\n'
    own_session.load_module(source).double_add()  # vadd.f64 d0, d0, d0
    with pytest.raises(FaultError, match="UsageFault: undefined instruction"):
        own_session.sync()
