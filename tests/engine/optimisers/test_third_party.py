"""An optimizer from an installed third-party package works by its name."""

import pytest
import torch

from jtdiag.engine import optimisers
from jtdiag.errors import RecipeError
from jtdiag.recipe.recipe import Train
from jtdiag.testing import toy_run

CODE = """
from dataclasses import dataclass

import torch

from jtdiag.engine.optimisers.contract import OptimiserSpec


@dataclass(frozen=True)
class SignDescent:
    weight_decay: float

    def start(self, weights):
        return {}

    @torch.no_grad()
    def step(self, weights, state, gradients, lr_L):
        for name, weight in weights.items():
            lr = lr_L.view(-1, *[1] * (weight.ndim - 1))
            weight.sub_(lr * (gradients[name].sign() + self.weight_decay * weight))


spec = OptimiserSpec(name="sign", build=lambda train: SignDescent(train.weight_decay))
"""


def test_the_built_in_optimizers_are_entry_points_like_any_other():
    assert optimisers.OPTIMISERS.names() == ("sgd", "adamw", "soap")
    assert [spec.name for spec in optimisers.OPTIMISERS.all()] == ["sgd", "adamw", "soap"]


@pytest.mark.slow
def test_a_third_party_optimizer_trains_by_its_name(install, tmp_path):
    install("jtdiag.optimisers", "sign", CODE, "spec")
    train = {"optimiser": "sign", "lr": 0.02, "momentum": 0.0, "epochs": 3}
    run = toy_run(tmp_path, lam=[0.9], trials=1, train=train)
    error = run.metrics()["ensemble_error"].sel(split="test")
    assert float(error.isel(epoch=-1).squeeze()) < float(error.isel(epoch=0).squeeze())


def test_it_gets_the_train_section_of_the_recipe(install):
    install("jtdiag.optimisers", "sign", CODE, "spec")
    optimiser = optimisers.build(Train(optimiser="sign", weight_decay=0.25))
    weights = {"w": torch.ones(1, 1, 2, dtype=torch.float64)}
    gradients = {"w": torch.tensor([[[3.0, -2.0]]], dtype=torch.float64)}
    optimiser.step(weights, optimiser.start(weights), gradients, torch.tensor([0.1]).double())
    torch.testing.assert_close(weights["w"], torch.tensor([[[0.875, 1.075]]]).double())


def test_an_optimizer_that_is_not_installed_is_refused_by_the_recipe(install):
    install("jtdiag.optimisers", "sign", CODE, "spec")
    with pytest.raises(RecipeError, match=r"'sing'; .* sgd, adamw, soap, sign.*mean 'sign'"):
        Train(optimiser="sing")
