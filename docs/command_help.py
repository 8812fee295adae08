"""The Sphinx directive ``jtdiag-help``: what ``jtdiag COMMAND --help`` prints in this version."""

from typing import ClassVar

from click.testing import CliRunner
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from jtdiag.commands import main

WIDTH = 78
"""Columns that click uses on a terminal of 80 or more."""


def help_of(command: str) -> str:
    """Return the help of a command, or of the program for an empty name."""
    arguments = [command, "--help"] if command else ["--help"]
    shown = CliRunner().invoke(main, arguments, prog_name="jtdiag", terminal_width=WIDTH)
    if shown.exit_code:
        raise ValueError(f"jtdiag {command} --help: {shown.output}")
    return shown.output


class CommandHelp(Directive):
    """A block with the help of the command that is its argument."""

    optional_arguments: ClassVar[int] = 1

    def run(self) -> list[nodes.Node]:
        """Return the block."""
        text = help_of(self.arguments[0] if self.arguments else "")
        return [nodes.literal_block(text, text, language="text")]


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("jtdiag-help", CommandHelp)
