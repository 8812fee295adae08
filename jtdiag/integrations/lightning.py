"""The monitor in Lightning: a callback that reads the output of `training_step`."""

from typing import Any

from jtdiag.engine.torchvision_import import import_torchvision
from jtdiag.integrations.adapting import Where, select, with_logging
from jtdiag.monitor.monitor import DominanceMonitor

# Lightning imports torchvision through torchmetrics, which fails with CPU builds of torch.
import_torchvision()
try:
    from lightning.pytorch.callbacks import Callback
except ImportError:
    try:
        from pytorch_lightning.callbacks import Callback
    except ImportError as error:
        raise ImportError(
            "jtdiag.integrations.lightning needs Lightning; pip install lightning."
        ) from error


class JtdiagCallback(Callback):  # type: ignore[misc]
    """Updates a monitor in every training batch, and ends its epochs.

    In distributed training each process monitors its own examples; the main process reports.

    Args:
        monitor: By default a new one, which logs its findings.
        logits: Key of the logits (M, N, K) in the dict that `training_step` returns, a function
            of that dict, or captured branches.
        targets: Key or position of the targets in a batch, or a function of the batch.
    """

    def __init__(
        self,
        monitor: DominanceMonitor | None = None,
        *,
        logits: Where = "logits",
        targets: Where = 1,
    ) -> None:
        self.monitor = with_logging(monitor)
        self._logits, self._targets = logits, targets

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Report findings in the main process only."""
        if not trainer.is_global_zero:
            self.monitor.tell = None

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update the monitor."""
        logits = select(self._logits, outputs, "logits")
        self.monitor.update(logits, select(self._targets, batch, "targets"))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """End the monitor's epoch."""
        self.monitor.end_epoch()
