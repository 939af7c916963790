"""Every exception that usim raises on purpose.

UsimError
|- PlatformError        a platform is unknown, or its description is wrong (file, line, key)
|- ToolchainError       no usable compiler
|  `- CompileError      C that does not compile (the compiler's own message)
|- LinkError            an undefined symbol, an unsupported relocation
|- ProgramError         an executable cannot be read, placed or started; no such symbol in it
|- MemoryFullError      something does not fit a section (needed, available)
|- ArgumentError        wrong number, dtype or shape of arguments in a call
|- DeviceError          the device could not do what was asked
|  |- AccessError       no memory at an address
|  |  `- ProtectionError  ... or the memory protection unit denies it
|  |- DeviceTimeoutError  an address was not reached in time (last PC)
|  |- LockupError       a fault that no handler on the device took
|  `- FirmwareEndedError  a board's firmware crashed, exited or stopped before what was waited for
|- TaskError            a task failed on the device (its index, function, status)
|  `- FaultError        ... with a fault (CFSR, HFSR, MMFAR, BFAR, stacked registers)
|- ModelError           a model file cannot be read, is not supported or does not fit
|- ExpectationError     a board's firmware did not print, or reach, what was waited for in time
`- DisagreementError    two targets gave different outputs for the same model and input

A message says what failed, on what, and what to do about it, in one line where that is possible.
"""

from __future__ import annotations

from typing import Any


class UsimError(Exception):
    """Base of all; keyword arguments become attributes."""

    def __init__(self, message: str, **attributes: Any) -> None:  # noqa: ANN401
        super().__init__(message)
        self.__dict__.update(attributes)


class PlatformError(UsimError):
    """A platform is unknown or badly described. Attributes: file, line, key (where known)."""


class ToolchainError(UsimError):
    """No usable compiler. Attributes: command."""


class CompileError(ToolchainError):
    """C source that does not compile. Attributes: command, output."""


class LinkError(UsimError):
    """An object file cannot be placed. Attributes: symbol or relocation."""


class ProgramError(UsimError):
    """An executable (ELF) cannot be used. Attributes: file, address or symbol (where known)."""


class MemoryFullError(UsimError):
    """Something does not fit. Attributes: section, needed_bytes, available_bytes."""


class ArgumentError(UsimError):
    """A call's arguments do not fit the function. Attributes: function."""


class DeviceError(UsimError):
    """The device could not do what was asked."""


class AccessError(DeviceError):
    """No memory at an address. Attributes: address, size_bytes."""


class ProtectionError(AccessError):
    """The memory protection unit denies an access. Attributes: address, size_bytes."""


class DeviceTimeoutError(DeviceError):
    """An address was not reached in time. Attributes: pc, timeout_s."""


class LockupError(DeviceError):
    """The core locked up: a fault inside a fault, or one without a handler. Attributes: pc."""


class FirmwareEndedError(DeviceError):
    """Nothing more will come of a firmware. Attributes: ending (a `usim.board.Ending`)."""


class ExpectationError(UsimError):
    """What was waited for did not come in time. Attributes: expected, seen, timeout_s."""


class TaskError(DeviceError):
    """A task failed. Attributes: index, function, status, last_error."""


class FaultError(TaskError):
    """A task ended in a fault. Attributes: index, function, fault (a `usim.abi.FaultRecord`)."""


class ModelError(UsimError):
    """A model file cannot be used. Attributes: file, operator (where known)."""


class DisagreementError(UsimError):
    """Two targets gave different outputs. Attributes: check (a `usim.check.ModelCheck`)."""
