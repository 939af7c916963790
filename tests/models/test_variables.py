"""Variables: tensors that keep their value from one inference to the next."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from movement_cases import integers
from test_firmware import answer_of
from tflite_builder import Op, Tensor, build_model
from tflm_reference import Reference, run_reference

import usim
from usim.errors import ModelError
from usim.firmware import build_firmware
from usim.models import Model, lower, read_graph
from usim.platforms import load_platform
from usim.profile.program import read_program

FILTERS, DEPTH, MEMORY = 6, 5, 4


def filters(
    state: str = "int16", *, zero_point: int = 0, variable: bool = True, **changes: Tensor
) -> bytes:
    """Two SVDF layers, one after the other; `changes` replace the first one's tensors by name."""
    rng = np.random.default_rng(2)
    limits = np.iinfo(state)
    tensors = {"x": Tensor((1, DEPTH), 0.1, -3)}
    operators, source, depth = [], 0, DEPTH
    for layer in (0, 1):
        features = rng.integers(-127, 128, (FILTERS, depth), dtype=np.int8)
        times = rng.integers(limits.min, limits.max, (FILTERS, MEMORY), dtype=state)
        time_scale = 4 / limits.max
        first = len(tensors)
        tensors |= {
            f"features{layer}": Tensor((FILTERS, depth), 0.01, 0, data=features),
            f"times{layer}": Tensor((FILTERS, MEMORY), time_scale, 0, state, data=times),
            f"bias{layer}": Tensor(
                (FILTERS // 2,), time_scale * 16 / limits.max, 0, "int32", data=np.arange(3)
                .astype(np.int32)
            ),
            f"state{layer}": Tensor(
                (1, FILTERS * MEMORY), 16 / limits.max, zero_point, state, variable=variable
            ),
            f"y{layer}": Tensor((1, FILTERS // 2), 0.4, -11),
        }  # fmt: skip
        inputs = [source, first, first + 1, first + 2, first + 3]
        operators.append(Op("SVDF", inputs, [first + 4], {"Rank": 2}))
        source, depth = first + 4, FILTERS // 2
    return build_model(list({**tensors, **changes}.values()), operators, [0], [source])


def inputs(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    return [rng.integers(-128, 128, (1, DEPTH), dtype=np.int8) for _ in range(count)]


def stored(folder: Path, model: bytes) -> Path:
    path = folder / "filters.tflite"
    path.write_bytes(model)
    return path


@pytest.mark.parametrize(("state", "zero_point"), [("int16", 0), ("int8", 0), ("int8", -20)])
def test_state_on_the_chip_goes_on_as_in_tflite_micro(tmp_path, state, zero_point):
    model = filters(state, zero_point=zero_point)
    reference = Reference(model)
    expected = [reference.run(data)[0] for data in inputs(2 * MEMORY)]
    assert len({item.tobytes() for item in expected}) == len(expected)
    with usim.Session("stm32f746", timing="count") as session:
        compiled = session.load_model(stored(tmp_path, model))
        for _ in range(2):
            for data, wanted in zip(inputs(2 * MEMORY), expected, strict=True):
                np.testing.assert_array_equal(compiled(data), wanted)
            compiled.reset()


def test_two_loads_of_a_model_have_states_of_their_own(tmp_path):
    path, (data, other) = stored(tmp_path, filters()), inputs(2)
    with usim.Session("stm32f746", timing="count") as session:
        first, second = session.load_model(path), session.load_model(path)
        answer = first(data)
        first(other)
        np.testing.assert_array_equal(second(data), answer)


def test_exported_model_starts_with_fresh_variables(tmp_path):
    (data,) = inputs(1)
    chip, path = load_platform("stm32f746"), stored(tmp_path, filters("int8", zero_point=9))
    firmware = build_firmware(chip, Model.load(path), [data])
    file = tmp_path / "firmware.elf"
    file.write_bytes(firmware.elf)
    (expected,) = run_reference(filters("int8", zero_point=9), data)
    assert answer_of(read_program(file), "stm32f746") == expected.tobytes()


def test_nothing_else_ever_uses_a_variables_bytes():
    plan = lower(read_graph(filters())).plan
    states = [p for p in plan.placements if p.lifetime.size_bytes == 2 * FILTERS * MEMORY]
    assert len(states) == 2
    for state in states:
        assert (state.lifetime.first, state.lifetime.last) == (-1, 2)
        for other in plan.placements:
            assert other is state or other.end <= state.offset or state.end <= other.offset


def test_first_values_are_zero_and_an_int8_ones_zero_point():
    for state, zero_point, initial in (("int16", 0, 0), ("int8", -20, -20)):
        lowered = lower(read_graph(filters(state, zero_point=zero_point)))
        assert [variable.initial for variable in lowered.variables] == [initial] * 2


def test_variable_that_no_operator_uses_takes_no_memory():
    tensors = [Tensor((4,), 0.5, 0), integers([0, 1]), Tensor((5,), 0.5, 0)]
    tensors.append(Tensor((1000,), 0.5, 0, variable=True))
    lowered = lower(read_graph(build_model(tensors, [Op("PAD", [0, 1], [2])], [0], [2])))
    assert lowered.variables == ()
    assert lowered.plan.size_bytes == 32


def test_renamed_variable_is_copied_since_it_may_change():
    tensors = [Tensor((1, 4), 0.5, 0, variable=True), Tensor((4,), 0.5, 0), Tensor((4,), 0.5, 0)]
    model = build_model([*tensors, Tensor((4,), 0.5, 0)],
                        [Op("RESHAPE", [0], [1]), Op("ADD", [1, 2], [3])], [2], [3])  # fmt: skip
    lowered = lower(read_graph(model))
    assert [call.kind for call in lowered.calls] == ["RESHAPE", "ADD"]


def test_state_that_is_the_input_as_well_is_refused():
    tensors = [
        Tensor((1, 1), 0.1, 0, variable=True),
        *[Tensor((1, 1), 1.0, 0, data=np.ones((1, 1), np.int8)) for _ in range(2)],
        Tensor((1,), 0.1, 0, "int32", data=np.ones(1, np.int32)),
        *[Tensor((1, 1), 0.1, 0) for _ in range(3)],
    ]
    operators = [Op("SVDF", [0, 1, 2, 3, 0], [4], {"Rank": 1}), Op("ADD", [4, 5], [6])]
    with pytest.raises(ModelError, match="is both the input and the state"):
        lower(read_graph(build_model(tensors, operators, [5], [6])))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variable": False}, "operator 0 (SVDF) reads tensor 4 't' int16[1, 24] before it"),
        ({"zero_point": 1}, "has zero point 1; it must be 0"),
        ({"x": Tensor((1, DEPTH), 0.1, -3, variable=True)}, "the input tensor 0 't' int8[1, 5] is"),
        (
            {"y0": Tensor((1, 3), 0.1, 0, variable=True)},
            "operator 0 (SVDF) writes tensor 5 't' int8[1, 3] a second time",
        ),
        (
            {"state0": Tensor((1,), 0.1, 0, variable=True, data=np.zeros(1, np.int8))},
            "tensor 4 't': variable tensors with a value are not supported",
        ),
        (
            {"state0": Tensor((1, 24), 16 / 32767, 0, "int8", variable=True)},
            "must be a constant of int8",
        ),
        ({"state0": Tensor((1, 23), 16 / 32767, 0, "int16", variable=True)}, "have shape [1, 24]"),
        (
            {"state0": Tensor((1, 24), 1.0, 0, "int16", variable=True)},
            "the scale of tensor 3 't'",
        ),
        ({"y0": Tensor((1, 2), 0.1, 0)}, "should have shape [1, 3]"),
    ],
)
def test_wrong_variable_or_filter_is_refused_with_what_is_wrong(changes, message):
    with pytest.raises(ModelError) as caught:
        lower(read_graph(filters(**changes), "net.tflite"))
    assert message in str(caught.value)
