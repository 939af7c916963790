"""Records shared with the device: each field where the C compiler for the target puts it."""

from __future__ import annotations

import re
import struct

import numpy as np
import pytest

from usim import abi
from usim.abi import ArgumentWords, ClockFailure, TaskRecord, TaskState
from usim.image import read_object
from usim.platforms import load_platform
from usim.resources import data_folder
from usim.toolchain import find_toolchain

RUNTIME = data_folder("device_runtime")


def target_constants(**expressions: str) -> dict[str, int]:
    """What C expressions are worth to the compiler for the device."""
    lines = "\n".join(f"const uint32_t {name} = ({text});" for name, text in expressions.items())
    source = f'#include "runtime.h"\n#include "usim.h"\n{lines}\n'
    core = load_platform("stm32f746").core
    elf = find_toolchain().compile(source, core=core, include=(RUNTIME,), flags=["-Wno-everything"])
    image = read_object(elf)
    values = {}
    for symbol in image.symbols:
        if symbol.name in expressions and symbol.section is not None:
            (section,) = [s for s in image.sections if s.index == symbol.section]
            data = section.data[symbol.value : symbol.value + 4] or bytes(4)
            values[symbol.name] = int.from_bytes(data, "little")
    assert values.keys() == expressions.keys()
    return values


def offsets(type_name: str, fields: list[str]) -> dict[str, int]:
    names = {re.sub(r"\W", "_", field): field for field in fields}
    found = target_constants(
        **{f"at_{name}": f"offsetof({type_name}, {field})" for name, field in names.items()}
    )
    return {field: found[f"at_{name}"] for name, field in names.items()}


def word(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "little")


def test_sizes_are_the_compilers():
    assert target_constants(
        task="sizeof(usim_task_t)",
        batch="sizeof(usim_batch_t)",
        fault="sizeof(usim_fault_t)",
        tensor="sizeof(DLTensor)",
        config="sizeof(usim_config_t)",
        clock="sizeof(usim_clock_t)",
    ) == {
        "clock": abi.CLOCK_BYTES,
        "task": abi.TASK_BYTES,
        "batch": abi.BATCH_BYTES,
        "fault": abi.FAULT_BYTES,
        "tensor": len(abi.pack_tensor(0, np.zeros(1), 0)),
        "config": len(abi.pack_config(0, (0, 0), 0, [])),
    }


def test_constants_are_the_compilers():
    assert target_constants(
        magic="USIM_BATCH_MAGIC",
        paint="USIM_STACK_PAINT",
        guard="USIM_GUARD",
        pools="USIM_MAX_POOLS",
    ) == {
        "magic": abi.BATCH_MAGIC,
        "paint": abi.STACK_PAINT,
        "guard": word(abi.GUARD_WORDS, 0),
        "pools": abi.MAX_POOLS,
    }
    assert abi.GUARD_WORDS[:4] * 2 == abi.GUARD_WORDS


def test_the_clocks_record_is_read_as_the_compiler_lays_it_out():
    at = offsets("usim_clock_t", ["failure", "cfgr", "pllcfgr", "flash_acr"])
    names = [failure.name for failure in ClockFailure]
    in_c = target_constants(**{f"is_{name}": f"USIM_CLOCK_{name}" for name in names})
    assert in_c == {f"is_{failure.name}": failure.value for failure in ClockFailure}
    data = bytearray(abi.CLOCK_BYTES)
    values = {"failure": ClockFailure.PLL, "cfgr": 0x940A, "pllcfgr": 2, "flash_acr": 3}
    for field, value in values.items():
        data[at[field] : at[field] + 4] = value.to_bytes(4, "little")
    assert abi.unpack_clock(bytes(data)) == abi.ClockRecord(ClockFailure.PLL, 0x940A, 2, 3)
    data[at["failure"] + 3] = 0xFF
    assert abi.unpack_clock(bytes(data)) is None


@pytest.mark.parametrize("state", TaskState)
def test_task_states_are_the_compilers(state):
    assert target_constants(state=f"USIM_TASK_{state.name}") == {"state": state.value}


