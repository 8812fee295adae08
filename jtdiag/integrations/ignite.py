"""The monitor in PyTorch-Ignite: a handler that reads what the process function returns."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from jtdiag.integrations.asking import ready
from jtdiag.monitor.batch_sums import Logits
from jtdiag.monitor.monitor import DominanceMonitor

try:
    from ignite.engine import Events
except ImportError as error:
    raise ImportError(
        "jtdiag.integrations.ignite needs PyTorch-Ignite; pip install pytorch-ignite."
    ) from error


class JtdiagHandler:
    """Feeds a monitor with every iteration of an engine, and ends its epochs.

    Args:
        monitor: By default a new one, which logs what it finds.
        output_transform: From what the process function returns to logits (M, N, K) and targets;
            by default it returns just these.
    """

    def __init__(
        self,
        monitor: DominanceMonitor | None = None,
        output_transform: Callable[[Any], tuple[Logits, Tensor]] = lambda output: output,
    ) -> None:
        self.monitor = ready(monitor)
        self._of = output_transform

    def attach(self, engine: Any) -> None:
        """Follow an engine that trains."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._count)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._end)

    def _count(self, engine: Any) -> None:
        self.monitor.update(*self._of(engine.state.output))

    def _end(self, engine: Any) -> None:
        self.monitor.end_epoch()
