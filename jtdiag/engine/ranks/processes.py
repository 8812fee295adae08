"""The processes of one training, and what they exchange through torch.distributed."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from jtdiag.cluster import torchrun
from jtdiag.errors import ClusterError, JtdiagError, RankError, RecipeError, option

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process among those of a training; by default it is the only one.

    Every method must be called by all of them in the same order, except that the writers' threads
    have a group of their own.
    """

    rank: int = 0
    count: int = 1
    here: int = 1
    """How many of them are on this machine."""
    control: Any = None
    """Process group for objects of Python, on the CPU."""
    writing: Any = None
    """Process group of the threads that write results, on the CPU."""

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Turn a lost connection into an error of one line.

        Raises:
            ClusterError: if another process has ended.
        """
        try:
            yield
        except RuntimeError as error:
            # gloo raises errors without a class of their own, whose messages name its files.
            if not isinstance(error, dist.DistError) and "gloo" not in str(error):
                raise
            raise self._error(
                "Another rank has ended, or the connection to it. Completed epochs are saved; go "
                f"on with {option('resume=True', '--resume')}."
            ) from error

    # --- in every step ---------------------------------------------------------------------------

    def sum(self, own: Tensor) -> Tensor:
        """Return the sum of all processes' tensors, of one shape, which may be overwritten."""
        return self._reduced(own, dist.ReduceOp.SUM)

    def max(self, own: Tensor) -> Tensor:
        """Return the elementwise maximum of all processes' tensors, which may be overwritten."""
        return self._reduced(own, dist.ReduceOp.MAX)

    def _reduced(self, own: Tensor, operation: Any) -> Tensor:
        total = own.contiguous()
        with self.connected():
            dist.all_reduce(total, operation)
        return total

    # --- once per epoch, or before training ------------------------------------------------------

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes, which are pickled, in the order of their ranks."""
        if self.count == 1:
            return [value]
        every: list[Any] = [None] * self.count
        with self.connected():
            dist.all_gather_object(every, value, group=self.control)
        return every

    def of_first(self, value: T) -> T:
        """Return the value of rank 0, which is pickled."""
        values = [value]
        if self.count > 1:
            with self.connected():
                dist.broadcast_object_list(values, src=0, group=self.control)
        return values[0]

    def agreed(self, work: Callable[[], T]) -> T:
        """Return what `work` returns here, if it has no error in any process.

        Raises:
            JtdiagError: if it raises one, in every process; in the others with the first message.
        """
        result, own = None, None
        try:
            result = work()
        except JtdiagError as error:
            if self.count == 1:
                raise
            own = error
        messages = self.gather(None if own is None else str(own))
        failed = next((rank for rank, message in enumerate(messages) if message is not None), None)
        if failed is None:
            return result  # type: ignore[return-value]
        if self.first and own is not None:
            raise own
        raise self._error(f"Rank {failed}: {messages[failed]}")

    def _error(self, message: str) -> ClusterError:
        return ClusterError(message) if self.first else RankError(message)

    # --- in the writers' threads -----------------------------------------------------------------

    def collect(self, own: Tensor) -> Tensor:
        """Return the parts of all processes on rank 0, one after the other along the first axis.

        Args:
            own: The part of this process, on the CPU; parts may differ in length.

        Returns:
            The whole on rank 0, the own part elsewhere.
        """
        own = own.contiguous()
        lengths = torch.zeros(self.count, dtype=torch.int64)
        lengths[self.rank] = len(own)
        with self.connected():
            dist.all_reduce(lengths, group=self.writing)
            if self.rank:
                dist.send(_bytes(own), 0, group=self.writing)
                return own
            whole = own.new_empty((int(lengths.sum()), *own.shape[1:]))
            parts = torch.split(whole, lengths.tolist())
            parts[0].copy_(own)
            for rank, part in enumerate(parts[1:], start=1):
                dist.recv(_bytes(part), rank, group=self.writing)
        return whole


ALONE = Ranks()
"""A training by one process."""


def _bytes(tensor: Tensor) -> Tensor:
    """Return the memory of a contiguous tensor, of whatever type, as a tensor of bytes."""
    return tensor.view(-1).view(torch.uint8)


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """Yield the processes that torchrun has started, or those of torch's process group.

    Args:
        device: engine.device of the recipe.

    Raises:
        RecipeError: if the device cannot be that of every process.
    """
    before = dist.is_available() and dist.is_initialized()
    if (dist.get_world_size() if before else torchrun.count()) == 1:
        yield ALONE
        return
    cuda = _choose_device(device)
    if not before:
        dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    control, writing = dist.new_group(backend="gloo"), dist.new_group(backend="gloo")
    rank, count = dist.get_rank(), dist.get_world_size()
    hosts: list[Any] = [None] * count
    dist.all_gather_object(hosts, socket.gethostname(), group=control)
    here = hosts.count(hosts[rank])
    try:
        yield Ranks(rank=rank, count=count, here=here, control=control, writing=writing)
    finally:
        if not before:
            dist.destroy_process_group()


def _choose_device(device: str) -> bool:
    """Let this process use a GPU of its own, unless a CPU is wanted; return whether it does."""
    if device not in ("auto", "cpu", "cuda"):
        raise RecipeError(
            f"engine.device is {device!r}, which cannot be the device of every rank; use auto, cpu "
            "or cuda."
        )
    if device == "cpu" or not torch.cuda.is_available():
        return False
    if torchrun.local_count() > torch.cuda.device_count():
        raise RecipeError(
            f"torchrun has started {torchrun.local_count()} processes on a machine with "
            f"{torch.cuda.device_count()} GPUs; start one for each, or set engine.device=cpu."
        )
    torch.cuda.set_device(torchrun.local_rank())
    return True
