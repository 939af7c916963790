"""Keywords that open and close platforms, and tell of their memory."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from robot.api import logger

from usim.devices import BACKENDS
from usim.errors import ArgumentError
from usim.robot.group import KeywordGroup
from usim.robot.values import Size
from usim.session import Session
from usim.session_facts import SectionUse


class PlatformKeywords(KeywordGroup):
    """Open Platform, Close Platform and the like."""

    def open_platform(  # noqa: PLR0913 - options, given by name
        self,
        platform: str,
        backend: str = "embedded",
        *,
        alias: str | None = None,
        timing: Literal["count", "core", "full"] = "full",
        strict: bool = False,
        timeout: timedelta = timedelta(seconds=30),
        toolchain: str | None = None,
    ) -> None:
        """Opens a chip on a backend, and makes it the one that all other keywords act on.

        ``platform`` is a name (see ``usim platforms list``) or a platform.yaml. ``backend`` says
        where it runs: ``embedded``, ``qemu`` and so on (see ``usim doctor``). ``timing`` says what
        the embedded backend counts: instructions (``count``), cycles of the core (``core``), or
        cycles with caches and memories (``full``). ``strict`` runs each call at once; without it
        calls are queued, see `Call`. ``timeout`` limits the time on the host that a batch may take.

        A platform that is opened in a test is closed when the test ends, one that is opened in a
        suite setup when the suite ends, whatever failed in between. Give each an ``alias`` to have
        several open, and see `Switch Platform`.

        | Open Platform    stm32f746
        | Open Platform    stm32f746    backend=qemu    alias=simulator    timeout=5 seconds
        """
        if backend not in BACKENDS:
            raise ArgumentError(f"no backend {backend!r}; there are: {', '.join(BACKENDS)}")
        session = Session(
            platform,
            backend=backend,
            timing=timing,
            strict=strict,
            timeout_s=timeout.total_seconds(),
            toolchain=toolchain,
        )
        self._bench.add(alias or session.platform.name, session)
        kind = session.capabilities.count
        logger.info(f"{session.platform.name} on backend {backend}, which counts {kind}")

    def close_platform(self, alias: str | None = None) -> None:
        """Runs what is queued, then closes the current platform, or the one with an ``alias``.

        Fails as `Synchronize` does if a queued call fails; the platform is closed nevertheless.
        """
        if alias:
            self._bench.switch(alias)
        self._target()  # there must be one
        self._bench.close(self._bench.current, run_queue=True)

    def switch_platform(self, alias: str) -> None:
        """Makes another open platform the one that all keywords act on.

        The alias is what `Open Platform` was given, or the platform's name without one.
        """
        self._bench.switch(alias)

    def memory_in_use(self, section: str) -> int:
        """Returns the bytes of a section that are allocated now; runs what is queued.

        Sections: text, rodata, data, bss, heap. Take it before and after to see that memory
        comes back:

        | ${before} =    Memory In Use    text
        | Load Module    scale.c
        | Unload Module    scale
        | Memory In Use Should Be    text    ${before}
        """
        return self._used_bytes(section)

    def memory_in_use_should_be(self, section: str, expected: Size) -> None:
        """Fails unless exactly ``expected`` bytes of a section are allocated now."""
        used = self._used_bytes(section)
        if used != expected:
            raise AssertionError(
                f"section {section}: expected {expected:,} bytes in use, got {used:,} bytes"
            )

    def memory_peak_should_be_at_most(self, section: str, limit: Size) -> None:
        """Fails if a section was ever fuller than ``limit`` since the platform was opened.

        Sections: text, rodata, data, bss, heap, workspace (scratch memory of kernels), stack.
        A limit is written as ``40960``, ``40 KiB`` or ``1 MiB``.

        | Memory Peak Should Be At Most    heap    40 KiB
        """
        use = self._use(section)
        if use.peak_bytes > limit:
            raise AssertionError(
                f"section {section}: expected a peak of at most {limit:,} bytes, "
                f"got {use.peak_bytes:,} bytes (of {use.size_bytes:,})"
            )
        logger.info(f"section {section}: peak {use.peak_bytes:,} of {use.size_bytes:,} bytes")

    def _use(self, section: str) -> SectionUse:
        uses = {use.name: use for use in self._target().session.memory_use()}
        if section not in uses:
            raise ArgumentError(f"no section {section!r}; there are: {', '.join(uses)}")
        return uses[section]

    def _used_bytes(self, section: str) -> int:
        used = self._use(section).used_bytes
        if used is None:
            raise ArgumentError(
                f"of section {section} only the peak is known; use `Memory Peak Should Be At Most`"
            )
        return used
