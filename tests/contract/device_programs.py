"""Small programs in assembly for the contract: where they go, and how they are loaded and run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import pytest

from usim.devices import Device
from usim.errors import DeviceError
from usim.image import read_object
from usim.platforms import Platform
from usim.toolchain import find_toolchain

TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Places:
    """Where the contract's programs put things, all of it in the platform's `sram1`."""

    program: int
    vectors: int
    handler: int
    park: int
    data: int
    stack_top: int

    @classmethod
    def on(cls, platform: Platform) -> Places:
        region = platform.region("sram1")
        base = region.base
        return cls(base, base + 0x1000, base + 0x1400, base + 0x1800, base + 0x2000, region.end)


@lru_cache(maxsize=256)
def _assemble(text: str, core_of: Platform) -> bytes:
    lines = "\n".join(f'"{line.strip()}\\n"' for line in text.strip().splitlines())
    source = (
        '__attribute__((naked, section(".text.program"))) void program(void) '
        f"{{ __asm volatile(\n{lines}\n); }}"
    )
    elf = find_toolchain("clang").compile(source, name="program.c", core=core_of.core)
    (section,) = [item for item in read_object(elf).sections if item.name == ".text.program"]
    return section.data


def assemble(text: str, platform: Platform) -> bytes:
    """Machine code of Thumb assembly; nothing in it may need a relocation."""
    return _assemble(text, platform)


def constant(register: str, value: int) -> str:
    """Two instructions that load a 32-bit constant."""
    return f"movw {register}, #{value & 0xFFFF}\nmovt {register}, #{value >> 16 & 0xFFFF}"


def put(device: Device, address: int, text: str) -> int:
    """Assemble to `address`; returns the address behind."""
    code = assemble(text, device.platform)
    device.write(address, code)
    return address + len(code)


def run_program(device: Device, text: str, timeout_s: float = TIMEOUT_S) -> Places:
    """Put a program at its place and run it until it is through."""
    places = Places.on(device.platform)
    end = put(device, places.program, f"{text}\nnop")
    device.write_register("pc", places.program)
    device.run_until(end - 2, timeout_s)
    return places


@dataclass(frozen=True)
class Taken:
    """What the handler of an exception saw."""

    exception: int
    cfsr: int
    hfsr: int
    mmfar: int
    bfar: int
    exc_return: int
    frame: dict[str, int] | None


_HANDLER = """
mrs r0, ipsr
movw r1, #0xED28
movt r1, #0xE000
ldr r2, [r1]
ldr r3, [r1, #4]
ldr r4, [r1, #12]
ldr r5, [r1, #16]
mov r6, lr
tst lr, #4
ite eq
mrseq r7, msp
mrsne r7, psp
"""

# It is off after a reset (DDI 0403E, B3.2.20). r8 and r9 are changed.
ENABLE_FPU = """
movw r8, #0xED88
movt r8, #0xE000
ldr r9, [r8]
orr r9, #0xF00000
str r9, [r8]
dsb
isb
"""

ENABLE_FAULTS = """
movw r0, #0xED24
movt r0, #0xE000
mov r1, #0x70000
str r1, [r0]
movw r0, #0xED14
movt r0, #0xE000
ldr r1, [r0]
orr r1, r1, #0x10
str r1, [r0]
"""


def prepare_vectors(device: Device, handler: str = _HANDLER) -> Places:
    """Vectors that all lead to `handler`, which ends at the parking place."""
    places = Places.on(device.platform)
    end = put(device, places.handler, handler)
    device.write(end, assemble(f"{constant('r8', places.park | 1)}\nbx r8", device.platform))
    device.write(places.park, assemble("1: b 1b", device.platform))
    words = [places.stack_top, *[places.handler | 1] * 127]
    device.write(places.vectors, b"".join(word.to_bytes(4, "little") for word in words))
    return places


def start(device: Device, text: str, *, setup: str = ENABLE_FAULTS) -> Places:
    """Vectors in place, `setup` and `text` loaded, pc and sp set. Returns where things are."""
    places = prepare_vectors(device)
    vtor = f"{constant('r0', 0xE000_ED08)}\n{constant('r1', places.vectors)}\nstr r1, [r0]"
    put(device, places.program, f"{vtor}\n{setup}\n{text}\n9: b 9b")
    device.write_register("msp", places.stack_top)
    device.write_register("sp", places.stack_top)
    device.write_register("pc", places.program)
    return places


def take_fault(device: Device, text: str, *, setup: str = ENABLE_FAULTS) -> Taken:
    """Run `text` with all faults enabled until the handler has recorded what happened."""
    places = start(device, text, setup=setup)
    device.run_until(places.park, TIMEOUT_S)
    values = [device.read_register(f"r{i}") for i in range(8)]
    exception, _, cfsr, hfsr, mmfar, bfar, exc_return, frame_at = values
    names = ("r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr")
    frame = None
    if not cfsr & (1 << 12 | 1 << 4):
        words = device.read(frame_at, 32)
        frame = {
            name: int.from_bytes(words[4 * i : 4 * i + 4], "little") for i, name in enumerate(names)
        }
    return Taken(exception, cfsr, hfsr, mmfar, bfar, exc_return, frame)


def recover(device: Device) -> None:
    """Reset after a lockup; a device whose memory is gone must refuse that and be opened anew."""
    if not device.capabilities.survives_lockup:
        with pytest.raises(DeviceError, match="open the device again"):
            device.reset()
        device.open()
    device.reset()


def offset_in_program(device: Device, before: str, *, setup: str = ENABLE_FAULTS) -> int:
    """Address of the instruction that follows `before` in a program started with start()."""
    places = Places.on(device.platform)
    vtor = f"{constant('r0', 0xE000_ED08)}\n{constant('r1', places.vectors)}\nstr r1, [r0]"
    return places.program + len(assemble(f"{vtor}\n{setup}\n{before}", device.platform))
