"""Diverged members, outputs that are not finite, and standard errors in the sentences."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from jtdiag.probing.contract import Options
from jtdiag.probing.findings import Finding
from jtdiag.stats import mean_interval
from jtdiag.testing import toy_run
from jtdiag.watch import follow
from jtdiag_probes.diversity.diversity import probe

EPOCHS, MEMBERS = 4, 3


def judged(run, **options):
    return probe.judge(probe.ask(run, Options(**options)))


def diverged(findings):
    return [finding for finding in findings if finding.rule == "diverged"]


@pytest.fixture
def losses():
    """Losses of sound members at two λ in two trials: (lam, trial, epoch, split, member)."""
    shape = (2, 2, EPOCHS, 3, MEMBERS)
    return np.random.default_rng(0).uniform(1, 2, shape)


def run_with(by_hand, losses, **more):
    """A run with these member losses; the ensemble's is half their mean."""
    shape = losses.shape[:-1]
    return by_hand(
        np.full(losses.shape, 0.5),
        np.full(shape, 0.4),
        member_loss=losses,
        ensemble_loss=losses.mean(-1) / 2,
        lam=(0.0, 1.0),
        **more,
    )


@pytest.mark.slow
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_members_whose_loss_is_not_finite_are_one_alert_for_their_lane(by_hand, losses, value):
    losses[1, 0, 2:, :, 1] = value
    losses[1, 0, 3:, :, 2] = value
    [alert] = diverged(judged(run_with(by_hand, losses).seal_all()))
    assert (alert.level, alert.lam, alert.trials, alert.epoch) == ("alert", 1.0, (0,), 2)
    assert (alert.number, alert.limit) == (2, 0)
    assert alert.sentence == (
        "λ = 1, trial 0: 2 of 3 members diverged, from epoch 2 on: their loss is not finite, and "
        "neither is the ensemble's. Lower train.lr at this λ or set train.clip (gradient "
        "clipping). Findings on other lanes are not affected."
    )


@pytest.mark.slow
def test_each_lane_that_diverged_has_its_own_alert(by_hand, losses):
    losses[0, 1, 1:, :, 0] = np.nan
    losses[1, :, 3, :, 2] = np.nan
    findings = diverged(judged(run_with(by_hand, losses).seal_all()))
    assert [(f.lam, f.trials, f.epoch) for f in findings] == [
        (0.0, (1,), 1),
        (1.0, (0,), 3),
        (1.0, (1,), 3),
    ]


@pytest.mark.slow
def test_one_split_is_enough(by_hand, losses):
    losses[0, 0, 3, 0, 1] = np.inf
    [alert] = diverged(judged(run_with(by_hand, losses).seal_all()))
    assert (alert.number, alert.epoch) == (1, 3)


@pytest.mark.slow
def test_findings_on_other_lanes_are_not_affected(by_hand, losses):
    sound = judged(run_with(by_hand, losses[:, 1:], name="sound").seal_all())
    losses[1, 0, 2:, :, 1] = np.nan
    findings = judged(run_with(by_hand, losses).seal_all())
    [of_lam_1] = [f for f in findings if f.rule == "worth" and f.lam == 1]
    note = " Without 1 trial in which a member diverged."
    assert of_lam_1 == replace(sound[1], sentence=sound[1].sentence + note)
    [of_lam_0] = [f for f in findings if f.rule == "worth" and f.lam == 0]
    last = losses[0, :, -1, 2].mean(-1) / 2
    assert of_lam_0.number == pytest.approx(last.mean(), rel=1e-12)


@pytest.mark.slow
def test_a_lambda_whose_lanes_all_diverged_has_no_other_finding(by_hand, losses):
    losses[1, :, 1:, :, 0] = np.nan
    findings = judged(run_with(by_hand, losses).seal_all())
    assert {f.rule for f in findings if f.lam == 1} == {"diverged"}
    assert {f.rule for f in findings if f.lam == 0} == {"worth"}


