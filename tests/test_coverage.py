"""How often a difference is claimed where there is none, and how often intervals cover the truth.

Every sentence, star and table cell of jtdiag that claims a difference is in `CLAIMS`, by the
statistical functions that decide it. Errors are simulated with all λs (or groups, or runs) truly
equal, and paired as trials of a run are. To add a claim: write a function that draws `RUNS` data
sets at a time and returns for each whether a difference is claimed anywhere, and add it with its
numbers of λs and trials. That the sentence says what these functions decide is tested in the room
of the sentence.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from zlib import crc32

import numpy as np
import pytest
from numpy.random import Generator
from scipy.stats import norm

from jtdiag import stats

RUNS = 10_000
MOST = 0.06
"""Largest rate: 5 % and 4.6 times the Monte Carlo error of 10,000 runs."""
LAMS = range(2, 12)
TRIALS = range(2, 11)

Errors = np.ndarray
Booleans = np.ndarray


# --- errors of λs that do not differ --------------------------------------------------------------


def normal(random: Generator, lams: int, trials: int) -> Errors:
    """Errors (runs, λs, trials): a common effect of the trial, and noise of the same size."""
    effect = 2 * random.normal(size=(RUNS, 1, trials))
    return effect + random.normal(size=(RUNS, lams, trials))


def unequal(random: Generator, lams: int, trials: int) -> Errors:
    """The same, but the last λ varies six times as much as the others."""
    errors = normal(random, lams, trials)
    errors[:, -1] += 6 * random.normal(size=(RUNS, trials))
    return errors


def whole_examples(random: Generator, lams: int, trials: int) -> Errors:
    """Fractions of 500 test examples, 3 % on average: few different values, many ties."""
    return random.binomial(500, 0.03, size=(RUNS, lams, trials)) / 500


NOISE = {"normal": normal, "unequal": unequal, "whole examples": whole_examples}


# --- claims ---------------------------------------------------------------------------------------


def excludes_0(values: np.ndarray, comparisons: int = 1) -> Booleans:
    """Tell whether the interval over the last axis excludes 0, as `stats.paired(…).significant`."""
    low, high = stats.interval_ends(values, -1, comparisons)
    return (low > 0) | (high < 0)


def best_lambda(errors: Errors) -> Booleans:
    """performance and capacity: a λ is not among the best; report: "significantly worse"."""
    return ~stats.best_set(errors).all(1)


def end_to_end(errors: Errors) -> Booleans:
    """performance: error at λ = 1 against λ = 0, named before the run."""
    return excludes_0(errors[:, -1] - errors[:, 0])


def reference(errors: Errors) -> Booleans:
    """`stats.against_reference`: every λ against one that was named before.

    Also similarity, where the family of comparisons includes layers: candidates instead of λs.
    """
    return excludes_0(errors[:, 1:] - errors[:, :1], errors.shape[1] - 1).any(1)


def compared_by_trial(errors: Errors) -> Booleans:
    """compare: a star at any λ of one quantity; two runs, of every second λ, with paired trials.

    Also votes, combiners and stacking: two combiners of the same members at each λ.
    """
    differences = errors[:, 1::2] - errors[:, ::2]
    return excludes_0(differences, differences.shape[1]).any(1)


def lower_loss(errors: Errors) -> Booleans:
    """variance: the λ with the lowest loss, selected by the same trials, is below the smallest."""
    return ~stats.best_set(errors)[:, 0]


def collusion(errors: Errors) -> Booleans:
    """collusion: at any λ more diversity than at λ = 0, and a loss lower by less than 5 % of it."""
    more, loss = (half[:, 1:] - half[:, :1] for half in np.split(errors, 2, axis=1))
    lows = [stats.interval_ends(v, -1, more.shape[1])[0] for v in (more, 0.05 * more + loss)]
    return ((lows[0] > 0) & (lows[1] > 0)).any(1)


@dataclass(frozen=True)
class Claim:
    """A claim of difference, and at which numbers of λs and trials it is made."""

    made: Callable[[Errors], Booleans]
    """From errors (runs, λs, trials): whether any difference is claimed, (runs,)."""
    lams: tuple[int, ...] = tuple(LAMS)
    trials: tuple[int, ...] = tuple(TRIALS)
    noise: tuple[str, ...] = tuple(NOISE)


CLAIMS = {
    "best λ": Claim(best_lambda),
    "end-to-end": Claim(end_to_end, lams=(2,)),
    "reference": Claim(reference, lams=(2, 3, 6, 11)),
    "lower loss": Claim(lower_loss, lams=(2, 7), trials=(2, 3, 5, 10)),
    "collusion": Claim(collusion, lams=(4, 14), trials=(2, 3, 5, 10)),
    "compare, trials": Claim(
        compared_by_trial, lams=(2, 6, 14), noise=("normal", "whole examples")
    ),
}


def draws(claim: Claim, noise: str) -> Iterator[tuple[int, int, Errors]]:
    for lams in claim.lams:
        for trials in claim.trials:
            random = np.random.default_rng([crc32(noise.encode()), lams, trials])
            yield lams, trials, NOISE[noise](random, lams, trials)


@pytest.mark.one_in(4)
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "noise"), [(name, noise) for name, claim in CLAIMS.items() for noise in claim.noise]
)
def test_of_runs_without_a_difference_at_most_six_of_a_hundred_claim_one(name, noise):
    claim = CLAIMS[name]
    rates = {
        (lams, trials): claim.made(errors).mean() for lams, trials, errors in draws(claim, noise)
    }
    print(name, noise, max(rates.values()))  # noqa: T201
    assert {case: rate for case, rate in rates.items() if rate > MOST} == {}


@pytest.mark.slow
def test_two_standard_errors_are_no_test():
    """The simulation finds a rule that claims too much: two standard errors at each of seven λs."""
    errors = normal(np.random.default_rng(0), 7, 3)
    mean, se = errors.mean(-1), stats.standard_error(errors, -1)
    lowest = mean.argmin(1)[:, None]
    apart = mean - np.take_along_axis(mean, lowest, 1)
    reach = 2 * np.hypot(se, np.take_along_axis(se, lowest, 1))
    assert (apart > reach).any(1).mean() > 2 * MOST


@pytest.mark.slow
@pytest.mark.parametrize("lams", [1, 5])
@pytest.mark.parametrize("trials", [2, 3, 10])
def test_groups_of_trials_of_two_equal_runs_are_rarely_called_different(lams, trials):
    """compare: a star at any λ, by Welch's interval; the second run varies three times as much."""
    random = np.random.default_rng([lams, trials])
    a, b = random.normal(size=(2, 2000, lams, trials))
    claimed = [
        any(stats.unpaired(x, 3 * y, lams).significant for x, y in zip(*pair, strict=True))
        for pair in zip(a, b, strict=True)
    ]
    assert np.mean(claimed) <= MOST + 0.01  # Monte Carlo error 0.5 %


