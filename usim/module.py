"""A loaded module: C functions on the device, to be called by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from usim.calls import bind
from usim.debug_info import Signature
from usim.errors import LinkError
from usim.image import SectionKind
from usim.loader import LoadedImage
from usim.stack import StackNeed
from usim.tasks import Call

if TYPE_CHECKING:
    from usim.session import Session


class Function:
    """A function on the device. Calling it queues a task; a strict session runs it at once."""

    def __init__(
        self, session: Session, name: str, address: int, signature: Signature | None
    ) -> None:
        self._session = session
        self.name = name
        self.address = address
        self.signature = signature
        self._unloaded_from = ""

    def __call__(self, *arguments: object) -> Call:
        """Queue a call with tensors and numbers; ArgumentError if they don't fit the signature."""
        if self._unloaded_from:
            raise LinkError(
                f"{self.name}: module {self._unloaded_from} was unloaded", symbol=self.name
            )
        bound = bind(self._session, self.name, self.signature, arguments)
        return self._session.submit(bound, self.address)

    def forget(self, module: str) -> None:
        """Its module is being unloaded: there is nothing to call any more."""
        self._unloaded_from = module

    def __repr__(self) -> str:
        return f"Function({self.signature or self.name})"


class Module:
    """Functions of one C source. They are attributes and items: `module.add(a, b, out)`.

    unload() gives the memory back; so does leaving a `with` block.
    """

    def __init__(
        self,
        session: Session,
        name: str,
        image: LoadedImage,
        names: Collection[str],
        signatures: Mapping[str, Signature],
    ) -> None:
        self._session = session
        self._image = image
        self._loaded = True
        self.name = name
        self.functions = {
            symbol.name: Function(session, symbol.name, symbol.address, signatures.get(symbol.name))
            for symbol in image.symbols
            if symbol.is_function and symbol.is_global and symbol.name in names
        }

    def __getitem__(self, name: str) -> Function:
        if not self._loaded:
            raise LinkError(f"module {self.name} was unloaded", symbol=name)
        if name not in self.functions:
            known = ", ".join(self.functions) or "none"
            raise LinkError(
                f"module {self.name} has no function {name} (it has: {known})", symbol=name
            )
        return self.functions[name]

    def __getattr__(self, name: str) -> Function:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except LinkError as exc:
            raise AttributeError(str(exc)) from exc

    def size_bytes(self, kind: str) -> int:
        """Bytes that it takes of section "text", "rodata", "data" or "bss"."""
        return self._image.size_bytes(SectionKind(kind))

    def stack_need(self, arguments: Mapping[str, int]) -> StackNeed:
        """The stack that the worst of some functions needs, called with so many words of arguments.

        The runtime's own is included. Words beyond four go to the stack, floats aside (AAPCS32).
        """
        tasks = [
            (self[name].address, 8 * max(0, words - 4 + 1 >> 1))
            for name, words in arguments.items()
        ]
        return self._session.stack_need(self._image, tasks)

    def unload(self) -> None:
        """Run what is queued, then free the module's memory. A second time does nothing."""
        if self._loaded:
            self._loaded = False
            for function in self.functions.values():
                function.forget(self.name)
            self._session.unload(self._image)

    def __enter__(self) -> Module:
        return self

    def __exit__(self, *_: Any) -> None:  # noqa: ANN401
        self.unload()

    def __repr__(self) -> str:
        return f"Module({self.name!r}, functions: {', '.join(self.functions)})"
