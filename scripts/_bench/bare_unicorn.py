"""A Cortex-M7 of Unicorn's with no hook at all, to compare with: what counting costs.

It gets the memory of a session after an inference, the queued tasks in it included, and runs them
again. This looks behind the session's front door, which a comparison like this has to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from unicorn import Uc, arm_const, unicorn_const

if TYPE_CHECKING:
    from usim.compiled_model import CompiledModel
    from usim.session import Session

_SYSTEM_REGISTERS: Final = (0xE000_0000, 0x10_0000)


class BareMachine:
    """The machine of a session, for one model whose last batch is still in its args section."""

    def __init__(self, session: Session, model: CompiledModel) -> None:
        self._uc = Uc(
            unicorn_const.UC_ARCH_ARM,
            unicorn_const.UC_MODE_THUMB | unicorn_const.UC_MODE_MCLASS,
            arm_const.UC_CPU_ARM_CORTEX_M7,
        )
        for region in session.platform.regions:
            if region.alias_of is None:
                self._uc.mem_map(region.base, region.size_bytes)
                self._uc.mem_write(region.base, session.read_memory(region.base, region.size_bytes))
        # Plain memory instead: CYCCNT stands still, and no fault comes.
        self._uc.mem_map(*_SYSTEM_REGISTERS)
        self._start, self._done = session._runtime.start, session._runtime.done
        (self._input,), (self._output,) = model._inputs, model._outputs

    def run(self, stored: npt.NDArray[np.int8]) -> npt.NDArray[Any]:
        """One inference; returns the output."""
        self._uc.mem_write(self._input.address, stored.tobytes())
        self._uc.emu_start(self._start | 1, self._done & ~1)
        data = bytes(self._uc.mem_read(self._output.address, self._output.nbytes))
        return np.frombuffer(data, self._output.dtype).reshape(self._output.shape)
