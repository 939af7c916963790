"""The process behind a VirtualProbe: serves a chip until its standard input ends."""

from __future__ import annotations

import sys

from usim.devices.base import Timing
from usim.errors import UsimError
from usim.probe.virtual_probe import READY


def serve(platform_folder: str, timing: Timing) -> None:
    """Serve JTAG on a free port of loopback."""
    from usim.platforms import load_platform  # noqa: PLC0415 - the parent needs none of these
    from usim.probe.chip import EmulatedChip  # noqa: PLC0415
    from usim.probe.jtag_target import JtagTarget  # noqa: PLC0415
    from usim.probe.server import LOOPBACK, ChipServer  # noqa: PLC0415

    platform = load_platform(f"{platform_folder}/platform.yaml")
    with EmulatedChip(platform, timing) as chip, ChipServer(chip) as server:
        port = server.listen("JTAG", (LOOPBACK, 0), JtagTarget(chip).connect)
        server.stop_at_end_of(sys.stdin.fileno())
        sys.stdout.write(f"{READY}{port}\n")
        sys.stdout.flush()
        server.run()


if __name__ == "__main__":
    try:
        serve(sys.argv[1], sys.argv[2])  # type: ignore[arg-type]
    except UsimError as exc:
        sys.exit(str(exc))
