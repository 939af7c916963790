"""Code that ran before: what the timing model found in its blocks, kept on disk.

What a block costs and where it loads and stores are functions of its bytes, its address and the
state it is entered in, and dear to compute. Who loads code announces it; the answers about its
blocks are read from the cache when the first is wanted, and written by `keep`. Their key is made of
the code, its address and the sources of the model, so that another model or code has none.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

from usim.cache import Cache, content_key
from usim.timing.block_price import BlockPrice
from usim.timing.known_code_format import Answers, as_json, from_json
from usim.timing.linear import BlockAccesses
from usim.timing.states import State
from usim.toolchain.inputs import digest_of_folders

_FOLDER: Final = Path(__file__).parent


class KnownCode:
    """A piece of code at its address, and what is known of its blocks."""

    def __init__(self, address: int, code: bytes, cache: Cache | None = None) -> None:
        self.address = address
        self._code = code
        self._cache = cache or Cache()
        self._answers: Answers | None = None
        self._is_new = False

    def holds(self, code: bytes, address: int) -> bool:
        """Whether these bytes are part of it; memory may hold others by now."""
        start = address - self.address
        return start >= 0 and self._code[start : start + len(code)] == code

    def price(
        self, block: tuple[int, int], entry: State, find: Callable[[], BlockPrice]
    ) -> BlockPrice:
        """What a block, (address, bytes), costs from `entry` on, with the default parameters."""
        prices, key = self._load().prices, (*block, entry)
        known = prices.get(key)
        if known is None:
            known = prices[key] = find()
            self._is_new = True
        return known

    def accesses(
        self, block: tuple[int, int], in_it_block: int, find: Callable[[], BlockAccesses]
    ) -> BlockAccesses:
        """Where a block loads and stores; see addresses.find_accesses."""
        accesses, key = self._load().accesses, (*block, in_it_block)
        known = accesses.get(key)
        if known is None:
            known = accesses[key] = find()
            self._is_new = True
        return known

    def keep(self) -> None:
        """Write what was found since it was read."""
        if self._is_new and self._answers is not None and _model_digest():
            text = json.dumps(as_json(self._answers), separators=(",", ":"))
            self._cache.put(self._key(), text.encode())
            self._is_new = False

    def _load(self) -> Answers:
        if self._answers is None:
            stored = self._cache.get(self._key()) if _model_digest() else None
            self._answers = Answers() if stored is None else from_json(json.loads(stored))
        return self._answers

    def _key(self) -> str:
        return content_key("blocks", _model_digest(), str(self.address), self._code)


_announced: list[KnownCode] = []


def announce(address: int, code: bytes) -> KnownCode:
    """Code is about to run at `address`: its blocks may be known, or be worth remembering."""
    known = KnownCode(address, code)
    _announced.append(known)
    return known


def retract(known: KnownCode) -> None:
    """This code is not there any more."""
    _announced.remove(known)


def known_code(code: bytes, address: int) -> KnownCode | None:
    """The announced code that a block is part of."""
    return next((known for known in _announced if known.holds(code, address)), None)


@lru_cache(maxsize=1)
def _model_digest() -> str:
    """A digest of everything that answers follow from; "" if it can't be told."""
    sources = digest_of_folders([_FOLDER]) if _FOLDER.is_dir() else None
    return content_key(sources, version("capstone")) if sources else ""
