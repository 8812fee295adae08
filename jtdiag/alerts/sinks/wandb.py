"""Alerts in Weights & Biases, which forwards them by email or to Slack."""

from pathlib import Path

from jtdiag.alerts.contract import SinkType, as_text, import_optional
from jtdiag.errors import AlertError
from jtdiag.probing.findings import Finding


class WandB:
    """Sends alerts to the active W&B run, or to a new one.

    A new run is configured by WANDB_PROJECT, WANDB_RUN_ID and W&B's other environment variables.
    """

    name = "W&B"

    def __init__(self) -> None:
        module = import_optional("wandb", "wandb", "--wandb")
        self._level = module.AlertLevel.WARN
        self._owns_run = module.run is None
        try:  # before training: it may ask for a key or fail
            self._run = module.init(resume="allow") if self._owns_run else module.run
        except module.Error as error:
            raise AlertError(f"--wandb: W&B cannot start a run: {error}") from error

    def send(self, run: Path | str, finding: Finding) -> None:
        """Send an alert."""
        title, text = f"jtdiag: {finding.rule}", as_text(run, finding)
        # By default W&B drops alerts with the same title for a minute; 0 means the default.
        self._run.alert(title=title, text=text, level=self._level, wait_duration=0.001)

    def close(self) -> None:
        """Finish the run if it was started here."""
        if self._owns_run:
            self._run.finish()


SINK = SinkType(name="wandb", make=lambda argument: WandB(), option="--wandb")
