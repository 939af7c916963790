"""A real gdb debugs firmware on a served chip."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from firmware import build
from gdb_bench import Bench, needs_gdb, served_chip, wait_until, write_firmware

pytestmark = needs_gdb

# A chip that was debugged before starts anew.
FRESH = ("load", "monitor reset halt", "maintenance flush register-cache")


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with served_chip() as served:
        yield served


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_firmware(tmp_path_factory.mktemp("gdb"))


def test_firmware_is_loaded_stopped_looked_at_and_stepped(bench, firmware):
    seen = bench.gdb(
        firmware,
        "load",
        "compare-sections",
        "break scale",
        "continue",
        "backtrace",
        "print factor",
        "finish",
        "next 3",
        "info locals",
        "step",
        "info args",
        "print history",
        "x/2dw &history[1]",
        "set var level = 9",
        "delete",
        "stepi",
        "break 46",
        "continue",
        "print total",
        "print ratio",
    )
    assert seen.count("matched.") == 4 and "MIS-MATCHED" not in seen
    # It starts with the stack of its vector table, without a word about a reset.
    assert "Breakpoint 1, scale (value=1, factor=5) at ./debugged.c:15" in seen
    frames = re.findall(r"^#(\d).* (\w+) \(", seen, re.MULTILINE)
    assert frames[:3] == [("0", "scale"), ("1", "fill"), ("2", "main")]
    assert "Value returned is $2 = 5" in seen
    assert "i = 1\nsum = 5" in seen
    assert "value = 2\nfactor = 5" in seen
    assert "= {0, 5, 0, 0}" in seen
    assert re.search(r"<history\+4>:\s+5\s+0", seen)
    # 1 * 5 and 2 * 5 as the factor was; 3 * 9 and 4 * 9.
    assert "$4 = 78" in seen
    assert "$5 = 117" in seen


def test_every_register_is_there_and_can_be_set(bench, firmware):
    seen = bench.gdb(
        firmware,
        *FRESH,
        "break 45",
        "continue",
        "info all-registers",
        "set var $s5 = 2.5",
        "set var $d6 = -0.125",
        "set var $r7 = 0x12345678",
        "set var $primask = 1",
        "set var $basepri = 0x50",
        "set var $fpscr = 0x03000000",
        "set var $psp = 0x20004000",
        "maintenance flush register-cache",
        "print $s5",
        "print $d6",
        "print/x $r7",
        "print/x $primask",
        "print/x $basepri",
        "print/x $fpscr",
        "print $psp",
        "print $msp == $sp",
        "print/x $xpsr & 0x010001ff",
        "print $control",
    )
    names = set(re.findall(r"^(\w+) +\S+", seen, re.MULTILINE))
    expected = {f"r{i}" for i in range(13)} | {"sp", "lr", "pc", "xpsr", "fpscr"}
    expected |= {f"d{i}" for i in range(16)} | {f"s{i}" for i in range(32)}
    expected |= {"msp", "psp", "primask", "basepri", "faultmask", "control"}
    assert expected <= names
    printed = re.findall(r"^\$\d+ = (.*)$", seen, re.MULTILINE)
    assert printed[:6] == ["2.5", "-0.125", "0x12345678", "0x1", "0x50", "0x3000000"]
    assert "0x20004000" in printed[6]
    # The FPU is in use: CONTROL.FPCA.
    assert printed[7:] == ["1", "0x1000000", "4"]


def test_memory_is_read_and_written_up_to_its_ends(bench, firmware):
    seen = bench.gdb(
        firmware,
        *FRESH,
        "x/4xb 0x2004fffe",
        "x/1xw 0xe000ed00",
        "x/1xw 0x60000000",
        "set var *(int *)0x60000000 = 1",
        "set var *(char *)0x20000fff = 0x5a",
        "x/2xh 0x20000ffe",
        "set var *(int *)0x08000000 = 0",
    )
    assert re.search(
        r"0x2004fffe:\s+0x00\s+0x00\s+Cannot access memory at address 0x20050000", seen
    )
    assert re.search(r"0xe000ed00:\s+0x410fc271", seen)  # CPUID: a Cortex-M7
    assert seen.count("Cannot access memory at address 0x60000000") == 2
    assert re.search(r"0x20000ffe:\s+0x5a00\s+0x0000", seen)
    assert "Writing to flash memory forbidden" in seen


def test_large_images_arrive_whole_in_flash_and_in_ram(bench, tmp_path):
    # Every byte, those that packets escape among them; across sectors of two sizes.
    content = bytes(range(256)) * 700
    numbers = ",".join(map(str, content))
    program = tmp_path / "large.elf"
    source = f"const unsigned char blob[] = {{{numbers}}}; int main(void) {{ return blob[9]; }}"
    program.write_bytes(build(source, "large.c", flags=("-O0",)))
    seen = bench.gdb(program, "load", "compare-sections", "print sizeof(blob)")
    assert "Section .rodata" in seen and "MIS-MATCHED" not in seen
    assert "$1 = 179200" in seen

    image, copy = tmp_path / "image.bin", tmp_path / "copy.bin"
    image.write_bytes(content)
    start = 0x2000_F000  # across two memories
    end = start + len(content)
    bench.gdb(
        None,
        f"restore {image} binary {start:#x}",
        f"dump binary memory {copy} {start:#x} {end:#x}",
    )
    assert copy.read_bytes() == content


def test_variables_are_watched(bench, firmware):
    seen = bench.gdb(
        firmware, *FRESH, "tbreak main", "continue",
        "watch history[2]", "continue", "backtrace 2", "delete 2",
        "rwatch level", "continue", "delete 3",
        "awatch ratio", "continue", "continue", "delete 4",
        "monitor reset", "maintenance flush register-cache", "tbreak fill", "continue",
        "watch sum", "continue", "continue", "continue",
    )  # fmt: skip
    assert re.search(r"watchpoint 2: history\[2\]\n\nOld value = 0\nNew value = 10\n", seen)
    assert re.search(r"#0 .* scale \(value=2, factor=5\).*\n#1 .* fill", seen)
    assert re.search(r"read watchpoint 3: level\n\nValue = 5\n", seen)
    assert re.search(r"watchpoint 4: ratio\n\nValue = 1.5\n", seen)
    assert re.search(r"watchpoint 4: ratio\n\nOld value = 1.5\nNew value = 75\n", seen)
    sums = re.findall(r"watchpoint \d: sum\n\nOld value = \d+\nNew value = (\d+)", seen)
    assert sums == ["0", "5", "15"]


def test_a_watched_program_does_and_counts_what_it_does_otherwise(firmware):
    ends = []
    for watch in ("print level", "watch *(int *)0x2000f000"):
        with served_chip("core") as timed:
            # From the start: the start-up code has IT blocks with loads and stores in them.
            seen = timed.gdb(
                firmware, "load", "set var history[0] = 77", watch, "tbreak 44", "continue",
                "monitor cycles", "print history", "print sizeof(table), table[2]",
            )  # fmt: skip
        ends.append(seen[seen.index("main () at") :])
    assert "cycles (modelled, core)" in ends[0] and "{20, 5, 10, 15}" in ends[0]
    assert re.sub(r"\$\d", "$", ends[0]) == re.sub(r"\$\d", "$", ends[1])


def test_ctrl_c_stops_an_endless_loop_which_goes_on_after_a_detach(bench, firmware):
    with bench.interactive_gdb(
        firmware, *FRESH, "break main", "continue", "set var level = 6"
    ) as gdb:
        gdb.send("continue")
        gdb.read_until("spinning")  # what the program prints
        gdb.interrupt()
        assert "Program received signal SIGINT" in gdb.read_until("SIGINT")
        gdb.send("print spins")
        first = int(gdb.read_until("$").rpartition("=")[2])
        gdb.send("detach")
        gdb.read_until("detached")
    wait_until(lambda: bench.chip.state == "running", "ran on")
    executed = bench.chip.instructions
    wait_until(lambda: bench.chip.instructions > executed, "executed more")
    again = bench.gdb(firmware, "backtrace 1", "print spins", "info breakpoints")
    assert re.search(r"#0 .*spin \(\)", again)
    assert int(re.findall(r"\$1 = (\d+)", again)[0]) > first
    assert bench.chip.state == "running"  # for that gdb too let it go on


def test_what_the_program_prints_and_its_exit_code_arrive(bench, firmware):
    seen = bench.gdb(firmware, *FRESH, "continue", "backtrace 2")
    assert seen.index("filled") < seen.index("The program exited with code 50.")
    # Its state can still be looked at.
    assert re.search(r"#\d .*leave \(", seen)

    script = bench.gdb(
        firmware, *FRESH, "continue", "print $_exitcode", "run", remote="extended-remote"
    )
    assert "exited with code 062" in script  # octal, as gdb prints it
    assert "$1 = 50" in script
    assert script.count("filled") == 2  # `run` starts it over


def test_a_breakpoint_instruction_of_the_programs_own_stops_and_is_gone_past(bench, firmware):
    seen = bench.gdb(
        firmware, *FRESH, "break scale", "continue", "delete", "set var level = 7",
        "continue", "x/i $pc", "stepi", "x/i $pc", "continue",
    )  # fmt: skip
    assert "SIGTRAP" in seen
    assert re.search(r"=> (0x\w+) <main\+\d+>:\s+bkpt", seen)
    assert "exited with code" in seen


def test_a_fault_is_the_firmwares_own_unless_its_handlers_are_caught(bench, firmware):
    seen = bench.gdb(
        firmware,
        *FRESH,
        "break main",
        "continue",
        "set var level = 8",
        "tbreak Default_Handler",
        "continue",
        "backtrace",
        "load",
        "monitor catch faults",
        "continue",
        "set var level = 8",
        "continue",
        "backtrace",
        "monitor catch nothing",
    )
    assert "Temporary breakpoint 2, Default_Handler" in seen
    assert "Program received signal SIGSEGV" in seen
    stack = (
        r"#0  Default_Handler.*\n#1  <signal handler called>\n"
        r"#2 .* fault \(.*debugged.c:36\n#3 .* main"
    )
    assert len(re.findall(stack, seen)) == 2


def test_a_lockup_is_told_of(bench, firmware):
    seen = bench.gdb(
        firmware,
        *FRESH,
        "break main",
        "continue",
        "set var *(int *)0xe000ed08 = 0x20030000",  # VTOR: no handlers there
        "set var level = 8",
        "continue",
        "backtrace 1",
        "monitor state",
        "monitor reset",
        "monitor state",
    )
    assert "the core locked up at 0x0800_" in seen
    assert "SIGSEGV" in seen
    assert re.search(r"#0 .* fault \(", seen)
    assert len(re.findall(r"^halted, pc 0x0800_", seen, re.MULTILINE)) == 4


def test_monitor_commands_reset_count_and_explain_themselves(bench, firmware):
    seen = bench.gdb(
        firmware,
        *FRESH,
        "monitor cycles",
        "tbreak main",
        "continue",
        "monitor cycles",
        "monitor",
        "monitor reset sideways",
        "monitor flash",
        "monitor reset run",
    )
    before, after = re.findall(r"^([\d,]+) instructions \(counted\)", seen, re.MULTILINE)
    # The start-up code copies 3,000 bytes, four at a time.
    assert 3_000 < int(after.replace(",", "")) - int(before.replace(",", "")) < 10_000
    assert "reset [halt|init|run]" in seen
    assert "it is reset [halt|init|run]" in seen
    assert "no command 'flash'; `monitor help`" in seen


def test_a_second_gdb_is_told_why_it_is_refused_and_the_first_goes_on(bench, firmware):
    with bench.interactive_gdb(firmware, *FRESH, "break main", "continue") as first:
        first.read_until("Breakpoint 1, main")
        assert "another gdb debugs this chip" in bench.gdb(firmware, "print level")
        first.send("print level")
        assert "= 5" in first.read_until("$1")


def test_a_gdb_that_vanishes_leaves_the_chip_as_it_is_and_no_breakpoints(bench, firmware):
    with bench.interactive_gdb(
        firmware, *FRESH, "break main", "continue", "set var level = 6"
    ) as gdb:
        gdb.send("continue")
        gdb.read_until("spinning")
        gdb.interrupt()
        gdb.read_until("SIGINT")
        gdb.send("break fill")
        gdb.send("continue")
        gdb.read_until("Continuing")
        wait_until(lambda: bench.chip.state == "running", "went on")
        gdb.kill()
    assert bench.chip.state == "running"
    seen = bench.gdb(firmware, "monitor reset", "tbreak leave", "continue")
    assert "Temporary breakpoint 1, leave" in seen and "fill (" not in seen


def test_cycles_are_told_by_their_model(firmware):
    with served_chip("core") as timed:
        seen = timed.gdb(firmware, "load", "tbreak main", "continue", "monitor cycles")
    assert re.search(r"^[\d,]+ cycles \(modelled, core\)", seen, re.MULTILINE)
