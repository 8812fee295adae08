"""Where members are cut into modules, and which parameters belong to each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from jtdiag import names
from jtdiag.engine import wording
from jtdiag.engine.architectures.module_stack import ModuleStack
from jtdiag.errors import RecipeError
from jtdiag.recipe.members import Members
from jtdiag.recipe.modules import Modules


@dataclass(frozen=True, kw_only=True)
class Module:
    """A consecutive part of a member."""

    name: str
    """Name of its last layer."""
    start: int
    """Number of layers before its first one."""
    stop: int
    """Number of layers up to its last one."""
    parameters: tuple[str, ...] = ()
    """Names of its trained parameters."""

    @property
    def prefix(self) -> str:
        """Beginning of the names of the parameters that are learned beside it."""
        return f"{names.AUXILIARY}/{self.name}."


def modules_of(stack: ModuleStack, members: Members, modules: Modules) -> list[Module]:
    """Return the modules of a member, from the input to the head, without their parameters.

    Raises:
        RecipeError: if the members cannot be cut, or not there.
    """
    hidden = len(stack.layers) - 1
    if hidden == 0 and stack.parts_differ:
        raise RecipeError(wording.parts_differ(str(members.factory)))
    if hidden == 0:
        raise RecipeError(
            f"[modules] is set, but members of arch = '{members.arch}' have a single layer here, "
            "so there is nothing to cut; use members with hidden layers, or a module with "
            "`parts`."
        )
    stops = _stops(modules.cuts, hidden)
    starts = (0, *stops)
    return [
        Module(name=stack.layers[stop - 1], start=start, stop=stop)
        for start, stop in zip(starts, (*stops, hidden + 1), strict=True)
    ]


def _stops(cuts: str | tuple[int, ...], hidden: int) -> tuple[int, ...]:
    if cuts == "layers":
        return tuple(range(1, hidden + 1))
    if cuts == "head":
        return (hidden,)
    listed = tuple(int(cut) for cut in cuts)
    if listed[-1] > hidden:
        raise RecipeError(
            f"modules.cuts is {list(listed)}, but members have {hidden} hidden layers; list "
            f"numbers from 1 to {hidden}."
        )
    return listed


def with_parameters(
    stack: ModuleStack, modules: Sequence[Module], x: Tensor
) -> tuple[list[Module], list[tuple[int, ...]]]:
    """Return the modules with their parameters, and the shapes of the features of hidden ones.

    A parameter belongs to the module whose output depends on it, given its input; one that no
    module uses, to the head.

    Args:
        stack: The members.
        modules: Their modules.
        x: Examples (B, …).

    Raises:
        RecipeError: if two modules share a parameter.
    """
    state = {name: tensor[None, None] for name, tensor in stack.single(x).items()}
    weights = {name: state[name].requires_grad_() for name in stack.parameters}
    owner: dict[str, str] = {}
    shapes: list[tuple[int, ...]] = []
    h = x[None]
    for module in modules:
        with torch.enable_grad():
            out = stack.run(state, h, module.start, module.stop)
            used = _used(out, weights)
        for name in used:
            if owner.setdefault(name, module.name) != module.name:
                raise RecipeError(
                    f"modules.cuts separates {owner[name]} from {module.name}, which share the "
                    f"parameter {name}; cut where no parameter is shared."
                )
        h = out.detach()
        shapes.append(tuple(h.shape[3:]))
    head = modules[-1].name
    return [
        Module(
            name=module.name,
            start=module.start,
            stop=module.stop,
            parameters=tuple(n for n in weights if owner.get(n, head) == module.name),
        )
        for module in modules
    ], shapes[:-1]


def _used(out: Tensor, weights: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the parameters that a tensor depends on."""
    if not out.requires_grad:
        return []
    gradients: Sequence[Tensor | None] = torch.autograd.grad(
        out.sum(), list(weights.values()), allow_unused=True
    )
    return [name for name, g in zip(weights, gradients, strict=True) if g is not None]
