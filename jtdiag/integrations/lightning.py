"""The monitor in Lightning: a callback that reads what `training_step` returns."""

from typing import Any

from jtdiag.engine.torchvision_import import import_torchvision
from jtdiag.integrations.asking import Where, ask, ready
from jtdiag.monitor.monitor import DominanceMonitor

# Lightning imports torchvision, through torchmetrics; beside a torch for CPUs that needs a detour.
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
    """Feeds a monitor with every training batch, and ends its epochs.

    Processes that train together watch their own shares of the examples; the first one tells.

    Args:
        monitor: By default a new one, which logs what it finds.
        logits: Where logits (M, N, K) are in the dict that `training_step` returns, a function of
            that dict, or watched branches.
        targets: Where targets are in a batch, or a function of it.
    """

    def __init__(
        self,
        monitor: DominanceMonitor | None = None,
        *,
        logits: Where = "logits",
        targets: Where = 1,
    ) -> None:
        self.monitor = ready(monitor)
        self._logits, self._targets = logits, targets

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Let one process tell."""
        if not trainer.is_global_zero:
            self.monitor.tell = None

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a batch."""
        logits = ask(self._logits, outputs, "logits")
        self.monitor.update(logits, ask(self._targets, batch, "targets"))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """End the monitor's epoch."""
        self.monitor.end_epoch()
