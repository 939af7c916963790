"""`usim export`: a model, its input and all that runs it as one executable for other tools."""

from __future__ import annotations

from pathlib import Path

import click

from usim import demo
from usim.cli.model_inputs import chosen_inputs, input_option, pixels_option
from usim.cli.output_path import OutputPath
from usim.cli.weights_option import weights_option
from usim.errors import ArgumentError
from usim.firmware import Firmware, build_firmware
from usim.formatting import format_address, format_bytes
from usim.models import Model, PixelRange
from usim.platforms import load_platform
from usim.report.console import make_console, make_table
from usim.report.whole_file import write_whole
from usim.toolchain import TOOLCHAINS
from usim.weight_placement import Weights

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
@pixels_option
@input_option
@click.option("--output", required=True, type=OutputPath(), help="The ELF file to write.")
@weights_option
@click.option("--toolchain", type=click.Choice(list(TOOLCHAINS)), help="Compiler for the device.")
def export(  # noqa: PLR0913, PLR0917 - one parameter an option
    model: Path,
    platform: str,
    image: Path | None,
    pixels: PixelRange | None,
    files: tuple[str, ...],
    output: Path,
    weights: Weights,
    toolchain: str | None,
) -> None:  # fmt: skip
    """Write MODEL with one input as an executable that runs it once and stops at usim_done.

    MODEL is a .tflite file, or `demo` for the network that comes with usim. Without --image and
    --input the demo gets its first picture, another model zeros.
    """
    if image and files:
        raise click.UsageError("--image and --input exclude each other")
    is_demo = str(model) == "demo"
    chip = load_platform(platform)
    loaded = Model.load(demo.MODEL if is_demo else model)
    if is_demo and not image:
        image = demo.images()[0][0]
    inputs = chosen_inputs(loaded, (image,) if image else (), files, pixels, is_demo=False)
    if len(inputs) != 1:
        raise ArgumentError(
            f"{loaded.name} has {len(loaded.inputs)} inputs; --input was given {len(files)} times"
        )
    firmware = build_firmware(chip, loaded, inputs[0].stored, toolchain=toolchain, weights=weights)
    write_whole(output, firmware.elf)
    _print(firmware, output)


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
