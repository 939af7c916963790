"""gdb's packets that ask what this server can do, what the chip is made of, and what runs on it.

Source: the gdb manual, E.4 General Query Packets. The chip is one process with one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from usim.devices.gdb_packets import escape
from usim.probe.gdb_fields import OK, UNKNOWN, Commands, parse_range

# The longest packet between '$' and '#', either way.
LONGEST_PACKET: Final = 0x4000
_FEATURES: Final = (
    f"PacketSize={LONGEST_PACKET:x}",
    "qXfer:features:read+",
    "qXfer:memory-map:read+",
    "swbreak+",
    "hwbreak+",
    "vContSupported+",
    "QStartNoAckMode+",
)
_NO_ANNEX: Final = b"E00"


class Queries:
    """Answers about everything that does not change. `documents` is by object and annex."""

    def __init__(
        self, documents: Mapping[tuple[bytes, bytes], str], tell_features: Callable[[bytes], None]
    ) -> None:
        self._documents = {key: text.encode() for key, text in documents.items()}
        self._tell_features = tell_features
        self.commands: Commands = {
            b"qSupported": self._introduce,
            b"qXfer": self._transfer,
            b"qAttached": lambda _: b"1",  # so that gdb detaches when it quits, and does not kill
            b"qC": lambda _: b"QC1",
            b"qfThreadInfo": lambda _: b"m1",
            b"qsThreadInfo": lambda _: b"l",
            b"qThreadExtraInfo": lambda _: b"Cortex-M".hex().encode(),
            b"qSymbol": lambda _: OK,
            b"H": lambda _: OK,
            b"T": lambda _: OK,
            b"vMustReplyEmpty": lambda _: UNKNOWN,
        }

    def _introduce(self, features: bytes) -> bytes:
        self._tell_features(features)
        return ";".join(_FEATURES).encode()

    def _transfer(self, text: bytes) -> bytes:
        """ "object:read:annex:offset,length"."""
        kind, _, rest = text.partition(b":")
        verb, _, rest = rest.partition(b":")
        annex, _, where = rest.rpartition(b":")
        if verb != b"read" or kind not in {key[0] for key in self._documents}:
            return UNKNOWN
        document = self._documents.get((kind, annex))
        if document is None:
            return _NO_ANNEX
        offset, length = parse_range(where)
        piece = document[offset : offset + min(length, LONGEST_PACKET // 2)]
        more = offset + len(piece) < len(document)
        return (b"m" if more and piece else b"l") + escape(piece)