@pytest.mark.slow
def test_epochs_that_are_not_sealed_have_not_diverged(by_hand, losses):
    run = run_with(by_hand, losses, epochs=9)
    run.seal_up_to(3, run.run.lanes[0])
    run.seal_up_to(1, run.run.lanes[1])
    assert diverged(judged(run.run)) == []
    count = probe.ask(run.run, Options())["diverged_members"]
    assert (count.isel(trial=0, lam=0) == 0).all()
    assert count.isel(trial=0, lam=1).isnull().values.tolist() == [False, False, True, True]
    assert count.isel(trial=1).isnull().all()


@pytest.mark.slow
def test_watch_reports_it_once_from_the_metrics(by_hand, losses):
    losses[1, 0, 1:, :, 0] = np.nan
    run = run_with(by_hand, losses).seal_all()
    alerts = [e for e in follow(run) if isinstance(e, Finding) and e.rule == "diverged"]
    assert [(f.level, f.number) for f in alerts] == [("alert", 1.0)]  # one lane


def too_fast(lr):
    engine = {"precision": "float32"}
    return {"trials": 1, "train": {"lr": lr, "epochs": 2}, "engine": engine}


@pytest.mark.slow
def test_a_learning_rate_that_is_too_large_is_an_alert(tmp_path):
    run = toy_run(tmp_path, lam=[0.0, 1.0], **too_fast([0.3, 1e12]))
    findings = judged(run)
    [alert] = diverged(findings)
    assert (alert.lam, alert.number) == (1.0, 3)
    assert [f.lam for f in findings if f.rule == "worth"] == [0.0]
    assert [f.rule for f in findings if f.level == "alert"] == ["diverged"]
    assert diverged(judged(run, metrics_only=True)) == [alert]


# --- outputs that are not finite ------------------------------------------------------------------


def run_with_outputs(by_hand, logits):
    """Sound metrics, and logits (trial, M, n, K) on test."""
    trials, members, examples, classes = logits.shape
    return by_hand(
        np.full((1, trials, 2, 3, members), 0.5),
        np.full((1, trials, 2, 3), 0.5),
        lam=(0.9,),
        classes=classes,
        logits={"test": np.repeat(logits[None, :, None], 2, axis=2)},
        target={"test": np.arange(examples) % classes},
    ).seal_all()


@pytest.mark.slow
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e308])
def test_outputs_that_are_not_finite_fail_the_self_test(by_hand, value):
    logits = np.random.default_rng(0).normal(size=(2, 3, 6, 4))
    logits[1, :, [1, 4], 0] = value
    logits[1, :, [1, 4], 1] = -value
    findings = [f for f in judged(run_with_outputs(by_hand, logits)) if f.rule == "not-finite"]
    [alert] = findings
    assert (alert.level, alert.number) == ("alert", 4)  # two examples in each of two epochs
    assert "of 4 examples" in alert.sentence
    assert "(most at λ = 0.9, trial 1, epoch 0, test)" in alert.sentence


@pytest.mark.slow
def test_outputs_of_diverged_members_do_not_fail_the_self_test(tmp_path):
    run = toy_run(tmp_path, lam=[1.0], **too_fast(1e12))
    result = probe.ask(run, Options())
    assert float(result["not_finite"].max()) > 0
    assert [f.rule for f in probe.judge(result)] == ["diverged"]


# --- intervals ------------------------------------------------------------------------------


@pytest.mark.slow
def test_sentences_carry_intervals_over_trials(by_hand, losses):
    findings = judged(run_with(by_hand, losses).seal_all())
    for i, finding in enumerate(findings):
        last = losses[i, :, -1, 2].mean(-1)
        for values in (last, last / 2):
            low, high = mean_interval(values).within(0, np.inf)[1:]
            decimals = max(0, 1 - int(np.floor(np.log10((high - low) / 2))))
            text = f"{low:.{decimals}f} to {high:.{decimals}f} nats".replace("-", "−")
            assert text in finding.sentence


