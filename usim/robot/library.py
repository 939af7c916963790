"""UsimLibrary: the keywords in one class, and what happens when tests and suites end."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from typing import Any, ClassVar, Final

from robot.api import logger

from usim.robot.bench import Bench
from usim.robot.board_times import BoardTimeKeywords
from usim.robot.boards import BoardKeywords
from usim.robot.code import CodeKeywords
from usim.robot.counts import CountKeywords
from usim.robot.faults import FaultKeywords
from usim.robot.models import ModelKeywords
from usim.robot.platforms import PlatformKeywords
from usim.robot.usart import UsartKeywords
from usim.robot.values import Shape, Size


def _version() -> str:
    try:
        return importlib.metadata.version("usim")
    except importlib.metadata.PackageNotFoundError:
        return "(run from its source)"


_SPELLED: Final = {"usart": "USART", "usarts": "USARTs"}


def _keyword_name(method: str) -> str:
    return " ".join(_SPELLED.get(word, word.title()) for word in method.split("_"))


_GROUPS: Final = (
    PlatformKeywords,
    CodeKeywords,
    CountKeywords,
    ModelKeywords,
    FaultKeywords,
    UsartKeywords,
    BoardKeywords,
    BoardTimeKeywords,
)


class UsimLibrary:
    """Runs C kernels and int8 models on an emulated (or real) Cortex-M, and checks what comes out.

    = A test =

    | *** Settings ***
    | Library    usim.robot.UsimLibrary
    |
    | *** Test Cases ***
    | A Kernel Scales A Vector
    |     Open Platform    stm32f746    backend=embedded
    |     Load Module    kernels/scale.c
    |     Tensor    x    0 1 2 3 4
    |     Empty Tensor    y    5
    |     Call    scale    x    0.5    y    5
    |     Tensor Should Equal    y    0 0.5 1 1.5 2
    |     Cycles Should Be At Most    500

    = Platforms =

    Keywords act on the current platform: the one that was opened last, or that `Switch Platform`
    chose. What a test opens is closed when the test ends, what a suite setup opens when the suite
    ends, also after a failure and without `Close Platform`.

    = The queue =

    `Call` only queues. The queue runs as one batch when something is read or checked, with
    `Synchronize`, and when the test ends: a test whose left-over calls fail then fails itself. On a
    platform that was opened with ``strict=True`` each call runs at once, and `Call Now` waits
    anywhere.

    = Counts =

    A count is of cycles, modelled or measured, or of instructions: it depends on the platform, and
    failures say which. The keywords for one refuse the other.

    = Firmware =

    `Boot Image` starts other people's firmware on a board of its own, which has nothing to do with
    the platforms of `Open Platform`. `Wait For Line On Uart`, `Write Line To Uart` and the like
    talk with it.

    | Boot Image    firmware.elf
    | Wait For Line On Uart    ready    timeout=100 ms
    | Write Line To Uart    version
    | Wait For Line On Uart    1.0

    = Files =

    Relative file names start in the suite file's folder.
    """

    ROBOT_LIBRARY_SCOPE = "SUITE"
    ROBOT_LIBRARY_VERSION = _version()
    ROBOT_LIBRARY_DOC_FORMAT = "ROBOT"
    ROBOT_LISTENER_API_VERSION = 3
    ROBOT_LIBRARY_CONVERTERS: ClassVar[dict[type, Any]] = {Size: Size.parse, Shape: Shape.parse}

    def __init__(self) -> None:
        """Takes no arguments."""
        self.ROBOT_LIBRARY_LISTENER = self
        self._bench = Bench()
        groups = [group(self._bench) for group in _GROUPS]
        self._keywords: dict[str, Callable[..., object]] = {
            _keyword_name(name): getattr(group, name)
            for group in groups
            for name in dir(group)
            if not name.startswith("_")
        }

    def get_keyword_names(self) -> list[str]:
        """What Robot asks for: the groups' public methods are the keywords, by their names."""
        return list(self._keywords)

    def __getattr__(self, name: str) -> Callable[..., object]:
        """Return a keyword; every other attribute is found before this is called."""
        if not name.startswith("_") and name in self._keywords:
            return self._keywords[name]
        raise AttributeError(f"UsimLibrary has no keyword {name}")

    def _start_test(self, _data: object, _result: object) -> None:
        self._bench.start_test()

    def _end_test(self, _data: object, result: Any) -> None:  # noqa: ANN401 - Robot's
        errors = [f"{type(error).__name__}: {error}" for error in self._bench.end_test()]
        if not errors:
            return
        # The calls that a test leaves queued are part of it: what they do wrong, it does.
        told = [result.message] if result.message else []
        result.message = "\n".join([*told, *(f"when the test ended: {text}" for text in errors)])
        if not result.skipped:
            result.status = "FAIL"

    def _end_suite(self, _data: object, _result: object) -> None:
        for error in self._bench.end_suite():
            logger.error(f"closing a platform: {error}")
