"""A stand-in for Renode's monitor and renode-test's keywords, to run the script and the suite here.

It knows the commands of platforms/stm32f746/stm32f746.resc and of the suite, as Renode 1.16.1 has
them, and refuses all others. The image really runs, on the embedded device.
"""

from __future__ import annotations

import re
from pathlib import Path

from usim.devices.embedded import EmbeddedDevice
from usim.errors import DeviceTimeoutError
from usim.platforms import load_platform
from usim.profile.placement import write_program
from usim.profile.program import read_program

TIMEOUT_S = 60
SYMBOL = re.compile(r'sysbus GetSymbolAddress "(\w+)"')
HOOK = "self.InfoLog('usim_done reached'); self.IsHalted = True"


class plain_monitor:  # noqa: N801 - Robot Framework wants the module's name
    """Execute Command, Execute Script and Reset Emulation."""

    ROBOT_LIBRARY_SCOPE = "TEST"

    def __init__(self) -> None:
        self.reset_emulation()

    def reset_emulation(self) -> None:
        self.variables: dict[str, str] = {}
        self.macros: dict[str, list[str]] = {}
        self.device: EmbeddedDevice | None = None
        self.hook: int | None = None
        self.settings: set[str] = set()
        self.said: list[str] = []

    def execute_script(self, path: str) -> None:
        self.variables["ORIGIN"] = str(Path(path).resolve().parent)
        lines = iter(Path(path).read_text("utf-8").splitlines())
        for line in lines:
            if line.startswith("macro "):
                assert next(lines) == '"""'
                body = iter(lambda: next(lines).strip(), '"""')
                self.macros[f"${line.split()[1]}"] = list(body)
            elif line.strip() and line[0] not in "#:":
                self.execute_command(line)

    def execute_command(self, command: str) -> str:
        text = re.sub(r"`([^`]*)`", lambda match: self.execute_command(match[1]), command)
        if match := re.fullmatch(r"\$(\w+)(\?)?=(.*)", text):
            name, default, value = match.groups()
            if not (default and name in self.variables):
                self.variables[name] = value.strip('"').removeprefix("@")
            return ""
        if match := re.fullmatch(r"runMacro (\$\w+)", text):
            for line in self.macros[match[1]]:
                self.execute_command(line)
            return ""
        text = re.sub(r"\$(\w+)", lambda match: self.variables[match[1]], text)
        return self._run(text)

    def _run(self, text: str) -> str:
        for pattern, command in COMMANDS.items():
            if match := re.fullmatch(pattern, text):
                return command(self, *match.groups()) or ""
        raise AssertionError(f"the monitor's answer to {text!r} was not recorded")

    def load(self, path: str) -> None:
        platform = load_platform(Path(path).parent)
        assert platform.repl_path == Path(path)
        self.device = EmbeddedDevice(platform)
        self.device.open()

    def load_elf(self, path: str) -> None:
        self.program = read_program(Path(path))
        write_program(self.device, self.program, started_up=False)

    def run_for(self, seconds: str) -> None:
        assert self.settings == {"AdvanceImmediately", "Quantum"}
        assert float(seconds) > 0
        try:
            self.device.run_until(self.hook, TIMEOUT_S)
        except DeviceTimeoutError as exc:
            raise AssertionError("the hook was not reached") from exc

    def address_of(self, symbol: str) -> str:
        address = self.program.symbol_address(symbol)
        assert address is not None, f"No symbol with name `{symbol}` found."
        return f"0x{address:X}"

    def set_hook(self, address: str, script: str) -> None:
        assert script == HOOK
        self.hook = int(address, 0)

    def peek(self, address: str, size_bytes: int) -> str:
        return f"0x{int.from_bytes(self.device.read(int(address, 0), size_bytes), 'little'):X}"


# The arguments' types follow from Renode: numbers are decimal or begin with 0x.
NUMBER = r"(0x[0-9A-Fa-f]+|\d+)"
COMMANDS = {
    r"using sysbus": lambda _: None,
    r"mach create \S+": lambda _: None,
    r"machine LoadPlatformDescription (.*\.repl)": plain_monitor.load,
    r"emulation SetGlobal(AdvanceImmediately) true": lambda self, name: self.settings.add(name),
    r'emulation SetGlobal(Quantum) "0\.\d+"': lambda self, name: self.settings.add(name),
    r"sysbus LoadELF (.*)": plain_monitor.load_elf,
    rf"cpu VectorTableOffset {NUMBER}": lambda self, at: self.device.boot(int(at, 0)),
    rf'cpu AddHook {NUMBER} "(.*)"': plain_monitor.set_hook,
    r"emulation RunFor (.*)": plain_monitor.run_for,
    r'echo "(.*)"': lambda self, text: self.said.append(text),
    r"cpu PC": lambda self: f"0x{self.device.read_register('pc'):X}",
    SYMBOL.pattern: plain_monitor.address_of,
    rf"sysbus ReadBytes {NUMBER} {NUMBER}": lambda self, at, size: self.device.read(
        int(at, 0), int(size, 0)
    ).hex(" "),
    rf"sysbus ReadByte {NUMBER}": lambda self, at: self.peek(at, 1),
    rf"sysbus ReadDoubleWord {NUMBER}": lambda self, at: self.peek(at, 4),
}