@pytest.mark.slow
def test_one_trial_has_none(by_hand, losses):
    for finding in judged(run_with(by_hand, losses[:, :1]).seal_all()):
        assert "interval" not in finding.sentence


# --- further variables ----------------------------------------------------------------------------


def test_gaps_are_training_minus_test(toy):
    result = probe.ask(toy, Options(metrics_only=True))
    for name in ("mean_member_loss", "ensemble_loss", "diversity"):
        for index in np.ndindex(3, 2, 5):
            train, _, test = result[name].values[index]
            assert result[f"{name}_gap"].values[index] == train - test


@pytest.mark.slow
def test_a_diverged_member_makes_the_mean_nan(by_hand, losses):
    losses[0, 0, 2, :, 1] = np.nan
    result = probe.ask(run_with(by_hand, losses).seal_all(), Options())
    for name in ("mean_member_loss", "diversity"):
        assert result[name].isel(lam=0, trial=0, epoch=2).isnull().all()
        assert int(result[name].isnull().sum()) == 3


@pytest.mark.slow
def test_diversity_by_example_is_that_of_the_chosen_epoch(toy):
    result = probe.ask(toy, Options())
    assert result["diversity_by_example"].dims == ("lam", "trial", "example")
    assert result["diversity_by_example"].sizes["example"] == 40
    assert result["diversity_by_example"].attrs["split"] == "test"
    for lane in toy.lanes:
        index = {"lam": lane.lam_index, "trial": lane.trial}
        epoch = toy.chosen_epoch(lane)
        assert int(result["chosen_epoch"].isel(index)) == epoch
        whole = result["diversity_by_member"].isel(index).sel(epoch=epoch, split="test").mean()
        mean = result["diversity_by_example"].isel(index).mean()
        assert float(mean) == pytest.approx(float(whole), rel=1e-12)


@pytest.mark.slow
def test_examples_by_class_are_the_diversity_by_class(toy):
    result = probe.ask(toy, Options()).sel(lam=0.9, trial=1)
    target = toy.target("test", toy.lanes[0])
    by_class = result["diversity_by_class"].sel(epoch=int(result["chosen_epoch"]), split="test")
    for k in range(3):
        own = result["diversity_by_example"].values[target == k].mean()
        assert float(by_class[k]) == pytest.approx(own, rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keep", "examples", "split"),
    [
        ({"splits": ["train", "val"]}, 20, "val"),
        ({"outputs": [1], "checkpoints": "none"}, 40, "test"),
        ({"outputs": "none", "checkpoints": "none"}, 0, "test"),
    ],
)
def test_examples_are_of_the_last_split_kept_and_unknown_where_not_kept(
    keep, examples, split, tmp_path
):
    run = toy_run(tmp_path, trials=1, lam=[0.5], train={"epochs": 2}, keep=keep)
    by_example = probe.ask(run, Options())["diversity_by_example"]
    assert by_example.shape == (1, 1, examples)
    assert by_example.attrs["split"] == split
    chosen_is_kept = run.chosen_epoch(run.lanes[0]) in run.seal(run.lanes[0]).outputs
    assert bool(by_example.notnull().all()) == (chosen_is_kept or examples == 0)


@pytest.mark.slow
def test_averaged_probabilities_are_those_of_the_mean_member_loss(toy):
    result = probe.ask(toy, Options()).sel(split=["val", "test"])
    parts = ("probability_loss", "probability_diversity", "probability_label_term")
    whole = sum(result[name] for name in parts)
    np.testing.assert_allclose(whole, result["mean_member_loss"], atol=1e-7)
    assert (result["probability_loss"] <= result["mean_member_loss"] + 1e-7).all()


@pytest.mark.slow
def test_the_quadratic_part_comes_near_the_diversity_while_members_are_alike(toy):
    at_start = probe.ask(toy, Options()).sel(split="test", epoch=0)
    xr.testing.assert_allclose(
        at_start["quadratic_part"].drop_vars("member", errors="ignore"),
        at_start["diversity"].rename(None).drop_vars("member", errors="ignore"),
        rtol=0.2,
    )
