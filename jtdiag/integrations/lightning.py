"""The monitor in Lightning: a callback that reads the output of `training_step`."""

from typing import Any

from jtdiag.integrations import torchvision
from jtdiag.integrations.adapting import (
    EmptySteps,
    Where,
    end_epoch,
    in_processes,
    select,
    with_logging,
)
from jtdiag.monitor.branches import Branches
from jtdiag.monitor.monitor import DominanceMonitor

torchvision.repair()  # Lightning imports it through torchmetrics
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

    The numbers of an epoch, such as ``jtdiag/median_skill``, go to the loggers of the Trainer. In
    distributed training the examples of all processes are combined at the end of each epoch, and
    the main process reports. Batches in which `training_step` returns None are left out. What is
    recorded during the sanity check of the validation is discarded.

    Args:
        monitor: By default a new one, which logs its findings.
        logits: Key of the logits (M, N, K) in the dict that `training_step` returns, a function
            of that dict, or captured branches. With manual optimization, `training_step` must
            return that dict too, unless branches are captured.
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
        self._steps = EmptySteps("training_step", f"a dict with {logits!r}")
        self._passes = 0

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Report findings and write the store in the main process only."""
        in_processes(self.monitor, main=trainer.is_global_zero)

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update the monitor, unless the batch was left out."""
        with self.monitor.guard:
            if self._steps.add(self._is_empty(pl_module, outputs)):
                return
            logits = select(self._logits, outputs, "logits")
            self.monitor.update(logits, select(self._targets, batch, "targets"))

    def _is_empty(self, pl_module: Any, outputs: Any) -> bool:
        """Return whether a step left its batch out.

        With manual optimization, a step may return None and still train on its batch; captured
        branches then show whether the model was evaluated.
        """
        if not isinstance(self._logits, Branches):
            return not outputs
        passes, self._passes = self._passes, self._logits.passes
        left_out = not outputs and pl_module.automatic_optimization
        return left_out or passes == self._logits.passes

    def on_sanity_check_end(self, trainer: Any, pl_module: Any) -> None:
        """Discard what was recorded on the few batches of the sanity check."""
        with self.monitor.guard:
            self.monitor.discard()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """End the monitor's epoch, and log its numbers, such as ``jtdiag/median_skill``."""
        end_epoch(self.monitor, self._steps)
        with self.monitor.guard:
            self._log(trainer, pl_module)

    def _log(self, trainer: Any, pl_module: Any) -> None:
        """Log the numbers of the epoch.

        Of several processes the main one writes them to its loggers: log_dict would average what
        all of them have, and wait for those whose monitor has stopped.
        """
        if trainer.world_size == 1:
            pl_module.log_dict(self.monitor.scalars())
        elif trainer.is_global_zero:
            for logger in trainer.loggers:
                logger.log_metrics(self.monitor.scalars(), trainer.global_step)
