"""Keywords that expect something to go wrong: a fault, a failing task, a timeout."""

from __future__ import annotations

from typing import Literal

from usim.errors import DeviceTimeoutError, FaultError, TaskError
from usim.faults import fault_name, faulting_address
from usim.formatting import format_address
from usim.robot.group import KeywordGroup

FaultKind = Literal["BusFault", "UsageFault", "MemManage", "HardFault", "SVCall"]


class FaultKeywords(KeywordGroup):
    """Fault Should Be, Task Should Fail With Status, Task Should Time Out."""

    def fault_should_be(
        self,
        kind: FaultKind,
        *keyword: object,
        function: str | None = None,
        address: int | None = None,
        cause: str | None = None,
    ) -> str:
        """Runs a keyword, or without one what is queued; fails unless it ends in this fault.

        ``function`` is the C function that was called, ``cause`` a part of the explanation, and
        ``address`` that of the access that faulted: every platform tells it of a load, and of a
        store the embedded backend does, where a chip's write buffer loses it. Returns the
        explanation, which names the line of C. The platform can be used on afterwards.

        | Call    load    0x30000000    value
        | Fault Should Be    BusFault    function=load    address=0x30000000
        | Fault Should Be    UsageFault    Call Now    divide    1    0    cause=division by zero
        """
        wanted = f"a {kind}{f' in {function}' if function else ''}"
        error = self._expect_error(keyword, wanted)
        if not isinstance(error, FaultError):
            raise AssertionError(f"expected {wanted}, got {type(error).__name__}: {error}")
        attributes = vars(error)
        fault = attributes["fault"]
        problems = []
        if fault_name(fault).removesuffix(" fault") != kind:
            problems.append(f"expected a {kind}")
        if function and attributes["function"] != function:
            problems.append(f"expected it in {function}")
        if address is not None:
            problems += self._address_problem(error, address)
        if cause and cause not in str(error):
            problems.append(f"expected the cause {cause!r}")
        if problems:
            raise AssertionError(f"{', '.join(problems)}; got: {error}")
        return str(error)

    def _address_problem(self, error: FaultError, expected: int) -> list[str]:
        exact = self._target().session.capabilities.exact_store_faults
        got = faulting_address(vars(error)["fault"], exact_stores=exact)
        if got == expected:
            return []
        told = f"{format_address(got)}" if got is not None else "none told by the platform"
        return [f"expected the address {format_address(expected)} ({told})"]

    def task_should_fail_with_status(
        self,
        status: int,
        *keyword: object,
        function: str | None = None,
        message: str | None = None,
    ) -> str:
        """Runs a keyword, or without one what is queued; fails unless a task returns ``status``.

        ``function`` is the C function that was called, ``message`` a part of what it said with
        ``usim_set_last_error``. Returns the error's text.

        | Task Should Fail With Status    -3    Call Now    scale    x    0.5    y    0
        """
        wanted = f"{function or 'a task'} to return {status}"
        error = self._expect_error(keyword, wanted)
        attributes = vars(error)
        failed = isinstance(error, TaskError) and not isinstance(error, FaultError)
        if not failed or attributes["status"] != status:
            raise AssertionError(f"expected {wanted}, got {type(error).__name__}: {error}")
        if function and attributes["function"] != function:
            raise AssertionError(f"expected {wanted}, got: {error}")
        if message and message not in attributes["last_error"]:
            raise AssertionError(f"expected the message {message!r}, got: {error}")
        return str(error)

    def task_should_fail(self, message: str, *keyword: object) -> str:
        """Runs a keyword, or without one what is queued; fails unless a task fails saying this.

        ``message`` is a part of the error's text. This is for what the runtime notices: a write
        behind a tensor's end, a stack that is used up, a write through a null pointer. Returns
        the error's text.

        | Task Should Fail    behind the end of output    Call Now    scale    x    1    y    6
        """
        error = self._expect_error(keyword, f"a task to fail with {message!r}")
        if not isinstance(error, TaskError) or message not in str(error):
            raise AssertionError(f"expected a task to fail with {message!r}, got: {error}")
        return str(error)

    def task_should_time_out(self, *keyword: object, function: str | None = None) -> str:
        """Runs a keyword, or without one what is queued; fails unless it exceeds the timeout.

        The timeout is what `Open Platform` was given. Returns the error's text, which says where
        the core was. The platform can be used on afterwards.

        | Task Should Time Out    Call Now    wait_for_interrupt
        """
        wanted = f"{function or 'a task'} to time out"
        error = self._expect_error(keyword, wanted)
        if not isinstance(error, DeviceTimeoutError):
            raise AssertionError(f"expected {wanted}, got {type(error).__name__}: {error}")
        if function and vars(error).get("function") != function:
            raise AssertionError(f"expected {wanted}, got: {error}")
        return str(error)
