"""Screening: successive halving over the epochs of a trial finds the contenders, with Optuna.

Every candidate is trained for a quarter of its first trial, those in the better half for a half,
and of these the better half completely (Jamieson and Talwalkar 2016; Optuna's form does not wait
for all others, Li et al. 2020). Candidates are ordered at random, so that a search that ends early
has looked at a random part of them.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from jtdiag.errors import AdviceError

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import Trial

FULL: Final = 4
"""Steps of a complete trial."""
STEPS: Final = (1, 2, FULL)
"""Steps after which the worse half is dropped: a quarter, a half and all of a trial."""
_CANDIDATE: Final = "candidate"


class Objective(Protocol):
    """The errors that a search lowers; each call may take hours, unless it was called before."""

    def first_trial(self, name: str, share: float) -> float:
        """Return the error of a candidate after a share of the epochs of its first trial."""

    def errors(self, name: str, trials: int) -> NDArray[np.float64]:
        """Return the errors (trials,) of a candidate in its first trials."""

    def known(self, name: str) -> NDArray[np.float64]:
        """Return the errors of all its complete trials, without training anything."""


def screen(names: Sequence[str], objective: Objective, seed: int) -> None:
    """Train candidates by successive halving.

    What it learns is with the objective: whichever candidates have a complete trial are contenders.

    Args:
        names: Names of the candidates.
        objective: Their errors. What it raises ends the search.
        seed: Of the order of the candidates.

    Raises:
        AdviceError: if Optuna is not installed.
    """
    optuna = installed()
    study: Study = optuna.create_study(
        sampler=optuna.samplers.GridSampler({_CANDIDATE: [*names]}, seed=seed),
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=STEPS[0], reduction_factor=2),
    )
    going_on: list[tuple[str, Trial]] = []
    for _ in names:
        trial = study.ask()
        going_on.append((trial.suggest_categorical(_CANDIDATE, [*names]), trial))
    for step in STEPS:
        going_on = [
            (name, trial)
            for name, trial in going_on
            if _is_promoted(trial, objective.first_trial(name, step / FULL), step)
        ]


def _is_promoted(trial: "Trial", value: float, step: int) -> bool:
    trial.report(value, step)
    return not trial.should_prune()


def installed() -> ModuleType:
    """Return Optuna, which then reports warnings only.

    Raises:
        AdviceError: if it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise AdviceError(
            "Advice needs Optuna, which is not installed; install it with: "
            "pip install 'jtdiag[advise]'."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    module: Any = optuna
    return module
