"""Keywords for C modules, tensors and calls."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from robot.api import logger

from usim.errors import ArgumentError, CompileError
from usim.robot.bench import Target, find
from usim.robot.group import KeywordGroup
from usim.robot.values import (
    Shape,
    convert_exactly,
    describe_difference,
    parse_number,
    parse_values,
)
from usim.tasks import Call
from usim.tensor import Tensor


class CodeKeywords(KeywordGroup):
    """Load Module, Tensor, Call and the like."""

    def load_module(self, source: str, name: str | None = None) -> None:
        """Compiles a C module and loads it onto the platform; its functions can be called then.

        ``source`` is a file, relative to the suite file's folder, or C source itself: what has a
        brace in it. ``name`` is for `Unload Module`; by default it is the file's name without
        suffix, or ``module``. ``usim.h`` is on the include path.

        | Load Module    kernels/scale.c
        | Load Module    int32_t one(int32_t *out) { *out = 1; return 0; }    name=ones
        """
        target = self._target()
        is_text = "{" in source
        name = name or ("module" if is_text else Path(source).stem)
        if name in target.modules:
            raise ArgumentError(f"a module {name} is loaded already; unload it, or name this one")
        try:
            if is_text:
                module = target.session.load_module(source, name=f"{name}.c")
            else:
                module = target.session.load_module(self._folder() / source)
        except CompileError as exc:
            logger.info(vars(exc).get("output", ""))  # with the marked source line
            raise
        target.modules[name] = module
        for function in module.functions.values():
            target.functions[function.name] = function
            target.functions[f"{name}.{function.name}"] = function
        logger.info(f"{name} has the functions {', '.join(module.functions)}")

    def unload_module(self, name: str) -> None:
        """Runs what is queued, then takes a module off the platform: its memory is free again.

        To call one of its functions after that is refused.
        """
        target = self._target()
        module = find(target.modules, name, "module", "load one with `Load Module`")
        del target.modules[name]
        self._run(module.unload)

    def tensor(
        self, name: str, values: object, dtype: str = "float32", shape: Shape | None = None
    ) -> None:
        """Puts an array on the platform's heap, under a name for `Call`.

        ``values`` are numbers in a row, a (nested) list, or a .npy file relative to the suite
        file's folder; ``dtype`` is the element type (int8, uint8, int16, int32, float32 ...).

        | Tensor    x    0 1 2 3 4
        | Tensor    weights    1, -2, 3, -4    dtype=int8    shape=2x2
        | Tensor    image    data/cat.npy    dtype=int8
        """
        array = convert_exactly(parse_values(values, self._folder()), dtype)
        if shape is not None:
            if array.size != math.prod(shape):
                raise ArgumentError(
                    f"{array.size} values do not fill the shape {'x'.join(map(str, shape))}"
                )
            array = array.reshape(shape)
        self._keep(name, self._target().session.tensor(array))

    def empty_tensor(self, name: str, shape: Shape, dtype: str = "float32") -> None:
        """Makes room for an array on the platform's heap, under a name for `Call`.

        Its content is whatever was there.

        | Empty Tensor    y    5
        | Empty Tensor    sum    2x3    dtype=int32
        """
        self._keep(name, self._target().session.empty(shape, dtype))

    def free_tensor(self, name: str) -> None:
        """Runs what is queued, then gives a tensor's memory back."""
        tensor = self._target().tensor(name)
        del self._target().tensors[name]
        self._run(tensor.free)

    def _keep(self, name: str, tensor: Tensor) -> None:
        if parse_number(name) is not None:
            raise ArgumentError(f"a tensor cannot be called {name}: `Call` takes that as a number")
        self._target().tensors[name] = tensor

    def get_tensor(self, name: str) -> Any:  # noqa: ANN401 - lists of lists of numbers
        """Runs what is queued and returns a tensor's values, as a (nested) list."""
        return self._read(name).tolist()

    def tensor_should_equal(self, name: str, expected: object, tolerance: float = 0) -> None:
        """Runs what is queued; fails unless a tensor holds the expected values.

        ``expected`` is written as for `Tensor`. Values must be equal exactly, unless a (absolute)
        ``tolerance`` is given.

        | Tensor Should Equal    y    0 0.5 1 1.5 2
        | Tensor Should Equal    y    expected/y.npy    tolerance=1e-6
        """
        got = self._read(name)
        wanted = parse_values(expected, self._folder())
        if wanted.size == got.size and wanted.ndim <= 1:
            wanted = wanted.reshape(got.shape)
        if not tolerance:
            wanted = convert_exactly(wanted, got.dtype)
        difference = describe_difference(got, wanted, tolerance)
        if difference:
            raise AssertionError(f"tensor {name} ({got.dtype}): {difference}")

    def _read(self, name: str) -> Any:  # noqa: ANN401 - an array of any type
        tensor = self._target().tensor(name)
        self._run(self._target().session.sync)
        return tensor.numpy()

    def call(self, function: str, *arguments: object) -> None:
        """Queues a call of a C function: ``Call    function    arguments``.

        Arguments are names of tensors, and numbers; they are checked against the C signature. The
        queue runs as one batch when a result is asked for, with `Synchronize`, or at the end of
        the test. On a platform that was opened with ``strict=True`` the call runs at once.
        Where several modules define a function the last one counts; ``module.function`` says which.

        | Call    scale    x    0.5    y    5
        | Tensor Should Equal    y    0 0.5 1 1.5 2
        """
        target = self._target()
        found = target.functions.get(function)
        if found is None:
            plain = {name: item for name, item in target.functions.items() if "." not in name}
            found = find(plain, function, "function", "load some with `Load Module`")
        values = [self._argument(target, argument) for argument in arguments]

        def submit() -> None:
            target.ran_call(found(*values))

        self._run(submit)

    def call_now(self, function: str, *arguments: object) -> None:
        """Calls a C function as `Call` does and waits for it; calls queued before run first."""
        self.call(function, *arguments)
        call = self._target().last_call
        assert isinstance(call, Call)
        self._run(call.wait)
        logger.info(f"{function}: {call.count}")

    def synchronize(self) -> None:
        """Runs what is queued; fails with the first call that fails."""
        self._run(self._target().session.sync)

    @staticmethod
    def _argument(target: Target, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value in target.tensors:
            return target.tensors[value]
        number = parse_number(value)
        if number is None:
            known = ", ".join(target.tensors) or "none"
            raise ArgumentError(f"{value!r} is neither a number nor a tensor (there are: {known})")
        return number
