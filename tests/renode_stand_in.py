"""A stand-in for pyrenode3 and the .NET names behind it, where Renode is not installed.

It has the names and types of the calls that usim makes, as they are in pyrenode3 0.0.1 and Renode
1.16.1, and behaves as was recorded when driving that: a core that is halted executes nothing, a
hook halts at exactly its address, a reset wants the program anew, RunFor does not return after a
core was aborted. Code really runs, on the embedded device. Anything else, an unknown name or
another type, is an error: it shows what usim calls, not what Renode does with it.
"""

from __future__ import annotations

import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import ClassVar

from renode_net_types import (
    Array,
    Byte,
    ByteArray,
    ClrError,
    CpuAddressHook,
    EmulationCPUState,
    Int32,
    RegisterValue,
    Strict,
    TimeInterval,
    UInt32,
    UInt64,
    check,
)

from usim.devices import renode_host
from usim.devices.embedded import EmbeddedDevice
from usim.devices.stops import StopKind
from usim.devices.system_registers import VTOR
from usim.errors import LockupError
from usim.platforms import load_platform

# Few, so that a loop of instructions that stop the emulation each time takes no minute.
INSTRUCTIONS_PER_SECOND = 2_000_000
NO_HOOK = 0xFFFF_FFF0
DEBUG_MONITOR = 12
CURRENT_SP, OTHER_SP, CONTROL = 21, 22, 18
SPSEL = 1 << 1
NAMES = {
    **{number: f"r{number}" for number in range(16)},
    25: "xpsr",
    74: "fpscr",
    **{75 + number: f"s{number}" for number in range(32)},
}
EXCEPTIONS = {StopKind.SVC, StopKind.EXCEPTION_RETURN, StopKind.UNDEFINED}


