"""The arena planner: nothing alive at once overlaps, and memory is used again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from usim.models.graph import Graph, Operator, Options, TensorSpec
from usim.models.planner import ALIGNMENT, Lifetime, aligned, plan_arena, plan_graph


@st.composite
def lifetimes(draw):
    items = []
    for tensor in range(draw(st.integers(0, 20))):
        first = draw(st.integers(-1, 15))
        size = draw(st.integers(1, 5000))
        items.append(Lifetime(tensor, size, first, first + draw(st.integers(0, 6))))
    return items


@given(lifetimes())
def test_tensors_alive_at_once_do_not_overlap(items):
    placements = plan_arena(items).placements
    for i, one in enumerate(placements):
        for other in placements[i + 1 :]:
            if one.lifetime.overlaps(other.lifetime):
                assert one.end <= other.offset or other.end <= one.offset


@given(lifetimes())
def test_peak_holds_every_tensor_and_is_at_least_the_largest_live_set(items):
    plan = plan_arena(items)
    assert len(plan.placements) == len(items)
    assert all(p.offset % ALIGNMENT == 0 and p.offset >= 0 for p in plan.placements)
    assert plan.size_bytes == max((p.end for p in plan.placements), default=0)
    assert plan.size_bytes >= plan.lower_bound_bytes
    for step in range(-1, 25):
        live = sum(aligned(i.size_bytes) for i in items if i.first <= step <= i.last)
        assert live <= plan.lower_bound_bytes


@given(lifetimes(), st.randoms())
def test_plan_depends_on_the_lifetimes_only_and_not_on_their_order(items, random):
    shuffled = list(items)
    random.shuffle(shuffled)
    assert plan_arena(shuffled) == plan_arena(items)


def test_chain_needs_only_two_neighbours_at_once():
    chain = [Lifetime(i, 1000, i - 1, i) for i in range(10)]
    plan = plan_arena(chain)
    assert plan.size_bytes == plan.lower_bound_bytes == 2 * 1008


def test_visual_wake_words_takes_no_more_than_its_largest_live_set():
    # MLPerf Tiny's MobileNetV1: by size alone, the plan would be a sixth larger.
    sizes = [27648, 18432, 18432, 36864, 9216, 18432, 18432, 18432, 4608, 9216, 9216, 9216]
    plan = plan_arena([Lifetime(i, size, i - 1, i) for i, size in enumerate(sizes)])
    assert plan.size_bytes == plan.lower_bound_bytes == 55_296


def test_smallest_sufficient_gap_is_taken():
    # 0 and 1 leave two gaps while 4 is alive: 320 bytes at the bottom and 160 between.
    plan = plan_arena(
        [
            Lifetime(0, 3200, 0, 0),
            Lifetime(1, 320, 0, 1),
            Lifetime(2, 1600, 0, 2),
            Lifetime(3, 160, 0, 1),
            Lifetime(4, 160, 2, 2),
        ]
    )
    assert plan.size_bytes == plan.lower_bound_bytes == 3200 + 320 + 1600 + 160
    assert plan.offset(4) < plan.size_bytes - 160


def graph(shapes, operators, inputs, outputs):
    tensors = tuple(TensorSpec(i, f"t{i}", shape, "int8") for i, shape in enumerate(shapes))
    ops = tuple(Operator(i, k, ins, outs, Options()) for i, (k, ins, outs) in enumerate(operators))
    return Graph("model", "", tensors, ops, inputs, outputs)


def test_alias_shares_its_owners_buffer_for_the_life_of_both():
    model = graph(
        [(100,), (100,), (10, 10), (50,), (50,)],
        [
            ("A", (0,), (1,)),
            ("RESHAPE", (1,), (2,)),
            ("B", (0,), (3,)),
            ("C", (2, 3), (4,)),
        ],
        (0,),
        (4,),
    )
    plan = plan_graph(model, {2: 1})
    assert plan.offset(2) == plan.offset(1)
    owner = plan.placement(2).lifetime
    assert (owner.tensor, owner.first, owner.last) == (1, 0, 3)
    assert not plan.offset(1) <= plan.offset(3) < plan.offset(1) + 100


def test_chain_of_aliases_ends_at_the_first_tensor():
    model = graph(
        [(8,), (8,), (2, 4), (4, 2), (8,)],
        [
            ("A", (0,), (1,)),
            ("RESHAPE", (1,), (2,)),
            ("RESHAPE", (2,), (3,)),
            ("B", (3,), (4,)),
        ],
        (0,),
        (4,),
    )
    plan = plan_graph(model, {3: 2, 2: 1})
    assert plan.offset(3) == plan.offset(2) == plan.offset(1)
    assert len(plan.placements) == 3


def test_outputs_stay_until_they_are_read():
    # Output 1 is written first; were it dropped then, 2 and 3 could overwrite it.
    model = graph(
        [(64,), (64,), (64,), (64,)],
        [("A", (0,), (1,)), ("B", (0,), (2,)), ("C", (2,), (3,))],
        (0,),
        (1, 3),
    )
    plan = plan_graph(model, {})
    assert len({plan.offset(1), plan.offset(2), plan.offset(3)}) == 3


def test_constants_and_missing_inputs_take_no_room():
    model = graph([(64,), (64,)], [("A", (0, -1), (1,))], (0,), (1,))
    assert plan_graph(model, {}).size_bytes == 128
