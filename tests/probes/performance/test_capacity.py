from statistics import mean

import numpy as np
import pytest
from scipy.stats import sem

from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.performance.capacity import probe


@pytest.mark.slow
class TestCapacity(ProbePromises):
    probe = probe


@pytest.fixture(scope="module")
def asked(toy):
    return probe.ask(toy, Options())


def written(by_hand, errors, **more):
    """A run of one epoch of training whose ensemble has these errors (lam, trial) at its end."""
    errors = np.asarray(errors, float)
    ensemble = np.full((*errors.shape, 2, 3), 0.9)
    ensemble[:, :, 1] = errors[..., None]
    more.setdefault("lam", tuple(np.linspace(0, 1, len(errors))))
    return by_hand(np.repeat(ensemble[..., None], 2, -1), ensemble, **more).seal_all()


def test_the_curve_is_that_of_the_chosen_epochs(toy, asked):
    metrics = toy.metrics()
    for lane in toy.lanes:
        index = (lane.lam_index, lane.trial)
        epoch = toy.chosen_epoch(lane)
        assert asked["chosen_epoch"].values[index] == epoch
        np.testing.assert_array_equal(
            asked["error"].values[index], metrics["ensemble_error"].values[(*index, epoch)]
        )
    for lam, split in np.ndindex(3, 3):
        trials = asked["error"].values[lam, :, split]
        assert asked["error_mean"].values[lam, split] == pytest.approx(mean(trials))
        assert asked["error_se"].values[lam, split] == pytest.approx(sem(trials))


@pytest.mark.slow
def test_the_optimum_and_what_is_not_worse_are_those_of_performance(by_hand):
    errors = [[0.5, 0.5, 0.51], [0.21, 0.4, 0.3], [0.3, 0.2, 0.35], [0.4, 0.4, 0.4]]
    run = written(by_hand, errors, lam=(0.0, 0.5, 0.9, 1.0))
    asked = probe.ask(run, Options())
    on_test = asked.sel(split="test")
    assert float(on_test["optimum"]) == 0.9
    slow = [(2 * (1.51 / 3) + 0.91 / 3) / 3, (1.51 / 3 + 2 * 0.91 / 3 + 0.85 / 3) / 4]
    np.testing.assert_allclose(on_test["error_smoothed"][:2], slow)
    performance = PROBES.find("performance").ask(run, Options())
    for name in ("optimum", "best_set", "paired_trials"):
        np.testing.assert_array_equal(asked[name], performance[name])


@pytest.mark.slow
def test_lambdas_in_any_order_give_the_same(by_hand):
    rising = probe.ask(
        written(by_hand, [[0.3, 0.3], [0.2, 0.1], [0.4, 0.4]], name="rising"), Options()
    )
    mixed = probe.ask(
        written(by_hand, [[0.4, 0.4], [0.3, 0.3], [0.2, 0.1]], lam=(1.0, 0.0, 0.5), name="mixed"),
        Options(),
    )
    assert mixed["lam"].values.tolist() == [0, 0.5, 1]
    for name in ("error_mean", "error_smoothed", "optimum", "best_set"):
        np.testing.assert_array_equal(rising[name], mixed[name])


def test_parameters_are_counted_in_the_checkpoints(asked):
    assert float(asked["parameters_per_member"]) == 2 * 5 + 5 + 5 * 3 + 3


@pytest.mark.slow
def test_without_checkpoints_the_recipe_says_how_many_there_are(by_hand):
    asked = probe.ask(written(by_hand, [[0.1], [0.2]]), Options())
    assert float(asked["parameters_per_member"]) == 64 * 10 + 10  # digits, no hidden layer


@pytest.mark.slow
def test_without_checkpoints_and_data_the_finding_says_that_the_size_is_unknown(tmp_path):
    run = toy_run(tmp_path, keep={"checkpoints": "none"}, train={"epochs": 1})
    counted = float(probe.ask(run, Options())["parameters_per_member"])
    assert counted == 2 * 5 + 5 + 5 * 3 + 3
    (tmp_path / "toy.npz").unlink()
    asked = probe.ask(run, Options())
    assert np.isnan(asked["parameters_per_member"])
    [finding] = probe.judge(asked)
    assert "The number of parameters per member is unknown: the run has no checkpoints" in (
        finding.sentence
    )


# --- findings -------------------------------------------------------------------------------------


def sentences(by_hand, errors, **more):
    return [f.sentence for f in probe.judge(probe.ask(written(by_hand, errors, **more), Options()))]


@pytest.mark.slow
def test_the_sentence_gives_the_best_lambdas_and_the_size(by_hand):
    errors = [[0.4, 0.41, 0.42], [0.2, 0.1, 0.15], [0.2, 0.11, 0.17]]
    [sentence] = sentences(by_hand, errors)
    assert sentence == (
        "λ = 0.5 has the lowest test error, 15.0 % (95 % interval 2.6 to 27.4 %); not "
        "significantly different from the best: λ = 1. Each member has 650 parameters. "
        "Selected on validation: λ = 0.5, with a test error of 15.0 % (95 % interval 2.6 to "
        "27.4 %)."
    )


@pytest.mark.slow
def test_a_lambda_that_is_better_than_all_others(by_hand):
    [sentence] = sentences(by_hand, [[0.4, 0.41, 0.42], [0.2, 0.2, 0.21]])
    assert "all other λs are significantly worse." in sentence


@pytest.mark.slow
@pytest.mark.parametrize(("trials", "few"), [(1, "one trial is"), (2, "2 trials are")])
def test_few_trials_do_not_show_which_lambdas_are_worse(by_hand, trials, few):
    [sentence] = sentences(by_hand, [[0.4, 0.41][:trials], [0.2, 0.2][:trials]])
    assert f"{few} too few to say which λs are worse." in sentence


@pytest.mark.slow
def test_one_lambda_has_no_optimum(by_hand):
    assert sentences(by_hand, [[0.4, 0.4]], lam=(0.5,)) == []
