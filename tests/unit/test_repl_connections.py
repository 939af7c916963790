"""The wires of a platform file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from usim.errors import PlatformError
from usim.platforms import load_platform
from usim.repl import read_repl
from usim.repl_connections import Connection


def wires(folder: Path, text: str) -> tuple[Connection, ...]:
    (folder / "chip.repl").write_text(f"part: A.Part @ sysbus 0x1000\n    {text}\n")
    return read_repl(folder / "chip.repl").peripherals[0].connections


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-> nvic@37", [("", "nvic", 37, 0)]),
        ("Update -> nvic@25", [("Update", "nvic", 25, 0)]),
        ("[0-2] -> nvic@[6-8]", [(0, "nvic", 6, 0), (1, "nvic", 7, 0), (2, "nvic", 8, 0)]),
        ("[A, B] -> nvic@[26, 26]", [("A", "nvic", 26, 0), ("B", "nvic", 26, 0)]),
        ("[0-1] -> syscfg#3@[0-1]", [(0, "syscfg", 0, 3), (1, "syscfg", 1, 3)]),
        ("[0, 7] -> nvic@[11-12]", [(0, "nvic", 11, 0), (7, "nvic", 12, 0)]),
        ("0 -> one@1 | other#2@3", [(0, "one", 1, 0), (0, "other", 3, 2)]),
        ("[0-1] -> gate@0", [(0, "gate", 0, 0), (1, "gate", 0, 0)]),
        ("-> none", []),
    ],
)
def test_each_output_leads_to_its_input(tmp_path, text, expected):
    assert wires(tmp_path, text) == tuple(Connection(*wire) for wire in expected)


def test_lists_of_different_lengths_are_refused(tmp_path):
    with pytest.raises(PlatformError, match=re.escape("3 outputs lead to 2 inputs of nvic")):
        wires(tmp_path, "[0-2] -> nvic@[6-7]")


@pytest.mark.parametrize("chip", ["stm32f746", "stm32f767"])
def test_a_chips_interrupts_have_the_numbers_of_its_vector_table(chip):
    """RM0385 and RM0410, 10.1.2, vector table."""
    machine = read_repl(load_platform(chip).repl_path)
    by_name = {entry.name: entry.connections for entry in machine.peripherals}
    assert by_name["usart1"] == (Connection("", "nvic", 37),)
    assert by_name["uart8"] == (Connection("", "nvic", 83),)
    assert by_name["timer1"][1] == Connection("UpdateInterrupt", "nvic", 25)
    assert by_name["timer6"] == (Connection("", "nvic", 54),)
    assert by_name["exti"][6] == Connection(6, "nvicInput23", 1)
