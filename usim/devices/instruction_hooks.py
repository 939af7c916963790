"""What the emulator is asked to call at single instructions and at registers' addresses.

A hook on every access would slow all memory; so a block is looked at once, when it is new, and only
those of its instructions are hooked that need a look each time they run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from unicorn import Uc, UcError, arm_const, unicorn_const

from usim.devices.block_boundaries import divisions_in, instructions_in, size_of
from usim.devices.counting_registers import CountingRegisters
from usim.devices.registers import Registers
from usim.devices.unicorn_hooks import EVERYWHERE, Hook, UnicornHooks
from usim.timing.addresses import find_accesses
from usim.timing.counter import InspectReason, InstructionCounter
from usim.timing.memory import MemoryModel

_REGISTERS: Final = (
    *(getattr(arm_const, f"UC_ARM_REG_R{i}") for i in range(13)),
    arm_const.UC_ARM_REG_SP,
    arm_const.UC_ARM_REG_LR,
    arm_const.UC_ARM_REG_PC,
)


_SEND_EVENT: Final = (b"\x40\xbf", b"\xaf\xf3\x04\x80")  # SEV (A7.7.129)


def _sends_of_events(code: bytes, address: int) -> Iterator[int]:
    """Where a block of Thumb code has SEV."""
    for place in instructions_in(code, address):
        if code[place - address :].startswith(_SEND_EVENT):
            yield place


def _behind_special_registers(code: bytes, address: int) -> Iterator[int]:
    """Where instructions stand behind MRS, MSR and CPS (B5.2)."""
    for place in instructions_in(code, address):
        first = int.from_bytes(code[place - address : place - address + 2], "little")
        if first >> 4 == 0xF38 or first == 0xF3EF or first >> 5 == 0xB66 >> 1:
            yield place + (2 if first >> 12 == 0xB else 4)


class InstructionHooks(UnicornHooks):
    """The hooks of one core; `memory` is the timing model that wants to see accesses, if any."""

    def __init__(
        self,
        uc: Uc,
        registers: Registers,
        counter: InstructionCounter,
        counting: CountingRegisters,
    ) -> None:
        super().__init__(uc, counter)
        self._registers = registers
        self._counting = counting
        self.memory: MemoryModel | None = None
        self._stop_hooks: set[int] = set()
        self._register_spaces: list[range] = []
        self._serving_register = False
        self._unhooked_accesses: list[int] = []
        # That of stop_once(), and where it stands.
        self._passing: tuple[Hook, int] | None = None
        # Told once a block is met that may write CONTROL.
        self.on_control_write: Callable[[], None] = lambda: None
        self.add(unicorn_const.UC_HOOK_BLOCK, "usim_on_block", EVERYWHERE)

    def map_registers(
        self,
        space: range,
        read: Callable[[int, int], int],
        write: Callable[[int, int, int], None],
    ) -> None:
        """Serve the addresses of `space` by read(offset, size) and write(offset, size, value)."""
        self._counting.map(
            self._uc,
            space,
            lambda offset, size: self._in_callback(read, offset, size),
            lambda offset, size, value: self._in_callback(write, offset, size, value),
        )
        self._register_spaces.append(space)

    def here(self) -> int:
        """The instruction that runs. Inside a register callback Unicorn does not know it."""
        if not self._serving_register:
            return self._registers.read("pc")[0]
        if self._counter.accessing:
            return self._counter.accessing
        # A block that did not look as if it touched system registers when it was new. From the next
        # slice on its accesses are hooked; this once the count is that of the first of them.
        address, size_bytes = self._counter.block
        accesses = find_accesses(bytes(self._uc.mem_read(address, size_bytes)), address)
        places = sorted(place for place, _ in (*accesses.known, *accesses.at_instruction))
        self._unhooked_accesses += places
        self._counter.end_soon()
        return places[0] if places else address

    def watch(self, address: int) -> None:
        """Make sure that execution can stop at `address`, inside a block as well."""
        if address not in self._stop_hooks:
            self._stop_hooks.add(address)
            self.add(unicorn_const.UC_HOOK_CODE, "usim_on_stop_address", (address, address))
            self._uc.ctl_flush_tb()

    def hook_late_accesses(self) -> bool:
        """Hook the accesses to registers that the last run came upon unprepared, if it did."""
        places, self._unhooked_accesses = self._unhooked_accesses, []
        for place in places:
            if self._hook_register_access(place):
                self._uc.ctl_remove_cache(place, place + 1)
        return bool(places)

    def _hook_register_access(self, place: int) -> bool:
        """Know when the instruction at `place` runs, and look at what it did before the next."""
        behind = place + size_of(int.from_bytes(self._uc.mem_read(place, 2), "little"))
        hooked = [
            self.hook_once(place, "usim_on_register_access"),
            self.hook_once(behind, "usim_on_register_stored"),
        ]
        return any(hooked)

    def stop_once(self, address: int) -> None:
        """Have the current block, which has not run, end before the instruction at `address`."""
        start, size_bytes = self._counter.block
        hook = self.add(unicorn_const.UC_HOOK_CODE, "usim_on_stop_address", (address, address))
        self._passing = hook, address
        self._counter.stop_inside_at(address)
        self._uc.ctl_remove_cache(start, start + size_bytes)

    def forget_stop(self) -> None:
        """The run is over that stop_once() was for."""
        if self._passing is not None:
            hook, address = self._passing
            self._passing = None
            self.remove(hook)
            # Unicorn keeps translations with calls of a hook that is no more, and loops are slow.
            self._uc.ctl_remove_cache(address, address + 1)
            self._counter.stop_inside_at(None)

    def inspect_block(self, address: int, size_bytes: int) -> None:
        """Hook what needs a look when it runs, then have the block translated anew."""
        code = bytes(self._uc.mem_read(address, size_bytes))
        hooked = [self.hook_again(address, size_bytes)]
        if self._counter.inspect_reasons != InspectReason.AGAIN:
            hooked += self._hook_anew(code, address)
        if any(hooked):
            self._uc.ctl_remove_cache(address, address + size_bytes)

    def _hook_anew(self, code: bytes, address: int) -> list[bool]:
        """Hook what a block needs as it is now; whether each was not hooked before."""
        hooked = [
            self.hook_once(division, "usim_on_division") for division in divisions_in(code, address)
        ]
        if self._counter.inspect_reasons & (InspectReason.REGISTERS | InspectReason.POINTERS):
            hooked += [
                self._hook_register_access(place)
                for place in self._register_accesses(code, address)
            ]
        if InspectReason.SPECIAL in self._counter.inspect_reasons:
            self.on_control_write()
            hooked += [
                self.hook_once(place, "usim_on_special_done")
                for place in _behind_special_registers(code, address)
            ]
        if InspectReason.MULTIPLE in self._counter.inspect_reasons:
            hooked += [
                self.hook_once(place, "usim_on_multiple")
                for place in instructions_in(code, address)
                if self._counter.must_be_aligned(code[place - address :])
            ]
        if InspectReason.SEND_EVENT in self._counter.inspect_reasons:
            hooked += [
                self.hook_once(place, "usim_on_send_event")
                for place in _sends_of_events(code, address)
            ]
        if self.memory is not None:
            hooked += [
                self.hook_once(point, "usim_on_access", self.memory.pointer)
                for point in self.memory.points_of(code, address, self.left_of_it_block())
            ]
        return hooked

    def left_of_it_block(self) -> int:
        """How many instructions from pc on belong to an IT block that has begun before (A7.3.3)."""
        (status,) = self._registers.read("xpsr")
        mask = status >> 25 & 0b11 | status >> 8 & 0b1100
        return 4 - (mask & -mask).bit_length() + 1 if mask else 0

    def drop_translations(self) -> None:
        """Have all code translated anew: hooks are part of translations."""
        self._uc.ctl_flush_tb()

    def _in_callback(self, serve: Callable[..., Any], *arguments: int) -> Any:  # noqa: ANN401
        self._serving_register = True
        try:
            return serve(*arguments)
        finally:
            self._serving_register = False

    def _is_register(self, address: int) -> bool:
        return any(address in space for space in self._register_spaces)

    def _register_accesses(self, code: bytes, address: int) -> list[int]:
        """Instructions of a block that access system registers; if it makes pointers, that may."""
        accesses = find_accesses(code, address)

        terms = accesses.terms(
            lambda number: int(self._uc.reg_read(_REGISTERS[number])), self._peek
        )
        # Of those that are known only when they run (conditional ones, say): with what their
        # registers hold now, or any, if the block makes pointers.
        makes_pointers = InspectReason.REGISTERS in self._counter.inspect_reasons
        late = [
            place
            for place, access in accesses.at_instruction
            if makes_pointers or self._is_register(access.address.value(terms))
        ]
        known = [
            place
            for place, access in accesses.known
            if self._is_register(access.address.value(terms))
        ]
        return known + late

    def _peek(self, address: int, size_bytes: int) -> int:
        """A value in memory; 0 for what is none, registers included, which a read may change."""
        if self._is_register(address):
            return 0
        try:
            return int.from_bytes(self._uc.mem_read(address, size_bytes), "little")
        except UcError:
            return 0
