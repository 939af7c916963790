"""An executable that runs a model once: runtime, kernels, weights, input and calls in one ELF file.

A Session prepares everything as it would for a run, on a device that only records; what it wrote
becomes the file. So addresses, code and answers are those of a Session on the same platform.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy.typing as npt
from elftools.elf.elffile import ELFFile

from usim import abi
from usim.compiled_model import CompiledModel
from usim.devices.recording import RecordingDevice
from usim.elf_writer import Access, ElfSection, ElfSymbol, write_elf
from usim.errors import MemoryFullError, ModelError
from usim.models import Model
from usim.platforms import Platform
from usim.session import Session
from usim.session_facts import Staged
from usim.tasks import longest_queue
from usim.tensor import Tensor
from usim.weight_placement import Weights

VECTORS: Final = ".isr_vector"  # what start-up files call it, and debuggers look for
# Gaps of alignment between two things of one section are filled; the rest of a heap is not.
_LONGEST_GAP: Final = 64
_ACCESS: Final[dict[str, Access]] = {"text": "rx", "rodata": "r"}


@dataclass(frozen=True, slots=True)
class Named:
    """Memory that the file has a symbol for."""

    symbol: str
    address: int
    size_bytes: int
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Firmware:
    """The file, and what a person needs to know to use it.

    Started at `start`, or by a reset with VTOR at `vector_table`, it runs to `done` and stays
    there. Then `outputs` hold the answers and `counts`, a uint32 every 32 bytes from offset 28 of
    the records at `usim_tasks`, what each layer took.
    """

    elf: bytes
    platform: Platform
    vector_table: int
    start: int
    done: int
    tasks: int
    inputs: tuple[Named, ...]
    outputs: tuple[Named, ...]
    sections: tuple[ElfSection, ...]


def build_firmware(
    platform: Platform,
    model: Model,
    inputs: Sequence[npt.ArrayLike],
    *,
    toolchain: str | None = None,
    weights: Weights = "flash",
) -> Firmware:
    """Build a model and an input of it for a platform; `weights` as for Session.load_model.

    ModelError if the model does not fit the platform; ArgumentError if the inputs are not its own;
    CompileError.
    """
    calls = len(model.lowered.calls)
    limit = longest_queue(platform.section("args").extents[0].size_bytes)
    if calls > limit:
        raise _too_long(model, platform, f"{limit} fit")
    device = RecordingDevice(platform, has_caches=platform.core.dcache is not None)
    session = Session(
        platform, device=device, toolchain=toolchain, queue_length=max(calls, 1), timing="count"
    )
    with session:
        compiled = session.load_model(model, weights=weights)
        try:
            compiled.queue(*inputs)
        except MemoryFullError as exc:
            raise _too_long(model, platform, str(exc)) from exc
        staged = session.stage()
        return _assemble(session, compiled, staged, device)


def _too_long(model: Model, platform: Platform, why: str) -> ModelError:
    return ModelError(
        f"{model.graph.file}: its {len(model.lowered.calls)} layers are too many for one batch in "
        f"section args of {platform} ({why})",
        file=model.graph.file,
    )


def _assemble(
    session: Session, compiled: CompiledModel, staged: Staged, device: RecordingDevice
) -> Firmware:
    sections = tuple(
        sorted(_sections(device, staged.vector_table), key=lambda section: section.address)
    )
    named_inputs = _named("usim_input", compiled.input_tensors)
    named_outputs = _named("usim_output", compiled.output_tensors)
    symbols = [*_code_symbols(session), *_data_symbols(session, staged)]
    symbols += [
        ElfSymbol(item.symbol, item.address, item.size_bytes, "object", True)
        for item in (*named_inputs, *named_outputs)
    ]
    elf = write_elf(
        staged.start | 1,
        sections,
        symbols,
        hard_float=session.platform.core.float_abi == "hard",
        attributes=_attributes(session),
    )
    return Firmware(
        elf,
        session.platform,
        staged.vector_table,
        staged.start,
        staged.done,
        staged.tasks,
        named_inputs,
        named_outputs,
        sections,
    )


def _named(symbol: str, tensors: Sequence[Tensor]) -> tuple[Named, ...]:
    """The first one has the plain name, further ones a number."""
    return tuple(
        Named(
            f"{symbol}_{index}" if index else symbol,
            tensor.address,
            tensor.nbytes,
            tensor.shape,
            str(tensor.dtype),
        )
        for index, tensor in enumerate(tensors)
    )


def _sections(device: RecordingDevice, vector_table: int) -> Iterator[ElfSection]:
    """What was written, by the platform's sections; the vector table is one of its own."""
    vectors_end = vector_table + len(abi.NULL_GUARD)
    table = device.read(vector_table, len(abi.NULL_GUARD))
    yield ElfSection(VECTORS, vector_table, table, "r")
    for section in device.platform.placed_sections:
        number = 0
        for extent in section.extents:
            for start, end in _stretches(device, extent.base, extent.end):
                for first, last in (
                    (start, min(end, vector_table)),
                    (max(start, vectors_end), end),
                ):
                    if first >= last:
                        continue
                    name = f".{section.name}" + (f".{number}" if number else "")
                    access = _ACCESS.get(section.name, "rw")
                    yield ElfSection(name, first, device.read(first, last - first), access)
                    number += 1


def _stretches(device: RecordingDevice, base: int, end: int) -> list[tuple[int, int]]:
    """What was written of [base, end), with small gaps closed."""
    found: list[tuple[int, int]] = []
    for address, data in device.written():
        start, stop = max(address, base), min(address + len(data), end)
        if start >= stop:
            continue
        if found and start - found[-1][1] <= _LONGEST_GAP:
            found[-1] = found[-1][0], stop
        else:
            found.append((start, stop))
    return found


def _code_symbols(session: Session) -> Iterator[ElfSymbol]:
    for symbol in session.symbols.placed():
        yield ElfSymbol(
            symbol.name,
            symbol.address | int(symbol.is_function),
            symbol.size_bytes,
            "func" if symbol.is_function else "object",
            symbol.is_global,
        )
    for name, address in session.symbols.marks():
        yield ElfSymbol(name, address, 0, "mark", False)


def _data_symbols(session: Session, staged: Staged) -> Iterator[ElfSymbol]:
    batch = session.platform.section("args").base
    yield ElfSymbol("usim_vectors", staged.vector_table, len(abi.NULL_GUARD), "object", True)
    yield ElfSymbol("usim_batch", batch, abi.BATCH_BYTES, "object", True)
    size = staged.tasks * abi.TASK_BYTES
    yield ElfSymbol("usim_tasks", batch + abi.BATCH_BYTES, size, "object", True)


def _attributes(session: Session) -> bytes:
    """What the compiler noted of the core, for debuggers; it is the same in all objects."""
    for elf in session.symbols.objects():
        section = ELFFile(io.BytesIO(elf)).get_section_by_name(".ARM.attributes")
        if section is not None:
            return bytes(section.data())
    return b""
