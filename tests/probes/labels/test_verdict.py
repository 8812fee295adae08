import numpy as np
import pytest
import xarray as xr

from jtdiag_probes.labels.verdict import judge

LABELS = ["1", "2", "5", "20", "all"]
LAYERS = ["inputs", "layer1", "layer2"]
NEAR = (0.05, 0.04, 0.03, 0.03, 0.03)


def result_of(low=NEAR, high=NEAR, trials=5, spread=0.002, seed=0, layers=LAYERS):
    """Errors of the last layer at λ = 0 and 1; inputs and untrained heads err 30 % more."""
    random = np.random.default_rng(seed)
    own = np.stack([low, high])[:, None, None, :]
    shape = (2, trials, len(layers), len(LABELS))
    error = own + spread * random.normal(size=shape)
    error[:, :, 0] += 0.3
    dims = ("lam", "trial", "layer", "labels")
    untrained = own + 0.3 + spread * random.normal(size=shape)
    return xr.Dataset(
        {"label_error": (dims, error), "untrained_label_error": (dims, untrained)},
        coords={"lam": [0.0, 1.0], "layer": layers, "labels": LABELS},
        attrs={"draws": 10},
    )


def sentences(result, lam=1.0):
    return {f.rule: f.sentence for f in judge(result) if f.lam == lam}


def test_the_fewest_labels_that_are_enough_are_named():
    enough = sentences(result_of(spread=0.0005))["enough"]
    assert "5 labels a class are enough to be within 1 point of all labels." in enough
    none = sentences(result_of(high=(0.3, 0.25, 0.2, 0.1, 0.03)))["enough"]
    assert "None of these numbers is enough" in none
    noisy = sentences(result_of(spread=0.05))["enough"]
    assert "is open" in noisy


def test_controls_and_the_lowest_lam_are_compared():
    findings = sentences(result_of(high=(0.09, 0.04, 0.03, 0.03, 0.03)))
    assert "significantly lower with 1 label a class (−30" in findings["against-inputs"]
    assert "significantly lower with 1 label a class (−30" in findings["against-untrained"]
    assert "significantly higher with 1 label a class (+4" in findings["against-lowest"]
    assert "other differences are not significant" in findings["against-lowest"]
    assert "against-lowest" not in sentences(result_of(), 0.0)


def test_two_trials_show_nothing():
    findings = sentences(result_of(trials=2))
    assert set(findings) == {"by-labels", "too-few-trials"}
    assert "2 trials are too few" in findings["too-few-trials"]


def test_without_epoch_0_the_control_is_missing():
    result = result_of()
    result["untrained_label_error"][:] = np.nan
    findings = sentences(result)
    assert "against-untrained" not in findings
    assert "keep.checkpoints" in findings["no-control"]


def test_numbers_that_were_not_measured_and_trials_that_diverged_are_left_out():
    result = result_of(trials=6)
    result["label_error"][:, :, :, 3] = np.nan
    result["label_error"][1, 2] = np.nan
    findings = sentences(result)
    assert not any("nan" in sentence for sentence in findings.values())
    assert "20 labels" not in findings["by-labels"]
    assert "5 paired trials" in findings["enough"]


def test_without_hidden_layers_there_is_one_line():
    assert set(sentences(result_of(layers=["inputs"]))) == {"no-hidden-layer"}


def test_where_nothing_was_measured_there_is_no_finding():
    assert judge(result_of() * np.nan) == []
    assert judge(xr.Dataset()) == []


@pytest.mark.one_in(3)
@pytest.mark.slow
@pytest.mark.parametrize("rule", ["against-inputs", "against-untrained", "against-lowest"])
def test_differences_that_do_not_exist_are_claimed_in_5_percent_of_runs_at_most(rule):
    claims, runs = 0, 200
    for seed in range(runs):
        result = result_of(trials=4, spread=0.02, seed=seed)
        result["label_error"][:, :, 0] -= 0.3
        result["untrained_label_error"][:] -= 0.3
        both = [f.sentence for f in judge(result) if f.rule == rule]
        claims += any("significantly lower" in s or "significantly higher" in s for s in both)
    assert claims / runs < 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)