class CortexM(Strict):
    """Antmicro.Renode.Peripherals.CPU.CortexM."""

    def __init__(self, embedded: EmbeddedDevice) -> None:
        self._embedded = embedded
        self._halted = False
        self._state = EmulationCPUState.InReset
        self._has_pc = False
        self._hooks: dict[int, CpuAddressHook] = {}
        self._spsel = False  # of CONTROL; which stack pointer r13 is, is another bit
        self._removed = threading.Event()

    @property
    def EmulationState(self) -> EmulationCPUState:
        return self._state

    @property
    def IsHalted(self) -> bool:
        return self._halted

    @IsHalted.setter
    def IsHalted(self, value: bool) -> None:
        check(value, bool)
        assert value or self._has_pc, "Renode would fetch pc and sp from the vector table"
        self._halted = value

    @property
    def PC(self) -> RegisterValue:
        return RegisterValue(self._embedded.read_register("pc"), 32)

    @PC.setter
    def PC(self, value: RegisterValue) -> None:
        check(value, RegisterValue)
        assert value.RawValue & 1, "Renode would leave Thumb state, or warn"
        self._embedded.write_register("pc", value.RawValue)
        self._has_pc = True

    def AddHook(self, address: UInt64, hook: CpuAddressHook) -> None:
        check(address, UInt64)
        check(hook, CpuAddressHook)
        assert not self._hooks, "one hook at a time was recorded"
        self._hooks[int(address)] = hook

    def RemoveHooksAt(self, address: UInt64) -> None:
        check(address, UInt64)
        del self._hooks[int(address)]

    def GetRegister(self, number: Int32) -> RegisterValue:
        check(number, Int32)
        return RegisterValue(self._get(int(number)), 32)

    def SetRegister(self, number: Int32, value: RegisterValue) -> None:
        check(number, Int32)
        check(value, RegisterValue)
        assert value.Bits == 32
        assert number != 15, "SetRegister does not select Thumb state; the property PC does"
        self._set(int(number), value.RawValue)

    def _get(self, number: int) -> int:
        control = self._embedded.read_register("control")
        if number == CURRENT_SP:
            return int(bool(control & SPSEL))
        if number == OTHER_SP:
            return self._embedded.read_register("msp" if control & SPSEL else "psp")
        if number == CONTROL:
            return control & ~SPSEL | self._spsel << 1
        return self._embedded.read_register(NAMES[number])

    def _set(self, number: int, value: int) -> None:
        if number == CONTROL:
            kept = self._embedded.read_register("control") & SPSEL
            self._embedded.write_register("control", value & ~SPSEL | kept)
            self._spsel = bool(value & SPSEL)
        elif number == CURRENT_SP:
            current, other = self._get(13), self._get(OTHER_SP)
            control = self._embedded.read_register("control")
            self._embedded.write_register("control", control & ~SPSEL | (value != 0) << 1)
            self._set(13, current)
            self._set(OTHER_SP, other)
        elif number == OTHER_SP:
            self._embedded.write_register("psp" if not self._get(CURRENT_SP) else "msp", value)
        else:
            self._embedded.write_register(NAMES[number], value)

    # What RunFor and Reset do with it.

    def _reset(self) -> None:
        self._embedded.reset()
        self._state, self._has_pc, self._spsel = EmulationCPUState.InReset, False, False

    def _run(self, instructions: int) -> None:
        if self._halted:
            return
        self._state = EmulationCPUState.Running
        end = self._embedded.executed_instructions + instructions
        while not self._halted and (left := end - self._embedded.executed_instructions) > 0:
            address = next(iter(self._hooks), NO_HOOK)
            stop = self._embedded.run_slice(address, left)
            if stop.kind is StopKind.REACHED:
                self._hooks[address].function(self, address)
                assert self._halted, "a hook that does not halt was not recorded"
            elif stop.kind is StopKind.SLEEP:
                break
            elif stop.kind is StopKind.BKPT:
                self._abort_without_vector(DEBUG_MONITOR)
            elif stop.kind in EXCEPTIONS:
                try:
                    self._embedded.take_exception(stop)
                except LockupError:
                    self._abort()
            elif stop.kind is not StopKind.SLICE:
                raise NotImplementedError(f"what Renode does was not recorded: {stop}")
        self._spsel = bool(self._embedded.read_register("control") & SPSEL)

    def _abort_without_vector(self, exception: int) -> None:
        table = self._embedded.core.system.value(VTOR)
        assert self._embedded.read(table + 4 * exception, 4) == bytes(4)
        self._abort()

    def _abort(self) -> None:
        self._state = EmulationCPUState.Aborted
        self._removed.wait()  # RunFor does not return
        self._halted = True


class SystemBus(Strict):
    def __init__(self, embedded: EmbeddedDevice) -> None:
        self._embedded = embedded

    def ReadBytes(self, address: UInt64, count: Int32, only_memory: bool) -> ByteArray:
        check(address, UInt64)
        check(count, Int32)
        assert only_memory is True
        return ByteArray(self._embedded.read(int(address), int(count)))

    def WriteBytes(self, data: ByteArray, address: UInt64) -> None:
        check(data, ByteArray)
        check(address, UInt64)
        self._embedded.write(int(address), bytes(data))


class ClrMachine(Strict):
    """Antmicro.Renode.Core.Machine."""

    def __init__(self) -> None:
        self._embedded: EmbeddedDevice | None = None

    def Reset(self) -> None:
        for region in self._embedded.platform.regions:
            self._embedded.write(region.base, bytes(region.size_bytes))
        self._cpu._reset()


class Wrapper(Strict):
    """pyrenode3's wrapper of an object."""

    def __init__(self, internal: object) -> None:
        self._internal = internal

    @property
    def internal(self) -> object:
        return self._internal


class SystemBusWrapper(Wrapper):
    def __init__(self, internal: SystemBus, cpu: CortexM) -> None:
        super().__init__(internal)
        self._cpu = cpu

    @property
    def cpu(self) -> Wrapper:
        return Wrapper(self._cpu)


