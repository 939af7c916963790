"""A tensor in the device's memory."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from usim.abi import supported_dtype
from usim.errors import ArgumentError, DeviceError
from usim.formatting import format_address

if TYPE_CHECKING:
    from usim.session import Session


class Tensor:
    """An array on the device: made by Session.tensor or Session.empty, or part of another's memory.

    Its memory goes back to the heap when free() is called or nothing refers to it any more.
    """

    def __init__(
        self,
        session: Session,
        address: int,
        shape: tuple[int, ...],
        dtype: npt.DTypeLike,
        *,
        guard_address: int = 0,
        release: Callable[[], None] | None = None,
    ) -> None:
        self._session = session
        self.address = address
        self.shape = tuple(int(extent) for extent in shape)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        # Two words behind the data that the runtime checks after each task; 0: there are none.
        self.guard_address = guard_address
        self._release = weakref.finalize(self, release) if release else None
        if self._release:
            self._release.atexit = False
        self._freed = False
        # For a view: whose memory it is, so that this outlives it.
        self.base: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Size of the data in bytes."""
        return self.dtype.itemsize * int(np.prod(self.shape, dtype=np.int64))

    def numpy(self) -> npt.NDArray[Any]:
        """Read the tensor; queued calls run first. TaskError if one of them fails."""
        self._require_alive()
        data = self._session.read_memory(self.address, self.nbytes)
        return np.frombuffer(data, dtype=self.dtype).reshape(self.shape).copy()

    def write(self, values: npt.ArrayLike) -> None:
        """Overwrite the tensor with an array of its shape and dtype; queued calls run first."""
        self._require_alive()
        array = np.asarray(values)
        if array.shape != self.shape or array.dtype != self.dtype:
            raise ArgumentError(
                f"{self} cannot hold {array.dtype} {array.shape}; convert with astype and reshape"
            )
        self._session.write_memory(self.address, np.ascontiguousarray(array).tobytes())

    def free(self) -> None:
        """Give the memory back after the queued calls; using the tensor then is an error."""
        if not self._freed:
            self._freed = True
            if self._release:
                try:
                    if self._session.is_open:
                        self._session.sync()
                finally:
                    self._release()

    def _require_alive(self) -> None:
        if self._freed:
            raise DeviceError(f"{self} was freed")
        if self.base is not None:
            self.base._require_alive()

    def require_usable_in(self, session: Session) -> None:
        """Refuse a tensor that was freed, or that lives on another session's device."""
        self._require_alive()
        if session is not self._session:
            raise ArgumentError(f"{self} belongs to another session")

    def __repr__(self) -> str:
        return f"Tensor({self.dtype} {self.shape} at {format_address(self.address)})"


def check_dtype(dtype: np.dtype[Any]) -> None:
    """Refuse element types that a device has no words for."""
    if not supported_dtype(dtype):
        raise ArgumentError(
            f"dtype {dtype} cannot go to the device; bool, (u)int8-64 and float16-64 can"
        )
