import numpy as np
import xarray as xr

from jtdiag_probes.layers.verdict import judge

LAYERS = ["inputs", "layer1", "layer2", "layer3", "head"]


def result(error, layers=LAYERS, epochs=(0, 4)):
    """A result of one λ and two members, whose last epoch has errors (trial, layer)."""
    error = np.asarray(error, float)
    values = np.full((1, len(error), len(epochs), 2, len(layers)), np.nan)
    values[0, :, 0] = 0.9
    values[0, :, -1] = error[:, None] + np.array([-0.01, 0.01])[:, None]
    dims = ("lam", "trial", "epoch", "member", "layer")
    coords = {"lam": [0.5], "epoch": list(epochs), "member": [0, 3], "layer": layers}
    last = np.full((1, len(error)), epochs[-1])
    arrays = {"probe_error": (dims, values), "last_epoch": (dims[:2], last)}
    return xr.Dataset(arrays, coords=coords)


def noisy(means, trials=5, sd=0.002):
    return means + np.random.default_rng(0).normal(0, sd, (trials, len(means)))


def sentences(dataset):
    return {finding.rule: finding.sentence for finding in judge(dataset)}


def test_errors_are_means_over_members_at_the_last_epoch():
    told = sentences(result([[0.2, 0.1, 0.05, 0.04, 0.03]]))
    assert told == {
        "by-layer": "λ = 0.5: after epoch 4, the test error of a linear classifier on frozen "
        "features is 20.0 % on the inputs, 10.0 % on layer1, 5.0 % on layer2 and 4.0 % on layer3; "
        "that of the members themselves is 3.0 % (means over members)."
    }


def test_a_layer_that_loses_information_is_named():
    told = sentences(result(noisy([0.1, 0.05, 0.05, 0.09, 0.09])))
    assert "rises at layer3" in told["changes"]
    assert "layer2" not in told["changes"]
    assert "is lost there" in told["changes"]


def test_a_layer_that_makes_information_easier_to_use_is_named():
    told = sentences(result(noisy([0.1, 0.09, 0.05, 0.05, 0.05])))
    assert "falls at layer2" in told["changes"]
    assert "lost" not in told["changes"]


def test_the_head_is_not_compared_with_a_layer():
    """A member's own error is not that of a linear classifier fitted to held-out trials."""
    told = sentences(result(noisy([0.1, 0.05, 0.05, 0.05, 0.5])))
    assert "does not change significantly" in told["changes"]


def test_two_trials_show_nothing():
    assert set(sentences(result(noisy([0.1, 0.05, 0.05, 0.09, 0.09], trials=2)))) == {"by-layer"}


def test_trials_in_which_members_diverged_are_left_out():
    error = noisy([0.1, 0.05, 0.05, 0.09, 0.09], trials=6)
    error[2] = np.nan
    assert "5 paired trials" in sentences(result(error))["changes"]


def test_equal_layers_are_told_apart_in_at_most_5_percent():
    """All hidden layers are equally good: how often is one said to change the error?"""
    random = np.random.default_rng(1)
    said = 0
    for _ in range(400):
        error = 0.1 + random.normal(0, 0.01, (5, 5))
        said += "significantly r" in sentences(result(error))["changes"]
        said += "significantly f" in sentences(result(error))["changes"]
    assert said / 400 < 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_without_hidden_layers_there_is_no_finding():
    assert judge(result([[0.1, 0.05]], layers=["inputs", "head"])) == []


def test_where_everything_diverged_there_is_no_finding():
    nothing = result(np.full((3, 5), np.nan))
    assert judge(nothing.isel(epoch=[1])) == []
    assert judge(xr.Dataset()) == []
