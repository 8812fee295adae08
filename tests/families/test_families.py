"""Each family against scipy, scikit-learn and autograd."""

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
import torch
from torch.nn import functional

from jtdiag import families
from jtdiag.errors import RecipeError
from jtdiag.families.contract import Family

EVERY = pytest.mark.parametrize("name", families.FAMILIES.names())
NUMBERS = pytest.mark.parametrize("name", ["gaussian", "poisson", "bernoulli"])


def some(name, *shape, outputs=3, scale=2.0):
    """Parameters (*shape, K) and targets of the last of shape, always the same."""
    generator = torch.Generator().manual_seed(4)
    eta = scale * torch.randn(*shape, outputs, generator=generator, dtype=torch.float64)
    if name == "categorical":
        return eta, torch.randint(outputs, shape[-1:], generator=generator)
    if name == "gaussian":
        return eta, torch.randn(shape[-1], outputs, generator=generator, dtype=torch.float64)
    most = 9 if name == "poisson" else 2
    return eta, torch.randint(most, (shape[-1], outputs), generator=generator)


def log_likelihood(name, eta, y):
    """−loss of one example by scipy; of the Gaussian relative to a perfect prediction."""
    if name == "categorical":
        p = np.exp(eta) / np.exp(eta).sum()
        return scipy.stats.multinomial.logpmf(np.eye(len(eta))[y], 1, p)
    if name == "poisson":
        return scipy.stats.poisson.logpmf(y, np.exp(eta)).sum()
    if name == "bernoulli":
        return scipy.stats.bernoulli.logpmf(y, 1 / (1 + np.exp(-eta))).sum()
    return (scipy.stats.norm.logpdf(y, eta) - scipy.stats.norm.logpdf(0)).sum()


@EVERY
def test_the_loss_is_minus_scipys_log_likelihood(name):
    eta, target = some(name, 6)
    found = families.find(name).loss(eta, target)
    for n in range(6):
        expected = -log_likelihood(name, eta[n].numpy(), target[n].numpy())
        assert float(found[n]) == pytest.approx(expected, rel=1e-12)


@EVERY
def test_the_loss_is_the_canonical_form(name):
    """A(η) − ⟨η, T(y)⟩ + h(y), which a family may have written otherwise to keep digits."""
    family = families.find(name)
    eta, target = some(name, 4, 6)
    torch.testing.assert_close(
        family.loss(eta, target), Family.loss(family, eta, target), rtol=1e-12, atol=1e-12
    )


@EVERY
def test_mean_and_hessian_are_the_derivatives_of_the_log_partition(name):
    family = families.find(name)
    eta, _ = some(name, 2, 5)
    torch.testing.assert_close(family.mean(eta), Family.mean(family, eta), rtol=0, atol=1e-12)
    hessian = torch.func.vmap(torch.func.jacrev(torch.func.jacrev(family.log_partition)))
    expected = hessian(eta.reshape(10, 3)).view(2, 5, 3, 3)
    torch.testing.assert_close(family.hessian(eta), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(Family.hessian(family, eta), expected, rtol=0, atol=1e-12)


@EVERY
def test_the_link_leads_back_from_the_mean(name):
    family = families.find(name)
    eta = family.centred(some(name, 7)[0])
    back = family.centred(family.link(family.mean(eta)))
    torch.testing.assert_close(back, eta, rtol=1e-12, atol=1e-12)


@EVERY
def test_the_divergence_is_the_bregman_divergence_of_the_log_partition(name):
    family = families.find(name)
    eta, other = some(name, 2, 7)[0]
    found = family.divergence(eta, other)
    torch.testing.assert_close(found, Family.divergence(family, eta, other), rtol=1e-11, atol=1e-12)
    assert (found > 0).all()
    assert (family.divergence(eta, eta) == 0).all()


def test_divergences_are_those_of_torch_distributions():
    made = {
        "categorical": lambda eta: torch.distributions.Categorical(logits=eta),
        "gaussian": lambda eta: torch.distributions.Normal(eta, 1.0),
        "poisson": lambda eta: torch.distributions.Poisson(eta.exp()),
        "bernoulli": lambda eta: torch.distributions.Bernoulli(logits=eta),
    }
    for name, distribution in made.items():
        eta, other = some(name, 2, 7)[0]
        theirs = torch.distributions.kl_divergence(distribution(eta), distribution(other))
        theirs = theirs if name == "categorical" else theirs.sum(-1)
        ours = families.find(name).divergence(eta, other)
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)  # theirs clamp


@pytest.mark.parametrize("name", ["categorical", "bernoulli"])
def test_saturated_predictions_keep_their_digits(name):
    family = families.find(name)
    eta = torch.tensor([[700.0, -700.0], [40.0, -40.0]], dtype=torch.float64)
    right = torch.tensor([0, 0] if name == "categorical" else [[1, 0], [1, 0]])
    wrong = 1 - right
    assert float(family.loss(eta, wrong)[0]) == 1400.0
    if name == "bernoulli":  # of classes, torch's logsumexp rounds to 0
        assert float(family.loss(eta, right)[1]) == pytest.approx(2 * np.exp(-40.0), rel=1e-12)
    assert float(family.divergence(eta[0], -eta[0])) == 1400.0


def test_a_poisson_divergence_keeps_its_digits_where_members_agree():
    family = families.find("poisson")
    eta = torch.full((1,), 3.0, dtype=torch.float64)
    found = float(family.divergence(eta, eta + 1e-7))
    assert found == pytest.approx(np.exp(3.0) * 0.5e-14, rel=1e-6)


