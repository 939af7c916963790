"""One machine in Renode: its memory, its core's registers, and running to an address.

What is called, and in which order, is what was seen to work with Renode 1.16.1: memory through
SystemBus.ReadBytes and WriteBytes, a hook that halts the core instead of a breakpoint, and RunFor
with a TimeInterval on the objects that pyrenode3 wraps, not on its wrappers.
"""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path
from typing import Any, Final

from usim.devices.renode_host import RenodeHost, give_up
from usim.devices.renode_run import WatchedRun
from usim.errors import LockupError
from usim.formatting import format_address

_NUMBERS: Final = itertools.count()
# Numbers in CortexMRegisters of 1.16.1. S0 is 75 and S31 is 106. Later versions have a property
# IsUsingProcessSP in place of number 21.
_USES_PROCESS_STACK: Final = 21
_LATER_NAME: Final = "IsUsingProcessSP"
_OTHER_SP: Final = 22
_REGISTERS: Final = {
    **{f"r{number}": number for number in range(16)},
    "sp": 13,
    "lr": 14,
    "pc": 15,
    "control": 18,
    "xpsr": 25,
    "fpscr": 74,
    **{f"s{number}": 75 + number for number in range(32)},
}
STACK_POINTERS: Final = ("msp", "psp")
REGISTER_NAMES: Final = (*_REGISTERS, *STACK_POINTERS)
_SPSEL: Final = 1 << 1
_IT_STATE: Final = 0x0600_FC00  # in xPSR
_EXCEPTION_NUMBER: Final = 0x1FF  # IPSR, in xPSR
# Virtual time of one RunFor: the first ones short, for short programs; the host looks in between.
_SHORTEST_RUN_S: Final = 0.01
_LONGEST_RUN_S: Final = 0.1
# RunFor takes about as long as its virtual time. It never returns when the core was aborted.
_PATIENCE_S: Final = 30.0
_FAREWELL_S: Final = 5.0
_LOOK_EVERY_S: Final = 0.05


