import numpy as np
import pytest
import xarray as xr

from jtdiag import stats
from jtdiag_probes.modules.modules import WRITES
from jtdiag_probes.modules.verdict import judge

MODULES = ["layer1", "layer2", "head"]
ENDS = [*MODULES, "all"]


def result_of(cost, errors=(0.1, 0.05, 0.05), trials=5, sd=0.002, epochs=(0, 4), batch_norm=0):
    """A result of one λ and two members.

    Args:
        cost: What setting back each module costs, as a fraction.
        errors: Of linear classifiers on the inputs and the hidden modules.
        trials: Number of trials.
        sd: Standard deviation over trials of each number.
        epochs: Epochs; the last is the end.
        batch_norm: 1 if with BatchNorm; its own statistics then cost .2 more.
    """
    random = np.random.default_rng(0)
    sizes = {"lam": 1, "trial": trials, "epoch": len(epochs), "member": 2}
    sizes |= {"module": len(MODULES), "rewound": len(ENDS), "example": 3}
    arrays = {n: np.zeros([sizes[d] for d in var.dims]) for n, var in WRITES.items()}
    noise = random.normal(0, sd, (trials, len(ENDS)))
    costs = np.array([*cost, 0.8]) + noise
    for name in ("member", "ensemble"):
        for kind, more in (("rewound", 0.2 * batch_norm), ("reestimated", 0)):
            array = arrays[f"{kind}_{name}_error"]
            array += 0.03
            row = costs + more
            array[0, :, 0] += row if name == "ensemble" else row[:, None]
    of_probes = np.array(errors) + random.normal(0, sd, (trials, len(errors)))
    arrays["inputs_error"][0] = of_probes[:, 0]
    arrays["probe_error"][0, ..., :-1] = of_probes[:, None, 1:]
    arrays["probe_error"][..., -1] = 0.03
    arrays["inputs_share"] += 0.9
    arrays["skill_share"][..., 0] = 0.1
    arrays["effective_modules"] += 1
    arrays["last_epoch"] += epochs[-1]
    arrays["relative_displacement"][..., -1, :, :] = 0.5
    return xr.Dataset(
        {name: (WRITES[name].dims, array) for name, array in arrays.items()},
        coords={"lam": [0.5], "epoch": list(epochs), "module": MODULES, "rewound": ENDS},
        attrs={"batch_norm": batch_norm},
    )


def sentences(result):
    return {finding.rule: finding.sentence for finding in judge(result)}


def test_modules_that_carry_the_network_are_named_and_those_that_do_not():
    for whose in ("ensemble", "member"):
        sentence = sentences(result_of((0.3, 0.1, 0)))[f"rewinding-{whose}"]
        assert (
            "setting back layer1 and layer2 costs more than 1 point: these modules"
            in sentence.lower()
        )
        assert "head can be set back at a loss of less than 1 point (5 paired" in sentence


def test_intervals_hold_for_all_modules_together():
    result = result_of((0.3, 0.02, 0))
    shown = sentences(result)
    for whose in ("ensemble", "member"):
        errors = 100 * result[f"reestimated_{whose}_error"].isel(lam=0).sel(rewound="layer2")
        errors = errors.mean("member") if whose == "member" else errors
        differences = (errors.sel(epoch=0) - errors.sel(epoch=4)).values
        expected = stats.with_interval(stats.paired(differences, 3), "+.1f", "points")
        assert f"{expected} with layer2" in shown[f"rewinding-{whose}"]
    first = result.isel(lam=0, member=0, module=0)
    change = 100 * (first["probe_error"] - first["inputs_error"]).values
    expected = stats.with_interval(stats.paired(change, 2), "+.1f", "points")
    assert f"layer1 ({expected})" in shown["stagnation"]


def test_what_cannot_be_decided_is_said():
    sentence = sentences(result_of((0.3, 0.02, 0.0), sd=0.02))["rewinding-ensemble"]
    assert "with layer2 and head, neither a rise nor" in sentence
    small = sentences(result_of((0.3, 0.01, 0.0)))["rewinding-ensemble"]
    assert "with layer2, the error rises significantly, but whether by more than 1 point" in small


def test_two_trials_show_nothing():
    shown = sentences(result_of((0.3, 0.1, 0), trials=2))
    assert shown["rewinding-ensemble"].endswith(
        "Too few trials to test which modules carry the network (2; at least 3 are needed)."
    )
    assert "stagnation" not in shown


def test_without_spread_nothing_is_shown():
    """Errors are whole numbers of examples: trials may agree by chance."""
    sentence = sentences(result_of((0.3, 0.1, 0), sd=0))["rewinding-ensemble"]
    assert "No module is shown to cost more than 1 point" in sentence
    assert "can be set back" not in sentence.replace("cannot", "")


