"""An OpenOCD to talk to: started with a configuration and ended with us, or found running."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from usim.devices.child_process import ChildProcess
from usim.devices.openocd.link import LinkClosedError, TclLink, connect
from usim.devices.openocd.messages import key_lines, translated
from usim.errors import DeviceError
from usim.platforms import Platform

COMMAND: Final = "openocd"
VARIABLE: Final = "USIM_OPENOCD"
WHERE_VARIABLE: Final = "USIM_OPENOCD_WHERE"
HOW_TO_GET: Final = "Debian and Ubuntu: apt install openocd; macOS: brew install open-ocd"
# Its Tcl interface on standard input and output: no port that could be busy, or that others reach.
# `noinit`: connecting to the chip is a command of ours, whose failure we see.
_BEFORE: Final = "bindto 127.0.0.1; gdb_port disabled; telnet_port disabled; tcl_port pipe; noinit"
# Once more for a file that sets ports; refused, and of no interest, if the file runs `init`.
_AFTER: Final = (
    "foreach {port value} {gdb_port disabled telnet_port disabled tcl_port pipe} "
    "{ catch {$port $value} }"
)
_START_TIMEOUT_S: Final = 10.0
_ATTACH_TIMEOUT_S: Final = 3.0
_ADDRESS: Final = re.compile(r"(?:(?P<host>[\w.-]+|\[[0-9a-fA-F:]+\]):)?(?P<port>\d{1,5})")
_TARGET_FILE: Final = "target/stm32f7x.cfg"


class Server(Protocol):
    """An OpenOCD with a link to it; end() lets go of it."""

    link: TclLink
    name: str

    def settle(self) -> None:
        """All is well: what it said until now has no part in its end."""

    def obituary(self) -> str:
        """Why it is gone, in a line."""

    def end(self) -> None:
        """Let go of it, and end it if we started it."""


class StartedServer:
    """An OpenOCD of our own. Its end, and that of our process, ends it."""

    def __init__(self, arguments: Sequence[str]) -> None:
        path = find_openocd()
        command = [path, "-c", _BEFORE, *arguments, "-c", _AFTER]
        self.name = COMMAND
        self._child = ChildProcess(COMMAND, command, "<&1")
        self.link = TclLink(self._child.link, COMMAND)
        try:
            self.link.start(_START_TIMEOUT_S)
        except LinkClosedError as exc:
            raise self._refused(arguments) from exc
        except BaseException:
            self.end()
            raise

    def _refused(self, arguments: Sequence[str]) -> DeviceError:
        """Why it ended before it did anything."""
        self._child.wait()
        words = self._child.last_words()
        self.end()
        return DeviceError(
            f"{COMMAND} does not start with {' '.join(arguments)}: {translated(words)}"
        )

    def settle(self) -> None:
        """What it said until now is none of its last words."""
        self._child.forget_words()

    def obituary(self) -> str:
        """That it ended, and its last words."""
        self._child.wait()
        shown = key_lines(self._child.last_words(), last=True)
        return f"{COMMAND} ended unexpectedly " + (
            f"(its last words: {shown})" if shown else "and said nothing"
        )

    def end(self) -> None:
        """Have it let go of the probe, and end."""
        self.link.close("shutdown")
        self._child.end()


class AttachedServer:
    """Somebody else's OpenOCD, which goes on as it was when we leave."""

    def __init__(self, host: str, port: int) -> None:
        self.name = f"OpenOCD at {host}:{port}"
        self.link = connect(host, port, _ATTACH_TIMEOUT_S)
        try:
            self.link.start(_ATTACH_TIMEOUT_S)
            self.link.ask("version", _ATTACH_TIMEOUT_S)
            polling = self.link.ask("catch {poll} text; set text", _ATTACH_TIMEOUT_S)
            self._polled = "polling: on" in polling
        except DeviceError as exc:
            self.link.close()
            raise DeviceError(
                f"what answers at {host}:{port} is not OpenOCD's Tcl port; that is 6666 unless "
                f"its configuration says otherwise (`tcl_port`)"
            ) from exc

    def settle(self) -> None:
        """Nothing to be done: its words go elsewhere."""

    def obituary(self) -> str:
        """That it is gone."""
        return f"{self.name} has closed the connection"

    def end(self) -> None:
        """Leave it running."""
        self.link.close("poll on" if self._polled else "")


@dataclass(frozen=True, slots=True)
class Where:
    """What `openocd=` says: an address, "virtual", or a configuration file."""

    address: tuple[str, int] | None = None
    virtual: bool = False
    config: Path | None = None


def parse_where(text: str | None, platform: Platform) -> Where:
    """Read `openocd=`; without one it is the platform's openocd.cfg. DeviceError if it's wrong."""
    text = text or os.environ.get(WHERE_VARIABLE)
    if text is None:
        if platform.openocd_path is None:
            raise DeviceError(
                f"platform {platform} has no openocd.cfg: give openocd=FILE.cfg, HOST:PORT of a "
                f'running OpenOCD, or "virtual"'
            )
        return Where(config=platform.openocd_path)
    if text == "virtual":
        return Where(virtual=True)
    if (match := _ADDRESS.fullmatch(text)) and 0 < int(match["port"]) < 1 << 16:
        return Where(address=((match["host"] or "127.0.0.1").strip("[]"), int(match["port"])))
    path = Path(text)
    if not path.is_file():
        raise DeviceError(
            f"openocd={text!r} is neither HOST:PORT of a running OpenOCD, nor an existing "
            f'configuration file, nor "virtual"'
        )
    return Where(config=path)


def arguments_for_file(config: Path) -> list[str]:
    """OpenOCD's arguments for a configuration file."""
    return ["-f", str(config)]


def arguments_for_probe(port: int) -> list[str]:
    """... and for a virtual probe on this machine, with the target as OpenOCD has it."""
    adapter = (
        "adapter driver remote_bitbang; remote_bitbang host 127.0.0.1; "
        f"remote_bitbang port {port}; transport select jtag"
    )
    return ["-c", adapter, "-f", _TARGET_FILE]


def find_openocd() -> str:
    """The program: what USIM_OPENOCD names, or openocd on the PATH. DeviceError if it's missing."""
    named = os.environ.get(VARIABLE)
    path = shutil.which(named or COMMAND)
    if path is None and named:
        raise DeviceError(f"{VARIABLE} names {named}, which is not a program that can be run")
    if path is None:
        raise DeviceError(f"{COMMAND} is not on the PATH ({VARIABLE} may name it); {HOW_TO_GET}")
    return path