def test_a_task_record_is_laid_out_as_in_c():
    fields = ["function", "arguments", "guards", "state"]
    shorts = ["core_words", "float_words", "flags", "guard_count"]
    at = offsets("usim_task_t", [*fields, *shorts, "status", "cycles"])
    record = TaskRecord(0x0800_1000, 0x2000_2000, 5, 16, True, 0x2000_3000, 7)
    data = record.pack()
    assert word(data, at["function"]) == 0x0800_1001
    assert word(data, at["arguments"]) == 0x2000_2000
    assert word(data, at["guards"]) == 0x2000_3000
    assert word(data, at["state"]) == TaskState.WAITING
    values = [struct.unpack_from("<H", data, at[name])[0] for name in shorts]
    assert values == [5, 16, 1, 7]


def test_a_batch_is_read_back_from_where_c_writes_it():
    batch = offsets("usim_batch_t", ["current", "last_error", "workspace_peak", "faulted"])
    task = offsets("usim_task_t", ["state", "status", "cycles"])
    tasks = [TaskRecord(0, 0, 4, 0, True).pack() for _ in range(3)]
    data = bytearray(abi.pack_batch_header(3) + b"".join(tasks))
    assert abi.unpack_batch(bytes(data), 3).current == 0

    def put(offset: int, value: int) -> None:
        data[offset : offset + 4] = (value & 0xFFFF_FFFF).to_bytes(4, "little")

    put(batch["current"], 1)
    put(batch["last_error"], 0x2000_0123)
    put(batch["workspace_peak"], 99)
    put(batch["faulted"], 1)
    put(abi.BATCH_BYTES + task["state"], TaskState.DONE)
    put(abi.BATCH_BYTES + task["cycles"], 12345)
    put(abi.BATCH_BYTES + abi.TASK_BYTES + task["state"], TaskState.FAILED)
    put(abi.BATCH_BYTES + abi.TASK_BYTES + task["status"], -7)
    result = abi.unpack_batch(bytes(data), 3)
    assert (result.current, result.last_error) == (1, 0x2000_0123)
    assert (result.workspace_peak_bytes, result.faulted) == (99, True)
    assert [item.state for item in result.tasks] == [
        TaskState.DONE, TaskState.FAILED, TaskState.WAITING,
    ]  # fmt: skip
    assert (result.tasks[0].cycles, result.tasks[1].status) == (12345, -7)


@pytest.mark.parametrize("offset", [0, 4, 8, 32 + 20, 64 + 20])
def test_records_that_were_written_over_are_not_read(offset):
    data = bytearray(abi.pack_batch_header(2) + TaskRecord(0, 0, 4, 0, True).pack() * 2)
    assert abi.unpack_batch(bytes(data), 2) is not None
    data[offset : offset + 4] = b"\xff\xff\xff\xff"
    assert abi.unpack_batch(bytes(data), 2) is None


def test_a_batch_that_skipped_a_task_is_not_read():
    done = bytearray(TaskRecord(0, 0, 4, 0, True, state=TaskState.DONE).pack())
    data = abi.pack_batch_header(2) + TaskRecord(0, 0, 4, 0, True).pack() + bytes(done)
    assert abi.unpack_batch(data, 2) is None


def test_the_configuration_is_laid_out_as_in_c():
    at = offsets(
        "usim_config_t",
        ["batch", "task_stack", "task_stack_top", "handler_stack_top", "pool_count",
         "pools[0].base", "pools[0].size_bytes", "pools[1].base", "pools[3].base"],
    )  # fmt: skip
    data = abi.pack_config(1, (2, 3), 4, [(10, 11), (12, 13)])
    assert {field: word(data, offset) for field, offset in at.items()} == {
        "batch": 1, "task_stack": 2, "task_stack_top": 3, "handler_stack_top": 4, "pool_count": 2,
        "pools[0].base": 10, "pools[0].size_bytes": 11, "pools[1].base": 12, "pools[3].base": 0,
    }  # fmt: skip


