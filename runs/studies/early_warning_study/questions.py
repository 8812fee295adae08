"""The study's questions of its lanes, each answered in numbers with their intervals."""

from dataclasses import dataclass, replace

import numpy as np

from early_warning_study import roc
from early_warning_study.grid import CLASSES, EARLY
from early_warning_study.lanes import Flags, Floats, Lanes
from early_warning_study.roc import Estimate, Rates
from jtdiag.stats import clopper_pearson

CLAIM = 3
"""The epoch of the paper's claim, and of the bar: Webb et al. 2020, with Fig. 6."""
FAILURE_BELOW = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Other shares of skill below which a member might count as failed."""


def epoch_index(epoch: int) -> int:
    """Return the column index of an early epoch."""
    return EARLY.index(epoch)


@dataclass(frozen=True)
class Comparison:
    """Two groups that a score should separate."""

    name: str
    kept: Flags
    """(N,), lanes that belong to one of the two."""
    positive: Flags
    """(N,), of those kept, the ones that should alarm."""


def comparisons(lanes: Lanes) -> list[Comparison]:
    """Return the comparisons of the study; all are among lanes whose ensemble learnt."""
    end_to_end, mild = lanes.lam == 1, lanes.lam <= 0.9
    ends = lanes.learnt & (end_to_end | mild)
    literal = lanes.learnt & (end_to_end & lanes.failed | mild)
    return [
        Comparison("failed, at any λ", lanes.learnt, lanes.failed),
        Comparison("failed, λ = 1 or λ ≤ 0.9", ends, lanes.failed),
        Comparison("failed at λ = 1, against λ ≤ 0.9", literal, end_to_end),
        Comparison("λ = 1 against λ ≤ 0.9", ends, end_to_end),
        Comparison("failed, λ = 1 only", lanes.learnt & end_to_end, lanes.failed),
        Comparison("failed, λ ≤ 0.9 only", lanes.learnt & mild, lanes.failed),
    ]


# --- scores --------------------------------------------------------------------------------------


def weakness(lanes: Lanes) -> Floats:
    """Return the rule's score (N, E): high where the median member has little skill."""
    return roc.as_score(lanes.median_skill, low_alarms=True)


def scores(lanes: Lanes) -> dict[str, Floats]:
    """Return scores (N, E) of all rules about failure, by name; high ones alarm."""
    return {
        "median skill": weakness(lanes),
        "leader's skill": roc.as_score(lanes.leader_skill, low_alarms=True),
        "diversity over ln K": roc.as_score(lanes.diversity / np.log(CLASSES)),
        "least displacement over median": roc.as_score(lanes.moved, low_alarms=True),
        "λ alone": np.repeat(lanes.lam[:, None], len(EARLY), 1),
    }


def areas(lanes: Lanes, score: Floats, comparison: Comparison) -> list[Estimate]:
    """Return the area under the curve after each early epoch, with its interval."""
    kept, cluster = comparison.kept, lanes.configuration[comparison.kept]
    positive = comparison.positive[kept]
    return [roc.area_estimate(score[kept, e], positive, cluster) for e in range(len(EARLY))]


# --- limits --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Calibrated:
    """A limit set on some configurations, and its rates on the others."""

    epoch: int
    limit: float
    """In the unit of the score, high alarms."""
    ends: tuple[float, float]
    """95 % interval of the limit, over configurations; NaN where it is not the best one."""
    rates: Rates


def calibrated(lanes: Lanes, score: Floats, epoch: int) -> Calibrated:
    """Return the best limit of a score of failure after an epoch, and its rates held out."""
    e = epoch_index(epoch)
    sets = lanes.learnt & ~lanes.held_out
    estimate = roc.limit_estimate(score[sets, e], lanes.failed[sets], lanes.configuration[sets])
    rates = held_out_rates(lanes, score[:, e] >= estimate.value)
    return Calibrated(epoch, estimate.value, (estimate.low, estimate.high), rates)


def tolerant(lanes: Lanes, score: Floats, epoch: int, false_alarms: float) -> Calibrated:
    """Return the lowest limit that alarms no more of the good lanes that set it than a share."""
    e = epoch_index(epoch)
    good = lanes.learnt & ~lanes.held_out & ~lanes.failed
    ranked = np.sort(score[good, e])[::-1]
    limit = float(np.nextafter(ranked[int(false_alarms * ranked.size)], np.inf))
    rates = held_out_rates(lanes, score[:, e] >= limit)
    return Calibrated(epoch, limit, (np.nan, np.nan), rates)


