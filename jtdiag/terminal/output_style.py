"""Command-line options that select how much a command prints, and in which form."""

from collections.abc import Callable
from typing import Any, Literal

import click

OutputStyle = Literal["brief", "verbose", "quiet", "json"]

Command = Callable[..., Any]


def output_style(*, verbose: str = "", json: str = "") -> Callable[[Command], Command]:
    """Return a decorator that adds -q, and -v and --json where they are described.

    The command gets the argument `style`, an `OutputStyle`; of several options, the last counts.

    Args:
        verbose: What -v prints; "" for a command that has nothing more to print.
        json: What --json prints; "" for a command that has no such option.
    """

    def decorated(command: Command) -> Command:
        choices = (
            (("-v", "--verbose"), "verbose", verbose),
            (("-q", "--quiet"), "quiet", "Print errors only."),
            (("--json",), "json", json),
        )
        for flags, value, description in reversed(choices):
            if description:
                option = click.option(
                    *flags, "style", flag_value=value, default="brief", help=description
                )
                command = option(command)
        return command

    return decorated