# --- one trial, paired examples -------------------------------------------------------------------


@cache
def by_examples(wins: int, losses: int, lams: int) -> bool:
    return stats.paired_fractions(wins, losses, 500, lams).significant


@pytest.mark.slow
@pytest.mark.parametrize("lams", [1, 2, 7])
@pytest.mark.parametrize("disagreements", [2, 5, 20, 100])
def test_one_trial_of_two_equal_classifiers_is_rarely_called_different(lams, disagreements):
    """Of 500 examples this many are expected on which only one is right."""
    random = np.random.default_rng([lams, disagreements])
    one_is_right = random.binomial(500, disagreements / 500, size=(RUNS, lams))
    wins = random.binomial(one_is_right, 0.5)
    claimed = [
        any(by_examples(w, d - w, lams) for w, d in zip(*run, strict=True))
        for run in zip(wins.tolist(), one_is_right.tolist(), strict=True)
    ]
    assert np.mean(claimed) <= MOST


# --- the set of best λs ---------------------------------------------------------------------------

CURVES = {
    "sharp": [8.0, 6.0, 4.0, 2.0, 0.0, 2.0, 6.0],
    "moderate": [3.0, 2.0, 1.2, 0.5, 0.0, 0.5, 1.5],
    "shallow": [0.6, 0.4, 0.2, 0.1, 0.0, 0.1, 0.3],
    "plateau": [2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0],
}
"""True errors of seven λs, in standard deviations of a trial."""


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["normal", "unequal"])
@pytest.mark.parametrize("curve", CURVES)
def test_the_set_contains_all_best_lambdas_in_94_of_100_runs(curve, noise):
    truth = np.array(CURVES[curve])
    for trials in TRIALS:
        random = np.random.default_rng([crc32(curve.encode()), trials])
        chosen = stats.best_set(truth[:, None] + NOISE[noise](random, len(truth), trials))
        contained = chosen[:, truth == 0].all(1).mean()
        print(curve, noise, trials, contained, chosen.sum(1).mean())  # noqa: T201
        assert contained >= 0.94, trials


# --- intervals ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("trials", TRIALS)
def test_the_interval_of_a_mean_covers_it_in_95_of_100_runs(trials):
    values = np.random.default_rng(trials).normal(size=(RUNS, trials))
    low, high = stats.interval_ends(values, -1)
    assert ((low <= 0) & (high >= 0)).mean() == pytest.approx(0.95, abs=0.008)


def wrong(random: Generator, error: float, trials: int, examples: int, shared: float) -> np.ndarray:
    """Which predictions are wrong, (trials, examples): difficulty of examples, skill of trials.

    Args:
        random: Draws new trials and new examples.
        error: Of the population.
        trials: Their number.
        examples: Their number.
        shared: Part of the variance that trials have in common: difficulty of the examples.
    """
    skill = 0.1
    difficulty = np.sqrt(shared) * random.normal(size=examples)
    own = np.sqrt(1 - shared) * random.normal(size=(trials, examples))
    latent = difficulty + own + skill * random.normal(size=(trials, 1))
    return latent > norm.isf(error) * np.sqrt(1 + skill**2)


@pytest.mark.one_in(4)
@pytest.mark.slow
@pytest.mark.parametrize("shared", [0.2, 0.9])
@pytest.mark.parametrize("trials", [2, 3, 5, 10])
@pytest.mark.parametrize("error", [0.03, 0.3])
def test_intervals_of_the_population_cover_new_trials_and_new_examples(error, trials, shared):
    """Of the same runs, the interval over trials alone covers less, see the page Statistics."""
    random = np.random.default_rng([trials, int(10 * shared)])
    bounds, two_ways = [], []
    for _ in range(1000):
        each = wrong(random, error, trials, 500, shared)
        bounds.append(stats.population_interval(each.mean(1), 500))
        two_ways.append(stats.two_way_interval(each))
    for intervals in (bounds, [i for i in two_ways if i.exists]):
        assert np.mean([i.low <= error <= i.high for i in intervals]) >= 0.93  # error 0.7 %
