"""A trained combiner: logistic regression on the logits of fixed members (Wolpert 1992)."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

STRENGTH = 0.01
"""scikit-learn's C, for features of unit variance; smaller values regularize more."""
ITERATIONS = 1000


@dataclass(frozen=True, kw_only=True)
class MetaLearner:
    """A linear map from the logits of all members to the logits of the stacked ensemble."""

    coefficient: NDArray[np.float64]
    """(K, M, K): weight of member j's output i in output k."""
    intercept: NDArray[np.float64]
    """(K,); minus infinity for classes without training examples."""
    iterations: int
    converged: bool

    def __call__(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the stacked ensemble's logits (n, K) for members' logits (M, n, K)."""
        stacked = self.intercept + np.einsum(
            "mni,kmi->nk", logits.astype(np.float64), self.coefficient, optimize=True
        )
        return np.where(np.isneginf(self.intercept), -np.inf, stacked)


def features(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return members' logits (M, n, K) side by side, (n, M·K), in float64."""
    members, examples, outputs = logits.shape
    return logits.transpose(1, 0, 2).reshape(examples, members * outputs).astype(np.float64)


def fit(
    side_by_side: NDArray[np.float64], target: NDArray[np.integer[Any]], outputs: int
) -> MetaLearner | None:
    """Fit multinomial logistic regression with an L2 penalty; None if it cannot be fitted.

    The features are standardized in place, so that the penalty does not depend on the scale of a
    member's logits; the returned map applies to the original logits.

    Args:
        side_by_side: (n, M·K), from `features`; modified in place.
        target: (n,) classes.
        outputs: K.

    Returns:
        None if a logit is not finite, or all examples are of the same class.
    """
    present = np.unique(target)
    if len(present) < 2 or not np.isfinite(side_by_side).all():
        return None
    mean, sd = side_by_side.mean(0), side_by_side.std(0)
    sd[sd == 0] = 1
    side_by_side -= mean
    side_by_side /= sd
    model = LogisticRegression(C=STRENGTH, max_iter=ITERATIONS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(side_by_side, target)
    rows, constants = model.coef_ / sd, model.intercept_
    if len(present) == 2:  # scikit-learn then returns one row, for the second class
        rows, constants = np.stack([-rows[0], rows[0]]) / 2, np.array([-1, 1]) * constants[0] / 2
    coefficient = np.zeros((outputs, side_by_side.shape[1]))
    intercept = np.full(outputs, -np.inf)
    coefficient[present], intercept[present] = rows, constants - rows @ mean
    return MetaLearner(
        coefficient=coefficient.reshape(outputs, -1, outputs),
        intercept=intercept,
        iterations=int(model.n_iter_.max()),
        converged=not any(issubclass(warning.category, ConvergenceWarning) for warning in caught),
    )
