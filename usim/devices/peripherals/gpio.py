"""General-purpose pins of the STM32F7 (RM0385 and RM0410, chapter 6).

A pin that nobody drives reads as its pull says, and as 0 without one. What a peripheral would put
out on a pin in alternate function is not modelled: such a pin reads as an input does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from usim.devices.peripherals.base import RegisterBlock

MODER: Final = 0x00
OTYPER: Final = 0x04
OSPEEDR: Final = 0x08
PUPDR: Final = 0x0C
IDR: Final = 0x10
ODR: Final = 0x14
BSRR: Final = 0x18
LCKR: Final = 0x1C
AFRL: Final = 0x20
AFRH: Final = 0x24

_PINS: Final = range(16)
_OUTPUT: Final = 1
_ANALOG: Final = 3
_PULL_UP: Final = 1
_LCKK: Final = 1 << 16
# Bits a pin has in the registers that a lock freezes.
_FIELD_BITS: Final = {MODER: 2, OTYPER: 1, OSPEEDR: 2, PUPDR: 2, AFRL: 4, AFRH: 4}


class GpioPort(RegisterBlock):
    """One port. `on_output(pin, level)` is told of what output pins drive, `pin_changed` of all."""

    name = "GPIO"
    reset_values: ClassVar[Mapping[int, int]] = dict.fromkeys(
        (MODER, OTYPER, OSPEEDR, PUPDR, IDR, ODR, BSRR, LCKR, AFRL, AFRH), 0
    )
    register_names: ClassVar[Mapping[int, str]] = {
        MODER: "MODER", OTYPER: "OTYPER", OSPEEDR: "OSPEEDR", PUPDR: "PUPDR", IDR: "IDR",
        ODR: "ODR", BSRR: "BSRR", LCKR: "LCKR", AFRL: "AFRL", AFRH: "AFRH",
    }  # fmt: skip

    def __init__(
        self,
        name: str,
        pin_changed: Callable[[int, bool], None] = lambda _pin, _level: None,
        reset_values: Mapping[int, int] | None = None,
    ) -> None:
        super().__init__(name, {**self.reset_values, **(reset_values or {})})
        self._pin_changed = pin_changed
        # Masks of pins: driven from outside and to which level, told to `on_output` and as what.
        self._outside, self._outside_levels = 0, 0
        self._told, self._told_levels = 0, 0
        self._levels = 0
        self._lock_step = 0
        self._lock_wanted = 0
        self.on_output: Callable[[int, bool], None] = lambda _pin, _level: None
        self._update()

    def set_input(self, pin: int, level: bool | None) -> None:
        """Drive a pin from outside; None lets go of it."""
        bit = 1 << pin
        self._outside = self._outside & ~bit | (0 if level is None else bit)
        self._outside_levels = self._outside_levels & ~bit | (bit if level else 0)
        self._update()

    def level(self, pin: int) -> bool:
        """What the pin is at."""
        return bool(self._levels >> pin & 1)

    def reset(self) -> None:
        """Inputs, unlocked; what drives pins from outside goes on."""
        super().reset()
        self._lock_step = self._lock_wanted = 0
        self._update()

    def read_word(self, offset: int) -> int:
        """IDR is the pins' levels."""
        if offset == IDR:
            return self._levels
        return self._values[offset]

    def write_word(self, offset: int, value: int) -> None:
        """BSRR sets and resets, setting first; LCKR takes its sequence; locked pins stay."""
        if offset == BSRR:
            self._values[ODR] = self._values[ODR] & ~(value >> 16) | value & 0xFFFF
        elif offset == LCKR:
            self._step_lock(value & 0x1_FFFF)
        elif offset == ODR:
            self._values[ODR] = value & 0xFFFF
        elif offset != IDR:
            frozen = self._frozen(offset)
            self._values[offset] = self._values[offset] & frozen | value & ~frozen
        self._update()

    def _step_lock(self, value: int) -> None:
        """LCKK written as 1, 0, 1 with the same pins locks them (6.4.8)."""
        if self._values[LCKR] & _LCKK:
            return
        pins, key = value & 0xFFFF, bool(value & _LCKK)
        continues = self._lock_step == 0 or pins == self._lock_wanted
        if continues and key == (self._lock_step != 1):
            self._lock_step += 1
        else:
            self._lock_step = int(key)
        self._lock_wanted = self._values[LCKR] = pins
        if self._lock_step == 3:
            self._values[LCKR] |= _LCKK

    def _frozen(self, offset: int) -> int:
        lock = self._values[LCKR]
        width = _FIELD_BITS[offset]
        if not lock & _LCKK:
            return 0
        first = 8 if offset == AFRH else 0
        pins = range(first, min(first + 32 // width, len(_PINS)))
        field = (1 << width) - 1
        return sum(field << width * (pin - first) for pin in pins if lock >> pin & 1)

    def _update(self) -> None:
        """Work out every pin's level, then tell who listens."""
        before = self._levels
        modes = self._values[MODER]
        # An output drives its level; an open drain lets go of 1.
        level = self._values[ODR]
        driven = _pins_with(modes, _OUTPUT) & ~(level & self._values[OTYPER])
        loose = self._outside_levels | _pins_with(self._values[PUPDR], _PULL_UP) & ~self._outside
        # In analog mode the Schmitt trigger is off.
        self._levels = driven & level | loose & ~driven & ~_pins_with(modes, _ANALOG)
        fresh = driven & (~self._told | self._told_levels ^ level)
        self._told |= driven
        self._told_levels = self._told_levels & ~driven | driven & level
        for pin in _pins_of(fresh):
            self.on_output(pin, bool(level >> pin & 1))
        for pin in _pins_of(before ^ self._levels):
            self._pin_changed(pin, self.level(pin))


def _pins_with(fields: int, value: int) -> int:
    """The pins whose two bits are `value`, a bit each."""
    apart = fields ^ value * 0x5555_5555
    free = ~(apart | apart >> 1) & 0x5555_5555
    # Every second bit moves next to the one before it.
    for shift, mask in ((1, 0x3333_3333), (2, 0x0F0F_0F0F), (4, 0x00FF_00FF), (8, 0xFFFF)):
        free = (free | free >> shift) & mask
    return free


def _pins_of(mask: int) -> list[int]:
    return [pin for pin in _PINS if mask >> pin & 1] if mask else []
