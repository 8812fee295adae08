import numpy as np
import pytest
import xarray as xr
import zarr
from scipy.special import logsumexp, softmax
from scipy.stats import sem, t as student

from jtdiag import names
from jtdiag.probing.contract import Options
from jtdiag.store import layout
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.diversity.diversity import probe
from jtdiag_probes.shared.class_logits import ClassLogits

TOY_SPLITS = ["train", "val", "test"]


@pytest.mark.slow
class TestDiversity(ProbePromises):
    probe = probe


@pytest.fixture(scope="module")
def result(toy):
    return probe.ask(toy, Options())


def bregman(logits):
    """KL(q̄‖q_j) of every member and example, by the log-partition's Bregman divergence."""
    mean = logits.mean(0)
    q_bar = softmax(mean, -1)
    partition = logsumexp(logits, -1) - logsumexp(mean, -1)
    return partition - (q_bar * (logits - mean)).sum(-1)


def stored(run, split, name):
    return zarr.open_group(run.path / "store.zarr", mode="r")[f"outputs/{split}/{name}"][...]


def target_of(run, split, lane):
    target = stored(run, split, "target")
    return target[lane.trial] if target.ndim == 2 else target


# --- the numbers ----------------------------------------------------------------------------------


def test_diversity_is_mean_member_loss_minus_ensemble_loss_of_the_metrics(toy, result):
    metrics = toy.metrics()
    for index in np.ndindex(result["diversity"].shape):
        losses = metrics[names.MEMBER_LOSS].values[index].tolist()
        mean, ensemble = sum(losses) / 3, float(metrics[names.ENSEMBLE_LOSS].values[index])
        assert result["mean_member_loss"].values[index] == pytest.approx(mean, rel=1e-14)
        assert result["ensemble_loss"].values[index] == ensemble
        assert result["diversity"].values[index] == pytest.approx(mean - ensemble, abs=1e-14)


@pytest.mark.parametrize("split", ["val", "test"])
def test_diversity_by_member_and_by_class_are_those_of_the_stored_outputs(toy, result, split):
    logits = stored(toy, split, "logits").astype(float)
    for lane in toy.lanes:
        target = target_of(toy, split, lane)
        for epoch in (0, 4):
            index = (lane.lam_index, lane.trial, epoch, TOY_SPLITS.index(split))
            expected = bregman(logits[lane.lam_index, lane.trial, epoch])
            np.testing.assert_allclose(
                result["diversity_by_member"].values[index], expected.mean(1), atol=1e-12
            )
            by_class = [expected[:, target == k].mean() for k in range(3)]
            np.testing.assert_allclose(
                result["diversity_by_class"].values[index], by_class, atol=1e-12
            )


def test_what_members_add_is_the_diversity_of_the_engines_losses(result):
    kept = result.sel(split=["val", "test"])
    np.testing.assert_allclose(
        kept["diversity_by_member"].mean("member"), kept["diversity"], atol=1e-7
    )


@pytest.mark.slow
def test_in_float64_the_outputs_give_the_engines_diversity_to_rounding(tmp_path):
    run = toy_run(tmp_path, trials=1, lam=[1.0], train={"epochs": 2}, keep={"dtype": "float64"})
    result = probe.ask(run, Options()).sel(split=["val", "test"])
    np.testing.assert_allclose(
        result["diversity_by_member"].mean("member"), result["diversity"], rtol=0, atol=1e-13
    )
    assert float(result["store_residual"].max()) < 1e-13


def test_the_mean_over_classes_weighted_by_examples_is_the_diversity(toy, result):
    for lane in toy.lanes:
        index = {"lam": lane.lam_index, "trial": lane.trial, "split": TOY_SPLITS.index("val")}
        share = np.bincount(target_of(toy, "val", lane), minlength=3) / 20
        whole = (result["diversity_by_class"].isel(index).values * share).sum(-1)
        np.testing.assert_allclose(
            whole, result["diversity_by_member"].isel(index).mean("member"), rtol=1e-12
        )


def test_splits_without_outputs_are_unknown(result):
    train = result.sel(split="train")
    for name in ("diversity_by_member", "diversity_by_class", "residual", "store_residual"):
        assert train[name].isnull().all()
    assert train["diversity"].notnull().all()


@pytest.mark.slow
def test_outputs_read_in_many_chunks_give_the_same(toy, result, tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "CHUNK_BYTES", 300)
    run = toy_run(tmp_path, trials=1, lam=[0.9])
    assert len(list(run.outputs(run.lanes[0], 4, "test"))) > 3
    chunked = probe.ask(run, Options()).squeeze("trial", drop=True).sel(lam=0.9)
    whole = result.sel(lam=0.9, trial=0, drop=True)
    xr.testing.assert_allclose(
        chunked.drop_vars(["lam", "residual"]), whole.drop_vars("residual"), rtol=1e-12, atol=1e-12
    )


# --- self-tests -----------------------------------------------------------------------------------


def test_the_residual_of_both_equations_is_rounding(result):
    kept = result["residual"].sel(split=["val", "test"])
    assert kept.notnull().all()
    assert float(kept.max()) < 1e-12


@pytest.mark.slow
def test_a_wrong_divergence_raises_the_alarm(toy, monkeypatch):
    right = ClassLogits.divergences.func
    wrong = property(lambda logits: right(logits) * (1 + 1e-6))
    monkeypatch.setattr(ClassLogits, "divergences", wrong)
    alerts = [f for f in probe.judge(probe.ask(toy, Options())) if f.level == "alert"]
    assert [f.rule for f in alerts] == ["residual"]
    assert alerts[0].number > alerts[0].limit == 1e-12
    assert alerts[0].sentence.startswith("Self-test failed: Eq. 4 and Eq. 5 differ by ")


