"""Feeds changed models to the importer and says what came of it: scripts/fuzz_models --help."""

from __future__ import annotations

import argparse
import faulthandler
import resource
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "models"))

from fuzz_campaign import Campaign, Outcome, peak_bytes  # noqa: E402
from fuzz_seeds import make_seeds  # noqa: E402

_REPORT_EACH = 5000


def main() -> int:
    options = _parse()
    if options.memory_mib:
        limit = options.memory_mib << 20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    seeds = make_seeds(options.models)
    campaign = Campaign(seeds, options.seed)
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    numbers = range(options.first, options.first + options.count)
    print(f"{len(seeds)} models, seed {options.seed}, inputs {numbers.start} to {numbers.stop - 1}")
    outcome, start, at_start = Outcome(), time.monotonic(), peak_bytes()
    for outcome, number, _ in campaign.run(numbers, limit_s=options.limit_s, keep=options.keep):
        # For a hang that the alarm cannot end, in numpy's C code.
        faulthandler.dump_traceback_later(10 * options.limit_s, exit=True)
        if (number + 1 - numbers.start) % _REPORT_EACH == 0:
            print(_line(outcome, start), flush=True)
    faulthandler.cancel_dump_traceback_later()
    print(_line(outcome, start))
    print(f"peak {peak_bytes() >> 20} MiB ({at_start >> 20} MiB before the first input)")
    for number, size_bytes in sorted(outcome.peaks, key=lambda item: -item[1])[:5]:
        print(f"  input {number} raised it by {size_bytes >> 20} MiB")
    for number, message in outcome.failures[:50]:
        print(f"FAILED: input {number}: {message}")
    return 1 if outcome.failures else 0


def _line(outcome: Outcome, start: float) -> str:
    return (
        f"{outcome.accepted + outcome.rejected} inputs in {time.monotonic() - start:.0f} s: "
        f"{outcome.accepted} accepted, {outcome.rejected} rejected, {len(outcome.failures)} "
        f"failures; slowest {outcome.slowest_s:.2f} s (input {outcome.slowest})"
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/fuzz_models", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="how many inputs")
    parser.add_argument("--first", type=int, default=0, help="the first one's number")
    parser.add_argument("--seed", type=int, default=1, help="of the whole sequence")
    parser.add_argument("--limit-s", type=float, default=2.0, help="time for one input")
    parser.add_argument("--memory-mib", type=int, default=4096, help="address space; 0: no limit")
    parser.add_argument("--keep", type=Path, help="a folder for inputs that fail")
    parser.add_argument("--models", type=Path, nargs="*", default=[], help="folders with more")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
