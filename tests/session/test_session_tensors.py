"""Tensors on the device: there and back, their memory, and what is refused."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import usim
from usim.errors import AccessError, ArgumentError, DeviceError, MemoryFullError

DTYPES = [
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64",
]  # fmt: skip
SHAPES = [(), (1,), (0,), (3, 0, 2), (7,), (2, 3), (1, 2, 3, 4), (5, 1, 1)]


def heap(session) -> tuple[int, int]:
    (use,) = [use for use in session.memory_use() if use.name == "heap"]
    return use.used_bytes, use.peak_bytes


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_arrays_come_back_as_they_went(shape, dtype, session):
    count = int(np.prod(shape))
    array = np.random.default_rng(3).integers(0, 2**7, count).reshape(shape).astype(dtype)
    back = session.tensor(array).numpy()
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)


def test_extreme_values_come_back(session):
    for array in (
        np.array([-(2**63), 2**63 - 1], np.int64),
        np.array([0, 2**64 - 1], np.uint64),
        np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324]),
    ):
        assert session.tensor(array).numpy().tobytes() == array.tobytes()


def test_a_big_array_comes_back(session):
    array = np.random.default_rng(4).integers(-128, 128, 150_000, dtype=np.int8)
    np.testing.assert_array_equal(session.tensor(array).numpy(), array)


def test_arrays_of_another_layout_in_memory_come_back(session):
    array = np.arange(24, dtype=np.int32).reshape(4, 6)
    for view in (array.T, array[::2, ::-1], np.asfortranarray(array), array[1:1]):
        np.testing.assert_array_equal(session.tensor(view).numpy(), view)


def test_big_endian_arrays_keep_their_values(session, load):
    array = np.array([1, -2, 300], ">i4")
    tensor = session.tensor(array)
    np.testing.assert_array_equal(tensor.numpy(), [1, -2, 300])
    module = load("void twice(int32_t *a, int n) { for (int i = 0; i < n; i++) a[i] *= 2; }")
    module.twice(tensor, 3)
    np.testing.assert_array_equal(tensor.numpy(), [2, -4, 600])


def test_lists_and_numbers_become_tensors(session):
    assert session.tensor([[1, 2], [3, 4]]).shape == (2, 2)
    assert session.tensor(2.5).numpy() == 2.5


def test_what_numpy_gives_is_the_callers_own(session):
    tensor = session.tensor([1, 2, 3])
    tensor.numpy()[0] = 99
    assert tensor.numpy()[0] == 1


def test_write_replaces_the_values(session):
    tensor = session.tensor(np.zeros((2, 3), np.float32))
    values = np.arange(6, dtype=np.float32).reshape(3, 2).T
    tensor.write(values)
    np.testing.assert_array_equal(tensor.numpy(), values)


@pytest.mark.parametrize(
    "values", [np.zeros(4, np.float32), np.zeros(3, np.int32), np.zeros((3, 1), np.float32), 1.0]
)
def test_write_of_another_shape_or_dtype_is_refused(values, session):
    tensor = session.tensor(np.zeros(3, np.float32))
    with pytest.raises(ArgumentError, match=r"Tensor\(float32 \(3,\) at 0x.* cannot hold"):
        tensor.write(values)


@pytest.mark.parametrize("dtype", ["complex64", "longdouble", "datetime64[s]", "S4", "O"])
def test_dtypes_without_c_counterpart_are_refused(dtype, session):
    if np.dtype(dtype).itemsize == 8 and np.dtype(dtype).kind == "f":
        pytest.skip("here longdouble is double")
    with pytest.raises(ArgumentError, match="cannot go to the device"):
        session.tensor(np.zeros(2, dtype))
    with pytest.raises(ArgumentError, match="cannot go to the device"):
        session.empty(2, dtype)


def test_empty_takes_shapes_of_every_kind(session):
    assert session.empty(5, "int8").shape == (5,)
    assert session.empty(np.int64(5), np.int8).shape == (5,)
    assert session.empty([2, np.int32(3)], np.float16).nbytes == 12
    assert session.empty((), np.int32).shape == ()


def test_negative_shapes_are_refused(session):
    with pytest.raises(ArgumentError, match=r"shape \(2, -1\)"):
        session.empty((2, -1))


def test_free_returns_the_memory(session):
    before, _ = heap(session)
    tensor = session.tensor(np.zeros(1000, np.int8))
    assert heap(session)[0] >= before + 1000
    tensor.free()
    tensor.free()
    assert heap(session)[0] == before


def test_tensors_that_nobody_holds_return_their_memory(session):
    before, _ = heap(session)
    for _ in range(50):
        session.tensor(np.zeros(50_000, np.int8))
    assert heap(session)[0] == before


def test_tensors_in_a_reference_cycle_return_their_memory(session):
    gc.collect()
    before, _ = heap(session)
    cycle: list[object] = [session.tensor(np.zeros(1000, np.int8))]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert heap(session)[0] == before


def test_queued_calls_keep_their_tensors_memory(session, load):
    module = load("void put(int32_t *a, int32_t v) { *a = v; }")
    kept = [session.empty((), np.int32) for _ in range(4)]
    for i, tensor in enumerate(kept):
        module.put(session.empty((), np.int32), -1)
        module.put(tensor, i)
    late = session.tensor(np.int32(7))  # must not get the memory of one that is still queued
    assert [int(tensor.numpy()) for tensor in kept] == [0, 1, 2, 3]
    assert late.numpy() == 7


def test_a_freed_tensor_is_refused_everywhere(session, load):
    module = load("void put(int32_t *a, int32_t v) { *a = v; }")
    tensor = session.empty((), np.int32)
    tensor.free()
    for use in (
        tensor.numpy,
        lambda: tensor.write(np.int32(1)),
        lambda: module.put(tensor, 1),
        lambda: session.view(tensor, 0, (), "int32"),
    ):
        with pytest.raises(DeviceError, match="was freed"):
            use()


def test_a_view_of_a_freed_tensor_is_refused(session):
    tensor = session.tensor(np.arange(8, dtype=np.int8))
    view = session.view(tensor, 2, (3,), "int8")
    tensor.free()
    with pytest.raises(DeviceError, match="was freed"):
        view.numpy()


def test_free_waits_for_queued_calls(session, load):
    module = load(
        "void copy(const int32_t *a, int32_t *b, int n){ for (int i = 0; i < n; i++) b[i] = a[i]; }"
    )
    source, target = session.tensor(np.arange(9, dtype=np.int32)), session.empty(9, np.int32)
    module.copy(source, target, 9)
    source.free()
    session.tensor(np.full(9, -1, np.int32))
    np.testing.assert_array_equal(target.numpy(), np.arange(9))


def test_another_sessions_tensor_is_refused(session, load):
    module = load("void put(int32_t *a, int32_t v) { *a = v; }")
    with usim.Session("stm32f767") as other:
        foreign = other.empty((), np.int32)
        with pytest.raises(ArgumentError, match="belongs to another session"):
            module.put(foreign, 1)


def test_a_view_is_a_part_of_its_tensors_memory(session):
    tensor = session.tensor(np.arange(16, dtype=np.uint8))
    view = session.view(tensor, 4, (2, 2), "uint16")
    np.testing.assert_array_equal(
        view.numpy(), np.frombuffer(bytes(range(4, 12)), "<u2").reshape(2, 2)
    )
    view.write(np.zeros((2, 2), np.uint16))
    np.testing.assert_array_equal(tensor.numpy(), [0, 1, 2, 3, *[0] * 8, 12, 13, 14, 15])


@pytest.mark.parametrize("offset", [-1, 13, 1000])
def test_a_view_that_leaves_its_tensor_is_refused(offset, session):
    tensor = session.tensor(np.arange(16, dtype=np.uint8))
    with pytest.raises(ArgumentError, match="does not lie within"):
        session.view(tensor, offset, (4,), "uint8")


def test_a_view_keeps_its_tensors_memory(session):
    before, _ = heap(session)
    view = session.view(session.tensor(np.arange(16, dtype=np.uint8)), 0, (16,), "uint8")
    session.tensor(np.zeros(16, np.uint8))
    np.testing.assert_array_equal(view.numpy(), np.arange(16))
    del view
    assert heap(session)[0] == before


def test_a_full_heap_says_what_is_needed_and_what_is_free(own_session):
    with pytest.raises(MemoryFullError) as caught:
        own_session.empty(1 << 20, np.int8)
    error = caught.value
    assert (error.section, error.needed_bytes >= 1 << 20) == ("heap", True)
    largest = own_session.empty(error.available_bytes - 64, np.int8)
    assert largest.nbytes < error.available_bytes
    assert "section heap of stm32f746" in str(error)


def test_the_heap_can_be_filled_again_and_again(own_session):
    for _ in range(3):
        blocks = []
        with pytest.raises(MemoryFullError):
            while True:
                blocks.append(own_session.empty(10_000, np.int8))
        assert len(blocks) >= 15


def test_constants_go_where_rodata_lies_and_cannot_be_written_by_kernels(session, load):
    constant = session.tensor(np.arange(4, dtype=np.int32), section="rodata")
    flash = session.platform.region("flash")
    assert flash.base <= constant.address < flash.end
    np.testing.assert_array_equal(constant.numpy(), np.arange(4))
    load("void put(int32_t *a) { *a = 9; }").put(constant)
    with pytest.raises(DeviceError, match="store to where no memory can be written"):
        session.sync()
    np.testing.assert_array_equal(constant.numpy(), np.arange(4))


def test_tensors_go_to_heap_or_rodata_only(session):
    with pytest.raises(ArgumentError, match="not 'stack'"):
        session.tensor([1], section="stack")


def test_memory_can_be_read_and_written_by_address(session):
    tensor = session.tensor(np.arange(4, dtype=np.uint8))
    session.write_memory(tensor.address + 1, b"\x09")
    assert session.read_memory(tensor.address, 4) == bytes([0, 9, 2, 3])
    with pytest.raises(AccessError, match="no region holds 0x6000_0000"):
        session.read_memory(0x6000_0000, 4)


def test_a_tensor_shows_dtype_shape_and_address(session):
    tensor = session.tensor(np.zeros((2, 3), np.int8))
    address = f"0x{tensor.address >> 16:04x}_{tensor.address & 0xFFFF:04x}"
    assert repr(tensor) == f"Tensor(int8 (2, 3) at {address})"
