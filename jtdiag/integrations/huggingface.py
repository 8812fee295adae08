"""The monitor in Hugging Face's Trainer: a callback that sees forward passes through a hook.

The Trainer shows its callbacks neither outputs nor labels; a hook on the model sees both.
"""

from typing import Any

from torch import Tensor, nn

from jtdiag.integrations.asking import Where, ask, ready
from jtdiag.monitor.monitor import DominanceMonitor

try:
    from transformers import TrainerCallback
except ImportError as error:
    raise ImportError(
        "jtdiag.integrations.huggingface needs transformers; pip install transformers accelerate."
    ) from error


class JtdiagCallback(TrainerCallback):  # type: ignore[misc]
    """Feeds a monitor with every forward pass in training mode, and ends its epochs.

    Processes that train together watch their own shares of the examples; the first one tells.

    Args:
        monitor: By default a new one, which logs what it finds.
        logits: Where logits are in what the model returns, a function of it, or watched branches.
            Examples come first there, (N, M, K), as the Trainer has it; a function and branches
            return (M, N, K).
        labels: Name under which the Trainer gives the model its targets, or a function of all
            that it gives by name.
    """

    def __init__(
        self,
        monitor: DominanceMonitor | None = None,
        *,
        logits: Where = "logits",
        labels: Where = "labels",
    ) -> None:
        self.monitor = ready(monitor)
        self._logits, self._labels = logits, labels
        self._hook: Any = None

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: nn.Module, **others: Any
    ) -> None:
        """Put a hook on the model."""
        if not state.is_world_process_zero:
            self.monitor.tell = None
        self.on_train_end(args, state, control)
        self._hook = model.register_forward_hook(self._see, with_kwargs=True)

    def _see(self, model: nn.Module, given: Any, named: dict[str, Any], returned: Any) -> None:
        if not model.training:
            return
        logits = ask(self._logits, returned, "logits")
        if isinstance(logits, Tensor) and not callable(self._logits):
            logits = logits.transpose(0, 1)
        # With label smoothing or a compute_loss_func the Trainer keeps the labels from the model.
        self.monitor.update(logits, ask(self._labels, named, "labels"))

    def on_epoch_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """End the monitor's epoch."""
        self.monitor.end_epoch()

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Take the hook off."""
        if self._hook is not None:
            self._hook.remove()
            self._hook = None
