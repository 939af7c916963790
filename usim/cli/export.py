"""`usim export`: a model, its input and all that runs it as one executable for other tools."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from usim import demo
from usim.errors import ArgumentError
from usim.firmware import Firmware, build_firmware
from usim.formatting import format_address, format_bytes
from usim.models import Model, guess_pixel_range, image_input, load_image
from usim.platforms import load_platform
from usim.report.console import make_console, make_table
from usim.report.whole_file import write_whole
from usim.toolchain import TOOLCHAINS

_EXAMPLES = """\b
Examples:
  usim export demo --output firmware.elf
  usim export my.tflite --platform stm32f767 --image cat.png --output cat.elf
  usim export my.tflite --input window.npy --output window.elf

\b
What to do with it:
  usim profile firmware.elf
  renode -e '$bin=@firmware.elf; include @platforms/stm32f746/stm32f746.resc'
  usim export demo --platform mps2-an500 --output q.elf
  qemu-system-arm -M mps2-an500 -kernel q.elf -nographic -s
  a debugger: load it, start at usim_start, stop at usim_done, read usim_output
"""


@click.command(epilog=_EXAMPLES)
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--platform",
    default="stm32f746",
    show_default=True,
    metavar="NAME",
    help="A chip: see `usim platforms list`.",
)
@click.option("--image", type=click.Path(path_type=Path), help="PNG or JPEG, as for `usim run`.")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A .npy array, an input of the model: stored values, or real ones (float) to be "
    "quantised. Repeat it for each input.",
)
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="The ELF file to write."
)
@click.option("--toolchain", type=click.Choice(list(TOOLCHAINS)), help="Compiler for the device.")
def export(
    model: Path,
    platform: str,
    image: Path | None,
    inputs: tuple[Path, ...],
    output: Path,
    toolchain: str | None,
) -> None:  # fmt: skip
    """Write MODEL with one input as an executable that runs it once and stops at usim_done.

    MODEL is a .tflite file, or `demo` for the network that comes with usim. Without --image and
    --input the demo gets its first picture, another model zeros.
    """
    if image and inputs:
        raise click.UsageError("--image and --input exclude each other")
    is_demo = str(model) == "demo"
    chip = load_platform(platform)
    loaded = Model.load(demo.MODEL if is_demo else model)
    values = _input_values(loaded, image, inputs, is_demo=is_demo)
    firmware = build_firmware(chip, loaded, values, toolchain=toolchain)
    write_whole(output, firmware.elf)
    _print(firmware, output)


def _input_values(
    model: Model, image: Path | None, files: tuple[Path, ...], *, is_demo: bool
) -> list[npt.NDArray[np.generic]]:
    if files:
        if len(files) != len(model.inputs):
            raise ArgumentError(
                f"{model.name} has {len(model.inputs)} inputs; --input was given {len(files)} times"
            )
        return [_read_array(file) for file in files]
    if image is None and is_demo:
        image = demo.images()[0][0]
    if image is None:
        return [
            model.quantize_input(np.zeros(spec.shape), index)
            if spec.quantization
            else np.zeros(spec.shape, spec.numpy_dtype())
            for index, spec in enumerate(model.inputs)
        ]
    if len(model.inputs) != 1:
        raise ArgumentError(f"{model.name} has {len(model.inputs)} inputs; --image feeds one")
    return [
        image_input(load_image(image, model.inputs[0]), model.inputs[0], guess_pixel_range(model))
    ]


def _read_array(file: Path) -> npt.NDArray[np.generic]:
    try:
        array = np.load(file, allow_pickle=False)
    except OSError as exc:
        raise ArgumentError(f"cannot read {file}: {exc.strerror or exc}") from exc
    except (ValueError, EOFError) as exc:
        raise ArgumentError(f"{file} is no .npy array: {exc}") from exc
    if not isinstance(array, np.ndarray):
        raise ArgumentError(f"{file} holds several arrays; one .npy array is wanted")
    return array


def _print(firmware: Firmware, output: Path) -> None:
    console = make_console()
    table = make_table("Loaded", "section", "address", "size", numeric=("size",))
    for section in firmware.sections:
        table.add_row(
            section.name, format_address(section.address), format_bytes(len(section.data))
        )
    console.print(table)
    console.print()
    table = make_table("Symbols", "name", "address", "what")
    table.add_row("usim_start", format_address(firmware.start), "the entry point")
    table.add_row("usim_done", format_address(firmware.done), "it stops here")
    for item in (*firmware.inputs, *firmware.outputs):
        what = f"{item.dtype} {list(item.shape)}, {item.size_bytes:,} bytes"
        table.add_row(item.symbol, format_address(item.address), what)
    batch = firmware.platform.section("args").base
    table.add_row(
        "usim_tasks", format_address(batch + 32),
        f"{firmware.tasks} records of 32 bytes; CYCCNT of a layer at offset 28",
    )  # fmt: skip
    console.print(table)
    console.print(
        f"\n{output}: {len(firmware.elf):,} bytes for {firmware.platform}; "
        f"vector table at {format_address(firmware.vector_table)}"
    )
