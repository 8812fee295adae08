import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import poisson
from sklearn.datasets import load_diabetes

from jtdiag import families, names, train
from jtdiag.engine.datasets import Arrays
from jtdiag.engine.datasets.targets import Targets
from jtdiag.errors import DataError
from jtdiag.recipe.recipe import Data, Engine, Keep, Members, Recipe, Train


def arrays(y_train, y_test=None, classes=("a",)):
    y_test = y_train if y_test is None else y_test
    return Arrays(
        x_train=np.zeros((len(y_train), 2), np.float32),
        y_train=np.asarray(y_train),
        x_test=np.zeros((len(y_test), 2), np.float32),
        y_test=np.asarray(y_test),
        classes=classes,
        mean=None,
        sd=None,
    )


def recipe(family, data="mine.npz", **changes):
    return Recipe(
        data=Data(name=data, val=30),
        members=Members(arch="mlp", count=3, hidden=(6,)),
        family=family,
        lam=(0.0, 1.0),
        train=Train(epochs=2, batch=50, lr=(0.02,)),
        keep=Keep(splits=("val", "test"), dtype="float64"),
        engine=Engine(device="cpu", threads=1, precision="float64"),
        **changes,
    )


def made(family, *given, **more):
    return Targets.of(families.find(family), arrays(*given, **more), recipe(family))


def test_gaussian_targets_are_standardised_by_the_training_part():
    y_train, y_test = np.array([[1.0, 10], [3, 30], [5, 20]]), np.array([[7.0, 20]])
    found = made("gaussian", y_train, y_test, classes=("a", "b"))
    np.testing.assert_allclose(found.train, (y_train - [3, 20]) / y_train.std(0), rtol=1e-14)
    np.testing.assert_allclose(found.test, (y_test - [3, 20]) / y_train.std(0), rtol=1e-14)
    assert found.facts.mean == (3, 20)
    assert found.facts.sd == pytest.approx(tuple(y_train.std(0)))
    assert found.error_scale == pytest.approx(2.0)  # two outputs of variance 1
    assert found.facts.chance_error == 1.0


def test_counts_stay_counts_and_their_error_is_relative_to_the_best_constant():
    y = np.array([[0.0], [2.0], [7.0]])
    found = made("poisson", y)
    assert found.train.tolist() == y.tolist()
    assert found.facts.sd == ()
    mean = torch.full((3, 1), 3.0).double()
    deviance = families.find("poisson").error(mean, torch.from_numpy(y)).mean()
    assert found.error_scale == pytest.approx(float(deviance))


def test_the_errors_of_labels_are_fractions_as_they_are():
    found = made("bernoulli", np.array([[0.0], [1.0], [1.0], [1.0]]))
    assert (found.error_scale, found.facts.chance_error) == (1.0, 0.25)


@pytest.mark.parametrize(
    ("family", "y", "said"),
    [
        ("poisson", [[1.0], [-2.0]], r"y_train contains -2; counts must be non-negative integers"),
        ("bernoulli", [[1.0], [3.0]], r"y_train contains 3; labels are 0 or 1"),
        ("poisson", [[2.0], [2.0]], "all targets in y_train are equal"),
        ("gaussian", [0, 1], "targets are classes, but family = 'gaussian' predicts numbers"),
        ("categorical", [[0.0], [1.0]], "targets are numbers, but family = 'categorical'"),
    ],
)
def test_targets_that_do_not_fit_are_refused_in_one_line(family, y, said):
    with pytest.raises(DataError, match=rf"^mine\.npz.*{said}") as caught:
        made(family, y, classes=("a", "b") if family in ("gaussian",) else ("a",))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "data", "combiner"),
    [
        ("gaussian", "diabetes", "logits"),
        ("poisson", "counts", "probabilities"),
        ("bernoulli", "labels", "logits"),
        ("categorical", "digits", "probabilities"),
    ],
)
def test_what_the_store_says_is_what_its_outputs_give(family, data, combiner, tmp_path):
    """Losses and errors of every family, recomputed from outputs by plain numpy."""
    run = train(recipe(family, data, combiner=combiner), tmp_path / "run")
    metrics = run.metrics()
    for lane in run.lanes:
        for split in ("val", "test"):
            [block] = run.outputs(lane, 2, split)
            at = metrics.sel(split=split, epoch=2).isel(lam=lane.lam_index, trial=0)
            members, ensemble, error = plainly(family, combiner, block.logits, block.target)
            np.testing.assert_allclose(at[names.MEMBER_LOSS], members, rtol=1e-10)
            np.testing.assert_allclose(at[names.ENSEMBLE_LOSS], ensemble, rtol=1e-10)
            found = float(at[names.ENSEMBLE_ERROR]) * run.error_scale
            np.testing.assert_allclose(found, error, rtol=1e-10)


def plainly(family, combiner, eta, y):
    """Mean losses of members and ensemble, and the ensemble's error before scaling."""
    if family == "gaussian":
        losses = 0.5 * ((eta - y) ** 2).sum(-1)
        ensemble = 0.5 * ((eta.mean(0) - y) ** 2).sum(-1)
        return losses.mean(1), ensemble.mean(), 2 * ensemble.mean()
    if family == "bernoulli":

        def cross_entropy(logits):
            return (np.log1p(np.exp(logits)) - y * logits).sum(-1)

        wrong = ((eta.mean(0) > 0) != (y > 0.5)).mean()
        return cross_entropy(eta).mean(1), cross_entropy(eta.mean(0)).mean(), wrong
    if family == "poisson":
        log_q = poisson.logpmf(y, np.exp(eta)).sum(-1)
        mu = np.exp(eta).mean(0)
        ratio = np.where(y > 0, y * np.log(np.where(y > 0, y, 1) / mu), 0)
        deviance = 2 * (ratio - y + mu).sum(-1)
        mixture = logsumexp(log_q, axis=0) - np.log(len(eta))
        return -log_q.mean(1), -mixture.mean(), deviance.mean()
    q = np.exp(eta) / np.exp(eta).sum(-1, keepdims=True)
    own = q[:, np.arange(len(y)), y]
    wrong = (q.mean(0).argmax(-1) != y).mean()
    return -np.log(own).mean(1), -np.log(own.mean(0)).mean(), wrong


@pytest.mark.slow
def test_a_store_of_numbers_leads_back_to_them(tmp_path):
    run = train(recipe("gaussian", "diabetes"), tmp_path / "run")
    attributes = run.tree.attrs
    target = run.target("test", run.lanes[0])
    assert target.shape == (110, 1)
    raw = target * attributes["target_sd"] + attributes["target_mean"]
    assert set(raw.round(6).ravel()) <= set(load_diabetes().target)
    assert run.target("val", run.lanes[0]).shape == (30, 1)
    assert run.tree["outputs/val/target"].dims == ("trial", "example", "output")
    assert run.check() > 0
