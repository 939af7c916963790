"""What code and data wait for, as FLASH_ACR and CCR have it in the firmware's own hands.

Expected are relations that RM0385 and the Armv7-M manual give, by counts of rows, lines and words.
"""

from __future__ import annotations

import itertools

import pytest
from boot_programs import COMPILERS, run_and_read

# As in programs/routines.h; rows of flash have 256 bits, as the caches' lines.
STRAIGHT_ROWS, LOOP_ROWS, LOOP_TIMES, WORDS = 32, 16, 10, 512
# In front of the loop and behind it.
OTHER_ROWS = 2
DATA_LINES = WORDS * 4 // 32
LATENCIES = range(8)
# A branch or two that the predictor had learnt otherwise.
MISPREDICTED = 16


@pytest.fixture(scope="module", params=COMPILERS)
def waits(request, tmp_path_factory):
    return run_and_read("flash_waits", request.param, tmp_path_factory.mktemp("waits"))


@pytest.fixture(scope="module", params=COMPILERS)
def caches(request, tmp_path_factory):
    return run_and_read("caches_on", request.param, tmp_path_factory.mktemp("caches"))


def steps(told: dict[str, int], name: str) -> list[int]:
    """What each wait state more costs."""
    cycles = [told[f"{name} {latency}"] for latency in LATENCIES]
    return [after - before for before, after in itertools.pairwise(cycles)]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("straight off first", STRAIGHT_ROWS),
        ("straight off again", STRAIGHT_ROWS),
        ("straight art first", STRAIGHT_ROWS),
        ("straight art again", 0),
        ("loop off first", LOOP_ROWS * LOOP_TIMES + OTHER_ROWS),
        ("loop off again", LOOP_ROWS * LOOP_TIMES + OTHER_ROWS),
        ("loop art first", LOOP_ROWS + OTHER_ROWS),
        ("loop art again", 0),
    ],
)
def test_on_the_itcm_bus_a_wait_state_is_a_cycle_for_each_row_that_is_read(waits, name, rows):
    """RM0385 3.3.2: a row takes LATENCY + 1 cycles; 3.3.3: the ART keeps 64 rows."""
    tolerance = 0 if name.startswith("straight") else MISPREDICTED
    for step in steps(waits, f"alias {name}"):
        assert abs(step - rows) <= tolerance


def test_code_that_the_art_has_kept_is_as_fast_as_in_the_itcm(waits):
    for latency in LATENCIES:
        assert waits[f"alias straight art again {latency}"] == waits["itcm off again 0"]


def test_on_the_axi_bus_without_a_cache_each_wait_state_costs(waits):
    for name in ("straight", "loop"):
        for step in steps(waits, f"axi {name} off again"):
            assert step >= STRAIGHT_ROWS
    for latency in LATENCIES[1:]:
        slow, fast = (waits[f"{bus} straight off again {latency}"] for bus in ("axi", "alias"))
        assert slow > fast > waits["itcm off again 0"]


def test_the_art_is_on_the_itcm_bus_alone(waits):
    for latency in LATENCIES:
        for when in ("first", "again"):
            off, on = (waits[f"axi straight {art} {when} {latency}"] for art in ("off", "art"))
            assert off == on


def test_the_instruction_cache_keeps_code_of_the_axi_bus(caches):
    for on in ("code", "both"):
        assert caches[f"{on} axi again"] == caches["itcm again"]
        # Not free, and not paid by the word: a line a row.
        assert caches[f"{on} axi first"] >= caches["itcm again"] + 8 * STRAIGHT_ROWS
    for off in ("off", "data", "off again"):
        assert caches[f"{off} axi first"] == caches[f"{off} axi again"]
        assert caches[f"{off} axi again"] > caches["itcm again"] + STRAIGHT_ROWS


def test_what_is_tightly_coupled_does_not_care_for_caches(caches):
    settings = ("off", "code", "data", "both", "off again")
    for name in ("alias", "dtcm"):
        cycles = {caches[f"{setting} {name} again"] for setting in settings}
        assert max(cycles) - min(cycles) <= (MISPREDICTED if name == "dtcm" else 0)


@pytest.mark.parametrize("memory", ["sram1", "flash"])
def test_the_data_cache_keeps_data_beside_the_tightly_coupled(caches, memory):
    for on in ("data", "both"):
        fills = caches[f"{on} {memory} first"] - caches[f"{on} {memory} again"]
        assert abs(caches[f"{on} {memory} again"] - caches[f"{on} dtcm again"]) <= MISPREDICTED
        # Each line once, and every one by as much.
        assert fills >= DATA_LINES
        assert fills % DATA_LINES <= MISPREDICTED or -fills % DATA_LINES <= MISPREDICTED
    for off in ("off", "code", "off again"):
        each = caches[f"{off} {memory} again"] - caches[f"{off} dtcm again"]
        assert each >= WORDS
        assert (
            abs(caches[f"{off} {memory} first"] - caches[f"{off} {memory} again"]) <= MISPREDICTED
        )


def test_flash_is_slower_than_sram_and_that_slower_than_dtcm(caches):
    assert caches["off flash again"] > caches["off sram1 again"] + WORDS
    assert caches["off sram1 again"] > caches["off dtcm again"] + WORDS
    assert caches["both flash first"] > caches["both sram1 first"] > caches["both dtcm first"]


def test_off_again_is_as_slow_as_before(caches):
    for name in ("axi", "alias", "sram1", "dtcm", "flash"):
        before, after = caches[f"off {name} again"], caches[f"off again {name} again"]
        assert abs(before - after) <= MISPREDICTED
