"""The monitor in the Hugging Face Trainer: a callback that uses a forward hook.

The Trainer passes neither outputs nor labels to its callbacks; a hook on the model receives both.
"""

from typing import Any

from torch import Tensor, nn

from jtdiag.integrations import torchvision
from jtdiag.integrations.adapting import Where, end_epoch, in_processes, select, with_logging
from jtdiag.monitor.monitor import DominanceMonitor

torchvision.repair()  # transformers imports it
try:
    from transformers import TrainerCallback
except ImportError as error:
    raise ImportError(
        "jtdiag.integrations.huggingface needs transformers; pip install transformers accelerate."
    ) from error


class JtdiagCallback(TrainerCallback):  # type: ignore[misc]
    """Updates a monitor in every forward pass in training mode, and ends its epochs.

    In distributed training the examples of all processes are combined at the end of each epoch, and
    the main process reports.

    Args:
        monitor: By default a new one, which logs its findings.
        logits: Key or position of the logits in the model's output, a function of the output, or
            captured branches. Logits in the output have examples first, (N, M, K), as the Trainer
            requires; functions and branches return (M, N, K).
        labels: Name of the model's keyword argument with the targets, or a function of all
            keyword arguments.
        trainer: Trainer that logs the numbers of every epoch, such as ``jtdiag/median_skill``:
            ``trainer.add_callback(JtdiagCallback(trainer=trainer))``. It passes no logger to its
            callbacks.
    """

    def __init__(
        self,
        monitor: DominanceMonitor | None = None,
        *,
        logits: Where = "logits",
        labels: Where = "labels",
        trainer: Any = None,
    ) -> None:
        self.monitor = with_logging(monitor)
        self._trainer = trainer
        self._logits, self._labels = logits, labels
        self._hook: Any = None

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: nn.Module, **others: Any
    ) -> None:
        """Register the hook on the model."""
        in_processes(self.monitor, main=state.is_world_process_zero)
        self.on_train_end(args, state, control)
        self._hook = model.register_forward_hook(self._update, with_kwargs=True)

    def _update(self, model: nn.Module, inputs: Any, keywords: dict[str, Any], output: Any) -> None:
        if not model.training:
            return
        with self.monitor.guard:
            logits = select(self._logits, output, "logits")
            if isinstance(logits, Tensor) and not callable(self._logits) and logits.ndim > 1:
                logits = logits.transpose(0, 1)
            # With label smoothing or a compute_loss_func the Trainer passes no labels to the model.
            self.monitor.update(logits, select(self._labels, keywords, "labels"))

    def on_epoch_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """End the monitor's epoch, and log its numbers if the trainer is known."""
        end_epoch(self.monitor)
        with self.monitor.guard:
            numbers = self.monitor.scalars()
            if self._trainer is not None and numbers:
                self._trainer.log(numbers)

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Remove the hook."""
        if self._hook is not None:
            self._hook.remove()
            self._hook = None
