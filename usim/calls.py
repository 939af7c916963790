"""Checks a call's arguments against the C signature and turns them into words on the device."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from usim.abi import ArgumentWords
from usim.debug_info import Parameter, Signature
from usim.errors import ArgumentError
from usim.tensor import Tensor

if TYPE_CHECKING:
    from usim.session import Session

Argument = Tensor | int | float | None
# Element types that C's char pointers and numpy's bool stand for as well.
_FLOAT_MAX: Final = float(np.finfo(np.float32).max)
_SAME_BYTES: Final = {"u1": {"i1", "u1", "b1"}, "i1": {"i1", "u1", "b1"}}


@dataclass(frozen=True, slots=True)
class BoundCall:
    """Arguments that fit their parameters. Parameters are guessed where there is no signature."""

    function: str
    parameters: tuple[Parameter, ...]
    arguments: tuple[Argument, ...]
    returns_status: bool

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors among the arguments."""
        return [argument for argument in self.arguments if isinstance(argument, Tensor)]

    def words(self, tensor_record: Callable[[Tensor], int]) -> ArgumentWords:
        """Lay the arguments out; `tensor_record` gives the address of a tensor's DLTensor."""
        words = ArgumentWords()
        for parameter, argument in zip(self.parameters, self.arguments, strict=True):
            if argument is None:
                words.add_word(0)
            elif isinstance(argument, Tensor):
                by_record = parameter.kind == "tensor"
                words.add_word(tensor_record(argument) if by_record else argument.address)
            elif parameter.kind == "float":
                add = words.add_float if parameter.size_bytes == 4 else words.add_double
                add(float(argument))
            elif parameter.size_bytes == 8:
                words.add_double_word(int(argument))
            else:
                words.add_word(int(argument))
        return words


def bind(
    session: Session, name: str, signature: Signature | None, arguments: Sequence[object]
) -> BoundCall:
    """Match arguments with parameters; ArgumentError says which one does not fit, and why."""
    if signature is None:
        parameters = tuple(_guess(name, i, value) for i, value in enumerate(arguments))
        returns = "status"
    else:
        parameters, returns = signature.parameters, signature.returns
        if len(arguments) != len(parameters):
            raise ArgumentError(
                f"{signature} takes {len(parameters)} argument{'s' * (len(parameters) != 1)}, "
                f"got {len(arguments)}",
                function=name,
            )
    if returns not in {"status", "void"}:
        raise ArgumentError(
            f"{name} returns {returns}; a function called from the host returns int32_t "
            "(0 for success) or void, and its results go to tensors",
            function=name,
        )
    checked = tuple(
        _check(session, name, parameter, value)
        for parameter, value in zip(parameters, arguments, strict=True)
    )
    return BoundCall(name, parameters, checked, returns == "status")


def _guess(function: str, index: int, value: object) -> Parameter:
    name = f"argument {index}"
    if isinstance(value, Tensor) or value is None:
        return Parameter(name, "pointer", "void *", 4)
    if isinstance(value, bool | numbers.Integral):
        return Parameter(name, "integer", "int32_t", 4, signed=True)
    if isinstance(value, numbers.Real):
        return Parameter(name, "float", "float", 4)
    raise _refused(function, Parameter(name, "unsupported", "", 0), value, "a tensor or a number")


def _refused(function: str, parameter: Parameter, value: object, wanted: str) -> ArgumentError:
    what = (
        f"a numpy array {value.dtype} {value.shape}"
        if isinstance(value, np.ndarray)
        else (
            repr(value)
            if isinstance(value, Tensor | numbers.Number)
            else f"a {type(value).__name__}"
        )
    )
    hint = (
        "; put it on the device with session.tensor(...)" if isinstance(value, np.ndarray) else ""
    )
    c_type = f" ({parameter.c_type})" if parameter.c_type else ""
    return ArgumentError(
        f"{function}: {parameter.name}{c_type} takes {wanted}, got {what}{hint}", function=function
    )


def _check(session: Session, function: str, parameter: Parameter, value: object) -> Argument:
    match parameter.kind:
        case "tensor" | "pointer":
            return _check_pointer(session, function, parameter, value)
        case "integer":
            return _check_integer(function, parameter, value)
        case "float":
            return _check_float(function, parameter, value)
        case "unsupported":
            raise ArgumentError(
                f"{function}: parameter {parameter.name} ({parameter.c_type}) can't be passed from "
                "the host; pointers to numbers, DLTensor pointers and numbers can",
                function=function,
            )


def _check_pointer(
    session: Session, function: str, parameter: Parameter, value: object
) -> Argument:
    if value is None and parameter.kind == "pointer":
        return None
    wanted = np.dtype(parameter.element).name if parameter.element else ""
    if not isinstance(value, Tensor):
        raise _refused(function, parameter, value, f"a {wanted or 'device'} tensor")
    value.require_usable_in(session)
    element = value.dtype.str[1:]
    allowed = _SAME_BYTES.get(parameter.element, {parameter.element})
    same = {"i1", "b1"} if parameter.element == "i1" else {"u1", "b1"}
    exact = "char" not in parameter.c_type
    allowed = (same if exact else allowed) if parameter.element in _SAME_BYTES else allowed
    if parameter.element and element not in allowed:
        raise _refused(function, parameter, value, f"a {wanted} tensor")
    return value


def _check_float(function: str, parameter: Parameter, value: object) -> float:
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise _refused(function, parameter, value, "a number")
    number = float(value)
    if parameter.size_bytes == 4 and _FLOAT_MAX < abs(number) < math.inf:
        raise ArgumentError(
            f"{function}: {number:g} is out of range for {parameter.name} ({parameter.c_type})",
            function=function,
        )
    return number


def _check_integer(function: str, parameter: Parameter, value: object) -> int:
    if not isinstance(value, bool | numbers.Integral | np.bool_):
        raise _refused(function, parameter, value, "an integer")
    number, bits = int(value), 8 * parameter.size_bytes
    if parameter.c_type in {"bool", "_Bool"}:
        bits = 1
    low = -(1 << bits - 1) if parameter.signed else 0
    high = (1 << bits - 1) - 1 if parameter.signed else (1 << bits) - 1
    if not low <= number <= high:
        raise ArgumentError(
            f"{function}: {number} is out of range for {parameter.name} ({parameter.c_type}: "
            f"{low} to {high})",
            function=function,
        )
    return number
