"""Pins, and how their edges become interrupts (RM0385 chapters 6, 7 and 11)."""

from __future__ import annotations

import pytest
from rig import Bench

from usim.devices.peripherals.exti import EMR, FTSR, IMR, LINES, PR, RTSR, SWIER, ExternalInterrupts
from usim.devices.peripherals.gpio import BSRR, IDR, LCKR, MODER, ODR, OTYPER, PUPDR, GpioPort
from usim.devices.peripherals.syscfg import CMPCR, EXTICR, SystemConfiguration

OUTPUT, ALTERNATE, ANALOG = 1, 2, 3


def port() -> GpioPort:
    return GpioPort("GPIOA")


@pytest.mark.parametrize(
    ("pull", "outside", "level"),
    [(0, None, 0), (1, None, 1), (2, None, 0), (1, False, 0), (2, True, 1), (0, True, 1)],
)
def test_an_input_reads_what_drives_it_or_its_pull(pull, outside, level):
    gpio = port()
    gpio.write(PUPDR, 4, pull << 6)
    gpio.set_input(3, outside)
    assert gpio.read(IDR, 4) == level << 3


@pytest.mark.parametrize(("mode", "level"), [(OUTPUT, 0), (ALTERNATE, 1), (ANALOG, 0)])
def test_outputs_read_their_own_level_and_analog_pins_none(mode, level):
    gpio = port()
    gpio.set_input(0, True)
    gpio.write(MODER, 4, mode)
    assert gpio.read(IDR, 4) == level


def test_an_open_drain_pulls_down_and_lets_go():
    gpio = port()
    gpio.write(MODER, 4, OUTPUT)
    gpio.write(OTYPER, 4, 1)
    gpio.write(ODR, 4, 1)
    assert gpio.read(IDR, 4) == 0
    gpio.write(PUPDR, 4, 1)
    assert gpio.read(IDR, 4) == 1
    gpio.write(ODR, 4, 0)
    gpio.set_input(0, True)
    assert gpio.read(IDR, 4) == 0


def test_setting_goes_before_resetting_and_outputs_are_told_once():
    gpio = port()
    seen = []
    gpio.on_output = lambda pin, level: seen.append((pin, level))
    gpio.write(MODER, 4, OUTPUT << 10)
    gpio.write(BSRR, 4, 0x0020_0020)
    gpio.write(BSRR, 4, 0x20)
    gpio.write(BSRR, 4, 0x20_0000)
    assert seen == [(5, False), (5, True), (5, False)]


def test_a_locked_pin_keeps_its_configuration_until_the_reset():
    gpio = port()
    for value in (0x1_0001, 0x1, 0x1_0001):
        gpio.write(LCKR, 4, value)
    assert gpio.read(LCKR, 4) == 0x1_0001
    gpio.write(MODER, 4, 0b0101)
    assert gpio.read(MODER, 4) == 0b0100
    gpio.reset()
    gpio.write(MODER, 4, 0b0101)
    assert gpio.read(MODER, 4) == 0b0101


def test_a_wrong_sequence_locks_nothing():
    gpio = port()
    for value in (0x1_0001, 0x1, 0x1_0003):
        gpio.write(LCKR, 4, value)
    assert not gpio.read(LCKR, 4) & 1 << 16


class External:
    """EXTI with lines that remember."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.lines = [self.bench.line() for _ in range(LINES)]
        self.exti = ExternalInterrupts(self.lines)

    def __setitem__(self, offset: int, value: int) -> None:
        self.exti.write(offset, 4, value)

    def __getitem__(self, offset: int) -> int:
        return self.exti.read(offset, 4)


@pytest.mark.parametrize(
    ("rising", "falling", "pending"),
    [(1, 0, (1, 0)), (0, 1, (0, 1)), (1, 1, (1, 1)), (0, 0, (0, 0))],
)
def test_the_selected_edges_make_a_line_pending(rising, falling, pending):
    external = External()
    external[RTSR], external[FTSR] = rising << 7, falling << 7
    seen = []
    for level in (True, False):
        external.exti.set_line(7, level)
        external.exti.set_line(7, level)
        seen.append(external[PR] >> 7)
        external[PR] = 1 << 7
    assert tuple(seen) == pending


def test_a_pending_line_asks_while_it_is_not_masked():
    external = External()
    external[RTSR] = 1 << 3
    external.exti.set_line(3, True)
    assert not external.lines[3].level
    external[IMR] = 1 << 3
    assert external.lines[3].level
    external[PR] = 1 << 3
    assert not external.lines[3].level


def test_software_interrupts_end_with_their_pending_bit():
    external = External()
    external[SWIER] = 1 << 20
    assert external[PR] == 0
    external[PR] = 1 << 20
    external[IMR] = 1 << 20
    external[SWIER] = 1 << 20
    assert (external[PR], external[SWIER]) == (1 << 20, 1 << 20)
    external[PR] = 1 << 20
    assert (external[PR], external[SWIER]) == (0, 0)


def test_a_narrow_write_clears_the_lines_in_it_alone():
    external = External()
    external[RTSR] = 1 << 3 | 1 << 17
    for line in (3, 17):
        external.exti.set_line(line, True)
    external.exti.write(PR, 2, 1 << 3)
    assert external[PR] == 1 << 17


def test_an_event_wakes_without_an_interrupt():
    external = External()
    events = []
    external.exti.on_event = events.append
    external[EMR] = external[RTSR] = 1 << 2
    external.exti.set_line(2, True)
    external.exti.set_line(3, True)
    assert events == [2]
    assert not external.lines[2].level


def test_a_line_belongs_to_the_port_that_its_field_names():
    changed = []
    syscfg = SystemConfiguration(changed.append)
    syscfg.write(EXTICR[3], 4, 0x0020)
    assert [syscfg.port_of(line) for line in (12, 13, 14)] == [0, 2, 0]
    assert changed == [12, 13, 14, 15]


def test_the_compensation_cell_is_ready_when_on():
    syscfg = SystemConfiguration()
    syscfg.write(CMPCR, 4, 0x101)
    assert syscfg.read(CMPCR, 4) == 0x101
    syscfg.write(CMPCR, 4, 0)
    assert syscfg.read(CMPCR, 4) == 0
