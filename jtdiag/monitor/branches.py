"""Branches of a network as members: their outputs in a forward pass, captured by hooks."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from types import TracebackType
from typing import Any, Literal

import torch
from torch import Tensor, nn


class BranchSkippedError(ValueError):
    """A branch was not evaluated in a forward pass, as in stochastic depth.

    Args:
        branch: Its name.
    """

    def __init__(self, branch: str) -> None:
        super().__init__(
            f"branch {branch!r} has no output: it was skipped in the last forward pass."
        )
        self.branch = branch


class Branches:
    """Captures the outputs of submodules in the forward passes of a model in training mode.

    A context manager; `close` removes the hooks. Forward passes in evaluation mode are ignored.
    With gradient checkpointing, a branch is evaluated again in the backward pass, with the same
    output.
    """

    def __init__(
        self,
        model: nn.Module,
        names: Sequence[str],
        head: Callable[[Tensor], Tensor] | None,
        combine: Literal["mean", "sum"],
    ) -> None:
        modules = dict(model.named_modules())
        for name in names:
            if name not in modules or not name:
                similar = get_close_matches(name, [key for key in modules if key], 3, 0.0)
                raise ValueError(
                    f"names contains {name!r}, but the model has no such submodule; the most "
                    f"similar names are {', '.join(similar) or 'none'}."
                )
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"names is {list(names)}; it must contain a different submodule for each branch."
            )
        if combine not in ("mean", "sum"):
            raise ValueError(f"combine is {combine!r}; it must be 'mean' or 'sum'.")
        self.names = tuple(names)
        self._model, self._head = model, head
        self._scale = len(names) if combine == "sum" else 1
        self._outputs: dict[str, Any] = {}
        self.passes = 0
        """Forward passes in training mode so far."""
        self._hooks = [model.register_forward_pre_hook(self._clear)]
        self._hooks += [modules[name].register_forward_hook(self._capture(name)) for name in names]

    def _clear(self, model: nn.Module, inputs: object) -> None:
        if model.training:
            self.passes += 1
            self._outputs.clear()  # all outputs belong to the same pass

    def _capture(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            if self._model.training:
                self._outputs[name] = output

        return hook

    def __call__(self) -> list[Tensor]:
        """Return the branches' logits (N, K) in the last forward pass in training mode.

        Raises:
            BranchSkippedError: if some branches, but not all, were evaluated in that pass.
            ValueError: if there was no such pass, or the output of a branch has not the shape of
                logits.
        """
        missing = [name for name in self.names if name not in self._outputs]
        if missing and self._outputs:
            raise BranchSkippedError(missing[0])
        if missing:
            raise ValueError(
                f"branch {missing[0]!r} has no output; call this after a forward pass of the whole "
                "model in training mode, and before close()."
            )
        return [self._logits(name) for name in self.names]

    @torch.no_grad()
    def _logits(self, name: str) -> Tensor:
        output = self._outputs[name]
        if isinstance(output, Tensor):
            output = output.detach() * self._scale if self._scale > 1 else output.detach()
            if self._head is not None:
                with _evaluation_mode(self._head):
                    output = self._head(output)
        if not isinstance(output, Tensor) or output.ndim != 2:
            actual = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(
                f"branch {name!r} returns {actual} instead of logits (N, K); pass head=… to "
                "compute logits from its output."
            )
        return output

    def close(self) -> None:
        """Remove the hooks from the model."""
        for hook in self._hooks:
            hook.remove()
        self._outputs.clear()

    def __enter__(self) -> "Branches":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def _evaluation_mode(head: object) -> Iterator[None]:
    """Evaluate a head without dropout and without updating its running statistics."""
    modules = list(head.modules()) if isinstance(head, nn.Module) else []
    before = [module.training for module in modules]
    try:
        for module in modules:
            module.training = False
        yield
    finally:
        for module, training in zip(modules, before, strict=True):
            module.training = training


def watch_branches(
    model: nn.Module,
    names: Sequence[str],
    *,
    head: Callable[[Tensor], Tensor] | None = None,
    combine: Literal["mean", "sum"] = "mean",
) -> Branches:
    """Capture the outputs of a network's branches, as logits for `DominanceMonitor.update`.

    Branch j is treated as a member. Its logits are those of the network if all branches had the
    output T_j: head(T_j) if the network averages its branches, head(M·T_j) if it adds them. If the
    head is affine, the mean of these logits is the output of the network.

    Args:
        model: The network; training must call it as a whole.
        names: Submodules as in `model.named_modules()`, one for each of the M branches.
        head: Function from the output of a branch to logits (N, K). If it is a module, it is
            evaluated in evaluation mode. None if branches return logits.
        combine: How the network combines its branches, "mean" or "sum".

    Returns:
        An object to pass to `update`. Its `close()`, or the end of a `with`, removes the hooks.

    Raises:
        ValueError: if the model has no such submodule; the message lists the most similar names.
    """
    return Branches(model, names, head, combine)
