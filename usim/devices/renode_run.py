"""One RunFor of Renode's in a thread of its own, so that it can be waited for with patience."""

from __future__ import annotations

import threading

from usim.devices.renode_host import RenodeHost


class WatchedRun:
    """Advances virtual time once. RunFor does not return after a core was aborted.

    A Ctrl-C may strike at any time, before the thread runs as well: after cancel() either nothing
    runs, or nothing will.
    """

    def __init__(self, host: RenodeHost, virtual_s: float) -> None:
        self._host = host
        self._virtual_s = virtual_s
        self._failure: BaseException | None = None
        self._running = threading.Lock()
        self._done = threading.Event()
        self._cancelled = False
        self.thread = threading.Thread(target=self._run, name="renode", daemon=True)

    def start(self) -> None:
        """Let it run."""
        self.thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Whether it is done, within that many seconds; raises what it raised."""
        if not self._done.wait(timeout_s):
            return False
        if self._failure is not None:
            raise self._failure
        return True

    def cancel(self, timeout_s: float) -> None:
        """Keep it from running if it does not yet, else wait that it ends: it is a short one."""
        self._cancelled = True
        if self._running.acquire(timeout=timeout_s):
            self._running.release()

    def _run(self) -> None:
        try:
            with self._running:
                if not self._cancelled:
                    self._host.run_for(self._virtual_s)
        except BaseException as exc:  # noqa: BLE001 - for whoever waits
            self._failure = exc
        finally:
            self._done.set()
