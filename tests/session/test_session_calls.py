"""Calls from Python to C: every type, AAPCS by compiled C, and arguments that do not fit."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from usim.errors import ArgumentError, MemoryFullError

# C type: bytes it takes in memory, how struct packs it, values.
TYPES = {
    "int8_t": ("b", st.integers(-(2**7), 2**7 - 1)),
    "uint8_t": ("B", st.integers(0, 2**8 - 1)),
    "bool": ("?", st.booleans()),
    "int16_t": ("h", st.integers(-(2**15), 2**15 - 1)),
    "uint16_t": ("H", st.integers(0, 2**16 - 1)),
    "int32_t": ("i", st.integers(-(2**31), 2**31 - 1)),
    "uint32_t": ("I", st.integers(0, 2**32 - 1)),
    "int64_t": ("q", st.integers(-(2**63), 2**63 - 1)),
    "uint64_t": ("Q", st.integers(0, 2**64 - 1)),
    "float": ("f", st.floats(width=32, allow_nan=False)),
    "double": ("d", st.floats(allow_nan=False)),
}
# A parameter list of each stands in one module, so that an example needs no compiler run.
SIGNATURES = [
    ["int64_t"],
    ["int32_t", "int64_t", "int32_t"],
    ["int32_t", "int64_t", "int64_t", "int32_t"],
    ["int8_t", "uint8_t", "int16_t", "uint16_t", "bool", "int32_t", "uint64_t"],
    ["float"] * 18,
    ["double"] * 9,
    ["float", "double", "float", "double", "float"],
    ["float"] * 15 + ["double", "float"],
    ["double"] * 7 + ["float", "double", "float"],
    ["int32_t", "float", "int64_t", "double", "int32_t", "float", "int32_t", "int32_t"],
    ["int64_t", "float"] * 10,
    ["uint8_t"] * 12,
    ["double", "int64_t", "int32_t", "int64_t", "float", "double", "uint8_t", "int64_t"],
    ["float"] * 17 + ["int32_t", "int64_t", "int32_t", "int32_t", "int64_t", "float"],
    ["int32_t"] * 3 + ["int64_t", "int32_t", "double", "float", "int64_t"],
    ["bool", "float", "double"] * 7,
]


def offsets(types: list[str]) -> tuple[str, int]:
    """The struct format of a packed record."""
    return "<" + "".join(TYPES[name][0] for name in types), len(types)


def recorder(name: str, types: list[str]) -> str:
    """A C function that copies all its arguments to memory, byte by byte."""
    parameters = ", ".join(f"{c_type} a{i}" for i, c_type in enumerate(types))
    copies = "\n".join(f"    out = put(out, &a{i}, sizeof a{i});" for i in range(len(types)))
    return f"void {name}(uint8_t *out, {parameters}) {{\n{copies}\n}}\n"


_PUT = """
#include <stdbool.h>
#include <stdint.h>
__attribute__((noinline)) static uint8_t *put(uint8_t *out, const void *from, uint32_t size) {
    const uint8_t *bytes = from;
    for (uint32_t i = 0; i < size; i++) { *out++ = bytes[i]; }
    return out;
}
"""


def check(session, function, out, types, values) -> None:
    expected = struct.pack(offsets(types)[0], *values)
    function(out, *values)
    assert out.numpy().tobytes()[: len(expected)] == expected


@pytest.fixture(scope="module")
def recorders(session):
    source = _PUT + "".join(recorder(f"f{i}", types) for i, types in enumerate(SIGNATURES))
    with session.load_module(source) as module:
        yield module, session.empty(400, np.uint8)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_arguments_of_every_type_arrive_as_c_expects_them(data, session, recorders):
    module, out = recorders
    index = data.draw(st.integers(0, len(SIGNATURES) - 1))
    types = SIGNATURES[index]
    values = [data.draw(TYPES[name][1]) for name in types]
    check(session, module[f"f{index}"], out, types, values)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    data=st.data(),
    signatures=st.lists(
        st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=24), min_size=12, max_size=12
    ),
)
def test_random_signatures_are_called_as_c_expects(data, signatures, session):
    source = _PUT + "".join(recorder(f"f{i}", types) for i, types in enumerate(signatures))
    with session.load_module(source) as module:
        out = session.empty(400, np.uint8)
        for i, types in enumerate(signatures):
            values = [data.draw(TYPES[name][1]) for name in types]
            check(session, module[f"f{i}"], out, types, values)


def test_not_a_number_and_infinities_arrive(session, recorders):
    module, out = recorders
    module.f4(out, *[np.nan, np.inf, -np.inf, -0.0], *[0.0] * 14)
    values = out.numpy()[:16].view(np.float32)
    assert np.isnan(values[0])
    assert list(values[1:3]) == [np.inf, -np.inf]
    assert np.signbit(values[3])


def test_numpy_scalars_are_numbers(session, load):
    module = load("void put(float *out, int32_t i, float f) { out[0] = (float)i; out[1] = f; }")
    out = session.empty(2)
    module.put(out, np.int64(-3), np.float16(1.5))
    assert list(out.numpy()) == [-3, 1.5]
    module.put(out, np.bool_(1), np.int32(2))
    assert list(out.numpy()) == [1, 2]


def test_the_stack_is_aligned_to_eight_bytes_whatever_is_passed(session):
    source = "".join(
        f"__attribute__((naked)) int sp{n}(unsigned *o, "
        + ", ".join(f"int a{i}" for i in range(n))
        + ') { __asm volatile("mov r1, sp\\n str r1, [r0]\\n movs r0, #0\\n bx lr"); }\n'
        for n in range(3, 9)
    )
    # A naked function's parameters are not in its debug information.
    with session.load_module(source, flags=["-g0"]) as module:
        for n in range(3, 9):
            out = session.empty((), np.uint32)
            module[f"sp{n}"](out, *range(n))
            assert int(out.numpy()) % 8 == 0, n


def test_a_callee_may_spoil_every_register_that_it_may(session, load):
    """The task loop keeps nothing in registers that the AAPCS leaves to the callee."""
    module = load(
        "__attribute__((naked)) void spoil(void) { __asm volatile("
        '"mvn r0, #0\\n mov r1, r0\\n mov r2, r0\\n mov r3, r0\\n mov r12, r0\\n'
        ' vmov s0, r0\\n vmov s15, r0\\n msr apsr_nzcvq, r0\\n bx lr"); }\n'
        "void put(int32_t *o) { *o = 5; }"
    )
    out = session.tensor(np.int32(0))
    module.spoil()
    module.put(out)
    module.spoil()
    assert out.numpy() == 5


def test_tensors_arrive_as_dlpack_records(session, load):
    module = load(
        "int32_t look(const DLTensor *t, int64_t *o) {\n"
        "    o[0] = (int64_t)(uintptr_t)t->data; o[1] = t->device.device_type;\n"
        "    o[2] = t->device.device_id; o[3] = t->ndim; o[4] = t->dtype.code;\n"
        "    o[5] = t->dtype.bits; o[6] = t->dtype.lanes; o[7] = t->strides != NULL;\n"
        "    o[8] = (int64_t)t->byte_offset;\n"
        "    for (int i = 0; i < t->ndim; i++) o[9 + i] = t->shape[i];\n"
        "    return ((uintptr_t)t->shape & 7) != 0;\n}"
    )
    codes = {"int8": 0, "uint16": 1, "float32": 2, "float64": 2, "bool": 6}
    out = session.empty(16, np.int64)
    for dtype, code in codes.items():
        for shape in ((), (0,), (3,), (2, 3, 4, 5, 1, 1)):
            tensor = session.tensor(np.zeros(shape, dtype))
            module.look(tensor, out)
            bits = 8 * np.dtype(dtype).itemsize
            expected = [tensor.address, 1, 0, len(shape), code, bits, 1, 0, 0, *shape]
            assert list(out.numpy()[: len(expected)]) == expected


def test_the_same_tensor_may_be_given_twice(session, load):
    module = load(
        "void add(const int32_t *a, const int32_t *b, int32_t *c, int n)"
        "{ for (int i = 0; i < n; i++) c[i] = a[i] + b[i]; }"
    )
    tensor = session.tensor(np.arange(5, dtype=np.int32))
    module.add(tensor, tensor, tensor, 5)
    np.testing.assert_array_equal(tensor.numpy(), 2 * np.arange(5))


def test_none_is_a_null_pointer(session, load):
    module = load("void is_null(const float *p, int32_t *o) { *o = p == NULL; }")
    out = session.empty((), np.int32)
    module.is_null(None, out)
    assert out.numpy() == 1


SOURCE = """
#include <stdbool.h>
typedef enum { LOW = 0, HIGH = 200 } level_t;
typedef struct { int x; } pair_t;
void scale(const float *input, float factor, float *output, uint32_t count)
{ for (uint32_t i = 0; i < count; i++) output[i] = factor * input[i]; }
void bytes(const int8_t *a, const char *b, const unsigned char *c) { (void)a; (void)b; (void)c; }
void level(level_t value, uint8_t *out) { *out = value; }
void flag(bool on, uint8_t *out) { *out = on; }
void anything(void *p, const void *q) { (void)p; (void)q; }
void by_record(const DLTensor *t) { (void)t; }
void odd(pair_t pair, pair_t *pointer, int (*function)(int), float **table)
{ (void)pair; (void)pointer; (void)function; (void)table; }
void to_struct(pair_t *pointer) { pointer->x = 1; }
uint32_t unsigned_result(void) { return 1; }
float float_result(float x) { return x; }
void nothing(void) {}
"""


@pytest.fixture(scope="module")
def module(session):
    with session.load_module(f'#include "usim.h"\n{SOURCE}') as loaded:
        yield loaded


def test_a_function_shows_its_c_signature(module):
    assert repr(module.scale) == (
        "Function(scale(const float *input, float factor, float *output, uint32_t count))"
    )


@pytest.mark.parametrize("count", [0, 3, 5])
def test_a_wrong_number_of_arguments_is_refused(count, module):
    with pytest.raises(ArgumentError) as caught:
        module.scale(*[1] * count)
    assert str(caught.value) == (
        "scale(const float *input, float factor, float *output, uint32_t count) takes 4 "
        f"arguments, got {count}"
    )
    assert caught.value.function == "scale"


def test_a_wrong_element_type_is_refused(session, module):
    good, bad = session.empty(2, np.float32), session.empty(2, np.float64)
    with pytest.raises(ArgumentError, match=r"scale: output \(float \*\) takes a float32 tensor"):
        module.scale(good, 1.0, bad, 2)


def test_a_numpy_array_is_refused_with_what_to_do(session, module):
    with pytest.raises(ArgumentError) as caught:
        module.scale(np.zeros(2, np.float32), 1.0, session.empty(2), 2)
    assert str(caught.value) == (
        "scale: input (const float *) takes a float32 tensor, got a numpy array float32 (2,); "
        "put it on the device with session.tensor(...)"
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1, r"-1 is out of range for count \(uint32_t: 0 to 4294967295\)"),
        (1 << 32, "4294967296 is out of range"),
        (2.0, r"count \(uint32_t\) takes an integer, got 2.0"),
        ("3", r"count \(uint32_t\) takes an integer, got a str"),
        (None, "takes an integer, got a NoneType"),
    ],
)
def test_integers_that_do_not_fit_are_refused(value, message, session, module):
    with pytest.raises(ArgumentError, match=message):
        module.scale(session.empty(1), 1.0, session.empty(1), value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1.0", r"factor \(float\) takes a number, got a str"),
        (True, "takes a number"),
        (1j, "takes a number"),
        (1e39, "out of range for factor"),
    ],
)
def test_floats_that_do_not_fit_are_refused(value, message, session, module):
    with pytest.raises(ArgumentError, match=message):
        module.scale(session.empty(1), value, session.empty(1), 1)


def test_char_takes_bytes_of_any_sign_and_int8_its_own_only(session, module):
    signed, unsigned, flags = (session.empty(1, kind) for kind in (np.int8, np.uint8, np.bool_))
    for tensor in (signed, unsigned, flags):
        module.bytes(signed, tensor, tensor)
    with pytest.raises(ArgumentError, match="takes a int8 tensor"):
        module.bytes(unsigned, signed, signed)
    session.sync()


def test_void_pointers_take_any_tensor(session, module):
    module.anything(session.empty(1, np.float64), session.empty(1, np.int8))
    session.sync()


def test_an_enumeration_takes_the_values_that_it_has(session, module):
    out = session.empty((), np.uint8)
    module.level(200, out)
    assert out.numpy() == 200
    with pytest.raises(ArgumentError, match="out of range"):
        module.level(300, out)


def test_a_bool_takes_truth_values_only(session, module):
    out = session.empty((), np.uint8)
    module.flag(True, out)
    assert out.numpy() == 1
    with pytest.raises(ArgumentError, match=r"2 is out of range for on \((_Bool|bool): 0 to 1\)"):
        module.flag(2, out)


def test_a_record_parameter_takes_no_null(module):
    with pytest.raises(ArgumentError, match="takes a device tensor"):
        module.by_record(None)


def test_parameters_that_cannot_be_passed_are_named(module):
    with pytest.raises(ArgumentError, match=r"odd: parameter pair \(pair_t\) can't be passed"):
        module.odd(1, 2, 3, 4)
    with pytest.raises(ArgumentError, match=r"parameter pointer \(pair_t \*\) can't be passed"):
        module.to_struct(None)


@pytest.mark.parametrize(
    ("name", "returns", "arguments"),
    [("unsigned_result", "uint32_t", ()), ("float_result", "float", (1.0,))],
)
def test_functions_that_return_results_are_refused(name, returns, arguments, module):
    with pytest.raises(ArgumentError, match=f"{name} returns {returns};.*results go to tensors"):
        module[name](*arguments)


def test_a_function_without_parameters_can_be_called(session, module):
    module.nothing().wait()
    with pytest.raises(ArgumentError, match=r"nothing\(\) takes 0 arguments, got 1"):
        module.nothing(1)


def test_without_debug_information_arguments_are_taken_as_they_are(session):
    source = "int put(int *o, int a, float b) { o[0] = a; o[1] = (int)b; return 0; }"
    with session.load_module(source, flags=["-g0"]) as module:
        out = session.empty(2, np.int32)
        module.put(out, -7, 2.5)
        assert list(out.numpy()) == [-7, 2]
        with pytest.raises(ArgumentError, match="takes a tensor or a number, got a str"):
            module.put(out, "7", 1.0)


def test_a_refused_call_queues_nothing(session, module):
    before = session.stats.tasks
    with pytest.raises(ArgumentError):
        module.scale(1, 2, 3)
    session.sync()
    assert session.stats.tasks == before


def test_arguments_that_no_batch_can_hold_are_refused(session, load):
    source = "void many(" + ", ".join(f"int a{i}" for i in range(900)) + ") {}\n"
    module = load(source)
    with pytest.raises(MemoryFullError, match="arguments of many do not fit section args"):
        module.many(*range(900))
    session.sync()
