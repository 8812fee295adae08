"""The command-line option that overrides fields of a recipe."""

from collections.abc import Callable
from typing import Any

import click

Command = Callable[..., Any]


def set_option(description: str) -> Callable[[Command], Command]:
    """Return a decorator that adds --set; the command gets `overrides`, texts KEY=VALUE.

    Args:
        description: What is overridden, as a sentence without its end.
    """
    return click.option(
        "--set",
        "overrides",
        metavar="KEY=VALUE",
        multiple=True,
        help=f"{description}; repeatable.",
    )
