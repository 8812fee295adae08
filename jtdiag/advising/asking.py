"""Asking for advice: search, weigh the evidence, read test errors once, write a recipe."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve

from jtdiag import files, names
from jtdiag.advising import question_file, racing, screening, wording
from jtdiag.advising.additive import Floats
from jtdiag.advising.advice import Advice
from jtdiag.advising.candidates import Candidate, Question, candidates, path_of, recipe_to_continue
from jtdiag.advising.qualities import measured
from jtdiag.advising.searching import MOST_TRIALS, Ended, search
from jtdiag.advising.standing import Standing, standings, to_dataset
from jtdiag.advising.training import Limit, Training, existing
from jtdiag.engine.datasets import in_memory
from jtdiag.engine.stopping import StopRequest
from jtdiag.errors import AdviceError, option
from jtdiag.figures.drawing import save
from jtdiag.figures.kinds import candidates as figure
from jtdiag.recipe import starting, toml
from jtdiag.stats import LEAST_TRIALS

RECIPE = "recipe.toml"
TRIALS_TO_CONTINUE = 5
"""Fewest trials of the recipe that is written."""


def advise(
    data: str | Path | Sequence[Any],
    params: int,
    *,
    arch: str = "mlp",
    hours: float = 1.0,
    out: str | Path | None = None,
    members: Sequence[int] = (),
    layout: str = "auto",
    overrides: Sequence[str] = (),
    trials: int = MOST_TRIALS,
    lane_epochs: int | None = None,
    trained: Callable[[str], None] | None = None,
    stop: StopRequest | None = None,
) -> Advice:
    """Search for the best ensemble, or single network, of a number of parameters.

    Compared are numbers of members × λ, bagging and a single network, by validation error. Every
    candidate is an ordinary run in the subfolder ``runs`` of the folder; asking the same question
    again continues there.

    Args:
        data: Name of a data set, path of an .npz file, or data in memory as for `jtdiag.train`.
        params: Parameters of all members together.
        arch: Architecture of the members, as for `jtdiag budget`.
        hours: Time after which the search ends.
        out: Folder; by default ``runs/advice-<data>-<arch>-<params>``.
        members: Numbers of members to compare; by default powers of two up to 64.
        layout: Order of the axes of images in a file, as in data.layout.
        overrides: Changes to all recipes, such as "train.epochs=30" or "lam=[0, 0.9, 1]".
        trials: Most trials of a candidate.
        lane_epochs: Most epochs to train in this call, summed over lanes; None for no limit but the
            time.
        trained: Called with a line on each training.
        stop: Ends the search when it is requested; it can be continued.

    Returns:
        The answer; ``str(advice)`` is in words.

    Raises:
        AdviceError: if Optuna is not installed, or an argument is out of range.
        TrainingStopped: if `stop` was requested.
        JtdiagError: if the data, the budget, an override or the folder prevent it.
    """
    screening.installed()
    _check_limits(hours, trials)
    limit = Limit(seconds=3600 * hours, epochs=math.inf if lane_epochs is None else lane_epochs)
    folder = Path("runs") / _name(data, arch, params) if out is None else Path(out)
    question = Question(
        data=str(data) if isinstance(data, str | Path) else _in_file(data, folder.parent),
        params=params,
        arch=arch,
        members=tuple(members),
        layout=layout,
        overrides=tuple(overrides),
    )
    every = candidates(question)
    question_file.prepare(folder, question)

    def report(candidate: Candidate, errors: Floats, epoch: int) -> None:
        if trained is not None:
            trained(_line(candidate, errors, epoch))

    training = Training(folder, {c.name: c for c in every}, limit, stop, report)
    ended = search(every, training, every[0].recipe.seed, trials)
    evidence = racing.evidence([c.name for c in every], training, trials)
    return _answer(folder, ended, standings(folder, every, evidence))


def _check_limits(hours: float, trials: int) -> None:
    if not hours > 0 or trials <= LEAST_TRIALS:
        raise AdviceError(
            f"{option('hours', '--hours')} is {hours} and trials is {trials}; hours must be above "
            f"0 and trials above {LEAST_TRIALS}."
        )


def _name(data: object, arch: str, params: int) -> str:
    stem = Path(data).stem if isinstance(data, str | Path) else "data"
    return f"advice-{stem}-{arch}-{params}"


def _in_file(data: Sequence[Any], folder: Path) -> str:
    """Write data in memory into a file beside the folder, and return its path."""
    numbers = len(data) == 4 and starting.are_numbers(np.asarray(data[1]))
    table = {
        "data": {"name": "npz"},
        "members": {"arch": "mlp", "count": 1, "hidden": [1]},
        **({"family": "gaussian"} if numbers else {}),
    }
    return in_memory.with_data(toml.from_table(table), data, folder).data.name


def _line(candidate: Candidate, errors: Floats, epoch: int) -> str:
    return wording.progress(
        candidate.label,
        trials=len(errors),
        epoch=epoch,
        epochs=candidate.recipe.train.epochs,
        error=float(errors.mean()),
    )


def _answer(folder: Path, ended: Ended, every: Sequence[Standing]) -> Advice:
    """Measure what else candidates are good for, read test errors, and write recipe and figure."""
    advice = Advice(folder=folder, ended=ended, standings=tuple(every), test_errors=np.empty(0))
    best = advice.recommended
    if best is None:
        return advice
    compared_in, better = measured(folder, every)
    dataset = to_dataset(every)
    lams = sorted({standing.candidate.lam for standing in every})
    paths = save(
        lambda: figure.draw([(folder.name, dataset)]),
        folder,
        figure.FIGURE.name,
        f"jtdiag advise, {folder.name}",
        lams=lams,
    )
    return evolve(
        advice,
        test_errors=test_errors(folder, best.candidate),
        compared_in=tuple(compared_in),
        better=tuple(better),
        recipe=_write_recipe(folder, best),
        figures=tuple(paths),
    )


def test_errors(folder: Path, candidate: Candidate) -> Floats:
    """Return the test errors of a candidate in its complete trials, at the chosen epochs.

    The only place where test errors are read: for the candidate that validation has selected.
    """
    run = existing(path_of(folder, candidate))
    assert run is not None
    errors = run.metrics()[names.ENSEMBLE_ERROR].isel({names.LAM: 0})
    on_test = errors.sel({names.SPLIT: names.TEST}).transpose(names.TRIAL, names.EPOCH).values
    done = [lane for lane in run.lanes if run.seal(lane).done]
    return np.array([on_test[lane.trial, run.chosen_epoch(lane)] for lane in done])


def _write_recipe(folder: Path, best: Standing) -> Path:
    recipe = recipe_to_continue(best.candidate, max(TRIALS_TO_CONTINUE, len(best.errors)))
    title = wording.recipe_title(best.candidate.label, folder)
    files.write_atomically(folder / RECIPE, f"{title}\n{toml.to_toml(recipe)}")
    return folder / RECIPE