def held_out_rates(lanes: Lanes, alarm: Flags) -> Rates:
    """Return the rates of alarms (N,) on held-out lanes."""
    tests = lanes.learnt & lanes.held_out
    return roc.rates(alarm[tests], lanes.failed[tests], lanes.configuration[tests])


def sensitivity(lanes: Lanes) -> dict[float, tuple[int, Estimate]]:
    """Return held-out lanes failed, and the area at epoch 3, for other meanings of failed."""
    tests = lanes.where(lanes.learnt & lanes.held_out)
    score = weakness(tests)[:, epoch_index(CLAIM)]
    results = {}
    for below in FAILURE_BELOW:
        failed = tests.final_skill < below
        results[below] = (int(failed.sum()), roc.area_estimate(score, failed, tests.configuration))
    return results


# --- who leads -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """In how many lanes the leader after epoch 3 led at the end."""

    of: str
    held: int
    lanes: int
    interval: tuple[float, float]
    """Exact, 95 %, as if lanes were independent."""
    clustered: Estimate
    """The fraction, with the interval over configurations."""
    chance: float
    """Mean of 1/M."""


def claims(lanes: Lanes) -> list[Claim]:
    """Return the paper's claim for lanes that learnt: all, by λ, and by how they ended."""
    learnt = lanes.where(lanes.learnt)
    good = ~learnt.failed
    groups = {"all": np.ones(len(learnt), bool)}
    groups |= {f"λ = {lam:g}": learnt.lam == lam for lam in np.unique(learnt.lam)}
    groups |= {
        "members good on their own": good,
        "members failed": learnt.failed,
        "codependent": learnt.failed & ~learnt.dominated,
        "dominated": learnt.dominated,
    }
    groups |= {f"M = {m}": learnt.members == m for m in np.unique(learnt.members)}
    return [_claim(name, learnt.where(group)) for name, group in groups.items() if group.any()]


def _claim(name: str, lanes: Lanes) -> Claim:
    leads = lanes.leads[:, epoch_index(CLAIM)]
    low, high = clopper_pearson(leads.sum(), len(lanes))
    everyone = np.ones(len(lanes), bool)
    return Claim(
        of=name,
        held=int(leads.sum()),
        lanes=len(lanes),
        interval=(float(low), float(high)),
        clustered=roc.rates(everyone, leads, lanes.configuration).precision,
        chance=float((1 / lanes.members).mean()),
    )


# --- over-capacity -------------------------------------------------------------------------------


def capacity_pairs(lanes: Lanes, mild: float = 0.9) -> tuple[Lanes, Flags]:
    """Return the lanes at λ = 0, and whether each erred no more on test than its twin at `mild`.

    Where it did, members had enough capacity on their own, and joint training did not help.
    """
    keys, configuration = {}, lanes.configuration
    for i in np.flatnonzero(lanes.learnt):
        keys[(configuration[i], lanes.rate[i], lanes.lam[i])] = i
    pairs = [
        (i, keys[(name, rate, mild)])
        for (name, rate, lam), i in keys.items()
        if lam == 0 and (name, rate, mild) in keys
    ]
    alone = np.zeros(len(lanes), bool)
    better = np.zeros(len(lanes), bool)
    for i, j in pairs:
        alone[i] = True
        better[i] = lanes.test_ensemble[i] <= lanes.test_ensemble[j]
    return lanes.where(alone), better[alone]


def capacity_areas(lanes: Lanes) -> list[Estimate]:
    """Return how well a low training error of the median member at λ = 0 predicts that."""
    alone, enough = capacity_pairs(lanes)
    everyone = np.ones(len(alone), bool)
    score = roc.as_score(alone.median, low_alarms=True)
    return areas(alone, score, Comparison("", everyone, enough))


def halves(lanes: Lanes, comparison: Comparison) -> Comparison:
    """Return a comparison among the held-out lanes only."""
    return replace(comparison, kept=comparison.kept & lanes.held_out)