@pytest.mark.slow
def test_outputs_that_do_not_belong_to_the_metrics_raise_the_alarm(toy_copy, record_again):
    store = zarr.open_group(toy_copy.path / "store.zarr", mode="r+")
    logits = store["outputs/test/logits"]
    logits[0, 0, 4] = logits[0, 0, 4] + np.array([0.1, 0.0, 0.0], np.float32)
    record_again(toy_copy)
    result = probe.ask(toy_copy, Options())
    alerts = [f for f in probe.judge(result) if f.level == "alert"]
    assert [f.rule for f in alerts] == ["store_residual"]
    worst = result["store_residual"].where(result["store_residual"] > 1e-3)
    assert worst.count() == 1
    assert worst.sel(lam=0, trial=0, epoch=4, split="test").notnull()


def test_an_intact_run_has_no_alert(result):
    assert {f.level for f in probe.judge(result)} == {"info"}


@pytest.mark.slow
def test_outputs_kept_of_the_training_split_raise_no_alarm(tmp_path):
    """Its stored losses are running means, taken while the weights moved."""
    result = probe.ask(
        toy_run(tmp_path, trials=1, lam=[0.9], keep={"splits": ["train"]}), Options()
    )
    assert result["diversity_by_member"].sel(split="train").notnull().all()
    assert float(result["residual"].sel(split="train").max()) < 1e-12
    assert [f.sentence for f in probe.judge(result) if f.level == "alert"] == []


def run_with_outputs(by_hand, logits, keep_dtype="float64"):
    """One lane, two epochs at λ = 0.9, with metrics that belong to the logits (M, n, K)."""
    members, examples, classes = logits.shape
    target = np.arange(examples) % classes
    chosen = logits[:, np.arange(examples), target]
    member_loss = (logsumexp(logits, -1) - chosen).mean(1)
    ensemble_loss = (logsumexp(logits.mean(0), -1) - chosen.mean(0)).mean()
    return by_hand(
        np.full((1, 1, 2, 3, members), 0.5),
        np.full((1, 1, 2, 3), 0.5),
        member_loss=np.broadcast_to(member_loss, (1, 1, 2, 3, members)),
        ensemble_loss=np.full((1, 1, 2, 3), ensemble_loss),
        lam=(0.9,),
        classes=classes,
        logits={"test": np.broadcast_to(logits, (1, 1, 2, *logits.shape))},
        target={"test": target},
        keep_dtype=keep_dtype,
    ).seal_all()


@pytest.mark.slow
@pytest.mark.parametrize("far", [0.0, 500.0, 1e5])
def test_logits_far_from_zero_raise_no_alarm(by_hand, far):
    logits = np.random.default_rng(0).normal(0, 1, (4, 20, 10)) + far
    result = probe.ask(run_with_outputs(by_hand, logits), Options())
    assert [f.sentence for f in probe.judge(result) if f.level == "alert"] == []


@pytest.mark.slow
@pytest.mark.parametrize("kept", ["float16", "float32"])
def test_large_losses_rounded_as_they_were_kept_raise_no_alarm(by_hand, kept):
    logits = np.random.default_rng(0).normal(0, 100, (4, 40, 10))
    result = probe.ask(run_with_outputs(by_hand, logits, kept), Options())
    assert [f.sentence for f in probe.judge(result) if f.level == "alert"] == []


@pytest.mark.slow
def test_a_class_without_examples_has_no_diversity(by_hand):
    logits = np.random.default_rng(0).normal(0, 1, (2, 3, 5))
    by_class = probe.ask(run_with_outputs(by_hand, logits), Options())["diversity_by_class"]
    assert by_class.sel(split="test").notnull().values.tolist() == [
        [2 * [3 * [True] + 2 * [False]]]
    ]


# --- what it says ---------------------------------------------------------------------------------


def test_each_lambda_has_a_sentence_with_its_numbers_at_the_end(result):
    findings = {f.lam: f for f in probe.judge(result)}
    assert list(findings) == [0.0, 0.9, 1.0]
    for lam, finding in findings.items():
        by_trial = result.sel(lam=lam, split="test", epoch=4)
        last = by_trial.mean("trial")
        assert finding.number == pytest.approx(float(last["diversity"]), rel=1e-14)
        for name in ("diversity", "mean_member_loss", "ensemble_loss"):
            reach = student.isf(0.025, 1) * sem(by_trial[name])
            low, high = max(0, float(last[name]) - reach), float(last[name]) + reach
            decimals = max(0, 1 - int(np.floor(np.log10((high - low) / 2))))
            assert (
                f"{float(last[name]):.{decimals}f} nats (95 % interval {low:.{decimals}f} to "
                f"{high:.{decimals}f} nats)".replace("-", "−")
            ) in finding.sentence


@pytest.mark.slow
def test_lanes_that_have_come_less_far_are_read_at_their_own_end(toy_copy, cut_back):
    run = cut_back(toy_copy, 2, -1, -1, 1, -1, -1)
    result = probe.ask(run, Options())
    [finding] = probe.judge(result)
    ends = result["diversity"].sel(lam=0, split="test")
    expected = (float(ends.sel(trial=0, epoch=2)) + float(ends.sel(trial=1, epoch=1))) / 2
    assert finding.number == pytest.approx(expected, rel=1e-14)
    assert finding.lam == 0
