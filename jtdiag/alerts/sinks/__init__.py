"""Installed sinks: built-in and third-party ones are entry points of the group jtdiag.sinks."""

from typing import Final

from jtdiag.alerts.contract import Sink, SinkType
from jtdiag.errors import AlertError
from jtdiag.loading import Registry

SINKS: Final[Registry[SinkType]] = Registry(
    group="jtdiag.sinks",
    kind="jtdiag.alerts.contract:SinkType",
    noun="sink",
    plural="sinks",
    error=AlertError,
    order=("command", "webhook", "tensorboard", "mlflow", "wandb"),
)
"""Built-in sinks first, third-party sinks after them."""


def make(name: str, argument: str = "") -> Sink:
    """Return a new sink of an installed type.

    Args:
        name: Name of the type, such as "webhook".
        argument: Its argument, such as a URL; empty if it takes none.

    Raises:
        AlertError: if there is no such sink, its argument is missing or not supported, or the
            sink cannot be used.
    """
    sink = SINKS.find(name)
    option = sink.option or f"--sink {name}"
    if argument and not sink.argument:
        raise AlertError(f"{option} takes no argument; it was given {argument!r}.")
    if sink.argument and not argument and not sink.argument.startswith("["):
        example = f"{option} {sink.argument}" if sink.option else f"{option}={sink.argument}"
        raise AlertError(f"{option} needs an argument: {example}.")
    return sink.make(argument)


def parse(text: str) -> tuple[str, str]:
    """Return name and argument of "NAME" or "NAME=ARGUMENT"."""
    name, _, argument = text.partition("=")
    return name, argument
