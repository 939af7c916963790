"""Types that the stand-in for Renode exchanges with usim: named as in .NET and as strict."""

from __future__ import annotations

from enum import Enum


def check(value: object, kind: type) -> None:
    assert type(value) is kind, f"Renode would not take {value!r} for {kind.__name__}"


class ClrError(Exception):
    """System.Exception."""


class Int32(int):
    pass


class UInt32(int):
    pass


class UInt64(int):
    pass


class Byte(int):
    pass


class ByteArray(bytes):
    """System.Array[System.Byte]."""


class Array:
    def __class_getitem__(cls, item: type) -> type:
        assert item is Byte
        return ByteArray


class TimeInterval:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    @staticmethod
    def FromSeconds(seconds: float) -> TimeInterval:
        check(seconds, float)
        return TimeInterval(seconds)


class RegisterValue:
    def __init__(self, raw: int, bits: int) -> None:
        self.RawValue = raw
        self.Bits = bits

    @staticmethod
    def Create(raw: UInt64, bits: UInt32) -> RegisterValue:
        check(raw, UInt64)
        check(bits, UInt32)
        return RegisterValue(int(raw), int(bits))


class EmulationCPUState(Enum):
    Aborted = 0
    InReset = 1
    Running = 2


class CpuAddressHook:
    """A delegate."""

    def __init__(self, function) -> None:
        assert callable(function)
        self.function = function


class Strict:
    """Takes no attribute that its class does not declare."""

    def __setattr__(self, name: str, value: object) -> None:
        known = name.startswith("_") or isinstance(getattr(type(self), name, None), property)
        assert known, f"Renode has no {type(self).__name__}.{name} that could be set"
        super().__setattr__(name, value)
