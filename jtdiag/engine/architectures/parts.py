"""The consecutive parts of a module: layers after which a member may be cut, and its head."""

import contextlib
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

HEAD = "head"
"""Name of the last part of jtdiag's own networks."""

Part = Callable[[Tensor], Tensor]
"""Maps what the part before returned, (B, …), to what the next one takes; the last to logits."""
Parts = dict[str, Part]


def parts_of(module: nn.Module) -> Parts:
    """Return the parts of a module by name, in order; their composition is its forward pass.

    A module may say what they are by an attribute `parts`: a list of modules or functions, a
    mapping of names to them, or a method that returns one of these. The parts of an
    torch.nn.Sequential are its children, where those without a weight of two dimensions or more
    (activations, normalization, dropout) belong to the layer before them. Any other module is a
    single part, called "head".
    """
    own = getattr(module, "parts", None)
    declared = own() if callable(own) and not isinstance(own, nn.Module) else own
    if isinstance(declared, Mapping | nn.ModuleDict):
        return {str(name): part for name, part in declared.items()}
    if isinstance(declared, list | tuple | nn.ModuleList):
        return _named(declared)
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        return _layers(module) or {HEAD: module}
    return {HEAD: module}


def _named(parts: Iterable[Part]) -> Parts:
    """Return parts under the names layer1, layer2, …, head."""
    listed = list(parts)
    names = [f"layer{i}" for i in range(1, len(listed))]
    return dict(zip([*names, HEAD], listed, strict=True)) if listed else {}


def _layers(sequence: nn.Sequential) -> Parts:
    """Return the children of a sequence, grouped into layers that each begin with a weight."""
    groups: list[list[nn.Module]] = []
    names: list[str] = []
    before_first: list[nn.Module] = []
    for name, child in sequence.named_children():
        if any(parameter.ndim > 1 for parameter in child.parameters()):
            groups.append([child])
            names.append(name)
        else:
            (groups[-1] if groups else before_first).append(child)
    if groups:
        groups[0][:0] = before_first
    return dict(zip(names, map(_chained, groups), strict=True))


def _chained(modules: list[nn.Module]) -> Part:
    def run(h: Tensor) -> Tensor:
        for module in modules:
            h = module(h)
        return h

    return run


class SomeParts(nn.Module):
    """Consecutive parts of a module, as a module with the parameters of the whole.

    Its parameters and buffers have the names of the whole's, behind "whole.".
    """

    def __init__(self, whole: nn.Module, parts: Iterable[Part]) -> None:
        super().__init__()
        self.whole = whole
        self._parts_run = tuple(parts)

    def forward(self, h: Tensor) -> Tensor:
        """Return what the last of the parts returns."""
        for part in self._parts_run:
            h = part(h)
        return h


def is_composition(module: nn.Module, x: Tensor) -> bool:
    """Return whether the parts of a module, one after the other, are its forward pass, bit for bit.

    Args:
        module: In evaluation mode.
        x: Examples (B, …).
    """
    h = x
    # An attribute may be called `parts` for other reasons, and then anything may happen.
    with torch.no_grad(), contextlib.suppress(Exception):
        for part in parts_of(module).values():
            h = part(h)
        return torch.equal(h, module(x))
    return False