def test_a_fault_is_read_from_where_c_writes_it():
    names = ["exception", "cfsr", "hfsr", "mmfar", "bfar", "exc_return", "sp"]
    frame = ["r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr"]
    at = offsets("usim_fault_t", [*names, *(f"frame[{i}]" for i in range(len(frame))), "has_frame"])
    data = bytearray(abi.FAULT_BYTES)
    for value, offset in enumerate(at.values(), 1):
        data[offset : offset + 4] = value.to_bytes(4, "little")
    fault = abi.unpack_fault(bytes(data))
    assert [getattr(fault, name) for name in names] == list(range(1, 8))
    assert [fault.registers[name] for name in frame] == list(range(8, 16))
    assert fault.pc == 14
    data[at["has_frame"]] = 0
    assert abi.unpack_fault(bytes(data)).pc is None


@pytest.mark.parametrize(
    ("dtype", "code"),
    [("int8", "kDLInt"), ("uint64", "kDLUInt"), ("float32", "kDLFloat"), ("bool", "kDLBool")],
)
def test_a_tensor_is_laid_out_as_dlpack_in_c(dtype, code):
    at = offsets(
        "DLTensor",
        ["data", "device.device_type", "device.device_id", "ndim", "dtype.code", "dtype.bits",
         "dtype.lanes", "shape", "strides", "byte_offset"],
    )  # fmt: skip
    codes = target_constants(code=code, cpu="kDLCPU")
    array = np.zeros((2, 3, 4), dtype)
    data = abi.pack_tensor(0x2000_4000, array, 0x2000_1230)
    assert word(data, at["data"]) == 0x2000_4000
    assert word(data, at["device.device_type"]) == codes["cpu"]
    assert word(data, at["device.device_id"]) == 0
    assert word(data, at["ndim"]) == 3
    assert data[at["dtype.code"]] == codes["code"]
    assert data[at["dtype.bits"]] == 8 * array.itemsize
    assert struct.unpack_from("<H", data, at["dtype.lanes"]) == (1,)
    assert word(data, at["shape"]) == 0x2000_1230
    assert word(data, at["strides"]) == 0
    assert data[at["byte_offset"] : at["byte_offset"] + 8] == bytes(8)


# Arguments: AAPCS32 (IHI 0042), 6.5 and 7.1.2. tests/session calls compiled C with them too.


def words(*arguments: tuple[str, float]) -> ArgumentWords:
    out = ArgumentWords()
    for kind, value in arguments:
        getattr(out, f"add_{kind}")(value)
    return out


def test_four_words_go_to_registers_and_the_rest_to_the_stack():
    assert words(*[("word", i) for i in range(1, 7)]).core_words == [1, 2, 3, 4, 5, 6]
    assert words().core_words == [0, 0, 0, 0]
    assert words(("word", -1)).core_words == [0xFFFF_FFFF, 0, 0, 0]


def test_a_double_word_takes_an_even_pair_and_leaves_the_odd_register_empty():
    assert words(("word", 1), ("double_word", 2 << 32 | 3)).core_words == [1, 0, 3, 2]
    # No back-filling: r3 stays empty, and what follows goes to the stack as well.
    out = words(("word", 1), ("word", 2), ("word", 3), ("double_word", 4), ("word", 5))
    assert out.core_words == [1, 2, 3, 0, 4, 0, 5]


def test_a_double_word_on_the_stack_is_aligned():
    out = words(*[("word", i) for i in range(5)], ("double_word", 9))
    assert out.core_words == [0, 1, 2, 3, 4, 0, 9, 0]


def test_floats_fill_the_holes_that_doubles_leave():
    out = words(("float", 1.0), ("double", 2.0), ("float", 3.0))
    one, three = 0x3F80_0000, 0x4040_0000
    assert out.float_words[:4] == [one, three, 0, 0x4000_0000]
    assert len(out.float_words) == 16


def test_once_a_float_is_on_the_stack_no_register_is_filled_any_more():
    out = words(*[("float", 1.0)] * 15, ("double", 2.0), ("float", 3.0))
    assert out.float_words[15] == 0
    assert out.core_words == [0, 0, 0, 0, 0, 0x4000_0000, 0x4040_0000]


def test_floats_on_the_stack_leave_the_core_registers_alone():
    out = words(*[("float", 1.0)] * 17, ("word", 7))
    assert out.core_words == [7, 0, 0, 0, 0x3F80_0000]


def test_without_floats_there_are_no_float_words():
    assert words(("word", 1)).float_words == []
