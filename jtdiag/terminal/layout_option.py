"""The command-line option for the order of the axes of images."""

import click

from jtdiag.recipe.image_layout import LAYOUTS

layout_option = click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default="auto",
    show_default=True,
    help="Order of the axes of images in an .npz file, as data.layout.",
)
