"""`usim profile` and `usim annotate`: what they print and write, and their one-line errors."""

from __future__ import annotations

import json
import re

import pytest


def _error(result):
    assert result.exit_code == 1, result.output
    (line,) = result.stderr.splitlines()
    return line


def test_a_profile_names_the_end_the_totals_and_their_source(mixed_elf, usim_command):
    result = usim_command("profile", mixed_elf)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("hello\n")
    assert "exit with code 7 (semihosting)" in result.stdout
    assert re.search(r"^Cycles +[\d,]+ \(", result.stdout, re.MULTILINE)
    assert "cycles, modelled, core only" in result.stdout
    assert re.search(r"^weigh \(inlined\) ", result.stdout, re.MULTILINE)
    assert re.search(r"^Stack +[\d,]+ bytes at most", result.stdout, re.MULTILINE)


def test_the_report_starts_on_a_line_of_its_own(program, usim_command):
    text = 'void print(const char *text); int main(void) { print("no end"); return 0; }'
    result = usim_command("profile", program(text))
    assert result.stdout.startswith("no end\nProgram ")


def test_a_hot_loop_is_drawn_cycle_by_cycle(mixed_elf, usim_command):
    result = usim_command("profile", mixed_elf)
    assert re.search(r"Loop in count_down at .*mixed.c:\d+\): 1,000 iterations", result.stdout)
    assert re.search(r"^ +\d  subs r0, #1 +bne 0x", result.stdout, re.MULTILINE)


def test_counting_never_says_cycles_of_what_was_counted(mixed_elf, usim_command):
    result = usim_command("profile", mixed_elf, "--timing", "count")
    assert "Functions (instructions)" in result.stdout
    assert not re.search(r"^Cycles", result.stdout, re.MULTILINE)


def test_the_json_has_the_documented_keys(mixed_elf, usim_command, tmp_path):
    path = tmp_path / "profile.json"
    assert usim_command("profile", mixed_elf, "--json", path).exit_code == 0
    data = json.loads(path.read_text("utf-8"))
    assert list(data) == [
        "format", "program", "platform", "clock_hz", "count", "start", "end", "fault", "totals",
        "functions", "loops", "branches", "caches", "stack",
    ]  # fmt: skip
    assert data["count"] == {"unit": "cycles", "source": "modelled", "fidelity": "core"}
    assert data["end"]["reason"] == "exit"
    assert data["end"]["value"] == 7
    assert sum(row["exclusive"] for row in data["functions"]) == data["totals"]["count"]
    assert data["loops"][0]["blocks"][0]["issue"]


def test_the_flame_graph_is_a_speedscope_file(mixed_elf, usim_command, tmp_path):
    path = tmp_path / "flame.json"
    assert usim_command("profile", mixed_elf, "--flame", path).exit_code == 0
    data = json.loads(path.read_text("utf-8"))
    # https://www.speedscope.app/file-format-schema.json: FileFormat.File, SampledProfile.
    assert data["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    (profile,) = data["profiles"]
    assert profile["type"] == "sampled"
    assert profile["unit"] in {
        "bytes", "microseconds", "milliseconds", "nanoseconds", "none", "seconds"
    }  # fmt: skip
    assert len(profile["samples"]) == len(profile["weights"])
    assert profile["endValue"] - profile["startValue"] == sum(profile["weights"])
    frames = data["shared"]["frames"]
    assert all(isinstance(frame["name"], str) for frame in frames)
    assert {index for sample in profile["samples"] for index in sample} == set(range(len(frames)))
    stacks = {tuple(frames[index]["name"] for index in sample) for sample in profile["samples"]}
    assert ("Reset_Handler", "main", "count_down") in stacks
    assert ("Reset_Handler", "main", "fibonacci", "fibonacci") in stacks


def test_an_annotated_function_shows_instructions_with_cycles_and_lines(mixed_elf, usim_command):
    result = usim_command("annotate", mixed_elf, "count_down")
    assert result.exit_code == 0, result.stderr
    assert re.search(r"^; mixed.c:\d+", result.stdout, re.MULTILINE)
    assert re.search(r"^ +1,000 .* \+ 0x0800_\w+  bne 0x", result.stdout, re.MULTILINE)
    assert "branch mispredicted" in result.stdout


def test_source_lines_are_shown_where_the_source_is(program, usim_command, tmp_path):
    text = "volatile int n;\nint main(void) { n = 3; return n; }\n"
    source = tmp_path / "shown.c"
    source.write_text(text, encoding="utf-8")
    path = program(text, name=str(source))
    result = usim_command("annotate", path, "main")
    assert "int main(void) { n = 3; return n; }" in result.stdout


def test_code_inlined_is_marked_in_the_listing(mixed_elf, usim_command):
    result = usim_command("annotate", mixed_elf, "weighted")
    assert re.search(r"; mixed.c:\d+ \[inlined: weigh\]", result.stdout)


def test_an_annotation_can_be_written_as_json(mixed_elf, usim_command, tmp_path):
    path = tmp_path / "annotation.json"
    assert usim_command("annotate", mixed_elf, "count_down", "--json", path).exit_code == 0
    annotation = json.loads(path.read_text("utf-8"))["annotation"]
    assert annotation["function"] == "count_down"
    subtract = annotation["instructions"][0]
    assert (subtract["text"], subtract["executions"]) == ("subs r0, #1", 1000)


def test_a_function_that_never_ran_is_an_error_that_says_how_it_ended(mixed_elf, usim_command):
    message = _error(usim_command("annotate", mixed_elf, "never"))
    assert "error: never was never executed; the run ended: exit at" in message


def test_an_unknown_function_is_an_error_before_anything_runs(mixed_elf, usim_command):
    result = usim_command("annotate", mixed_elf, "wieghted")
    assert "nearest: weighted" in _error(result)
    assert "hello" not in result.stdout


def test_a_fault_ends_with_one_line_and_exit_code_1(program, usim_command):
    result = usim_command("profile", program("int main(void) { return *(int *)0x58000000; }"))
    assert re.search(r"error: program.elf faulted at 0x\w+ in main", _error(result))


def test_the_limit_is_a_note_and_no_error(program, usim_command):
    path = program("volatile int n; int main(void) { for (;;) { n++; } }")
    result = usim_command("profile", path, "--limit", "1ms")
    assert result.exit_code == 0
    assert "limit of 216,000 cycles reached" in result.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--limit", "soon"], "neither a number of cycles nor a time"),
        (["--limit", "0"], "more than 0"),
        (["--args", "1,2"], "--args goes with --entry"),
        (["--entry", "main", "--args", "1,2,3,4,5"], "at most 4 arguments"),
        (["--entry", "main", "--args", "1,x"], "no list of integers"),
    ],
)
def test_wrong_options_are_wrong_usage(mixed_elf, usim_command, options, message):
    result = usim_command("profile", mixed_elf, *options)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_json_that_cannot_be_written_is_named(mixed_elf, usim_command, tmp_path):
    result = usim_command("profile", mixed_elf, "--json", tmp_path / "none" / "a.json")
    assert "cannot write" in _error(result)
