"""The fuzzer's modules, which scripts/fuzz_models runs for longer, belong to these tests, too."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts" / "_fuzz"))
