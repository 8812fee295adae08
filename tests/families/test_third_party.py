"""A family from an installed third-party package works by its name."""

import numpy as np
import pytest

from jtdiag import families, train
from jtdiag.errors import RecipeError
from jtdiag.recipe.toml import from_table

CODE = '''
import torch

from jtdiag.families.contract import Family


class Exponential(Family):
    """Waiting times: A(η) = −log(−η) with η < 0."""

    free = False
    error_measure = "fraction of deviance unexplained"

    def parameter(self, raw):
        return -torch.nn.functional.softplus(raw) - 1e-3

    def log_partition(self, eta):
        return -(-eta).log().sum(-1)

    def link(self, mean):
        return -1 / mean

    def complaint(self, target):
        return "contains a time that is not positive" if bool((target <= 0).any()) else ""


FAMILY = Exponential()
'''


@pytest.fixture
def recipe(tmp_path):
    random = np.random.default_rng(0)
    x = random.normal(size=(100, 3))
    y = random.exponential(np.exp(x[:, :1]))
    path = tmp_path / "waits.npz"
    np.savez(path, x_train=x[:70], y_train=y[:70], x_test=x[70:], y_test=y[70:])

    def make(family):
        return from_table(
            {
                "lam": [0.9],
                "family": family,
                "data": {"name": str(path)},
                "members": {"arch": "mlp", "count": 2, "hidden": [4]},
                "train": {"epochs": 2, "batch": 10, "lr": 0.05},
                "engine": {"device": "cpu", "threads": 1},
            }
        )

    return make


@pytest.mark.slow
def test_an_installed_family_trains_by_its_name(install, recipe, tmp_path):
    install("jtdiag.families", "waiting", CODE, "FAMILY")
    assert families.FAMILIES.names()[-1] == "waiting"
    run = train(recipe("waiting"), tmp_path / "run")
    assert run.done
    assert type(run.family).__name__ == "Exponential"
    loss = run.metrics()["ensemble_loss"].sel(split="train")
    assert np.isfinite(loss).all()
    assert float(loss.isel(epoch=-1).squeeze()) < float(loss.isel(epoch=0).squeeze())


def test_a_family_that_is_not_installed_is_refused_by_the_recipe(recipe):
    with pytest.raises(RecipeError, match="'waiting'; it must be one of categorical, gaussian"):
        recipe("waiting")


def test_an_entry_point_that_is_no_family_is_refused(install):
    install("jtdiag.families", "waiting", CODE + "\nnumber = 3\n", "number")
    with pytest.raises(RecipeError, match=r"of type int; it must be a .*contract\.Family"):
        families.find("waiting")