class Machine(Wrapper):
    @property
    def sysbus(self) -> SystemBusWrapper:
        embedded = self._internal._embedded
        return SystemBusWrapper(SystemBus(embedded), self._internal._cpu)

    def load_repl(self, location: str) -> None:
        check(location, str)
        path = Path(location)
        if not path.is_absolute() or not path.is_file():
            raise FileNotFoundError(f"'{location}' doesn't exist.")
        embedded = EmbeddedDevice(load_platform(path.parent))
        embedded.open()
        self._internal._embedded = embedded
        self._internal._cpu = CortexM(embedded)


class ClrEmulation(Strict):
    """Antmicro.Renode.Core.Emulation."""

    def __init__(self) -> None:
        self._machines: dict[str, Machine] = {}

    def RunFor(self, interval: TimeInterval) -> None:
        check(interval, TimeInterval)
        assert Monitor._settings == {"AdvanceImmediately", "Quantum"}, "it would wait for real time"
        for machine in list(self._machines.values()):
            machine._internal._cpu._run(int(interval.seconds * INSTRUCTIONS_PER_SECOND))


class Emulation(Wrapper):
    _only: Emulation | None = None

    def __new__(cls) -> Emulation:
        if cls._only is None:
            cls._only = super().__new__(cls)
            Wrapper.__init__(cls._only, ClrEmulation())
        return cls._only

    def __init__(self) -> None:
        pass

    def add_mach(self, name: str) -> Machine | None:
        check(name, str)
        if name in self._internal._machines:
            return None
        machine = Machine(ClrMachine())
        self._internal._machines[name] = machine
        return machine

    def rem_mach(self, name: str) -> bool:
        machine = self._internal._machines.pop(name, None)
        if machine is not None and machine._internal._embedded is not None:
            machine._internal._cpu._removed.set()
        return machine is not None


class Monitor(Wrapper):
    _settings: ClassVar[set[str]] = set()

    def __init__(self) -> None:
        super().__init__(None)

    def execute(self, command: str) -> tuple[str, str]:
        if command == "emulation SetGlobalAdvanceImmediately true":
            self._settings.add("AdvanceImmediately")
        elif command.startswith('emulation SetGlobalQuantum "0.'):
            self._settings.add("Quantum")
        else:
            return "", f"No such command: {command}"
        return "", ""


def _module(name: str, **members: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(members)
    return module


MODULES = {
    "pyrenode3": _module("pyrenode3"),
    "pyrenode3.wrappers": _module("pyrenode3.wrappers", Emulation=Emulation, Monitor=Monitor),
    "System": _module(
        "System", Array=Array, Byte=Byte, Int32=Int32, UInt32=UInt32, UInt64=UInt64,
        Exception=ClrError,
    ),
    "Antmicro.Renode.Time": _module("Antmicro.Renode.Time", TimeInterval=TimeInterval),
    "Antmicro.Renode.Peripherals.CPU": _module(
        "Antmicro.Renode.Peripherals.CPU",
        CpuAddressHook=CpuAddressHook,
        EmulationCPUState=EmulationCPUState, RegisterValue=RegisterValue,
    ),
}  # fmt: skip


def is_renode_there() -> bool:
    """Whether the tests can use the real one."""
    return "pyrenode3" not in MODULES.keys() & sys.modules.keys() and (
        find_spec("pyrenode3") is not None
    )


# The tests' name of the backend says which of the two they ran on.
RENODE = "renode" if is_renode_there() else "renode (recorded stand-in)"


def install() -> None:
    """Put the stand-in where pyrenode3 would be, unless that is there."""
    if RENODE == "renode" or "pyrenode3" in sys.modules:
        return
    sys.modules.update(MODULES)
    renode_host._load.cache_clear()


def remove() -> None:
    """Take the stand-in away again."""
    for name in MODULES:
        sys.modules.pop(name, None)
    renode_host._load.cache_clear()
