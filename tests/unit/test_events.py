"""The queue of what is going to happen on the chip."""

from usim.devices.events import EventQueue


def test_events_happen_in_the_order_of_their_cycles_each_at_its_own_time():
    queue = EventQueue(lambda: 100)
    seen = []
    for cycle in (30, 10, 20):
        queue.at(cycle, lambda: seen.append(queue.now))
    queue.run_due(25)
    assert seen == [10, 20]
    assert queue.next_cycle == 30
    assert queue.now == 100


def test_events_of_one_cycle_happen_in_the_order_of_their_scheduling():
    queue = EventQueue(lambda: 0)
    seen = []
    for name in "abc":
        queue.at(5, lambda name=name: seen.append(name))
    queue.run_due(5)
    assert seen == ["a", "b", "c"]


def test_an_event_may_schedule_the_next_one_that_is_due_as_well():
    queue = EventQueue(lambda: 0)
    ticks = []

    def tick():
        ticks.append(queue.now)
        queue.at(queue.now + 10, tick)

    queue.at(10, tick)
    queue.run_due(35)
    assert ticks == [10, 20, 30]
    assert queue.next_cycle == 40


def test_a_cancelled_event_does_not_happen_and_is_not_waited_for():
    queue = EventQueue(lambda: 0)
    changes = []
    queue.on_change = lambda: changes.append(queue.next_cycle)
    first = queue.at(10, lambda: None)
    queue.at(20, lambda: None)
    queue.cancel(first)
    queue.cancel(first)
    queue.cancel(None)
    assert queue.next_cycle == 20
    assert changes == [10, 20]  # told only of what changes


def test_it_is_never_earlier_than_what_has_happened():
    """The core may stand a few cycles before it, at an instruction that waits for its operands."""
    cycle = 97
    queue = EventQueue(lambda: cycle)
    queue.at(100, lambda: None)
    queue.run_due(100)
    assert queue.now == 100
    cycle = 103
    assert queue.now == 103
