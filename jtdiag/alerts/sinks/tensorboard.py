"""Alerts in TensorBoard: the sentences as text, the numbers as scalars."""

from pathlib import Path
from typing import Any

from jtdiag.alerts.contract import needed
from jtdiag.probing.findings import Finding


class TensorBoard:
    """Writes alerts to a folder of TensorBoard's; the folder is made with the first of them.

    Text and scalar are tagged ``alerts/<rule>/lam<λ>``; the step is the epoch.
    """

    def __init__(self, folder: Path) -> None:
        module = needed("torch.utils.tensorboard", "tensorboard", "--tensorboard")
        self.name = f"TensorBoard in {folder}"
        self._folder, self._make = folder, module.SummaryWriter
        self._writer: Any = None

    def send(self, run: Path | str, finding: Finding) -> None:
        """Write a finding, and flush it."""
        if self._writer is None:
            self._writer = self._make(str(self._folder))
        lam = "" if finding.lam is None else f"/lam{finding.lam:g}"
        tag = f"alerts/{finding.rule}{lam}"
        trials = ", ".join(map(str, finding.trials))
        text = f"{finding.sentence}\n\n{run}, trial {trials}" if trials else finding.sentence
        self._writer.add_text(tag, text, finding.epoch)
        self._writer.add_scalar(tag, finding.number, finding.epoch)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
