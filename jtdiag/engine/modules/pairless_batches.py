"""Batches without a pair of examples from which a loss of pairs could learn anything."""

from collections.abc import Sequence

import torch
from torch import Tensor

from jtdiag import names
from jtdiag.engine import seeds
from jtdiag.engine.modules import pair_kernels
from jtdiag.engine.modules.contract import Setting
from jtdiag.errors import RecipeError


def remarks(setting: Setting) -> list[str]:
    """Return how many batches of the first epoch of trial 0 change nothing in hidden modules.

    Other epochs and trials have other batches of the same examples; they are not counted, which
    would take as long as reading all labels of the run.

    Raises:
        RecipeError: if all of them do.
    """
    modules = setting.recipe.modules
    batches = _batches(setting)
    skipped = sum(not _has_pair(setting, positions, target) for positions, target in batches)
    if not skipped:
        return []
    what = f"a {'labelled ' if modules.pairs < 1 else ''}pair of examples{_kind(modules.loss)}"
    if skipped == len(batches):
        raise RecipeError(
            f"modules.loss is '{modules.loss}', and no batch of the first epoch of trial 0 contains"
            f" {what}, so hidden modules cannot learn; use a larger train.batch"
            + (", or a larger modules.pairs." if modules.pairs < 1 else ".")
        )
    return [
        f"{skipped} of {len(batches)} batches of the first epoch of trial 0 do not contain {what}, "
        "and change nothing in hidden modules (other epochs and trials were not counted)"
    ]


def _kind(loss: str) -> str:
    if loss in pair_kernels.SAME_CLASS:
        return " of the same class"
    return " of different classes" if loss == "neo" else ""


def _batches(setting: Setting) -> Sequence[tuple[Tensor, Tensor]]:
    """Return positions and classes (B,) of the batches of the first epoch of the first trial."""
    data, recipe = setting.data, setting.recipe
    count = data.count(names.TRAIN)
    order = seeds.batch_order(count, recipe.seed, 0, 1)
    positions = data.positions(names.TRAIN, 0)[order]
    target = data.part(names.TRAIN).y.cpu()[positions]
    size = recipe.train.batch
    starts = range(0, count, size)
    return [(positions[i : i + size], target[i : i + size]) for i in starts]


def _has_pair(setting: Setting, positions: Tensor, target: Tensor) -> bool:
    modules = setting.recipe.modules
    # Without a matrix of all pairs where none is needed.
    if modules.pairs == 1 and modules.loss in pair_kernels.SAME_CLASS:
        return bool(torch.bincount(target).max() > 1)
    same = target[:, None] == target
    pairs = pair_kernels.upper(target.numel(), target.device)
    if modules.pairs < 1:
        pairs = pairs & pair_kernels.labelled(positions, modules.pairs, setting.recipe.seed)
    return bool(pair_kernels.needed(modules.loss, same, pairs).any())