class RenodeMachine:
    """A machine built from a platform description; its core is halted unless it runs for us.

    All machines of the process share one virtual time: the others must be halted meanwhile.
    """

    def __init__(self, host: RenodeHost, repl_path: Path) -> None:
        self._host = host
        self._name = f"usim-{next(_NUMBERS)}"
        self._stop_at: int | None = None
        self._is_gone = False
        host.configure()
        with host.translated("make a machine"):
            self._machine = host.emulation.add_mach(self._name)
        try:
            with host.translated(f"load {repl_path}"):
                self._machine.load_repl(str(repl_path.resolve()))
                self._bus = self._machine.sysbus.internal
                self._cpu = self._machine.sysbus.cpu.internal
                self._cpu.IsHalted = True
            host.configure()  # once more: the machine has brought a time source of its own
        except BaseException:
            self.dispose()
            raise
        # Kept, for .NET would call a collected delegate.
        self._hook = host.address_hook(self._on_address)

    def dispose(self) -> None:
        """Remove the machine."""
        self._is_gone = True
        with self._host.translated("remove a machine"):
            self._host.emulation.rem_mach(self._name)

    def reset(self) -> None:
        """Reset the core and its peripherals; memory is not theirs."""
        with self._host.translated("reset"):
            self._machine.internal.Reset()
            self._cpu.IsHalted = True

    # Memory.

    def read(self, address: int, size_bytes: int) -> bytes:
        """Read memory; DeviceError where the machine has none."""
        with self._host.translated(f"read {size_bytes} bytes at {format_address(address)}"):
            return bytes(
                self._bus.ReadBytes(self._host.uint64(address), self._host.int32(size_bytes), True)
            )

    def write(self, address: int, data: bytes) -> None:
        """Write memory; translations of code that lay there are dropped by Renode."""
        with self._host.translated(f"write {len(data)} bytes at {format_address(address)}"):
            self._bus.WriteBytes(self._host.bytes(data), self._host.uint64(address))

    # Registers.

    def read_register(self, name: str) -> int:
        """A register of REGISTER_NAMES."""
        with self._host.translated(f"read register {name}"):
            return self._get(self._number(name))

    def write_register(self, name: str, value: int) -> None:
        """Set a register of REGISTER_NAMES."""
        with self._host.translated(f"set register {name}"):
            if name in {"pc", "r15"}:
                self._jump(value)
            elif name == "control":
                self._set_control(value)
            else:
                self._set(self._number(name), value)

    def _number(self, name: str) -> int:
        if name not in STACK_POINTERS:
            return _REGISTERS[name]
        return _REGISTERS["sp"] if self._on_process_stack() == (name == "psp") else _OTHER_SP

    def _jump(self, address: int) -> None:
        """Set pc, out of any IT block. The property selects Thumb state, SetRegister would not."""
        status = self._get(_REGISTERS["xpsr"])
        if status & _IT_STATE:
            self._set(_REGISTERS["xpsr"], status & ~_IT_STATE)
        self._cpu.PC = self._value(address | 1)

    def _on_process_stack(self) -> bool:
        if hasattr(self._cpu, _LATER_NAME):
            return bool(getattr(self._cpu, _LATER_NAME))
        return self._get(_USES_PROCESS_STACK) != 0

    def _select_process_stack(self, on: bool) -> None:
        if hasattr(self._cpu, _LATER_NAME):
            setattr(self._cpu, _LATER_NAME, on)
        else:
            self._set(_USES_PROCESS_STACK, int(on))

    def _set_control(self, value: int) -> None:
        """CONTROL, and the stack pointer that its SPSEL chooses, which Renode leaves alone."""
        self._set(_REGISTERS["control"], value)
        process = bool(value & _SPSEL)
        if self._get(_REGISTERS["xpsr"]) & _EXCEPTION_NUMBER:
            return  # handlers use the main stack whatever SPSEL says
        if self._on_process_stack() != process:
            current, other = self._get(_REGISTERS["sp"]), self._get(_OTHER_SP)
            self._select_process_stack(process)
            self._set(_REGISTERS["sp"], other)
            self._set(_OTHER_SP, current)

    def _get(self, number: int) -> int:
        return int(self._cpu.GetRegister(self._host.int32(number)).RawValue)

    def _set(self, number: int, value: int) -> None:
        self._cpu.SetRegister(self._host.int32(number), self._value(value))

    def _value(self, value: int) -> Any:  # noqa: ANN401 - a .NET object
        return self._host.register_value.Create(self._host.uint64(value), self._host.uint32(32))

    # Running.

    def run_until(self, address: int, timeout_s: float) -> bool:
        """Run until `address` is next; False when `timeout_s` seconds of host time have passed.

        LockupError if Renode aborts the core; the machine is gone then.
        """
        deadline = time.monotonic() + timeout_s
        at = self._host.uint64(address)
        self._stop_at = address
        with self._host.translated("set a hook"):
            self._cpu.AddHook(at, self._hook)
        try:
            with self._host.translated("start the core"):
                self._cpu.IsHalted = False  # else nothing would be executed
            virtual_s = _SHORTEST_RUN_S
            while not self._has_stopped() and time.monotonic() < deadline:
                self._advance(virtual_s)
                virtual_s = min(virtual_s * 2, _LONGEST_RUN_S)
            return self._has_stopped()
        finally:
            self._stop_at = None
            if not self._is_gone:
                with self._host.translated("halt the core"):
                    self._cpu.IsHalted = True
                    self._cpu.RemoveHooksAt(at)

    def _on_address(self, _cpu: Any, address: int) -> None:  # noqa: ANN401 - called by Renode
        # On the core's own thread, where halting does not wait for that thread.
        if int(address) == self._stop_at:
            self._cpu.IsHalted = True

    def _has_stopped(self) -> bool:
        with self._host.translated("look at the core"):
            return bool(self._cpu.IsHalted)

    def _advance(self, virtual_s: float) -> None:
        """Let virtual time pass, and look now and then whether it still does."""
        run = WatchedRun(self._host, virtual_s)
        patience = time.monotonic() + _PATIENCE_S
        try:
            run.start()
            while not run.wait(_LOOK_EVERY_S):
                if self._is_lost(patience):
                    self._abandon(run)
        except KeyboardInterrupt:
            # It ends by itself. To halt the core from here could wait for its thread, and that for
            # Python's lock, which is held while a property is set.
            run.cancel(_PATIENCE_S)
            raise

    def _is_lost(self, patience: float) -> bool:
        return self._cpu.EmulationState == self._host.aborted or time.monotonic() > patience

    def _abandon(self, run: WatchedRun) -> None:
        """Remove the machine, so that RunFor may return, and say what happened."""
        pc = self._get(_REGISTERS["pc"])
        remover = threading.Thread(target=self.dispose, name="renode removal", daemon=True)
        remover.start()
        remover.join(_FAREWELL_S)
        run.thread.join(_FAREWELL_S)
        if run.thread.is_alive() or remover.is_alive():
            give_up(run.thread)
        raise LockupError(
            f"locked up at {format_address(pc)}: Renode aborted the core, as for a `bkpt` or an "
            "exception without a vector, and its memory is lost; open the device again",
            pc=pc,
        )