@NUMBERS
def test_whole_numbers_of_any_type_are_targets(name):
    family = families.find(name)
    eta, target = some(name, 5)
    whole = target.round()
    exact = family.loss(eta, whole.double())
    for kind in (torch.int64, torch.float32, torch.float64):
        torch.testing.assert_close(family.loss(eta, whole.to(kind)), exact, rtol=1e-15, atol=0)


# --- errors --------------------------------------------------------------------------------------


def test_errors_are_scikit_learns():
    for name in ("gaussian", "poisson", "bernoulli"):
        family = families.find(name)
        eta, target = some(name, 50, outputs=2)
        mean = family.mean(eta)
        scale = family.chance(target, 2) if family.relative else 1.0
        found = float(family.error(mean, target).mean()) / scale
        y, mu = target.numpy(), mean.numpy()
        if name == "gaussian":
            residual, total = ((y - mu) ** 2).sum(), ((y - y.mean(0)) ** 2).sum()
            theirs = residual / total
        elif name == "poisson":
            constant = np.broadcast_to(y.mean(0), y.shape)
            theirs = sklearn.metrics.mean_poisson_deviance(
                y.ravel(), mu.ravel()
            ) / sklearn.metrics.mean_poisson_deviance(y.ravel(), constant.ravel())
        else:
            theirs = sklearn.metrics.hamming_loss(y, mu > 0.5)
        assert found == pytest.approx(theirs, rel=1e-12)


def test_of_one_number_the_gaussian_error_is_1_minus_r2():
    family = families.find("gaussian")
    eta, target = some("gaussian", 50, outputs=1)
    found = float(family.error(eta, target).mean()) / family.chance(target, 1)
    assert found == pytest.approx(1 - sklearn.metrics.r2_score(target, eta), rel=1e-12)


@NUMBERS
def test_the_default_error_is_the_deviance(name):
    family = families.find(name)
    eta, _ = some(name, 6)
    target = some(name, 6)[1] * 0.9 + 0.05  # inside, where every link is finite
    mean = family.mean(eta)
    found = Family.error(family, mean, target)
    above = family.loss(eta, target) - family.loss(family.link(target.double()), target)
    torch.testing.assert_close(found, 2 * above, rtol=1e-9, atol=1e-9)
    if family.relative:
        torch.testing.assert_close(family.error(mean, target), found, rtol=1e-9, atol=1e-9)


def test_a_wrong_class_is_one_that_is_not_the_first_of_the_largest():
    family = families.find("categorical")
    mean = torch.tensor([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5], [torch.nan, 0.5, 0.5]])
    assert family.error(mean, torch.tensor([0, 0, 1])).tolist() == [0.0, 1.0, 1.0]
    assert family.error(mean, torch.tensor([1, 2, 0])).tolist() == [1.0, 0.0, 1.0]


def test_chance_level_is_that_of_the_best_constant():
    family, classes = families.find("categorical"), torch.tensor([0, 0, 1])
    assert family.chance(classes, 10) == pytest.approx(1 / 3)
    assert family.chance(classes, 10) == pytest.approx(Family.chance(family, classes, 10))
    assert family.chance_loss(classes, 10) == pytest.approx(scipy.stats.entropy([2, 1]))
    equal = torch.arange(40) % 10
    assert family.chance(equal, 10) == pytest.approx(0.9)
    assert family.chance_loss(equal, 10) == pytest.approx(np.log(10))
    # the entropy is the mean loss of constant logits, which no other constant improves
    losses = family.loss(torch.tensor([2.0, 1.0]).log().expand(3, 2), classes)
    assert family.chance_loss(classes, 2) == pytest.approx(float(losses.mean()))
    assert families.find("gaussian").chance_loss(torch.zeros(3, 1), 1) is None
    labels = torch.tensor([[1, 0], [1, 0], [1, 1], [0, 0]])
    assert families.find("bernoulli").chance(labels, 2) == 0.25
    y = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    assert families.find("gaussian").chance(y, 1) == 1.0


@pytest.mark.parametrize(
    ("name", "bad", "said"),
    [
        ("poisson", [[1.0], [-2.0]], "contains -2; counts must be non-negative integers"),
        ("poisson", [[0.5]], "contains 0.5; counts must be non-negative integers"),
        ("bernoulli", [[2.0]], "contains 2; labels are 0 or 1"),
    ],
)
def test_targets_that_do_not_fit_are_named(name, bad, said):
    assert said in families.find(name).complaint(torch.tensor(bad))
    assert families.find(name).complaint(torch.tensor([[0.0, 1.0]])) == ""


# --- finding -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nowhere.py:Mine", "there is no file nowhere.py"),
        ("no_such_package:Mine", "there is no module 'no_such_package'"),
        ("jtdiag.names:Mine", "has no class 'Mine'"),
        ("builtins:dict", "which creates a dict; it must create a jtdiag.families.contract.Family"),
    ],
)
def test_an_address_without_a_family_is_refused_in_one_line(address, said):
    with pytest.raises(RecipeError, match=r"^family is ") as caught:
        families.find(address)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bernoulli_is_the_binary_cross_entropy_and_gaussian_half_the_squared_error():
    eta, target = some("bernoulli", 6)
    theirs = functional.binary_cross_entropy_with_logits(eta, target.double(), reduction="none")
    found = families.find("bernoulli").loss(eta, target)
    torch.testing.assert_close(found, theirs.sum(-1), rtol=1e-13, atol=0)
    y = some("gaussian", 6)[1]
    found = families.find("gaussian").loss(eta, y)
    torch.testing.assert_close(found, 0.5 * ((eta - y) ** 2).sum(-1), rtol=1e-15, atol=0)
