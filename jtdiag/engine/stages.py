"""What is trained before what: hidden modules that are the same at every λ come first, once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from jtdiag.recipe.recipe import Recipe
from jtdiag.store.lanes import Lane

Row = Sequence[Lane]
"""Lanes with the same results up to an epoch, which are trained once."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Epochs that all lanes complete before the next stage begins."""

    last: int
    """The last one."""
    groups: Sequence[Sequence[Row]]
    """What is trained in the same batched operations."""


def of_lanes(every: Sequence[Stage], own: Collection[Lane]) -> list[Stage]:
    """Return stages with the groups of some lanes only.

    Args:
        every: The stages.
        own: The lanes: all lanes of a group, or none.
    """
    return [
        replace(stage, groups=[group for group in stage.groups if group[0][0] in own])
        for stage in every
    ]


def stages(recipe: Recipe, groups: Sequence[Sequence[Lane]]) -> list[Stage]:
    """Return the stages of a run.

    Modules that are trained one after the other depend on λ in the last one only, the head. Until
    then a trial is trained once for all of its λs with the same learning rate.

    Args:
        recipe: The recipe.
        groups: Its lanes, in groups that are trained together.
    """
    every = [lane for group in groups for lane in group]
    whole = Stage(last=recipe.train.epochs, groups=[[[lane] for lane in group] for group in groups])
    same: dict[tuple[int, float], list[Lane]] = {}
    for lane in every:
        same.setdefault((lane.trial, recipe.first_lr(lane.lam_index)), []).append(lane)
    rows = list(same.values())
    if recipe.modules.head_from == 0 or len(rows) == len(every):
        return [whole]
    step = len(groups[0])
    shared = [rows[i : i + step] for i in range(0, len(rows), step)]
    return [Stage(last=recipe.modules.head_from, groups=shared), whole]
