"""What `monitor ...` in gdb does (the packet qRcmd): reset, counts, vector catch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from usim.formatting import format_address
from usim.probe.chip import EmulatedChip
from usim.probe.gdb_fields import OK, Commands, parse_bytes
from usim.probe.halt_reasons import VectorCatch

_FAULTS: Final = (
    VectorCatch.MMERR
    | VectorCatch.NOCPERR
    | VectorCatch.CHKERR
    | VectorCatch.STATERR
    | VectorCatch.BUSERR
    | VectorCatch.INTERR
    | VectorCatch.HARDERR
)


@dataclass(frozen=True, slots=True)
class _Monitor:
    usage: str
    purpose: str
    run: Callable[[list[str]], str]


class MonitorCommands:
    """Commands by name; `say` prints on gdb's console."""

    def __init__(self, chip: EmulatedChip, say: Callable[[bytes], None]) -> None:
        self._chip = chip
        self._say = say
        self.commands: Commands = {b"qRcmd": self._run}
        self._table = {
            "help": _Monitor("help", "this list", self._help),
            "reset": _Monitor(
                "reset [halt|init|run]",
                "reset, and boot from the vector table; halted (default, init as well) or running",
                self._reset,
            ),
            "halt": _Monitor("halt", "halt the core", self._halt),
            "cycles": _Monitor("cycles", "what the chip has counted since power-up", self._count),
            "state": _Monitor(
                "state", "halted, running, asleep or locked up, and where", self._state
            ),
            "catch": _Monitor(
                "catch faults|nothing", "halt where a fault's handler begins, or don't", self._catch
            ),
        }

    def _run(self, text: bytes) -> bytes:
        words = parse_bytes(text).decode("utf-8", errors="replace").split()
        name, arguments = (words[0], words[1:]) if words else ("help", [])
        command = self._table.get(name)
        answer = command.run(arguments) if command else f"no command {name!r}; `monitor help`"
        self._say(answer.encode() + b"\n")
        return OK

    def _help(self, _: list[str]) -> str:
        return "\n".join(f"{item.usage:24}{item.purpose}" for item in self._table.values())

    def _reset(self, arguments: list[str]) -> str:
        how = arguments[0] if arguments else "halt"
        if how not in ("halt", "init", "run"):
            return f"it is {self._table['reset'].usage}"
        self._chip.reset(halt=how != "run")
        return self._state([])

    def _halt(self, _: list[str]) -> str:
        self._chip.halt()
        return self._state([])

    def _count(self, _: list[str]) -> str:
        return f"{self._chip.device.counted:,} {self._chip.device.capabilities.count}"

    def _state(self, _: list[str]) -> str:
        pc, sp = (format_address(self._chip.read_register(name)) for name in ("pc", "sp"))
        return f"{self._chip.state}, pc {pc}, sp {sp}"

    def _catch(self, arguments: list[str]) -> str:
        if arguments not in (["faults"], ["nothing"]):
            return f"it is {self._table['catch'].usage}"
        if arguments == ["faults"]:
            self._chip.vector_catch |= _FAULTS
        else:
            self._chip.vector_catch &= VectorCatch.CORERESET
        return f"catches {arguments[0]}"
