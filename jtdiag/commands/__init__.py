"""The `jtdiag` command: a group of commands, one file each, loaded when called."""

import os
from importlib import import_module

import click

from jtdiag.errors import JtdiagError

# Read when torch is loaded, so it is set before any command imports it. Threads that spin while
# they wait make a step on two cores nine times slower as soon as something else, such as
# `jtdiag watch`, takes one of them (measured: 55 ms against 6).
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

COMMANDS = (
    "demo",
    "presets",
    "budget",
    "train",
    "study",
    "probes",
    "probe",
    "watch",
    "plot",
    "table",
    "report",
    "compare",
)
"""In the order in which a newcomer meets them."""


class Commands(click.Group):
    """Loads a command when it is asked for, and prints what a user can mend as one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return the command of that name, or None."""
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"jtdiag.commands.{name}"), name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; members of our error family end with status 1, bugs with a traceback."""
        try:
            return super().invoke(ctx)
        except JtdiagError as error:
            raise click.ClickException(str(error)) from error


HELP = """Is it an ensemble or one big model? Train networks together and find out.

\b
jtdiag demo            in a minute: train, probe, warn and plot on small digits
jtdiag train RECIPE    then, of its run: probe, watch, plot, report
"""


@click.group(cls=Commands, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="jtdiag")
def main() -> None:
    """Run a command."""
