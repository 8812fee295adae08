"""Alerts of Weights & Biases, which it passes on by mail or to Slack."""

from pathlib import Path

from jtdiag.alerts.contract import as_text, needed
from jtdiag.errors import AlertError
from jtdiag.probing.findings import Finding


class WandB:
    """Raises alerts on the active run of W&B, or on one begun for them.

    A run of its own goes where WANDB_PROJECT, WANDB_RUN_ID and the like say.
    """

    name = "W&B"

    def __init__(self) -> None:
        module = needed("wandb", "wandb", "--wandb")
        self._level = module.AlertLevel.WARN
        self._begun = module.run is None
        try:  # before training: it may ask for a key, or refuse
            self._run = module.init(resume="allow") if self._begun else module.run
        except module.Error as error:
            raise AlertError(f"--wandb: W&B begins no run: {error}") from error

    def send(self, run: Path | str, finding: Finding) -> None:
        """Raise an alert."""
        title, text = f"jtdiag: {finding.rule}", as_text(run, finding)
        # For a minute, W&B would drop others of the same title; 0 means that minute.
        self._run.alert(title=title, text=text, level=self._level, wait_duration=0.001)

    def close(self) -> None:
        """Finish the run if it was begun here."""
        if self._begun:
            self._run.finish()
