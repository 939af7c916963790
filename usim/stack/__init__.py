"""How much stack code needs, computed from its machine code; nothing runs."""

from __future__ import annotations

from usim.stack.code import placed_code
from usim.stack.need import StackNeed, task_stack_need

__all__ = ["StackNeed", "placed_code", "task_stack_need"]
