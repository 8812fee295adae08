"""Linear probes (Alain and Bengio 2016): a linear classifier on the features of a layer."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""Values of scikit-learn's C to choose from, for standardized features; smaller regularize more."""
ITERATIONS = 200
TOLERANCE = 1e-3

Features = NDArray[np.floating[Any]]
Classes = NDArray[np.integer[Any]]
Examples = tuple[Features, Classes]
"""Features (n, d) and classes (n,)."""


@dataclass(frozen=True)
class ProbeErrors:
    """How a linear probe does on held-out examples; NaN if none could be fitted."""

    error: float = float("nan")
    """Fraction of wrong predictions."""
    loss: float = float("nan")
    """Mean negative log-likelihood, in nats; NaN if a held-out class was not seen in training."""
    strength: float = float("nan")
    """The chosen C."""


def evaluate(train: Examples, validation: Examples, held_out: Examples) -> ProbeErrors:
    """Fit multinomial logistic regression to features and evaluate it.

    Features are standardized by the training examples; constant ones are left out. The strength of
    the L2 penalty is the one with the lowest validation error, the strongest of several.

    Args:
        train: Examples to fit.
        validation: Examples to choose the penalty.
        held_out: Examples to evaluate.

    Returns:
        NaNs if a feature is not finite, no feature varies, or all training examples are of one
        class.
    """
    scaled = standardized(*(features for features, _ in (train, validation, held_out)))
    if scaled is None or len(np.unique(train[1])) < 2:
        return ProbeErrors()
    models = _fitted(scaled[0], train[1], STRENGTHS)
    errors = [float((m.predict(scaled[1]) != validation[1]).mean()) for m in models]
    chosen = int(np.argmin(errors))
    model = models[chosen]
    error = float((model.predict(scaled[2]) != held_out[1]).mean())
    return ProbeErrors(error, _loss(model, scaled[2], held_out[1]), STRENGTHS[chosen])


def error_with(train: Examples, held_out: Examples, strength: float) -> float:
    """Return the error of `evaluate_with`."""
    return evaluate_with(train, held_out, strength).error


def evaluate_with(train: Examples, held_out: Examples, strength: float) -> ProbeErrors:
    """Fit with a penalty that is not chosen, and evaluate; NaNs for a single class.

    Args:
        train: Examples to fit, of features as `standardized` returns them.
        held_out: Examples to evaluate.
        strength: C.
    """
    if len(np.unique(train[1])) < 2:
        return ProbeErrors()
    [model] = _fitted(np.asarray(train[0], np.float64), train[1], (strength,))
    features = np.asarray(held_out[0], np.float64)
    error = float((model.predict(features) != held_out[1]).mean())
    return ProbeErrors(error, _loss(model, features, held_out[1]), strength)


def standardized(train: Features, *others: Features) -> list[NDArray[np.float64]] | None:
    """Return features (n, d) with mean 0 and standard deviation 1 over the training examples.

    Constant ones are left out. None if a feature is not finite, or none varies.
    """
    parts = [np.asarray(features, np.float64) for features in (train, *others)]
    if not all(np.isfinite(part).all() for part in parts):
        return None
    varying = np.ptp(parts[0], axis=0) > 0
    if not varying.any():
        return None
    mean, sd = parts[0][:, varying].mean(0), parts[0][:, varying].std(0)
    return [(part[:, varying] - mean) / np.where(sd > 0, sd, 1) for part in parts]


def _fitted(
    features: NDArray[np.float64], target: Classes, strengths: Sequence[float]
) -> Sequence[LogisticRegression]:
    """Return a model for each strength, each begun at the one before."""
    models = []
    start: LogisticRegression | None = None
    for strength in strengths:
        model = LogisticRegression(C=strength, max_iter=ITERATIONS, tol=TOLERANCE, warm_start=True)
        if start is not None:
            model.coef_, model.intercept_ = start.coef_.copy(), start.intercept_.copy()
            model.classes_ = start.classes_
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            # Of many classes with few examples each, scikit-learn asks whether they are numbers.
            warnings.filterwarnings("ignore", "The number of unique classes")
            model.fit(features, target)
        models.append(model)
        start = model
    return models


def _loss(model: LogisticRegression, features: NDArray[np.float64], target: Classes) -> float:
    position = np.searchsorted(model.classes_, target)
    known = position < len(model.classes_)
    known &= model.classes_[np.minimum(position, len(model.classes_) - 1)] == target
    if not known.all():
        return float("nan")
    logits = model.decision_function(features)
    if logits.ndim == 1:  # of the second of two classes
        logits = np.stack([np.zeros_like(logits), logits], 1)
    log_likelihood = log_softmax(logits, axis=1)  # scikit-learn's is infinite for large logits
    return float(-log_likelihood[np.arange(len(target)), position].mean())
