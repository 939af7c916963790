"""`usim serve`: an emulated chip that debuggers connect to."""

from __future__ import annotations

import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import click

from usim.cli.signals import answered
from usim.devices.base import Timing
from usim.platforms import Platform, load_platform
from usim.probe.chip import EmulatedChip
from usim.probe.firmware import load_firmware
from usim.probe.gdb_server import listen_for_gdb
from usim.probe.jtag_target import JtagTarget
from usim.probe.server import LOOPBACK, ChipServer
from usim.profile.program import read_program

_EXAMPLES = """\b
Examples:
  usim serve --jtag 9824                            an erased chip, for OpenOCD
  usim serve --jtag 0 --image firmware.elf          on any free port, with a program in its flash
  usim serve --gdb 3333 --image firmware.elf        for gdb, halted at the reset
  usim serve --gdb 3333                             for gdb, which loads the program: `load`

\b
The chip is powered up with the image in its memory, and runs from the reset; with --gdb it waits
there, halted. It serves until Ctrl-C. Anyone who can connect controls the chip (and
nothing else): it listens on this computer only, unless --listen says otherwise.
"""


@click.command(epilog=_EXAMPLES)
@click.option(
    "--platform",
    "platform_name",
    default="stm32f746",
    show_default=True,
    metavar="NAME",
    help="A chip: see `usim platforms list`.",
)
@click.option(
    "--jtag",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Serve JTAG by OpenOCD's remote_bitbang protocol; 0 takes any free port.",
)
@click.option(
    "--gdb",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Serve gdb's remote protocol; 0 takes any free port.",
)
@click.option(
    "--image", type=click.Path(path_type=Path), metavar="ELF", help="A program for its memory."
)
@click.option(
    "--listen",
    default=LOOPBACK,
    show_default=True,
    metavar="ADDRESS",
    help="The address to listen on.",
)
@click.option(
    "--timing", type=click.Choice(["count", "core", "full"]), default="count", show_default=True,
    help="What DWT CYCCNT counts: instructions, modelled cycles of the core, or with memory.",
)  # fmt: skip
def serve(platform_name: str, image: Path | None, timing: Timing, **ports: Any) -> None:  # noqa: ANN401
    """Let OpenOCD, gdb or an IDE debug a program on the emulated chip."""
    listen, jtag, gdb = ports["listen"], ports["jtag"], ports["gdb"]
    if jtag is None and gdb is None:
        raise click.UsageError("say what to serve: --jtag PORT, --gdb PORT, or both")
    if not listen:
        raise click.UsageError("--listen needs an address; 0.0.0.0 is every one of this computer")
    platform = load_platform(platform_name)
    program = read_program(image) if image else None
    with (
        EmulatedChip(platform, timing) as chip,
        ChipServer(chip) as server,
        answered((signal.SIGINT, signal.SIGTERM), lambda _: server.stop()),
    ):
        if program is not None:
            load_firmware(chip, program)
        if jtag is not None:
            port = server.listen("JTAG", (listen, jtag), JtagTarget(chip).connect)
            click.echo(_invite_openocd(platform, listen, port))
        if gdb is not None:
            port = listen_for_gdb(server, (listen, gdb))
            click.echo(invite_gdb(platform, listen, port, image))
        chip.reset(halt=gdb is not None)
        sys.stdout.flush()
        server.run()


def _invite_openocd(platform: Platform, host: str, port: int) -> str:
    return (
        f"{platform.name} listens for JTAG (remote_bitbang) on {host}:{port}\n"
        f"openocd -c 'adapter driver remote_bitbang; remote_bitbang host {host}; "
        f"remote_bitbang port {port}; transport select jtag' -f target/stm32f7x.cfg"
    )


def invite_gdb(platform: Platform, host: str, port: int, image: Path | None) -> str:
    """Where a chip listens, and the command to type elsewhere."""
    program = shlex.quote(str(image)) if image else "firmware.elf -ex load"
    return (
        f"{platform.name} listens for gdb on {host}:{port}\n"
        f"gdb-multiarch -ex 'target remote {host}:{port}' {program}"
    )
