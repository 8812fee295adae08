import numpy as np
import pytest

from jtdiag.advising.candidates import Question
from jtdiag.advising.training import LimitReachedError


class Synthetic:
    """Candidates "c0", "c1", … with given mean errors, and noise of each trial."""

    def __init__(self, means, seed=0, *, noise=0.005, of_trial=0.006, budget=np.inf, trials=10):
        random = np.random.default_rng(seed)
        self.names = [f"c{i}" for i in range(len(means))]
        of_trials = random.normal(0, of_trial, trials) + random.normal(
            0, noise, (len(means), trials)
        )
        self.table = np.asarray(means, float)[:, None] + of_trials
        self.budget, self.cost, self.trained = budget, 0.0, {}

    def first_trial(self, name, share):
        self._train(name, share)
        return float(self._row(name)[0] + 0.04 * (1 - share))

    def errors(self, name, trials):
        self._train(name, float(trials))
        return self._row(name)[:trials]

    def known(self, name):
        return self._row(name)[: int(self.trained.get(name, 0))]

    def _row(self, name):
        return self.table[self.names.index(name)]

    def _train(self, name, extent):
        more = extent - self.trained.get(name, 0.0)
        if more > 0 and self.cost >= self.budget:
            raise LimitReachedError
        self.cost += max(0.0, more)
        self.trained[name] = max(extent, self.trained.get(name, 0.0))


@pytest.fixture
def synthetic():
    """Errors by formula in the place of training, with the cost of what was asked for."""
    return Synthetic


@pytest.fixture
def question():
    """Three candidates on digits, of which a trial takes a fraction of a second."""
    return Question(
        data="digits",
        params=700,
        members=(1, 2),
        overrides=(
            "lam=[1]",
            "train.epochs=4",
            "train.batch=200",
            "data.limit=300",
            "data.val=100",
        ),
    )
