"""What a study costs on this machine, and a study that fits into a number of hours."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import attrs

from jtdiag.engine.dry_run import estimate
from jtdiag.errors import RecipeError
from jtdiag.recipe import studies
from jtdiag.recipe.recipe import Recipe
from jtdiag.recipe.studies import Study
from jtdiag.workflows import wording

FEWEST_TRIALS = 3
"""Trials that a budget leaves, unless the study has fewer: with two, an interval says little."""
REDUCED = {"trials", "train.epochs"}
"""Fields in which a study that was reduced differs from its file."""
LEAST_SHARE = 0.25
"""Share of a run's epochs that a budget leaves at least."""


@dataclass(frozen=True, kw_only=True)
class RunCost:
    """Estimated cost of one run of a study."""

    lanes: int
    epochs: int
    seconds: float
    """Of training and evaluation, of all lanes."""
    size: int
    """Disk space in bytes."""


def costs(study: Study, names: Iterable[str] = ()) -> dict[str, RunCost]:
    """Return the estimated cost of each run, by name; a few steps of each are timed.

    Args:
        study: The study.
        names: Runs whose cost is estimated; by default all.

    Raises:
        JtdiagError: if a run could not be trained.
    """
    return {name: _cost(study.runs[name]) for name in names or study.runs}


def reduced(study: Study, folder: Path, hours: float) -> Study:
    """Return the study that `hours` allow, or the one that has been begun in a folder.

    A study that differs in other fields from the one in the folder is returned as it is.

    Raises:
        RecipeError: as `within`.
    """
    if studies.is_study(folder):  # the same command resumes it; times vary from day to day
        begun = studies.read(folder / studies.FILE)
        differing = {field.split(".", 2)[-1] for field in studies.differences(begun, study)}
        return begun if differing <= REDUCED else study
    return within(study, hours, costs(study))


def _cost(recipe: Recipe) -> RunCost:
    estimated = estimate(recipe)
    return RunCost(
        lanes=estimated.lanes,
        epochs=recipe.train.epochs,
        seconds=estimated.total_seconds,
        size=estimated.size.total,
    )


def within(study: Study, hours: float, cost: Mapping[str, RunCost]) -> Study:
    """Return a study with fewer epochs, and fewer trials if necessary, that takes `hours`.

    All runs have the same share of their epochs, at least a quarter. If that is too much with all
    trials, the number of trials is reduced, to three at least. A study that takes less is returned
    as it is.

    Args:
        study: The study.
        hours: Time for training; probes and figures are not counted.
        cost: The result of `costs` for this study.

    Raises:
        RecipeError: if the smallest study takes longer, or its epochs cannot be reduced.
    """
    needed = sum(run.seconds for run in cost.values()) / 3600
    if needed <= hours:
        return study
    fixed = [name for name, recipe in study.runs.items() if not _can_be_shorter(recipe)]
    if fixed:
        raise RecipeError(wording.epochs_are_fixed(fixed[0]))
    trials = max(recipe.trials for recipe in study.runs.values())
    for most in range(trials, min(trials, FEWEST_TRIALS) - 1, -1):
        fewer = _with_trials(study, most)
        left = sum(
            cost[name].seconds * fewer.runs[name].trials / recipe.trials
            for name, recipe in study.runs.items()
        )
        share = 3600 * hours / left
        if share >= LEAST_SHARE:
            return _with_epochs(fewer, min(1.0, share))
    raise RecipeError(wording.budget_too_small(hours, LEAST_SHARE * left / 3600))


def _can_be_shorter(recipe: Recipe) -> bool:
    """Return whether no other field depends on the number of epochs."""
    return not recipe.train.milestones and not recipe.modules.epochs


def _with_trials(study: Study, most: int) -> Study:
    runs = {
        name: attrs.evolve(recipe, trials=min(most, recipe.trials))
        for name, recipe in study.runs.items()
    }
    return attrs.evolve(study, runs=runs)


def _with_epochs(study: Study, share: float) -> Study:
    runs = {}
    for name, recipe in study.runs.items():
        epochs = max(1, int(share * recipe.train.epochs))
        runs[name] = attrs.evolve(recipe, train=attrs.evolve(recipe.train, epochs=epochs))
    return attrs.evolve(study, runs=runs)