def test_both_steps_are_reported_with_batchnorm_only():
    with_norm = sentences(result_of((0.3, 0.1, 0), batch_norm=1))["rewinding-ensemble"]
    assert "the error changes by +29.8 points" in with_norm
    assert "with those of epoch 0, the error changes by +49.8 points with layer1" in with_norm
    assert "BatchNorm" not in sentences(result_of((0.3, 0.1, 0)))["rewinding-ensemble"]


def test_a_single_member_is_not_also_an_ensemble():
    rules = sentences(result_of((0.3, 0.1, 0)).isel(member=[0]))
    assert "rewinding-member" in rules
    assert "rewinding-ensemble" not in rules


def test_modules_that_stagnate_are_named():
    sentence = sentences(result_of((0.3, 0.1, 0), errors=(0.2, 0.1, 0.1)))["stagnation"]
    assert "falls significantly at layer1" in sentence
    assert "layer2 stagnates" in sentence
    worse = sentences(result_of((0.3, 0.1, 0), errors=(0.2, 0.1, 0.2)))["stagnation"]
    assert "rises significantly at layer2" in worse


def test_stagnation_needs_evidence():
    sentence = sentences(result_of((0.3, 0.1, 0), errors=(0.2, 0.1, 0.1), sd=0.02))["stagnation"]
    assert "cannot be shown to fall or to stay at layer2" in sentence
    assert "stagnate" not in sentence


def test_epoch_0_must_be_kept():
    without = result_of((0.3, 0.1, 0), epochs=(2, 4))
    without["relative_displacement"] *= np.nan
    rules = sentences(without)
    assert "no-start" in rules
    assert not any(rule.startswith(("rewinding", "displacement")) for rule in rules)
    assert "no-start" in sentences(result_of((0, 0, 0), epochs=(0,)))


def test_trials_that_diverged_are_left_out():
    result = result_of((0.3, 0.1, 0), trials=6)
    for name, var in WRITES.items():
        if "trial" in var.dims:
            result[name][{"trial": 2}] = np.nan
    assert "(5 paired trials)" in sentences(result)["rewinding-ensemble"]
    assert judge(result * np.nan) == []


def test_trials_may_end_at_different_epochs():
    result = result_of((0.3, 0.1, 0), epochs=(0, 3, 4))
    result["last_epoch"][0, 1] = 3
    for name, var in WRITES.items():
        if "epoch" in var.dims:
            result[name][{"trial": 1, "epoch": 1}] = result[name][{"trial": 1, "epoch": 2}].values
            result[name][{"trial": 1, "epoch": 2}] = np.nan
    sentence = sentences(result)["rewinding-ensemble"]
    assert (
        "after the last kept epochs (3 to 4), the test error of the ensemble is 3.0 %" in sentence
    )
    assert "nan" not in sentence
    assert "Setting back layer1 and layer2 costs more than 1 point" in sentence


def wrongly(cost, errors, seeds):
    """Return how often a rise, a module that carries, and a change are claimed."""
    return np.mean([claimed(cost, errors, seed) for seed in seeds], 0)


def claimed(cost, errors, seed):
    """Whether anything false is claimed of modules that cost nothing and add nothing."""
    random = np.random.default_rng(seed)
    result = result_of(cost, errors, sd=0)
    noise = random.normal(0, 0.01, result["reestimated_ensemble_error"].isel(epoch=0).shape)
    result["reestimated_ensemble_error"][{"epoch": 0}] += noise
    result["probe_error"] += random.normal(0, 0.01, result["probe_error"].shape)
    shown = sentences(result)
    return np.array(
        [
            "the error rises" in shown["rewinding-ensemble"],
            "carr" in shown["rewinding-ensemble"],
            "significantly" in shown["stagnation"],
        ]
    )


@pytest.mark.slow
def test_of_modules_that_are_all_alike_one_is_named_in_at_most_5_percent():
    most = 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)
    assert (wrongly((0, 0, 0), (0.1, 0.1, 0.1), range(200)) < most).all()
    at_margin = wrongly((0.01, 0.01, 0.01), (0.1, 0.1, 0.1), range(200))
    assert at_margin[1] < most


def equivalent(cost, seed):
    random = np.random.default_rng(seed)
    result = result_of(cost, sd=0)
    noise = random.normal(0, 0.01, result["reestimated_ensemble_error"].isel(epoch=0).shape)
    result["reestimated_ensemble_error"][{"epoch": 0}] += noise
    return "can be set back" in sentences(result)["rewinding-ensemble"]


@pytest.mark.slow
def test_modules_that_cost_a_point_are_hardly_ever_said_to_cost_less():
    rate = np.mean([equivalent((0.01, 0.01, 0.01), seed) for seed in range(200)])
    assert rate < 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_results_of_metrics_alone_have_no_findings():
    assert judge(xr.Dataset(coords={"lam": [0.5]})) == []
