"""The probes on runs of every family and combiner."""

import numpy as np
import pytest

from jtdiag import families, names, train
from jtdiag.probing.contract import Options
from jtdiag.recipe.recipe import Data, Engine, Keep, Members, Recipe, Train
from jtdiag_probes.diversity import diversity
from jtdiag_probes.dominance import dominance
from jtdiag_probes.performance import performance
from jtdiag_probes.shared import decomposition

DATA = {"gaussian": "diabetes", "poisson": "counts", "bernoulli": "labels", "categorical": "digits"}
KINDS = [(name, how) for name in DATA for how in families.COMBINERS][:-2]
KINDS += [("categorical", "probabilities")]  # averaged logits of classes are everywhere else


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def run(request, tmp_path_factory):
    family, combiner = request.param
    recipe = Recipe(
        data=Data(name=DATA[family], val=20),
        members=Members(arch="mlp", count=3, hidden=(6,)),
        family=family,
        combiner=combiner,
        lam=(0.0, 0.9),
        train=Train(epochs=2, batch=50, lr=(0.02,)),
        keep=Keep(splits=("val", "test"), dtype="float64"),
        engine=Engine(device="cpu", threads=1, precision="float64"),
    )
    return train(recipe, tmp_path_factory.mktemp("family") / "run")


@pytest.mark.slow
def test_eq_4_is_eq_5_and_the_store_agrees(run):
    result = diversity.probe.ask(run, Options())
    assert float(result["residual"].max()) < 1e-12
    assert float(result["store_residual"].max()) < 1e-10
    mean = result["diversity_by_member"].mean(names.MEMBER).sel(split=["val", "test"])
    np.testing.assert_allclose(mean, result["diversity"].sel(split=["val", "test"]), atol=1e-12)
    assert [f.rule for f in diversity.probe.judge(result)] == ["worth"] * 2


@pytest.mark.slow
def test_diversity_by_class_is_measured_if_there_are_classes(run):
    result = diversity.probe.ask(run, Options())["diversity_by_class"].sel(split="test")
    assert bool(result.notnull().all()) == run.family.classes


@pytest.mark.slow
def test_skill_is_counted_from_the_familys_chance(run):
    result = dominance.probe.ask(run, Options())
    metrics = run.metrics()
    error, ensemble = metrics[names.MEMBER_ERROR], metrics[names.ENSEMBLE_ERROR]
    expected = (run.chance_error - error.min(names.MEMBER)) / (run.chance_error - ensemble)
    defined = result["leader_skill"].notnull()
    np.testing.assert_allclose(result["leader_skill"].where(defined), expected.where(defined))
    assert result.attrs["chance_error"] == run.chance_error
    np.testing.assert_allclose(
        result["logit_share"].sum(names.MEMBER).sel(split="test"), 1.0, rtol=1e-12
    )


@pytest.mark.slow
def test_leaving_a_member_out_is_the_loss_of_the_others(run):
    result = dominance.probe.ask(run, Options())["leave_one_out"]
    lane = run.lanes[1]
    [block] = run.outputs(lane, 2, "test")
    how = (run.family, run.recipe.combiner)
    whole = decomposition.ensemble_loss(block.logits, block.target, *how).mean()
    for j in range(3):
        rest = np.delete(block.logits, j, axis=0)
        without = decomposition.ensemble_loss(rest, block.target, *how).mean()
        value = result.sel(lam=0.9, trial=0, epoch=2, split="test", member=j)
        assert float(value) == pytest.approx(without - whole, abs=1e-12)


def test_a_member_that_is_nearly_all_of_the_mixture_is_left_out_exactly():
    logits = np.array([[[100.0, 0.0]], [[0.0, 3.0]], [[0.0, 1.0]]])
    target = np.array([0])
    result = decomposition.leave_one_out(logits, target, combiner="probabilities")
    own = np.exp(-decomposition.cross_entropy(logits, target))[:, 0]
    expected = np.log(own.sum() / 3) - np.log((own.sum() - own[1:]) / 2)
    np.testing.assert_allclose(result[1:, 0], expected, rtol=1e-12)
    assert result[0, 0] == pytest.approx(np.log(own.mean()) - np.log(own[1:].mean()), rel=1e-12)


def test_the_measure_is_named_where_it_is_no_fraction_of_examples(run):
    result = performance.probe.ask(run, Options())
    result.attrs |= {"chance_error": np.inf, "unlearned": []}  # after two epochs little is learned
    [finding] = [f for f in performance.probe.judge(result) if f.rule == "best-lambda"]
    assert result.attrs["error_measure"] == run.error_measure
    assert (f"({run.error_measure})" in finding.sentence) != run.family.classes
