"""Command-line options that select where alerts are sent."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from jtdiag.alerts.contract import Sink
    from jtdiag.alerts.dispatch import Dispatcher, PrintLine

OPTIONS = (
    click.option(
        "--on-alert",
        metavar="CMD",
        multiple=True,
        help="Run a command (without a shell) for every alert, such as "
        "'notify-send {rule} {sentence}'; repeatable.",
    ),
    click.option(
        "--webhook",
        metavar="URL",
        multiple=True,
        envvar="JTDIAG_WEBHOOK",
        show_envvar=True,
        help="Send every alert to URL as JSON (HTTP POST); repeatable.",
    ),
    click.option(
        "--tensorboard",
        metavar="DIR",
        type=click.Path(path_type=Path),
        help="Write alerts to the TensorBoard log directory DIR.",
    ),
    click.option("--mlflow", is_flag=True, help="Log alerts to the MLflow run in MLFLOW_RUN_ID."),
    click.option("--wandb", is_flag=True, help="Send alerts to Weights & Biases."),
    click.option(
        "--sink",
        metavar="NAME[=ARGUMENT]",
        multiple=True,
        help="Send every alert to an installed sink, such as one from another package; repeatable.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class AlertOptions:
    """Destinations of alerts given on the command line."""

    on_alert: tuple[str, ...] = ()
    webhook: tuple[str, ...] = ()
    tensorboard: Path | None = None
    mlflow: bool = False
    wandb: bool = False
    sink: tuple[str, ...] = ()

    def dispatcher(self, print_line: "PrintLine | None" = None) -> "Dispatcher":
        """Return a dispatcher to all destinations, which reports alerts that could not be sent.

        Raises:
            AlertError: if a destination cannot be used.
        """
        from jtdiag.alerts import dispatch

        return dispatch.Dispatcher(self._sinks(), print_line or dispatch.print_error)

    def _sinks(self) -> list["Sink"]:
        from jtdiag.alerts import sinks

        selected = [("command", line) for line in self.on_alert]
        selected += [("webhook", url) for url in self.webhook]
        if self.tensorboard is not None:
            selected.append(("tensorboard", str(self.tensorboard)))
        selected += [(name, "") for name in ("mlflow", "wandb") if getattr(self, name)]
        selected += [sinks.parse(text) for text in self.sink]
        return [sinks.make(name, argument) for name, argument in selected]


def alert_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command, which receives them as its argument `alerts`."""

    @functools.wraps(command)
    def with_alerts(
        *arguments: Any,
        on_alert: tuple[str, ...],
        webhook: tuple[str, ...],
        tensorboard: Path | None,
        mlflow: bool,
        wandb: bool,
        sink: tuple[str, ...],
        **more: Any,
    ) -> None:
        alerts = AlertOptions(
            on_alert=on_alert,
            webhook=webhook,
            tensorboard=tensorboard,
            mlflow=mlflow,
            wandb=wandb,
            sink=sink,
        )
        command(*arguments, alerts=alerts, **more)

    for option in reversed(OPTIONS):
        with_alerts = option(with_alerts)
    return with_alerts
