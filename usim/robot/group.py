"""What all groups of keywords share: the bench, and where relative file names start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from robot.api import logger
from robot.libraries.BuiltIn import BuiltIn

from usim.errors import DeviceError
from usim.report.failure import describe_failure
from usim.robot.bench import Bench, Target


class KeywordGroup:
    """Base of the groups. Every public method of a group is a keyword, so these are not."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def _target(self) -> Target:
        return self._bench.target

    def _folder(self) -> Path:
        """The suite file's folder: relative file names start there, as Robot's own imports do."""
        source = Path(str(BuiltIn().get_variable_value("${SUITE SOURCE}")))
        return source if source.is_dir() else source.parent

    def _run(self, action: Callable[[], object]) -> None:
        """Do what runs tasks; a device's error is explained in the log.

        It is kept for `Fault Should Be` and its kin.
        """
        target = self._target()
        try:
            action()
        except DeviceError as exc:
            target.last_error = exc
            logger.info(describe_failure(target.session, exc))
            raise

    def _expect_error(self, keyword: tuple[object, ...], expected: str) -> DeviceError:
        """Run a keyword, or what is queued, which must end in a device's error."""
        target = self._target()
        target.last_error = None
        name, *arguments = keyword or ("Synchronize",)
        status, value = BuiltIn().run_keyword_and_ignore_error(name, *arguments)
        error = target.last_error
        if error is not None:
            return error
        if status == "PASS":
            raise AssertionError(f"expected {expected}, but {name} went well")
        raise AssertionError(f"expected {expected}, but {name} failed otherwise: {value}")
