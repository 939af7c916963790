"""The OpenOCD device: a chip on a debug probe, real or virtual."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final, TypeVar

from usim.devices.base import COUNT_KINDS, Capabilities, CountKind, Device, Timing
from usim.devices.emulation_mark import PIDR3, timing_of
from usim.devices.openocd.flash import FlashStage, FlashUse
from usim.devices.openocd.link import CommandError, LinkClosedError
from usim.devices.openocd.memory import TargetMemory
from usim.devices.openocd.messages import translated
from usim.devices.openocd.registers import TargetRegisters
from usim.devices.openocd.running import CoreControl
from usim.devices.openocd.server import (
    AttachedServer,
    Server,
    StartedServer,
    Where,
    arguments_for_file,
    arguments_for_probe,
    parse_where,
)
from usim.errors import DeviceError
from usim.formatting import format_address
from usim.platforms import Platform

_T = TypeVar("_T")
_VIRTUAL_ADAPTER: Final = "remote_bitbang"
_MEASURED: Final = CountKind("cycles", "measured")
# A simulator that does not say what its counter counts.
_UNTOLD: Final = CountKind("cycles", "modelled")
_INIT_TIMEOUT_S: Final = 30.0
# DBGMCU_IDCODE (RM0385 40.6.1): the lower 12 bits are the device, the upper 16 its revision.
_DEVICE_ID: Final = 0xFFF


class OpenOcdDevice(Device):
    """A Cortex-M7 behind OpenOCD.

    `openocd` says which: None for the platform's openocd.cfg, a file with another configuration,
    HOST:PORT (or PORT) of the Tcl port of one that runs already and goes on after close(), or
    "virtual" for the emulated chip behind a probe of ours. `timing` is for emulated chips.
    Writes to flash reach the chip before the next run_until(); `flash_use` counts them.
    """

    def __init__(
        self, platform: Platform, timing: Timing = "count", openocd: str | None = None
    ) -> None:
        super().__init__(platform)
        self._timing = timing
        self._openocd = openocd
        self._server: Server | None = None
        self._probe: contextlib.ExitStack | None = None
        self._is_virtual = openocd == "virtual"
        self._count = COUNT_KINDS[timing] if self._is_virtual else _MEASURED
        self._ended = ""

    @property
    def capabilities(self) -> Capabilities:
        """Measures cycles with the chip's own counter; known for sure once it is open."""
        return Capabilities(
            count=self._count,
            writes_flash=True,
            simulated=self._is_virtual,
            speed="slow",
            has_caches=not self._is_virtual or self._timing == "full",
            needs_clock_setup=True,
        )

    @property
    def flash_use(self) -> FlashUse:
        """Erases and bytes since open()."""
        self._require_open()
        return self._flash.use

    def open(self) -> None:
        """Start OpenOCD or attach to it, connect to the chip, and halt it after a reset.

        DeviceError for whatever is missing: OpenOCD, probe, chip, or the right chip.
        """
        self.close()
        self._ended = ""
        where = parse_where(self._openocd, self.platform)
        try:
            self._server = self._serve(where)
            self._guarded("connect to the chip", self._connect)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the chip, halted as it is; end what open() started."""
        server, self._server = self._server, None
        probe, self._probe = self._probe, None
        if server is not None:
            self._memory.close()
            server.end()
        if probe is not None:
            probe.close()
        self._ended = ""

    def _serve(self, where: Where) -> Server:
        if where.address is not None:
            return AttachedServer(*where.address)
        if where.config is not None:
            return StartedServer(arguments_for_file(where.config))
        from usim.probe import VirtualProbe  # noqa: PLC0415 - it brings the emulator

        self._probe = contextlib.ExitStack()
        probe = self._probe.enter_context(VirtualProbe(self.platform, timing=self._timing))
        return StartedServer(arguments_for_probe(probe.port))

    def _connect(self) -> None:
        assert self._server is not None
        link = self._server.link
        self._memory = TargetMemory(link)
        self._registers = TargetRegisters(link)
        self._core = CoreControl(link, self.platform, self._memory, self._registers)
        self._flash = FlashStage(self.platform, link, self._memory)
        link.ask("init", _INIT_TIMEOUT_S)
        words = link.said
        self._is_virtual = link.ask("adapter name").strip() == _VIRTUAL_ADAPTER
        self._count = _MEASURED
        if not link.ask("target names"):
            raise DeviceError(
                f"the configuration of {self._server.name} has no target: source one, for "
                f"instance target/stm32f7x.cfg"
            )
        if link.ask("[target current] was_examined") != "1":
            raise CommandError("", script="init", text=words)
        self._core.reset()
        self._check_chip()
        if self._is_virtual:
            # Someone else may have started it, with a timing of his own.
            told = timing_of(self._memory.read_word(PIDR3))
            self._timing = told or self._timing
            self._count = COUNT_KINDS[told] if told else _UNTOLD

    def _check_chip(self) -> None:
        chip = self.platform.chip
        if chip is None:
            return
        found = self._memory.read_word(chip.id_register) & _DEVICE_ID
        if found != chip.id:
            raise DeviceError(
                f"the chip on the probe is not a {self.platform}: its device id is {found:#05x}, "
                f"not {chip.id:#05x} (at {format_address(chip.id_register)}); choose the platform "
                f"for it: `usim platforms list`"
            )

    def _require_open(self) -> None:
        if self._server is None:
            raise DeviceError(self._ended or "the device is not open: call open() first")

    # Memory and registers.

    def _reset(self) -> None:
        self._require_open()
        self._guarded("reset the chip", self._core.reset)

    def _read(self, address: int, size_bytes: int) -> bytes:
        def read() -> bytes:
            pieces = self._pieces(address, size_bytes)
            return b"".join(self._read_piece(at, size) for at, size in pieces)

        return self._guarded(f"read at {format_address(address)}", read)

    def _write(self, address: int, data: bytes) -> None:
        def write() -> None:
            for at, size in self._pieces(address, len(data)):
                self._write_piece(at, data[at - address :][:size])

        self._guarded(f"write at {format_address(address)}", write)

    def _pieces(self, address: int, size_bytes: int) -> list[tuple[int, int]]:
        """(address, size) of the flash regions and of the other memory in a range."""
        self._require_open()
        pieces: list[tuple[int, int]] = []
        at, end = address, address + size_bytes
        while at < end:
            region = self.platform.region_at(at)
            assert region is not None
            size = min(end, region.end) - at
            pieces.append((at, size))
            at += size
        return pieces

    def _read_piece(self, address: int, size_bytes: int) -> bytes:
        region = self._flash.region_of(address)
        if region is None:
            return self._memory.read(address, size_bytes)
        return self._flash.read(region, address, size_bytes)

    def _write_piece(self, address: int, data: bytes) -> None:
        region = self._flash.region_of(address)
        if region is None:
            self._memory.write(address, data)
        else:
            self._flash.write(region, address, data)

    def _read_register(self, name: str) -> int:
        return self._guarded(f"read register {name}", lambda: self._registers.read(name))

    def _write_register(self, name: str, value: int) -> None:
        self._guarded(f"write register {name}", lambda: self._registers.write(name, value))

    def _run_until(self, address: int, timeout_s: float) -> None:
        self._require_open()
        self._guarded("write the flash", self._flash.commit)
        self._guarded("run the chip", lambda: self._core.run_until(address, timeout_s))

    # Its end.

    def _guarded(self, what: str, use: Callable[[], _T]) -> _T:
        """Say in our words what went wrong in OpenOCD."""
        self._require_open()
        assert self._server is not None
        try:
            result = use()
            self._server.settle()
            return result
        except LinkClosedError as exc:
            raise self._died() from exc
        except CommandError as exc:
            words = exc.text + self._second_look()
            raise DeviceError(f"cannot {what}: {translated(words)}") from exc

    def _second_look(self) -> str:
        """What OpenOCD says to another access: a lost probe may look like a mute chip at first."""
        assert self._server is not None
        try:
            self._server.link.ask("poll")
        except DeviceError as exc:
            return f"\n{exc}"
        return ""

    def _died(self) -> DeviceError:
        """Why OpenOCD is gone. The device has to be opened anew."""
        assert self._server is not None
        obituary = self._server.obituary()
        self.close()
        self._ended = "OpenOCD has ended: open the device again, or a new session"
        return DeviceError(f"{obituary}; open the device again")
