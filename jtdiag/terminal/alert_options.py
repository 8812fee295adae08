"""The options that say where alerts go, for every command that raises them."""

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
        help="Run a command for every alert, without a shell, such as "
        "'notify-send {rule} {sentence}'; repeatable.",
    ),
    click.option(
        "--webhook",
        metavar="URL",
        multiple=True,
        envvar="JTDIAG_WEBHOOK",
        show_envvar=True,
        help="Post every alert to URL as JSON; repeatable.",
    ),
    click.option(
        "--tensorboard",
        metavar="DIR",
        type=click.Path(path_type=Path),
        help="Write alerts to TensorBoard's folder DIR.",
    ),
    click.option("--mlflow", is_flag=True, help="Tag the run of MLflow in MLFLOW_RUN_ID."),
    click.option("--wandb", is_flag=True, help="Raise alerts in Weights & Biases."),
)


@dataclass(frozen=True, kw_only=True)
class AlertOptions:
    """Where alerts go, as the command line says."""

    on_alert: tuple[str, ...] = ()
    webhook: tuple[str, ...] = ()
    tensorboard: Path | None = None
    mlflow: bool = False
    wandb: bool = False

    def dispatcher(self, say: "Say | None" = None) -> "Dispatcher":
        """Return a dispatcher to all these places, which says what was not sent.

        Raises:
            AlertError: if one of them cannot be used.
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
    """Give a command the options; it takes them together as its argument `alerts`."""

    @functools.wraps(command)
    def gathered(
        *arguments: Any,
        on_alert: tuple[str, ...],
        webhook: tuple[str, ...],
        tensorboard: Path | None,
        mlflow: bool,
        wandb: bool,
        **more: Any,
    ) -> None:
        given = AlertOptions(
            on_alert=on_alert,
            webhook=webhook,
            tensorboard=tensorboard,
            mlflow=mlflow,
            wandb=wandb,
        )
        command(*arguments, alerts=given, **more)

    for option in reversed(OPTIONS):
        gathered = option(gathered)
    return gathered
