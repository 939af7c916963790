"""Builds the device runtime for a platform, loads it, and knows where its parts are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from usim import abi
from usim.clock import core_clock_hz, describe_failure
from usim.devices import Counter, Device
from usim.errors import DeviceError
from usim.image import SectionKind, read_object
from usim.loader import LoadedImage, load, missing_symbols
from usim.memory import SectionAllocator
from usim.platforms import Extent, Section
from usim.relocations import Target
from usim.resources import data_folder
from usim.stack import StackNeed, placed_code, task_stack_need
from usim.symbols import SymbolTable
from usim.timing.known_code import KnownCode, announce, retract
from usim.toolchain import Toolchain

# How long the host waits for the runtime's own start-up.
_START_TIMEOUT_S: Final = 10.0
_SOURCES: Final[tuple[str, ...]] = ("start.c", "tasks.c", "workspace.c", "faults.c", "caches.c")
_FLAGS: Final = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
# Of the stack section; handlers run on the main stack, tasks on the process stack below it.
HANDLER_STACK_BYTES: Final = 512
# Initial stack pointer, reset, and the exceptions up to UsageFault; no more than the null guard.
VECTOR_TABLE_BYTES: Final = len(abi.NULL_GUARD)
_VECTORS_ALIGNMENT: Final = 128  # of VTOR (DDI 0403E, B3.2.5)
_ROOM_BYTES: Final = 1 << 28  # more than any chip has, and four of them in the address space
_PREFIX: Final = "usim_runtime_"
_HELPERS: Final = ("workspace_alloc", "workspace_free", "set_last_error", "cycles")


class CodeLoader:
    """Compiles and places C on a device: the runtime first, modules that may use it later."""

    def __init__(
        self,
        device: Device,
        toolchain: Toolchain,
        allocators: Mapping[str, SectionAllocator],
        symbols: SymbolTable,
    ) -> None:
        self._device = device
        self._toolchain = toolchain
        self._allocators = allocators
        self._symbols = symbols
        self._known_code: dict[int, KnownCode] = {}

    def place(
        self, elf_objects: Sequence[bytes], helpers: Mapping[str, Target]
    ) -> tuple[LoadedImage, tuple[bytes, ...]]:
        """Load ELF objects; returns image and objects, with builtins they needed linked in."""
        elf_objects = self._with_builtins(elf_objects, helpers)
        objects = [read_object(data) for data in elf_objects]
        image = load(objects, self._allocators, helpers, helpers)
        for kind, block in image.blocks.items():
            self._device.write(block.address, image.contents[kind])
            if kind is SectionKind.TEXT and block.size_bytes:
                known = announce(block.address, image.contents[kind])
                self._known_code[block.address] = known
        self._symbols.add(image, elf_objects)
        return image, tuple(elf_objects)

    def measure(
        self, elf_objects: Sequence[bytes], helpers: Mapping[str, Target]
    ) -> dict[str, int]:
        """The bytes of each section that `place` would take, whether there is room or not."""
        objects = [read_object(data) for data in self._with_builtins(elf_objects, helpers)]
        roomy: dict[str, SectionAllocator] = {
            kind: SectionAllocator(Section(kind, (Extent("anywhere", base, _ROOM_BYTES),)))
            for kind, base in zip(SectionKind, range(0, 1 << 32, _ROOM_BYTES), strict=False)
        }
        image = load(objects, roomy, helpers, helpers)
        return {str(kind): block.size_bytes for kind, block in image.blocks.items()}

    def _with_builtins(
        self, elf_objects: Sequence[bytes], helpers: Mapping[str, Target]
    ) -> Sequence[bytes]:
        """The objects, joined with what they call of the compiler's own library, if anything."""
        if not missing_symbols([read_object(data) for data in elf_objects], helpers):
            return elf_objects
        core = self._device.platform.core
        return [self._toolchain.partial_link(elf_objects, self._toolchain.builtins(core), core)]

    def reserve_null_guard(self) -> bool:
        """Keep the first bytes of memory free of code, if it begins at address 0; before anything.

        A write through a null pointer is no fault there, so the runtime looks at these bytes.
        """
        text = self._allocators[SectionKind.TEXT]
        block = text.allocate(len(abi.NULL_GUARD))
        if block.address != 0:
            text.free(block)
        return block.address == 0

    def reserve_vectors(self, size_bytes: int) -> int:
        """Room among the code for a vector table; its address."""
        block = self._allocators[SectionKind.TEXT].allocate(size_bytes, _VECTORS_ALIGNMENT)
        return block.address

    def remove(self, image: LoadedImage) -> None:
        """Give an image's memory back."""
        self._symbols.remove(image)
        for kind, block in image.blocks.items():
            self._allocators[kind].free(block)
            if kind is SectionKind.TEXT and block.size_bytes:
                retract(self._known_code.pop(block.address))

    def close(self) -> None:
        """Nothing runs any more: keep on disk what was found about the code that is loaded."""
        for known in self._known_code.values():
            known.keep()
            retract(known)
        self._known_code.clear()


