"""The `jtdiag` command: one file per subcommand, imported when it is called."""

import errno
import io
import os
import sys
import time
import traceback
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from jtdiag.cluster import torchrun
from jtdiag.errors import JtdiagError, RankError, nearest, on_command_line
from jtdiag.printable import printable

# Must be set before torch is imported. Threads that spin while they wait make a training step on
# two cores nine times slower if another process, such as `jtdiag watch`, uses one of the cores
# (measured: 55 ms instead of 6 ms).
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

COMMANDS = (
    "demo",
    "presets",
    "init",
    "budget",
    "advise",
    "train",
    "study",
    "probes",
    "probe",
    "watch",
    "plot",
    "table",
    "report",
    "compare",
    "check",
    "merge",
    "submit",
    "import",
)
"""Subcommands in the order of the help."""

_MODULES = {"import": "import_run"}
"""Module and function of a subcommand whose name Python reserves."""


READERS = ("train", "probe", "watch", "plot", "table", "report", "compare", "check", "merge")
"""Subcommands that open runs, which may name code of their authors."""


def _trust_code(_context: click.Context, _option: click.Parameter, trusted: bool) -> None:
    if trusted:
        from jtdiag.store import trust

        trust.trust_all()


TRUST_CODE = click.Option(
    ["--trust-code"],
    is_flag=True,
    expose_value=False,
    callback=_trust_code,
    help="Import code that a run names, even if the run was made elsewhere.",
)


REPORTING = 10.0
"""Seconds that rank 0 has to print an error of all ranks; torchrun then ends the others."""

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)
"""Errors of a file without a name, which is the standard output."""


class Commands(click.Group):
    """Imports subcommands on demand and prints errors of jtdiag as one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all subcommands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return the subcommand with a name, or None."""
        if name not in COMMANDS:
            return None
        module = _MODULES.get(name, name)
        command: click.Command = getattr(import_module(f"jtdiag.commands.{module}"), module)
        if name in READERS and TRUST_CODE not in command.params:
            command.params.append(TRUST_CODE)
        return command

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run a command, whatever the encoding of the output."""
        _write_any_text()
        if torchrun.rank():
            _print_nothing()
        return super().main(*arguments, **options)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is called; the error names the nearest."""
        if torchrun.count() > 1 and args[0] != "train":
            _wait_for_first()
            raise click.UsageError("torchrun starts `jtdiag train` only.", ctx)
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            message = printable(f"{error.message}{nearest(args[0], COMMANDS)}")
            raise click.UsageError(message, ctx) from error

    def invoke(self, ctx: click.Context) -> object:
        """Run a subcommand; a JtdiagError exits with status 1, other errors print a traceback."""
        try:
            with on_command_line():
                return super().invoke(ctx)
        except JtdiagError as error:
            _wait_for_first()
            if torchrun.rank() and not isinstance(error, RankError):
                _print_error_of_rank(error)
            raise click.ClickException(printable(str(error))) from error
        except OSError as error:
            message = "" if isinstance(error, BrokenPipeError) else _about_file(error)
            if not message:
                raise
            raise click.ClickException(message) from error
        except ValueError as error:
            if "embedded null" not in str(error):
                raise
            raise click.ClickException("A path contains a zero byte; give another one.") from error


def _about_file(error: OSError) -> str:
    """Return the message for what the system refuses; an empty string if that is a bug."""
    if isinstance(error.filename, str | Path):
        text = f"{error.filename}: {error.strerror}. Check that it exists and that you may use it, "
        return str(JtdiagError(f"{text}or give another one."))
    if error.errno in DISK:
        return f"The output cannot be written: {error.strerror}. Write it to another place."
    return ""


def _write_any_text() -> None:
    """Write characters that the encoding of the output does not have as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _wait_for_first() -> None:
    """Let rank 0 print an error that all ranks have; then torchrun ends the others."""
    if torchrun.rank():
        time.sleep(REPORTING)


def _print_error_of_rank(error: JtdiagError) -> None:
    """Print an error that rank 0 does not have."""
    if sys.__stderr__ is not None:
        sys.__stderr__.write(f"Error of rank {torchrun.rank()}: {printable(str(error))}\n")
        sys.__stderr__.flush()


def _print_nothing() -> None:
    """Leave it to rank 0 to print; tracebacks of bugs are printed by every rank."""
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until exit
    sys.excepthook = partial(traceback.print_exception, file=sys.__stderr__)


HELP = """Diagnostics for jointly trained ensembles: is it an ensemble or one big model?

\b
jtdiag demo            train, probe and plot a small example in a minute
jtdiag train RECIPE    train your own; then use watch, probe, plot and report

λ is the weight of the ensemble loss: members are independent at λ = 0 and trained end to end at
λ = 1. A lane is one λ in one trial.
"""


@click.group(cls=Commands, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="jtdiag")
def main() -> None:
    """Run a subcommand."""
