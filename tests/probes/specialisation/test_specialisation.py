import numpy as np
import pytest

from jtdiag import names, train
from jtdiag.probing.contract import Options
from jtdiag.recipe.recipe import Data, Engine, Keep, Members, Recipe, Train
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.dominance.dominance import probe as dominance
from jtdiag_probes.specialisation.specialisation import probe


@pytest.mark.slow
class TestSpecialisation(ProbePromises):
    probe = probe


@pytest.fixture(scope="module")
def result(toy):
    return probe.ask(toy, Options())


@pytest.mark.slow
def test_modes_of_every_epoch_and_split_are_those_of_the_decomposition_itself(toy, result):
    assert result.sizes[names.MODE] == 2  # of three classes
    for lane in toy.lanes:
        for split in ("val", "test"):
            logits = np.concatenate(
                [block.logits for block in toy.outputs(lane, 3, split)], axis=1
            ).astype(float)
            logits -= logits.mean(-1, keepdims=True)
            u, sigma, vt = np.linalg.svd(logits.mean(0), full_matrices=False)
            at = result.isel(lam=lane.lam_index, trial=lane.trial).sel(epoch=3, split=split)
            np.testing.assert_allclose(at["singular_value"], sigma[:2], rtol=1e-10)
            expected = np.einsum("nk,mnl,kl->km", u, logits, vt)[:2] / (3 * sigma[:2, None])
            np.testing.assert_allclose(at["mode_share"], expected, atol=1e-9)


@pytest.mark.slow
def test_logit_shares_are_the_weighted_means_of_mode_shares(toy, result):
    assert float(result["identity_residual"].max()) < 1e-12
    weighted = (result["mode_weight"] * result["mode_share"]).sum(names.MODE, skipna=False)
    shares = dominance.ask(toy, Options())["logit_share"]
    np.testing.assert_allclose(weighted.transpose(*shares.dims), shares, atol=1e-12)


@pytest.mark.slow
def test_shares_by_class_are_of_the_examples_of_the_class(toy, result):
    lane = toy.lanes[1]
    [block] = toy.outputs(lane, 4, "test")
    logits = block.logits.astype(float)
    logits -= logits.mean(-1, keepdims=True)
    at = result.isel(lam=lane.lam_index, trial=lane.trial).sel(epoch=4, split="test")
    for k in range(3):
        rows = block.target == k
        mean = logits[:, rows].mean(0)
        expected = [(logits[j, rows] * mean).sum() / (3 * (mean**2).sum()) for j in range(3)]
        np.testing.assert_allclose(at["class_share"].isel(output=k), expected, atol=1e-10)
    np.testing.assert_allclose(at["class_share"].sum(names.MEMBER), 1, rtol=1e-10)


@pytest.mark.slow
def test_won_modes_and_weights_add_up(result):
    test = result.sel(split="test")
    np.testing.assert_allclose(test["weight_won"].sum(names.MEMBER), 1, rtol=1e-10)
    assert (test["modes_won"].sum(names.MEMBER) == 2).all()
    assert (test["mode_effective_members"] >= 1).all()
    assert (test["mode_effective_members"] <= 3 + 1e-12).all()


@pytest.mark.slow
def test_two_classes_have_one_mode(tmp_path):
    path = tmp_path / "two.npz"
    x = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    np.savez(path, x_train=x[:200], y_train=y[:200], x_test=x[200:], y_test=y[200:])
    run = toy_run(tmp_path, data={"name": str(path)}, lam=[1.0], trials=1)
    result = probe.ask(run, Options())
    assert result.sizes[names.MODE] == 1
    [finding] = probe.judge(result)
    assert "the outputs have a single mode" in finding.sentence


@pytest.mark.slow
def test_regression_with_one_output_has_one_mode_and_no_classes(tmp_path):
    recipe = Recipe(
        data=Data(name="diabetes"),
        members=Members(arch="mlp", count=3, hidden=(6,)),
        family="gaussian",
        lam=(0.9,),
        train=Train(epochs=6, batch=50, lr=(0.1,)),
        engine=Engine(device="cpu", threads=1),
    )
    run = train(recipe, tmp_path / "run")
    result = probe.ask(run, Options())
    assert result.sizes[names.MODE] == 1
    assert result["class_share"].isnull().all()
    shares = dominance.ask(run, Options())["logit_share"].sel(split="test")
    np.testing.assert_allclose(
        result["mode_share"].sel(split="test").isel(mode=0), shares, atol=1e-12
    )
    [finding] = probe.judge(result)
    assert finding.rule == "pattern"


@pytest.mark.slow
def test_half_precision_leaves_out_modes_that_it_cannot_resolve(tmp_path):
    keep = {"dtype": "float16", "outputs": ["last"]}
    run = toy_run(tmp_path, lam=[1.0], trials=1, keep=keep)
    result = probe.ask(run, Options()).sel(split="test", epoch=4)
    assert float(result["identity_residual"].max()) < 0.01
    sigma = result["singular_value"].values.ravel()
    assert not (sigma < 9e-4 * sigma[0]).any()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lam", "name"),
    [(1.0, "one member carries nearly all modes (dominance)"), (0.0, "all members")],
)
def test_unequal_starts_end_in_dominance_at_lambda_one_only(tmp_path, lam, name):
    recipe = Recipe(
        data=Data(name="digits"),
        members=Members(arch="mlp", count=4, hidden=(64, 64, 64), start=(1.6, 0.6, 0.6, 0.6)),
        lam=(lam,),
        train=Train(epochs=12, batch=16, lr=(0.1,)),
        keep=Keep(outputs=("last",), checkpoints="none"),
        engine=Engine(device="cpu", threads=1),
    )
    run = train(recipe, tmp_path / "run")
    result = probe.ask(run, Options())
    [finding] = probe.judge(result)
    assert name in finding.sentence
    end = run.metrics().isel(epoch=-1, lam=0, trial=0).sel(split="test")
    others = end["member_error"].values[1:]
    assert float(end["ensemble_error"]) < 0.12
    assert float(end["member_error"][0]) < 0.12
    if lam == 1:
        assert result["weight_won"].sel(split="test", epoch=12).values.argmax() == 0
        assert others.min() > 0.6
    else:
        assert others.max() < 0.12
