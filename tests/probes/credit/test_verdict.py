import numpy as np
import xarray as xr

from jtdiag_probes.credit.verdict import judge

MODULES = ["layer1", "layer2", "head"]
DIMS = ("lam", "trial", "epoch", "member", "module")


def result(cosine, epochs=(0, 4), one_by_one=0, left=0.1):
    """A result of one λ and two members, with cosines (trial, epoch, module)."""
    cosine = np.asarray(cosine, float)
    values = np.stack([cosine - 0.01, cosine + 0.01], 2)[None]
    values = np.where(cosine[None, :, :, None] == 1, 1, values)
    arrays = {
        "cosine": values,
        "norm_ratio": np.where(values == 1, 1, 2.0) * np.where(np.isnan(values), np.nan, 1),
        "gradient_left": np.full(values.shape, left),
    }
    return xr.Dataset(
        {name: (DIMS, array) for name, array in arrays.items()},
        coords={"lam": [0.5], "epoch": list(epochs), "member": [0, 1], "module": MODULES},
        attrs={"training_examples": 1000, "one_by_one": one_by_one},
    )


def noisy(means, trials=5, sd=0.02, seed=0):
    """Cosines (trial, epoch, module) around means (epoch, module); 1 stays 1."""
    means = np.asarray(means, float)
    noise = np.random.default_rng(seed).normal(0, sd, (trials, *means.shape))
    return np.where(means == 1, 1, means + noise)


def sentences(dataset):
    return {finding.rule: finding.sentence for finding in judge(dataset)}


def test_cosines_are_means_over_members_at_the_last_epoch():
    told = sentences(result([[[0.5, 0.6, 1], [0.2, 0.3, 1]]]))
    assert told["by-module"] == (
        "λ = 0.5: after epoch 4, the cosine between the gradient that a module is given and the "
        "end-to-end gradient of L_λ is 0.20 at layer1, 0.30 at layer2 and 1.00 at head; the norm "
        "of the former over that of the latter is 2.00 at layer1, 2.00 at layer2 and 1.00 at head "
        "(means over members; 1,000 training examples)."
    )


def test_modules_that_agree_and_oppose_are_named():
    told = sentences(result(noisy([[0, 0, 1], [0.3, -0.3, 1]])))
    assert "above 0 at layer1 and significantly below 0 at layer2 (5 trials)" in told["direction"]
    assert "rises at layer1" in told["changes"]
    assert "falls at layer2" in told["changes"]
    assert "head" not in told["direction"] + told["changes"]  # 1 by definition: nothing to test


def test_what_is_not_significant_is_told():
    told = sentences(result(noisy([[0, 0, 1], [0, 0, 1]], seed=3)))
    assert "not significantly different from 0 at layer1 and layer2" in told["direction"]
    assert "does not change significantly; a difference of" in told["changes"]


def test_two_trials_show_nothing():
    told = sentences(result(noisy([[0, 0, 1], [0.3, -0.3, 1]], trials=2)))
    assert set(told) == {"by-module", "untested", "left"}
    assert "at least 3 are needed" in told["untested"]


def test_the_same_gradients_are_one_sentence():
    told = sentences(result(np.ones((3, 2, 3))))
    assert set(told) == {"identical", "left"}


def test_another_length_is_not_the_same():
    """A cosine of 1 alone says nothing about the norms."""
    dataset = result(np.ones((3, 2, 3)))
    dataset["norm_ratio"] = 2 * dataset["norm_ratio"]
    assert "identical" not in sentences(dataset)


def test_of_modules_one_after_the_other_each_has_its_own_last_epoch():
    n = np.nan
    cosine = [[[0.1, n, n], [0.2, n, n], [n, 0.3, n], [n, n, 0.9]]]
    told = sentences(result(cosine, (0, 2, 4, 6), one_by_one=1))
    assert (
        "is 0.20 at layer1 after epoch 2, 0.30 at layer2 after epoch 4 and 0.90 at head after "
        "epoch 6;"
    ) in told["by-module"]
    assert "nothing" not in told
    assert not any("nan" in sentence for sentence in told.values())


def test_modules_that_are_given_nothing_are_named():
    n = np.nan
    told = sentences(result([[[n, n, 1], [n, n, 1]]]))
    assert "is 1.00 at head;" in told["by-module"]
    assert told["nothing"].startswith("λ = 0.5: layer1 and layer2 are given no gradient")
    assert {"identical", "direction", "untested", "changes"}.isdisjoint(told)


def test_trials_in_which_members_diverged_are_left_out():
    cosine = noisy([[0, 0, 1], [0.3, 0.3, 1]], trials=6)
    cosine[2] = np.nan
    assert "(5 trials)" in sentences(result(cosine))["direction"]


def test_a_lane_that_ends_earlier_does_not_choose_the_epoch():
    """One trial alone has been kept at a later epoch."""
    cosine = noisy([[0, 0, 1], [0.3, 0.3, 1], [0.9, 0.9, 1]], trials=4)
    cosine[1:, 2] = np.nan
    assert "after epoch 4," in sentences(result(cosine, (0, 4, 5)))["by-module"]


def test_what_is_left_is_in_percent():
    told = sentences(result(noisy([[0, 0, 1], [0.3, 0.3, 1]]), left=0.12))
    assert told["left"] == (
        "λ = 0.5: after epoch 4, the norm of the end-to-end gradient of L_λ, relative to that at "
        "epoch 0, is 12 % at layer1, 12 % at layer2 and 12 % at head (means over members)."
    )


def test_before_training_everything_is_left_and_nothing_is_said():
    assert "left" not in sentences(result(noisy([[0, 0, 1]]), epochs=(0,)))


def test_signs_of_unrelated_gradients_are_told_in_at_most_5_percent():
    random = np.random.default_rng(1)
    named = 0
    for _ in range(300):
        cosine = np.concatenate([random.normal(0, 0.2, (5, 2, 2)), np.ones((5, 2, 1))], 2)
        told = sentences(result(cosine))
        named += "significantly above" in told["direction"] or "y below" in told["direction"]
    assert named / 300 < 0.05 + 2 * np.sqrt(0.05 * 0.95 / 300)


def test_where_everything_diverged_there_is_no_finding():
    assert judge(result(np.full((3, 2, 3), np.nan))) == []
    assert judge(xr.Dataset()) == []
