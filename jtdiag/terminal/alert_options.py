"""Command-line options that select where alerts are sent."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from jtdiag.alerts.contract import Sink
    from jtdiag.alerts.dispatch import Dispatcher, Say

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
)


@dataclass(frozen=True, kw_only=True)
class AlertOptions:
    """Destinations of alerts given on the command line."""

    on_alert: tuple[str, ...] = ()
    webhook: tuple[str, ...] = ()
    tensorboard: Path | None = None
    mlflow: bool = False
    wandb: bool = False

    def dispatcher(self, say: "Say | None" = None) -> "Dispatcher":
        """Return a dispatcher to all destinations, which reports alerts that could not be sent.

        Raises:
            AlertError: if a destination cannot be used.
        """
        from jtdiag.alerts import dispatch

        return dispatch.Dispatcher(self._sinks(), say or dispatch.say)

    def _sinks(self) -> list["Sink"]:
        from jtdiag.alerts.sinks.command import Command
        from jtdiag.alerts.sinks.mlflow import MLflow
        from jtdiag.alerts.sinks.tensorboard import TensorBoard
        from jtdiag.alerts.sinks.wandb import WandB
        from jtdiag.alerts.sinks.webhook import Webhook

        sinks: list[Sink] = [Command(line) for line in self.on_alert]
        sinks += [Webhook(url) for url in self.webhook]
        if self.tensorboard is not None:
            sinks.append(TensorBoard(self.tensorboard))
        if self.mlflow:
            sinks.append(MLflow())
        if self.wandb:
            sinks.append(WandB())
        return sinks


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
        **more: Any,
    ) -> None:
        alerts = AlertOptions(
            on_alert=on_alert,
            webhook=webhook,
            tensorboard=tensorboard,
            mlflow=mlflow,
            wandb=wandb,
        )
        command(*arguments, alerts=alerts, **more)

    for option in reversed(OPTIONS):
        with_alerts = option(with_alerts)
    return with_alerts
