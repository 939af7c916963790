"""Cache identification and maintenance in the system space (DDI 0403E B3.2.19, B4.8; TRM).

They act on the timing model's caches: data is always coherent here, only the cycles depend on them.
"""

from __future__ import annotations

from typing import Final, Protocol

CLIDR: Final = 0xE000_ED78
CTR: Final = 0xE000_ED7C
CCSIDR: Final = 0xE000_ED80
CSSELR: Final = 0xE000_ED84
ICIALLU: Final = 0xE000_EF50
ICIMVAU: Final = 0xE000_EF58
DCIMVAC: Final = 0xE000_EF5C
DCISW: Final = 0xE000_EF60
DCCMVAU: Final = 0xE000_EF64
DCCMVAC: Final = 0xE000_EF68
DCCSW: Final = 0xE000_EF6C
DCCIMVAC: Final = 0xE000_EF70
DCCISW: Final = 0xE000_EF74
BPIALL: Final = 0xE000_EF78

_CLIDR: Final = 0x0900_0003  # separate caches at level 1 (TRM, "Cache Level ID Register")
_CTR: Final = 0x8303_C003  # lines of 32 bytes (TRM, "Cache Type Register")
_CCR_DC: Final = 1 << 16
_CCR_IC: Final = 1 << 17
_BY_SET_AND_WAY: Final = {DCISW: True, DCCISW: True, DCCSW: False}
# By address: whether it invalidates.
_BY_ADDRESS: Final = {DCIMVAC: True, DCCIMVAC: True, DCCMVAC: False, DCCMVAU: False}


class Caches(Protocol):
    """What the registers act on."""

    def restart(self) -> None: ...

    def enable(self, *, instruction: bool, data: bool) -> None: ...

    def invalidate_instructions(self) -> None: ...

    def invalidate_instruction_line(self, address: int) -> None: ...

    def maintain(self, set_way: int, *, invalidate: bool) -> None: ...

    def maintain_line(self, address: int, *, invalidate: bool) -> None: ...

    def geometry(self, *, instruction: bool) -> int: ...


class CacheRegisters:
    """The registers; `caches` is None where memory has no timing."""

    addresses = frozenset(
        {CLIDR, CTR, CCSIDR, CSSELR, ICIALLU, ICIMVAU, BPIALL, *_BY_SET_AND_WAY, *_BY_ADDRESS}
    )
    not_merged: frozenset[int] = frozenset()

    def __init__(self, caches: Caches | None) -> None:
        self._caches = caches
        self._selected = 0

    def reset(self) -> None:
        """Caches off and empty."""
        self._selected = 0
        if self._caches is not None:
            self._caches.restart()

    def follow_control(self, ccr: int) -> None:
        """CCR.IC and CCR.DC."""
        if self._caches is not None:
            self._caches.enable(instruction=bool(ccr & _CCR_IC), data=bool(ccr & _CCR_DC))

    def read(self, address: int) -> int:
        """A word; maintenance registers read as zero."""
        if address == CCSIDR:
            if self._caches is None:
                return 0
            return self._caches.geometry(instruction=bool(self._selected & 1))
        return {CLIDR: _CLIDR, CTR: _CTR, CSSELR: self._selected}.get(address, 0)

    def write(self, address: int, value: int) -> None:
        """A word: an operation on a cache."""
        caches = self._caches
        if address == CSSELR:
            self._selected = value & 0xF
        if caches is None:
            return
        if address == ICIALLU:
            caches.invalidate_instructions()
        elif address == ICIMVAU:
            caches.invalidate_instruction_line(value)
        elif address in _BY_SET_AND_WAY:
            caches.maintain(value, invalidate=_BY_SET_AND_WAY[address])
        elif address in _BY_ADDRESS:
            caches.maintain_line(value, invalidate=_BY_ADDRESS[address])
