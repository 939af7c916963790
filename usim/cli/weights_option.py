"""`--weights`, for the commands that place a model."""

from __future__ import annotations

import click

from usim.weight_placement import WEIGHTS

weights_option = click.option(
    "--weights",
    type=click.Choice(WEIGHTS),
    default="flash",
    show_default=True,
    help="Where constants lie: flash (section rodata); ram (the heap); auto: in RAM as far as it "
    "has room beside the activations, those first that are read most often.",
)
