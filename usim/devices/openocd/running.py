"""Runs the core until an address, by a hardware breakpoint, and says why it stopped elsewhere.

Source: Armv7-M Architecture Reference Manual (DDI 0403E), C1.6 (debug registers).
"""

from __future__ import annotations

import contextlib
import time
from typing import Final

from usim.devices.openocd.link import CommandError, TclLink
from usim.devices.openocd.memory import TargetMemory
from usim.devices.openocd.registers import TargetRegisters
from usim.errors import DeviceError, DeviceTimeoutError, LockupError
from usim.formatting import format_address
from usim.platforms import Platform

_DHCSR: Final = 0xE000_EDF0
_DHCSR_KEY: Final = 0xA05F_0000
_C_DEBUGEN: Final = 1 << 0
_C_HALT: Final = 1 << 1
_S_HALT: Final = 1 << 17
_S_LOCKUP: Final = 1 << 19
_S_RESET_ST: Final = 1 << 25
_EVENTS: Final = _S_HALT | _S_LOCKUP | _S_RESET_ST
_DFSR: Final = 0xE000_ED30
_DEMCR: Final = 0xE000_EDFC
_DEMCR_TRCENA: Final = 1 << 24
_DWT_CTRL: Final = 0xE000_1000
_VTOR: Final = 0xE000_ED08
_CFSR: Final = 0xE000_ED28
_HFSR: Final = 0xE000_ED2C
_HFSR_DEBUGEVT: Final = 1 << 31
_BFAR: Final = 0xE000_ED38
_HARD_FAULT: Final = 3
_FRAME_PC: Final = 24
# B1.5.15: what pc reads as in lockup on a chip, and a vector of an erased flash.
_NOWHERE: Final = 0xE000_0000
# `1: b 1b` and a breakpoint instruction, A7.7.12 and A7.7.17.
_STAY: Final = 0xE7FE
_BKPT: Final = 0xBE00
# Between slices Python sees to Ctrl-C.
_SLICE_MS: Final = 200
_HALT_MS: Final = 2000


