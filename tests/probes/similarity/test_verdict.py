import numpy as np
import pytest
import xarray as xr

from jtdiag_probes.similarity.verdict import judge
from jtdiag_probes.similarity.wording import SAME

LAYERS = ["inputs", "layer1", "layer2", "head"]
TRUE = np.array([1, 0.9, 0.8, 0.7])


def result_of(members, layers=None, lams=(0.0, 1.0), epochs=(0, 12)):
    """A result whose members are similar by (lam, trial, layer) at the last epoch."""
    trials = members.shape[1]
    both = np.stack([np.full_like(members, 0.5), members], 2)
    if layers is None:
        layers = np.full((len(lams), trials, 4, 4), 0.6)
    of_layers = np.stack([layers, layers], 2)
    lane = ("lam", "trial")
    return xr.Dataset(
        {
            "member_similarity": ((*lane, "epoch", "layer"), both),
            "layer_similarity": ((*lane, "epoch", "layer", "other_layer"), of_layers),
            "epoch_similarity": (
                (*lane, "layer", "epoch", "other_epoch"),
                np.full((len(lams), trials, 4, 2, 2), 0.3),
            ),
            "reference_similarity": ((*lane, "layer"), np.full((len(lams), trials, 4), 0.4)),
            "constant_members": ((*lane, "epoch", "layer"), np.zeros(both.shape)),
            "last_epoch": (lane, np.full((len(lams), trials), epochs[-1])),
        },
        coords={
            "lam": list(lams),
            "trial": np.arange(trials),
            "epoch": list(epochs),
            "layer": LAYERS,
            "other_layer": LAYERS,
            "other_epoch": list(epochs),
        },
        attrs={"examples": 500, "members": 4},
    )


def drawn(random, shift=0.0, trials=5, spread=0.02):
    values = TRUE + spread * random.normal(size=(2, trials, 4))
    values[1, :, 1:] += shift
    return result_of(values)


def finding(result, rule, lam=1.0):
    [only] = [f for f in judge(result) if f.rule == rule and f.lam == lam]
    return only


def test_members_that_are_less_similar_are_named_with_an_interval():
    against = finding(drawn(np.random.default_rng(0), -0.3), "members-against-lowest")
    assert "members are significantly less similar than at λ = 0 at layer1 (−0." in against.sentence
    assert "(5 paired trials)" in against.sentence
    assert against.number < -0.25
    assert "more similar" not in against.sentence


def test_members_that_are_as_similar_are_not_told_apart():
    against = finding(drawn(np.random.default_rng(1)), "members-against-lowest")
    assert "not significantly more or less similar" in against.sentence
    assert "would have been detected" in against.sentence


@pytest.mark.slow
def test_differences_that_do_not_exist_are_claimed_in_5_percent_of_runs_at_most():
    """All layers together, three of them, and for few trials with much noise."""
    random = np.random.default_rng(2)
    runs = 200
    claims = 0
    for _ in range(runs):
        result = drawn(random, trials=4)
        claims += "members are significantly" in finding(result, "members-against-lowest").sentence
    assert claims / runs < 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_the_lowest_lam_is_compared_with_nothing():
    rules = [f.rule for f in judge(drawn(np.random.default_rng(0))) if f.lam == 0]
    assert rules == ["members", "layers", "epochs"]


def test_with_two_trials_nothing_is_tested():
    rules = {f.rule: f.sentence for f in judge(drawn(np.random.default_rng(0), trials=2))}
    assert "members-against-lowest" not in rules
    assert "Too few trials to test" in rules["layers"]


@pytest.mark.parametrize(
    ("mean", "spread", "claimed"),
    [(0.98, 0.005, True), (0.98, 0.05, False), (SAME, 0.005, False), (0.6, 0.005, False)],
)
def test_layers_are_the_same_if_all_of_the_interval_is_above_the_limit(mean, spread, claimed):
    random = np.random.default_rng(3)
    layers = np.full((2, 5, 4, 4), 0.6)
    layers[:, :, 1, 2] = mean + spread * np.linspace(-1, 1, 5) + 0 * random.normal()
    result = result_of(TRUE + 0.01 * random.normal(size=(2, 5, 4)), layers)
    sentence = finding(result, "layers").sentence
    assert ("That for layer1 and layer2 is significantly above 0.95" in sentence) is claimed
    assert ("None is significantly above" in sentence) is not claimed


def test_constant_features_are_counted_over_trials():
    result = drawn(np.random.default_rng(0))
    result["constant_members"].values[1, 2, 1, 2] = 3
    constant = finding(result, "constant-features")
    assert "the features of layer2 of 3 of 20 members are the same" in constant.sentence
    assert constant.number == pytest.approx(3 / 20)
    assert not [f for f in judge(result) if f.rule == "constant-features" and f.lam == 0]


def test_a_run_whose_features_are_all_constant_says_only_that():
    result = drawn(np.random.default_rng(0))
    for name in ("member_similarity", "layer_similarity", "epoch_similarity"):
        result[name].values[:] = np.nan
    result["constant_members"].values[:, :, :, 1:] = 4
    findings = judge(result)
    assert [f.rule for f in findings] == ["constant-features"] * 2
    assert not any("nan" in f.sentence for f in findings)


def test_lanes_that_end_earlier_are_judged_at_their_own_epoch():
    result = drawn(np.random.default_rng(0))
    for name in ("member_similarity", "layer_similarity", "constant_members"):
        result[name].values[1, :, 1] = np.nan
    result["epoch_similarity"].values[1, :, :, 1] = np.nan
    result["last_epoch"].values[1] = 0
    at_1 = [f for f in judge(result) if f.lam == 1]
    assert {f.epoch for f in at_1} == {0}
    assert [f.rule for f in at_1] == ["members", "members-against-lowest", "layers"]


def test_one_epoch_has_no_earlier_one():
    result = drawn(np.random.default_rng(0)).isel(epoch=[1], other_epoch=[1])
    assert "epochs" not in {f.rule for f in judge(result)}


def test_the_reference_is_given_where_there_are_several_trials():
    result = drawn(np.random.default_rng(0))
    assert "different trials it is 0.40, 0.40 and 0.40." in finding(result, "members").sentence
    result["reference_similarity"].values[:] = np.nan
    assert "different trials" not in finding(result, "members").sentence
