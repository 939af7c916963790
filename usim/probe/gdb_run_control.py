"""gdb's packets that let the chip run, and what gdb is told when it stops.

Source: the gdb manual, E.2 Packets (c, s, vCont, ?, R, k) and E.3 Stop Reply Packets. Exceptions
are the firmware's, as on a chip: gdb hears of a fault where it asked for it (vector catch), and
where the core locked up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from usim.errors import AccessError
from usim.probe.chip import EmulatedChip
from usim.probe.gdb_breakpoints import Breakpoints
from usim.probe.gdb_fields import OK, Commands, RefusedError, parse_address
from usim.probe.halt_reasons import HaltReason
from usim.profile.semihosting import BKPT_SEMIHOSTING, Semihosting

# Prints on gdb's console, which is possible while gdb waits for an answer.
Say = Callable[[bytes], None]

# Signals as gdb numbers them.
_SIGINT: Final = 2
_SIGTRAP: Final = 5
_SIGSEGV: Final = 11
_BKPT: Final = 0xBE  # the upper byte of its encoding (A7.7.17)
_THREAD: Final = b"thread:1;"


class RunControl:
    """Lets the chip run for one client, and serves the program's semihosting meanwhile."""

    def __init__(
        self, chip: EmulatedChip, debugger: str, breakpoints: Breakpoints, say: Say
    ) -> None:
        self._chip = chip
        self._debugger = debugger
        self._breakpoints = breakpoints
        self._say = say
        clock_hz = chip.platform.clock_hz
        self._semihosting = Semihosting(chip.device, say, lambda: chip.device.counted / clock_hz)
        self._waiting = False  # the client, for a stop reply
        self._interrupted = False
        self._extended = False  # the client outlives the program, and restarts it
        self.tells_reasons = False  # the client knows swbreak and hwbreak
        self.commands: Commands = {
            b"?": self._report_halt,
            b"c": self._continue,
            b"C": lambda text: self._continue(text.partition(b";")[2]),
            b"s": self._step,
            b"S": lambda text: self._step(text.partition(b";")[2]),
            b"vCont": self._act,
            b"!": self._extend,
            b"R": self._restart,
            b"k": self._restart,
            b"vKill": self._kill,
            b"vRun": self._run,
            b"vAttach": self._report_halt,
        }

    @property
    def waiting(self) -> bool:
        """Whether the client waits for the chip to stop."""
        return self._waiting

    def interrupt(self) -> None:
        """Ctrl-C: halt. poll() has the reply."""
        if self._waiting:
            self._interrupted = not self._chip.halted
            self._chip.halt()

    def poll(self) -> bytes | None:
        """The stop reply, once a chip that the client let run has stopped."""
        if not self._waiting:
            return None
        if self._chip.state == "locked up":
            self._say(f"{self._chip.lockup}\n".encode())
            self._chip.halt()
            return self._stopped(_SIGSEGV)
        if not self._chip.halted:
            return None
        if self._calls_host():
            exited = self._serve_host_call()
            if exited is None:
                self._chip.resume()
            return exited
        return self._report_reason()

    # Packets.

    def _report_halt(self, _: bytes) -> bytes:
        """The first thing that gdb asks, and it takes a halted core for granted."""
        self._chip.attach(self._debugger)
        self._chip.halt()
        return self._stopped(_SIGTRAP)

    def _continue(self, address: bytes) -> None:
        self._set_pc(address)
        self._skip_breakpoint_instruction()
        self._waiting = True
        self._chip.resume()

    def _step(self, address: bytes) -> bytes:
        self._set_pc(address)
        self._waiting = True  # the program may print
        if self._calls_host():
            return self._serve_host_call() or self._stopped(_SIGTRAP)
        if self._skip_breakpoint_instruction():
            return self._stopped(_SIGTRAP)
        self._chip.step()
        if self._chip.halt_reason is HaltReason.HALTED:
            return self._stopped(_SIGTRAP)
        return self._report_reason()

    def _act(self, text: bytes) -> bytes | None:
        """There is one thread, so the first action is the one that applies."""
        if text == b"?":
            return b"vCont;c;C;s;S"
        match text.partition(b";")[0].partition(b":")[0][:1]:
            case b"c" | b"C":
                self._continue(b"")
                return None
            case b"s" | b"S":
                return self._step(b"")
        raise RefusedError(f"vCont has no action {text[:20]!r}")

    def _extend(self, _: bytes) -> bytes:
        self._extended = True
        return OK

    def _restart(self, _: bytes) -> None:
        self._chip.reset(halt=True)

    def _kill(self, _: bytes) -> bytes:
        self._chip.reset(halt=True)
        return OK

    def _run(self, _: bytes) -> bytes:
        """There is one program, whatever file is asked for."""
        self._chip.reset(halt=True)
        return self._report_halt(b"")

    def _set_pc(self, address: bytes) -> None:
        if not self._chip.halted:
            self._chip.halt()  # another debugger let it run
        if address:
            self._chip.write_register("pc", parse_address(address))
        self._interrupted = False

    # Breakpoint instructions in the program.

    def _instruction(self) -> bytes:
        """The two bytes at pc."""
        try:
            return self._chip.read_memory(self._chip.read_register("pc") & ~1, 2)
        except AccessError:
            return b"\0\0"

    def _at_own_breakpoint(self) -> bytes:
        return self._breakpoints.breakpoint_at(self._chip.read_register("pc") & ~1)

    def _skip_breakpoint_instruction(self) -> bool:
        """Go past a `bkpt` of the program's own, at which the core would halt for ever."""
        code = self._instruction()
        skips = code[1] == _BKPT and code != BKPT_SEMIHOSTING
        if skips:
            self._chip.write_register("pc", self._chip.read_register("pc") + 2)
        return skips

    def _calls_host(self) -> bool:
        """Whether the program asks for something, and is not stopped there for another reason."""
        return (
            not self._interrupted
            and not self._at_own_breakpoint()
            and self._instruction() == BKPT_SEMIHOSTING
        )

    def _serve_host_call(self) -> bytes | None:
        """Serve semihosting; a reply if the program ended with it."""
        pc = self._chip.read_register("pc") & ~1
        exited = self._semihosting.serve(pc)
        if exited is None:
            return None
        self._chip.write_register("pc", pc + 2)
        if self._extended:
            self._waiting = False
            return b"W%02x" % (exited.code & 0xFF)
        # "W" would end gdb's connection, and with it all that could be looked at.
        self._say(f"The program exited with code {exited.code}.\n".encode())
        return self._stopped(_SIGTRAP)

    # Stop replies.

    def _report_reason(self) -> bytes:
        """Why the chip halted."""
        match self._chip.halt_reason:
            case HaltReason.BKPT if self.tells_reasons:
                # Only of its own breakpoints: told of another, gdb takes it for one that it has
                # removed meanwhile, and goes on.
                own = self._at_own_breakpoint()
                return self._stopped(_SIGTRAP, own + b":;" if own else b"")
            case HaltReason.DWTTRAP:
                address = self._chip.watchpoints.hit_address
                name = self._breakpoints.watchpoint_at(address)
                return self._stopped(_SIGTRAP, name + b":%x;" % address if name else b"")
            case HaltReason.VCATCH if self._chip.read_register("ipsr"):
                return self._stopped(_SIGSEGV)
            case HaltReason.HALTED:
                return self._stopped(_SIGINT)
        return self._stopped(_SIGTRAP)

    def _stopped(self, signal: int, reason: bytes = b"") -> bytes:
        self._waiting = self._interrupted = False
        return b"T%02x" % signal + reason + _THREAD
