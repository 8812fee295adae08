"""The options that say where alerts go, for every command that raises them."""

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
    click.option(
        "--sink",
        metavar="NAME[=ARGUMENT]",
        multiple=True,
        help="Send every alert to an installed sink, such as one from another package; repeatable.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class AlertOptions:
    """Where alerts go, as the command line says."""

    on_alert: tuple[str, ...] = ()
    webhook: tuple[str, ...] = ()
    tensorboard: Path | None = None
    mlflow: bool = False
    wandb: bool = False
    sink: tuple[str, ...] = ()

    def dispatcher(self, print_line: "PrintLine | None" = None) -> "Dispatcher":
        """Return a dispatcher to all these places, which says what was not sent.

        Raises:
            AlertError: if one of them cannot be used.
        """
        from jtdiag.alerts import dispatch

        return dispatch.Dispatcher(self._sinks(), print_line or dispatch.print_error)

    def _sinks(self) -> list["Sink"]:
        from jtdiag.alerts import sinks

        chosen = [("command", line) for line in self.on_alert]
        chosen += [("webhook", url) for url in self.webhook]
        if self.tensorboard is not None:
            chosen.append(("tensorboard", str(self.tensorboard)))
        chosen += [(name, "") for name in ("mlflow", "wandb") if getattr(self, name)]
        chosen += [sinks.parse(text) for text in self.sink]
        return [sinks.make(name, argument) for name, argument in chosen]


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
        sink: tuple[str, ...],
        **more: Any,
    ) -> None:
        given = AlertOptions(
            on_alert=on_alert,
            webhook=webhook,
            tensorboard=tensorboard,
            mlflow=mlflow,
            wandb=wandb,
            sink=sink,
        )
        command(*arguments, alerts=given, **more)

    for option in reversed(OPTIONS):
        gathered = option(gathered)
    return gathered
