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
    learnt, end_to_end, equal = lanes.learnt, lanes.lam == 1, lanes.start == "equal"
    return [
        Comparison("failed, all lanes", learnt, lanes.failed),
        Comparison("failed, λ = 1", learnt & end_to_end, lanes.failed),
        Comparison("failed, λ < 1", learnt & ~end_to_end, lanes.failed),
        Comparison("failed, equal starts", learnt & equal, lanes.failed),
        Comparison("failed, unequal starts", learnt & ~equal, lanes.failed),
    ]


# --- scores --------------------------------------------------------------------------------------


def weakness(lanes: Lanes) -> Floats:
    """Return the rule's score (N, E): high where the members but the best have little skill."""
    return roc.as_score(lanes.others_skill, low_alarms=True)


def scores(lanes: Lanes) -> dict[str, Floats]:
    """Return scores (N, E) of all rules about failure, by name; high ones alarm."""
    return {
        "skill of the others": weakness(lanes),
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


@dataclass(frozen=True)
class LeaderLimit:
    """A limit of the leader's skill, and the shares of held-out failed lanes above it."""

    limit: float
    ends: tuple[float, float]
    """95 % interval of the limit, over configurations."""
    shares: tuple[Estimate, Estimate]
    """Of dominated and of codependent lanes."""


def leader_limit(lanes: Lanes, epoch: int) -> LeaderLimit:
    """Return the leader's skill after an epoch that separates dominated from codependent lanes."""
    failed = lanes.where(lanes.failed)
    score = roc.as_score(failed.leader_skill[:, epoch_index(epoch)])
    sets, tests = ~failed.held_out, failed.held_out
    fit = roc.limit_estimate(score[sets], failed.dominated[sets], failed.configuration[sets])
    above = score[tests] >= fit.value
    rates = roc.rates(above, failed.dominated[tests], failed.configuration[tests])
    return LeaderLimit(fit.value, (fit.low, fit.high), (rates.recall, rates.false_alarms))


def sensitivity(lanes: Lanes) -> dict[float, tuple[int, Estimate]]:
    """Return held-out lanes failed, and the area at epoch 3, for other meanings of failed."""
    tests = lanes.where(lanes.learnt & lanes.held_out)
    score = weakness(tests)[:, epoch_index(CLAIM)]
    results = {}
    for below in FAILURE_BELOW:
        failed = tests.final_skill < below
        results[below] = (int(failed.sum()), roc.area_estimate(score, failed, tests.configuration))
    return results


# --- verdicts of the rules ------------------------------------------------------------------------


@dataclass(frozen=True)
class Detection:
    """Alarms of a rule after an epoch, against how the lanes ended."""

    rule: str
    epoch: int
    right: int
    """Alarms in lanes of the kind that the rule is about."""
    alarms: int
    positives: int
    """Lanes of that kind."""
    negatives: int
    clustered: Rates
    """With intervals over configurations."""

    @property
    def exact_precision(self) -> tuple[float, float]:
        """Exact 95 % interval, as if lanes were independent."""
        return _exact(self.right, self.alarms)

    @property
    def exact_recall(self) -> tuple[float, float]:
        """Exact 95 % interval, as if lanes were independent."""
        return _exact(self.right, self.positives)


ANY = "dominance or codependence"
"""Either of the two rules about failure."""


def kinds(lanes: Lanes) -> dict[str, tuple[Flags, Flags]]:
    """Return by rule the lanes (N,) that are compared, and those that it should find."""
    learnt = lanes.learnt
    return {
        "dominance": (learnt, lanes.dominated),
        "codependence": (learnt, lanes.codependent),
        ANY: (learnt, lanes.failed),
        "stagnation": (learnt, lanes.stagnant),
        "diversity-explosion": (learnt, lanes.failed),
        "over-capacity": (learnt, lanes.fitted),
    }


def alarms(lanes: Lanes, rule: str) -> Flags:
    """Return the lanes (N, E) that a rule alarms after each early epoch."""
    if rule == ANY:
        return lanes.fired["dominance"] | lanes.fired["codependence"]
    return lanes.fired[rule]


def detection(lanes: Lanes, rule: str, epoch: int, among: Flags | None = None) -> Detection:
    """Return how well a rule's alarms after an epoch tell how lanes end.

    Args:
        lanes: The lanes.
        rule: A rule, or `ANY`.
        epoch: An early epoch.
        among: (N,), lanes to compare, of those that learnt; by default all.
    """
    compared, positive = kinds(lanes)[rule]
    kept = compared if among is None else compared & among
    alarm = alarms(lanes, rule)[kept, epoch_index(epoch)]
    wanted = positive[kept]
    return Detection(
        rule=rule,
        epoch=epoch,
        right=int((alarm & wanted).sum()),
        alarms=int(alarm.sum()),
        positives=int(wanted.sum()),
        negatives=int((~wanted).sum()),
        clustered=roc.rates(alarm, wanted, lanes.configuration[kept]),
    )


def _exact(right: int, total: int) -> tuple[float, float]:
    low, high = clopper_pearson(right, total)
    return float(low), float(high)


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
        "codependent": learnt.codependent,
        "dominated": learnt.dominated,
        "dominated, and alarmed after epoch 3": (
            learnt.dominated & alarms(learnt, "dominance")[:, epoch_index(CLAIM)]
        ),
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
        keys[(configuration[i], lanes.trial[i], lanes.lam[i])] = i
    pairs = [
        (i, keys[(name, trial, mild)])
        for (name, trial, lam), i in keys.items()
        if lam == 0 and (name, trial, mild) in keys
    ]
    alone = np.zeros(len(lanes), bool)
    better = np.zeros(len(lanes), bool)
    for i, j in pairs:
        alone[i] = True
        better[i] = lanes.test_ensemble[i, -1] <= lanes.test_ensemble[j, -1]
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
