"""Power control of the STM32F7 (RM0385 and RM0410, chapter 4, registers in 4.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from usim.devices.peripherals.base import RegisterBlock

CR1: Final = 0x00
CSR1: Final = 0x04
CR2: Final = 0x08
CSR2: Final = 0x0C

_DBP: Final = 1 << 8
_VOS: Final = 3 << 14
_ODEN: Final = 1 << 16
_ODSWEN: Final = 1 << 17
_BRE: Final = 1 << 9
_BRR: Final = 1 << 3
_VOSRDY: Final = 1 << 14
_ODRDY: Final = 1 << 16
_ODSWRDY: Final = 1 << 17


class PowerControl(RegisterBlock):
    """PWR: the core's voltage and over-drive, ready as soon as they are asked for."""

    name = "PWR"
    reset_values: ClassVar[dict[int, int]] = {CR1: 0x0000_C000, CSR1: 0, CR2: 0, CSR2: 0}
    register_names: ClassVar[dict[int, str]] = {CR1: "CR1", CSR1: "CSR1", CR2: "CR2", CSR2: "CSR2"}

    def __init__(self, pll_on: Callable[[], bool]) -> None:
        super().__init__()
        self._pll_on = pll_on

    @property
    def backup_writable(self) -> bool:
        """CR1.DBP: whether the backup domain's registers take writes."""
        return bool(self._values[CR1] & _DBP)

    def read_word(self, offset: int) -> int:
        """Voltage scaling takes effect while the PLL is on (4.1.4); over-drive follows CR1."""
        value = self._values[offset]
        if offset != CSR1:
            return value
        control = self._values[CR1]
        over_drive = control & _ODEN
        return (
            value
            | (_BRR if value & _BRE else 0)
            | (_VOSRDY if self._pll_on() else 0)
            | (_ODRDY if over_drive else 0)
            | (_ODSWRDY if over_drive and control & _ODSWEN else 0)
        )

    def write_word(self, offset: int, value: int) -> None:
        """VOS can be changed only while the PLL is off (4.4.1)."""
        if offset == CR1 and self._pll_on():
            value = value & ~_VOS | self._values[CR1] & _VOS
        if offset in (CR1, CR2):
            self._values[offset] = value
        elif offset == CSR1 and self.backup_writable:
            self._values[CSR1] = value & _BRE

    def reset(self) -> None:
        """The backup regulator stays on (4.4.2: BRE is not reset by a system reset)."""
        regulator = self._values[CSR1]
        super().reset()
        self._values[CSR1] = regulator

    def power_on(self) -> None:
        """Nothing stays on."""
        super().reset()
