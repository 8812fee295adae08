"""Alerts in TensorBoard: sentences as text, numbers as scalars."""

from pathlib import Path
from typing import Any

from jtdiag.alerts.contract import SinkType, import_optional
from jtdiag.names import lam_text
from jtdiag.probing.findings import Finding


class TensorBoard:
    """Writes alerts to a TensorBoard log folder, which is created with the first alert.

    Text and scalar have the tag ``alerts/<rule>/lam<λ>``; the step is the epoch.
    """

    def __init__(self, folder: Path | str) -> None:
        module = import_optional("torch.utils.tensorboard", "tensorboard", "--tensorboard")
        self.name = f"TensorBoard in {folder}"
        self._folder, self._make_writer = folder, module.SummaryWriter
        self._writer: Any = None

    def send(self, run: Path | str, finding: Finding) -> None:
        """Write a finding and flush the file."""
        if self._writer is None:
            self._writer = self._make_writer(str(self._folder))
        lam = "" if finding.lam is None else f"/lam{lam_text(finding.lam)}"
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


SINK = SinkType(name="tensorboard", make=TensorBoard, argument="DIR", option="--tensorboard")