class DeviceRuntime:
    """The runtime on the device: its entry points and records."""

    def __init__(self, device: Device, toolchain: Toolchain, loader: CodeLoader) -> None:
        self._device = device
        self._loader = loader
        folder = data_folder("device_runtime")
        setup = device.platform.clock_setup
        self._sets_up_clock = device.capabilities.needs_clock_setup and setup is not None
        flags = (*_FLAGS, *_counter_flags(device.capabilities.counter))
        sources = _SOURCES
        if self._sets_up_clock:
            flags += ("-DUSIM_SETS_UP_CLOCK",)
            sources += (f"clock_{setup}.c",)

        def compile_one(source: str) -> bytes:
            return toolchain.compile(
                (folder / source).read_text(encoding="utf-8"),
                name=f"device_runtime/{source}",
                core=device.platform.core,
                include=(folder,),
                flags=flags,
            )

        with ThreadPoolExecutor() as pool:  # of compilers, each a process
            objects = list(pool.map(compile_one, sources))
        self._has_null_guard = loader.reserve_null_guard()
        self.image, _ = loader.place(objects, {})
        self.start = self._address("usim_start")
        self.done = self._address("usim_done")
        self._fault = self._address("usim_fault")
        self.helpers = {
            f"usim_{name}": Target(f"usim_{name}", self._address(_PREFIX + name), thumb=True)
            for name in _HELPERS
        }
        self._configure()
        self.clock_hz = self._start_clock()

    def _address(self, name: str) -> int:
        symbol = self.image.symbol(name)
        assert symbol is not None, name
        return symbol.address

    @property
    def task_stack(self) -> tuple[int, int]:
        """The tasks' stack as (lowest address, top)."""
        stack = self._device.platform.section("stack")
        return stack.base, stack.end - HANDLER_STACK_BYTES

    def stack_need(self, image: LoadedImage, tasks: Sequence[tuple[int, int]]) -> StackNeed:
        """What tasks, (function's address, bytes of arguments on the stack), need of the stack."""
        helpers = {name: target.address for name, target in self.helpers.items()}
        return task_stack_need(placed_code((self.image, image), helpers), self.start, tasks)

    def write_vectors(self) -> int:
        """Write a vector table, so that a reset starts the batch that is there; its address.

        Where memory begins at address 0 it takes the place of the null guard, for a core without a
        VTOR set looks there (DDI 0403E, B3.2.5).
        """
        table = 0 if self._has_null_guard else self._loader.reserve_vectors(VECTOR_TABLE_BYTES)
        self._has_null_guard = False
        self._configure()
        fault_entry = self._address("usim_fault_entry")
        words = [self._device.platform.section("stack").end, self.start | 1]
        words += [fault_entry | 1] * (VECTOR_TABLE_BYTES // 4 - len(words))
        self._device.write(table, b"".join(word.to_bytes(4, "little") for word in words))
        return table

    def _configure(self) -> None:
        platform = self._device.platform
        pools = [
            (extent.base, extent.size_bytes) for extent in platform.section("workspace").extents
        ]
        config = abi.pack_config(
            platform.section("args").base,
            self.task_stack,
            platform.section("stack").end,
            pools,
            caches=self._device.capabilities.has_caches,
            null_guard=self._has_null_guard,
        )
        self._device.write(self._address("usim_config"), config)
        if self._has_null_guard:
            self._device.write(0, abi.NULL_GUARD)
        self.paint_stack()

    def restore(self) -> None:
        """Write the runtime anew, as far as it lies in RAM: a task may have written over it."""
        for kind, block in self.image.blocks.items():
            region = self._device.platform.region_at(block.address)
            if region is not None and region.kind == "ram":
                self._device.write(block.address, self.image.contents[kind])
        self._configure()
        self.clock_hz = self._start_clock()

    def _start_clock(self) -> int | None:
        """The core's clock in Hz: set up and read back, or the platform's; None if not known."""
        device, platform = self._device, self._device.platform
        if not device.capabilities.needs_clock_setup:
            return platform.clock_hz
        if not self._sets_up_clock:
            return None
        # A batch of nothing: what lies there is no batch, so only the start-up runs.
        device.write(platform.section("args").base, bytes(abi.BATCH_BYTES))
        device.write_register("pc", self.start)
        device.run_until(self.done, _START_TIMEOUT_S)
        record = abi.unpack_clock(device.read(self._address("usim_clock"), abi.CLOCK_BYTES))
        if record is None or record.failure is not abi.ClockFailure.READY:
            raise DeviceError(f"{platform.name}: {describe_failure(record)}", clock=record)
        return core_clock_hz(record.cfgr, record.pllcfgr, platform.external_clock_hz)

    def paint_stack(self) -> None:
        """Fill the tasks' stack with a pattern, so that its high-water mark can be read."""
        low, top = self.task_stack
        self._device.write(low, abi.STACK_PAINT.to_bytes(4, "little") * ((top - low) // 4))

    def stack_high_water_bytes(self) -> int:
        """The most that tasks have used of their stack since it was painted."""
        low, top = self.task_stack
        content = self._device.read(low, top - low)
        paint = abi.STACK_PAINT.to_bytes(4, "little")
        untouched = 0
        while content[untouched : untouched + 4] == paint:
            untouched += 4
        return top - low - untouched

    def read_fault(self) -> abi.FaultRecord:
        """What the fault handler kept."""
        return abi.unpack_fault(self._device.read(self._fault, abi.FAULT_BYTES))


def _counter_flags(counter: Counter | None) -> tuple[str, ...]:
    if counter is None:
        return ()
    return (
        f"-DUSIM_COUNTER={counter.address:#x}",
        f"-DUSIM_COUNTS={counter.counts}U",
        f"-DUSIM_TICKS={counter.ticks}U",
    )
