"""The monitor in PyTorch-Ignite: a handler that reads the output of the process function."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from jtdiag.integrations import torchvision, wording
from jtdiag.integrations.adapting import EmptySteps, end_epoch, in_processes, with_logging
from jtdiag.monitor.batch_sums import Logits
from jtdiag.monitor.monitor import DominanceMonitor

torchvision.repair()  # some metrics and handlers of Ignite import it
try:
    from ignite.distributed import get_rank
    from ignite.engine import Events
except ImportError as error:
    raise ImportError(
        "jtdiag.integrations.ignite needs PyTorch-Ignite; pip install pytorch-ignite."
    ) from error


class JtdiagHandler:
    """Updates a monitor in every iteration of an engine, and ends its epochs.

    The numbers of an epoch, such as ``jtdiag/median_skill``, are then in ``engine.state.metrics``.
    Iterations in which the process function returns None are left out.

    Args:
        monitor: By default a new one, which logs its findings.
        output_transform: Function from the output of the process function to logits (M, N, K)
            and targets; by default the output is such a pair.
    """

    def __init__(
        self,
        monitor: DominanceMonitor | None = None,
        output_transform: Callable[[Any], tuple[Logits, Tensor]] = lambda output: output,
    ) -> None:
        self.monitor = with_logging(monitor)
        self._output_transform = output_transform
        self._steps = EmptySteps("the process function", "logits and targets")

    def attach(self, engine: Any) -> None:
        """Register the handlers on a training engine."""
        in_processes(self.monitor, main=get_rank() == 0)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._update)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._end_epoch)

    def _update(self, engine: Any) -> None:
        with self.monitor.guard:
            output = engine.state.output
            if not self._steps.add(output is None):
                self.monitor.update(*_pair(self._output_transform(output)))

    def _end_epoch(self, engine: Any) -> None:
        end_epoch(self.monitor, self._steps)
        with self.monitor.guard:
            engine.state.metrics.update(self.monitor.scalars())


def _pair(output: Any) -> tuple[Logits, Tensor]:
    """Return logits and targets.

    Raises:
        ValueError: if the output is no such pair.
    """
    if not isinstance(output, tuple | list) or len(output) != 2:
        raise ValueError(wording.no_pair(type(output).__name__))
    logits, targets = output
    return logits, targets
