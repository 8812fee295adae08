"""How well scores rank sources of features, of one run or of several, for target tasks.

A source is a layer of a member. For each task its score, which needs no training, is compared with
the error of a new head that is trained on its features.
"""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import xarray as xr

from jtdiag import names, stats
from jtdiag.errors import ProbeError
from jtdiag.probing import over_trials

LAYER: Final = "layer"
TARGET: Final = "target"
SCORE: Final = "score"
RANKING: Final = "ranking"
"""Dimension of the scores and the control."""
SOURCE: Final = "source"
STATIC: Final = "static"
"""Name of the control: a source's mean error over the other target tasks."""
MEASURED = ("head_error", "head_loss", "score_value")
"""Variables of a result of the probe `transfer` from which sources are ranked."""


def of_run(result: xr.Dataset) -> xr.Dataset:
    """Return `ranked` of all sources of a run after training has begun.

    Args:
        result: `MEASURED`.
    """
    return ranked(_sources(result.sel({names.EPOCH: result[names.EPOCH] > 0})))


def of_runs(results: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Return `MEASURED` of several runs, (trial, source, target), with the name of the run.

    Sources are the last hidden layers of all members and λs at the last epoch. A run is no source
    for the task that it is trained on. Trials are those that all runs have.

    Raises:
        ProbeError: if the target tasks of the runs differ, or a run has no source.
    """
    tasks = {name: [str(t) for t in each[TARGET].values] for name, each in results.items()}
    first, *others = tasks
    for name in others:
        if tasks[name] != tasks[first]:
            raise ProbeError(
                f"The target tasks of {name} and {first} differ: {_few(tasks[name])} and "
                f"{_few(tasks[first])}. Run the probe transfer with the same classes on both."
            )
    trials = min(each.sizes[names.TRIAL] for each in results.values())
    parts = []
    for name, each in results.items():
        part = _sources(_last(each, name).isel({names.TRIAL: slice(trials)}))
        part = part.where(each["own_task"] == 0)
        parts.append(part.assign_coords(run=(SOURCE, [name] * part.sizes[SOURCE])))
    return xr.concat(parts, SOURCE)


def at_last_epoch(result: xr.Dataset) -> xr.Dataset:
    """Select the last epoch after training has begun at which a λ and trial has errors.

    Args:
        result: `MEASURED` at one epoch or more, a dimension that goes. λs and trials without
            such an epoch have no errors.
    """
    error = result["head_error"].where(result[names.EPOCH] > 0)
    known = error.notnull().any((names.MEMBER, LAYER, TARGET))
    position = xr.DataArray(np.arange(result.sizes[names.EPOCH]), dims=names.EPOCH)
    last = position.where(known, -1).max(names.EPOCH)
    selected = result[list(MEASURED)].isel({names.EPOCH: last.clip(0)})
    return selected.drop_vars(names.EPOCH).where(last >= 0)


def ranked(sources: xr.Dataset) -> xr.Dataset:
    """Return τ and regret of each score and of the static ranking, with means and intervals.

    Args:
        sources: `MEASURED` by trial, source and target.

    Returns:
        `target_tau`, `target_loss_tau` (with test losses) and `target_regret` by trial, target and
        ranking; their means over targets `tau`, `loss_tau` and `regret` with mean, standard error
        and interval over trials; bootstrap intervals over targets; `random_regret`, that of a
        source chosen at random; `sources`, their number in each trial.
    """
    scores = [str(name) for name in sources[SCORE].values]
    dims = (names.TRIAL, TARGET, RANKING)
    shape = (sources.sizes[names.TRIAL], sources.sizes[TARGET], len(scores) + 1)
    tau, loss_tau, regret = (np.full(shape, np.nan) for _ in range(3))
    at_random, count = np.full(shape[:2], np.nan), np.zeros(shape[0], int)
    for trial in range(shape[0]):
        own = sources.isel({names.TRIAL: trial})
        error, loss = (own[n].transpose(SOURCE, TARGET).values for n in MEASURED[:2])
        values = own["score_value"].transpose(SCORE, SOURCE, TARGET).values
        for i, each in enumerate([*values, stats.static_scores(error)]):
            tau[trial, :, i], loss_tau[trial, :, i] = (
                stats.kendall(each, e) for e in (error, loss)
            )
            regret[trial, :, i] = stats.regret(each, error)
        at_random[trial] = stats.random_regret(error)
        count[trial] = np.isfinite(error).any(1).sum()
    by_target = xr.Dataset(
        {
            "target_tau": (dims, tau),
            "target_loss_tau": (dims, loss_tau),
            "target_regret": (dims, regret),
            "sources": (names.TRIAL, count),
        },
        coords={RANKING: np.asarray([*scores, STATIC], np.dtypes.StringDType())},
    )
    return _with_means(by_target, xr.DataArray(at_random, dims=(names.TRIAL, TARGET)))


def _with_means(by_target: xr.Dataset, at_random: xr.DataArray) -> xr.Dataset:
    by_trial = xr.Dataset(
        {name: by_target[f"target_{name}"].mean(TARGET) for name in ("tau", "loss_tau", "regret")}
    )
    by_trial["random_regret"] = at_random.mean(TARGET)
    result = by_target.merge(by_trial).merge(over_trials.summary(by_trial))
    for name in ("tau", "loss_tau", "regret"):
        means = by_target[f"target_{name}"].mean(names.TRIAL).transpose(RANKING, TARGET)
        ends = [stats.bootstrap_interval(values) for values in means.values]
        result[f"{name}_bootstrap_low"] = (RANKING, [end.low for end in ends])
        result[f"{name}_bootstrap_high"] = (RANKING, [end.high for end in ends])
    return result


def _sources(result: xr.Dataset) -> xr.Dataset:
    """Return `MEASURED` with all sources in one dimension, which may be empty."""
    dims = (names.LAM, names.EPOCH, names.MEMBER, LAYER)
    count = math.prod(result.sizes[dim] for dim in dims)
    flat = xr.Dataset(coords={name: result[name] for name in (TARGET, SCORE)})
    for name in MEASURED:
        rest = [dim for dim in (TARGET, SCORE) if dim in result[name].dims]
        array = result[name].transpose(names.TRIAL, *dims, *rest).values
        shape = (len(array), count, *(result.sizes[dim] for dim in rest))
        flat[name] = ((names.TRIAL, SOURCE, *rest), array.reshape(shape))
    return flat


def _last(result: xr.Dataset, name: str) -> xr.Dataset:
    """Select the last hidden layer at the last epoch."""
    if not result["head_error"].notnull().any():
        raise ProbeError(
            f"{name} has no hidden layer with a head; train members with hidden layers and with "
            "keep.checkpoints."
        )
    last = at_last_epoch(result).isel({LAYER: [-1]})
    return last.expand_dims({names.EPOCH: [-1]})


def _few(tasks: list[str]) -> str:
    return f"{len(tasks)} ({', '.join(tasks[:3])}{', …' if len(tasks) > 3 else ''})"
