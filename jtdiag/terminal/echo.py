"""Prints text without control characters, whoever wrote it."""

import click

from jtdiag.printable import printable


def echo(text: object, *, err: bool = False, nl: bool = True) -> None:
    """Print a text; control characters, which a terminal would carry out, are written out.

    Args:
        text: Anything with a string form; line feeds are kept.
        err: Print to stderr instead of stdout.
        nl: End with a line feed.
    """
    click.echo(printable(str(text)), err=err, nl=nl)
