"""The flash interface of the STM32F7 (RM0385 and RM0410, chapter 3): registers, erase, program.

Operations end before the access that starts them does, so BSY is never seen set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

from usim.devices.peripherals.base import RegisterBlock
from usim.devices.peripherals.flash_sectors import Sector, dual_bank, single_bank

ACR: Final = 0x00
KEYR: Final = 0x04
OPTKEYR: Final = 0x08
SR: Final = 0x0C
CR: Final = 0x10
OPTCR: Final = 0x14
OPTCR1: Final = 0x18

KEYS: Final = (0x4567_0123, 0xCDEF_89AB)
OPTION_KEYS: Final = (0x0819_2A3B, 0x4C5D_6E7F)

EOP: Final = 1 << 0
OPERR: Final = 1 << 1
WRPERR: Final = 1 << 4
PGAERR: Final = 1 << 5
PGPERR: Final = 1 << 6
ERSERR: Final = 1 << 7
_SR_CLEARABLE: Final = EOP | OPERR | WRPERR | PGAERR | PGPERR | ERSERR

PG: Final = 1 << 0
SER: Final = 1 << 1
MER: Final = 1 << 2
MER2: Final = 1 << 15
STRT: Final = 1 << 16
_EOPIE: Final = 1 << 24
LOCK: Final = 1 << 31
_CR_KEPT: Final = 0x0300_83FF

OPTLOCK: Final = 1 << 0
OPTSTRT: Final = 1 << 1
_NDBANK: Final = 1 << 29
_ACR_WRITABLE: Final = 0x0000_0B0F
_RDP_NONE: Final = 0xAA
# Bytes of an access by CR.PSIZE; 64 bits come as two words.
_PARALLELISM: Final = ((1,), (2,), (4,), (4, 8))


class FlashArray(Protocol):
    """The memory cells, by offset; writing them is the flash interface's business alone."""

    @property
    def size_bytes(self) -> int: ...

    def read(self, offset: int, size_bytes: int) -> bytes: ...

    def write(self, offset: int, data: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class FlashFacts:
    """What differs from part to part."""

    option_values: int  # FLASH_OPTCR as delivered
    boot_addresses: int  # FLASH_OPTCR1 as delivered
    write_protection: int  # bits of nWRP, from bit 16 of OPTCR on
    has_two_banks: bool


STM32F74X: Final = FlashFacts(0xC0FF_AAFD, 0x0040_0080, 8, has_two_banks=False)
STM32F76X: Final = FlashFacts(0xFFFF_AAFD, 0x0040_0080, 12, has_two_banks=True)


class _Lock:
    """Two keys in a row open it; anything else shuts it until the next reset.

    On a chip the wrong key is a bus error as well, which is left out.
    """

    def __init__(self, keys: tuple[int, int]) -> None:
        self._keys = keys
        self.reset()

    def reset(self) -> None:
        self.is_locked = True
        self._next = 0
        self._jammed = False

    def close(self) -> None:
        self.is_locked = True
        self._next = 0

    def try_key(self, key: int) -> None:
        if self._jammed or not self.is_locked or key != self._keys[self._next]:
            self._jammed = self.is_locked = True
            return
        self._next += 1
        if self._next == len(self._keys):
            self.is_locked, self._next = False, 0


class FlashInterface(RegisterBlock):
    """FLASH: access control, locks, erase and program, option bytes."""

    name = "FLASH"
    reset_values: ClassVar[dict[int, int]] = {
        ACR: 0,
        KEYR: 0,
        OPTKEYR: 0,
        SR: 0,
        CR: LOCK,
        OPTCR: 0,
        OPTCR1: 0,
    }
    register_names: ClassVar[dict[int, str]] = {
        ACR: "ACR", KEYR: "KEYR", OPTKEYR: "OPTKEYR", SR: "SR", CR: "CR", OPTCR: "OPTCR",
        OPTCR1: "OPTCR1",
    }  # fmt: skip
    cleared_by_ones: ClassVar[frozenset[int]] = frozenset({SR})

    def __init__(self, array: FlashArray, facts: FlashFacts) -> None:
        super().__init__()
        self._array = array
        self._facts = facts
        # Called with FLASH_ACR when it may be another: what fetches from the flash cost.
        self.on_access_control: Callable[[int], None] = lambda _acr: None
        self._lock, self._option_lock = _Lock(KEYS), _Lock(OPTION_KEYS)
        # What is programmed; the registers hold what will be.
        self._options = facts.option_values & ~OPTLOCK, facts.boot_addresses
        self.sectors = self._organization()
        self._writers: Mapping[int, Callable[[int], None]] = {
            KEYR: self._lock.try_key,
            OPTKEYR: self._option_lock.try_key,
            SR: self._clear_status,
            CR: self._control,
            OPTCR: self._control_options,
            OPTCR1: self._set_boot_addresses,
        }
        self.reset()

    @property
    def options(self) -> tuple[int, int]:
        """FLASH_OPTCR and OPTCR1 as programmed, lock bits clear."""
        return self._options

    @property
    def is_read_protected(self) -> bool:
        """Read-out protection level 1 or 2: no debugger reads or writes the flash."""
        return self._options[0] >> 8 & 0xFF != _RDP_NONE

    def reset(self) -> None:
        """Locked; the option registers are loaded from the option bytes."""
        super().reset()
        self._lock.reset()
        self._option_lock.reset()
        self._values[OPTCR], self._values[OPTCR1] = self._options
        self.on_access_control(self._values[ACR])

    def read_word(self, offset: int) -> int:
        """The key registers read as zero, the lock bits as they are."""
        value = self._values[offset]
        if offset == CR:
            return value & ~LOCK | (LOCK if self._lock.is_locked else 0)
        if offset == OPTCR:
            return value | (OPTLOCK if self._option_lock.is_locked else 0)
        return value

    def write_word(self, offset: int, value: int) -> None:
        """Locked registers ignore writes."""
        if offset == ACR:
            self._values[ACR] = value & _ACR_WRITABLE
            self.on_access_control(self._values[ACR])
        else:
            self._writers[offset](value)

    def program(self, offset: int, data: bytes) -> bool:
        """A store to the flash; False if the interface is not set up to program (ERSERR).

        Programming clears bits; only an erase sets them ("Flash programming sequences"). A store
        that is wrong in itself changes nothing, and SR says why.
        """
        problem = self._refusal(offset, len(data))
        if problem:
            self._values[SR] |= problem
            return problem != ERSERR
        before = self._array.read(offset, len(data))
        self._array.write(offset, bytes(old & new for old, new in zip(before, data, strict=True)))
        self._end_operation()
        return True

    def _refusal(self, offset: int, size_bytes: int) -> int:
        control = self._values[CR]
        if self._lock.is_locked or not control & PG or control & (SER | MER | MER2):
            return ERSERR
        if size_bytes not in _PARALLELISM[control >> 8 & 3]:
            return PGPERR
        if offset % size_bytes:
            return PGAERR
        sector = next(sector for sector in self.sectors if sector.offset <= offset < sector.end)
        return WRPERR if self._is_protected(sector) else 0

    def _is_protected(self, sector: Sector) -> bool:
        """NWRP: a bit for each sector, or in two banks for each pair of them."""
        two_banks = self.sectors[-1].bank > 0
        bit = sector.index // 2 if two_banks else sector.index
        return bit < self._facts.write_protection and not self._options[0] >> 16 + bit & 1

    def _organization(self) -> tuple[Sector, ...]:
        """The sectors as the option bit nDBANK has them."""
        if self._facts.has_two_banks and not self._options[0] & _NDBANK:
            return dual_bank(self._array.size_bytes)
        return single_bank(self._array.size_bytes)

    def _clear_status(self, value: int) -> None:
        self._values[SR] &= ~(value & _SR_CLEARABLE)

    def _control(self, value: int) -> None:
        if self._lock.is_locked:
            return
        self._values[CR] = value & _CR_KEPT & ~STRT
        if value & STRT:
            self._erase(value)
        if value & LOCK:
            self._lock.close()

    def _erase(self, control: int) -> None:
        if control & SER and not control & (MER | MER2):
            number = control >> 3 & 0x1F
            chosen = [sector for sector in self.sectors if sector.number == number]
        else:
            # In one bank MER stands for all of it.
            banks = {0} if control & MER else set()
            banks |= {1} if control & MER2 else set()
            chosen = [sector for sector in self.sectors if sector.bank in banks]
            chosen = [] if control & SER else chosen
        if not chosen or control & PG:
            self._values[SR] |= ERSERR
        elif any(self._is_protected(sector) for sector in chosen):
            self._values[SR] |= WRPERR
        else:
            for sector in chosen:
                self._array.write(sector.offset, b"\xff" * sector.size_bytes)
            self._end_operation()

    def _end_operation(self) -> None:
        if self._values[CR] & _EOPIE:
            self._values[SR] |= EOP

    def _set_boot_addresses(self, value: int) -> None:
        if not self._option_lock.is_locked:
            self._values[OPTCR1] = value

    def _control_options(self, value: int) -> None:
        if self._option_lock.is_locked:
            return
        self._values[OPTCR] = value & ~(OPTLOCK | OPTSTRT)
        if value & OPTSTRT:
            self._program_options()
        if value & OPTLOCK:
            self._option_lock.close()

    def _program_options(self) -> None:
        """Taking the read-out protection away erases the flash ("Read protection")."""
        was_protected = self.is_read_protected
        self._options = self._values[OPTCR], self._values[OPTCR1]
        self.sectors = self._organization()
        if was_protected and not self.is_read_protected:
            self._array.write(0, b"\xff" * self._array.size_bytes)
