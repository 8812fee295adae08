"""The branches of a network as members: what they say in a forward pass, caught by hooks."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from types import TracebackType
from typing import Any, Literal

import torch
from torch import Tensor, nn


class Branches:
    """Catches what some submodules return, in the forward passes of a model that trains.

    A context manager; `close` takes the hooks off. Passes with the model in evaluation mode are
    left alone. Where gradient checkpointing computes a branch a second time, in the backward pass,
    it returns the same again.
    """

    def __init__(
        self,
        model: nn.Module,
        names: Sequence[str],
        head: Callable[[Tensor], Tensor] | None,
        combine: Literal["mean", "sum"],
    ) -> None:
        known = dict(model.named_modules())
        for name in names:
            if name not in known or not name:
                near = get_close_matches(name, [one for one in known if one], 3, 0.0)
                raise ValueError(
                    f"names has {name!r}, and the model has no such submodule; the nearest "
                    f"are {', '.join(near) or 'none'}."
                )
        if not names or len(set(names)) < len(names):
            raise ValueError(f"names is {list(names)}; it must name one submodule for each branch.")
        if combine not in ("mean", "sum"):
            raise ValueError(f"combine is {combine!r}; it must be mean or sum.")
        self.names = tuple(names)
        self._model, self._head = model, head
        self._scale = len(names) if combine == "sum" else 1
        self._held: dict[str, Any] = {}
        self._hooks = [model.register_forward_pre_hook(self._begin)]
        self._hooks += [known[name].register_forward_hook(self._catch(name)) for name in names]

    def _begin(self, model: nn.Module, given: object) -> None:
        if model.training:
            self._held.clear()  # what is held is always of one pass

    def _catch(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, given: object, returned: object) -> None:
            if self._model.training:
                self._held[name] = returned

        return hook

    def __call__(self) -> list[Tensor]:
        """Return the branches' logits (N, K) in the last forward pass in training mode.

        Raises:
            ValueError: if there was none since, or a branch has not returned a tensor of the shape
                that logits have.
        """
        missing = [name for name in self.names if name not in self._held]
        if missing:
            raise ValueError(
                f"branch {missing[0]!r} has said nothing; ask after a forward pass of the whole "
                "model in training mode, and before close()."
            )
        return [self._logits(name) for name in self.names]

    @torch.no_grad()
    def _logits(self, name: str) -> Tensor:
        said = self._held[name]
        if isinstance(said, Tensor):
            said = said.detach() * self._scale if self._scale > 1 else said.detach()
            if self._head is not None:
                with _evaluating(self._head):
                    said = self._head(said)
        if not isinstance(said, Tensor) or said.ndim != 2:
            what = tuple(said.shape) if isinstance(said, Tensor) else type(said).__name__
            raise ValueError(
                f"branch {name!r} gives {what}, and must give logits (N, K); with head=… you may "
                "say how they follow from its output."
            )
        return said

    def close(self) -> None:
        """Take the hooks off the model."""
        for hook in self._hooks:
            hook.remove()
        self._held.clear()

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
def _evaluating(head: object) -> Iterator[None]:
    """Keep a head's dropout and running statistics out of what is asked of it beside training."""
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
    """Catch what the branches of a network say; `DominanceMonitor.update` takes it as logits.

    Branch j counts as the member whose logits the network would give if all its branches said what
    this one says: head(T_j) where the network averages its branches, head(M·T_j) where it adds
    them. Where the head is affine the mean of these is what the network says.

    Args:
        model: The network, called as a whole in training.
        names: Submodules, as `model.named_modules()` has them, one for each of the M branches.
        head: From what a branch returns to logits (N, K); in evaluation mode meanwhile, if it is
            a module. None where branches return logits.
        combine: What the network does with its branches, "mean" or "sum".

    Returns:
        An object to hand to `update`; its `close()`, or the end of a `with`, takes the hooks off.

    Raises:
        ValueError: if the model has no such submodule, naming the nearest.
    """
    return Branches(model, names, head, combine)