class CoreControl:
    """Resets, runs and halts one core."""

    def __init__(
        self, link: TclLink, platform: Platform, memory: TargetMemory, registers: TargetRegisters
    ) -> None:
        self._link = link
        self._platform = platform
        self._memory = memory
        self._registers = registers

    def reset(self) -> None:
        """Reset, and halt before the first instruction; the counter is off."""
        self._link.ask("poll off; rbp all; reset halt", 30.0)
        if self._link.ask("[target current] curstate") != "halted":
            raise CommandError("", script="reset halt", text=self._link.said)
        self._memory.write_words((_DEMCR, _DEMCR_TRCENA), (_DWT_CTRL, 0), (_DEMCR, 0))
        self._registers.clear()

    def run_until(self, address: int, timeout_s: float) -> None:
        """Run to `address`. DeviceTimeoutError, LockupError, or DeviceError for another stop."""
        if self._registers.read("pc") == address:
            return
        deadline = time.monotonic() + timeout_s
        while not self._run_to_event(address, deadline, timeout_s):
            pass

    def _run_to_event(self, address: int, deadline: float, timeout_s: float) -> bool:
        """Resume, and wait until it stops; whether it is at the address then."""
        try:
            self._link.ask(f"bp {address:#x} 2 hw; resume")
            event = self._wait(deadline)
            if event & _S_LOCKUP:
                raise self._locked_up()
        finally:  # after Ctrl-C too
            self._halt()
            self._link.ask(f"rbp {address:#x}")
        pc = self._registers.read("pc")
        if pc == address:
            return True
        if event & _S_HALT:
            if self._take_breakpoint_instruction(pc):
                return False
            raise DeviceError(
                f"the core halted at {format_address(pc)}, not at {format_address(address)}: "
                f"DFSR {self._memory.read_word(_DFSR):#x}; is another debugger at work?"
            )
        if event & _S_RESET_ST:
            raise DeviceError(
                "the chip was reset while it ran, by its button, its supply or a watchdog"
            )
        raise DeviceTimeoutError(
            f"{format_address(address)} was not reached within {timeout_s:g} s; "
            f"last pc {format_address(pc)}",
            pc=pc,
            timeout_s=timeout_s,
        )

    def _wait(self, deadline: float) -> int:
        while True:
            left_ms = int(max(deadline - time.monotonic(), 0) * 1000)
            milliseconds = min(_SLICE_MS, left_ms)
            value = self._link.ask(f"usim_wait {_DHCSR:#x} {_EVENTS:#x} {milliseconds}")
            if int(value, 0) & _EVENTS or not left_ms:
                return int(value, 0)

    def _halt(self) -> None:
        """Halt, or let OpenOCD notice that it is halted."""
        halted = "[[target current] curstate] eq {halted}"
        self._link.ask(f"catch {{poll}}; if {{!({halted})}} {{ halt {_HALT_MS} }}")

    def _locked_up(self) -> LockupError:
        """What the registers tell of it; the core is halted after."""
        cfsr, hfsr = (self._memory.read_word(_CFSR + offset) for offset in (0, 4))
        mmfar, bfar = (self._memory.read_word(_BFAR + offset) for offset in (-4, 0))
        for _ in range(2):  # the first fails, with the news of the lockup
            with contextlib.suppress(CommandError):
                self._link.ask(f"halt {_HALT_MS}")
        pc = self._registers.read("pc")
        if pc >= _NOWHERE and (stacked := self._stacked_pc()) is not None:
            pc = stacked
        return LockupError(
            f"the core locked up at {format_address(pc)}: a fault that no handler took; "
            f"CFSR {cfsr:#010x}, HFSR {hfsr:#010x}, MMFAR {format_address(mmfar)}, "
            f"BFAR {format_address(bfar)}",
            pc=pc,
        )

    def _stacked_pc(self) -> int | None:
        """Where the exception came from that the core is in, if its frame can be read."""
        sp = self._registers.read("msp")
        if self._platform.region_at(sp, _FRAME_PC + 4) is None:
            return None
        return int.from_bytes(self._memory.read(sp + _FRAME_PC, 4), "little") & ~1

    def _take_breakpoint_instruction(self, pc: int) -> bool:
        """Let a breakpoint instruction be the HardFault that it is without a debugger (C1.4.1).

        With debugging disabled the core executes it again and takes the exception. It arrives at a
        loop in the vector table's first word, which only a reset reads, and goes on from there to
        the handler. False if this is no breakpoint instruction, or the table is not in RAM.
        """
        instruction = int.from_bytes(self._memory.read(pc, 2), "little")
        table = self._memory.read_word(_VTOR)
        region = self._platform.region_at(table, 4 * (_HARD_FAULT + 1))
        if instruction & 0xFF00 != _BKPT or region is None or region.kind != "ram":
            return False
        vector_at = table + 4 * _HARD_FAULT
        first, handler = self._memory.read_word(table), self._memory.read_word(vector_at)
        self._memory.write_words(
            (table, _STAY), (vector_at, table | 1), (_HFSR, _HFSR_DEBUGEVT), (_DHCSR, _DHCSR_KEY)
        )
        try:
            # OpenOCD notices that the core runs; once it took the fault, that it halts again.
            self._link.ask(f"poll; usim_wait {_HFSR:#x} {_HFSR_DEBUGEVT:#x} {_HALT_MS}")
            self._memory.write_words((_DHCSR, _DHCSR_KEY | _C_DEBUGEN | _C_HALT))
            self._link.ask(f"wait_halt {_HALT_MS}")
            self._registers.fetch()
        finally:
            self._memory.write_words((table, first), (vector_at, handler))
        if self._registers.read("pc") != table:
            raise LockupError(
                f"the core locked up at {format_address(pc)}: a breakpoint instruction in the "
                "HardFault handler",
                pc=pc,
            )
        self._registers.write("pc", handler)
        return True
