"""Runs made of logits that were saved elsewhere."""

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.special import log_softmax, softmax

import jtdiag
from jtdiag import from_logits, probe
from jtdiag.commands import main
from jtdiag.errors import DataError, StoreError
from jtdiag.probing import findings

M, N, K = 5, 90, 4
TARGETS = np.arange(N) % K


def logits(seed=0, epochs=None, n=N):
    random = np.random.default_rng(seed)
    leading = (M,) if epochs is None else (epochs, M)
    return random.normal(size=(*leading, n, K)) + 2 * np.eye(K)[np.arange(n) % K]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "imported"


def test_final_logits_are_those_of_the_last_epoch(out):
    given = logits()
    run = from_logits({"test": given}, TARGETS, lam=1, epochs=7, out=out)
    [lane] = run.lanes
    assert run.done
    assert run.seal(lane).outputs == (7,)
    [block] = run.outputs(lane, 7, "test")
    np.testing.assert_array_equal(block.logits, given.astype(np.float32))
    metrics = run.metrics().isel(lam=0, trial=0).sel(split="test")
    wrong = (given.argmax(-1) != TARGETS).mean(1)
    np.testing.assert_allclose(metrics["member_error"].sel(epoch=7), wrong)
    own = -log_softmax(given.mean(0), -1)[np.arange(N), TARGETS].mean()
    assert metrics["ensemble_loss"].sel(epoch=7).item() == pytest.approx(own)
    assert np.isnan(metrics["ensemble_loss"].sel(epoch=6))
    assert run.chance_error == pytest.approx(1 - 23 / 90)


@pytest.mark.slow
def test_nine_probes_answer_for_final_logits_of_five_members(out):
    from_logits({"test": logits()}, TARGETS, lam=1, out=out)
    made = CliRunner().invoke(main, ["probe", str(out)])
    assert made.exit_code == 0, made.output
    assert (
        "\nThe early-warning rules need errors in training, which this run does not" in made.output
    )
    answered = {finding.probe for finding in findings.read(out)} - {"lanes", "alerts"}
    assert answered >= {
        "calibration", "collusion", "combiners", "conditioning", "dominance", "performance",
        "robustness", "specialisation", "votes",
    }  # fmt: skip
    text = " ".join(finding.sentence for finding in findings.read(out))
    assert "nan" not in text
    assert " of 0 trials" not in text


@pytest.mark.slow
def test_logits_of_every_epoch_and_of_training_answer_the_rules(out):
    run = from_logits(
        {"test": logits(1, 4), "val": logits(2, 4, 40), "train": logits(3, 4)},
        {"test": TARGETS, "val": TARGETS[:40], "train": TARGETS},
        lam=0.5,
        out=out,
    )
    assert run.recipe.splits == ("train", "val", "test")
    assert run.training_examples == N
    errors = run.metrics()["member_error"].isel(lam=0, trial=0)
    given = (logits(3, 4).argmax(-1) != TARGETS).mean(-1)
    np.testing.assert_allclose(errors.sel(split="train").isel(epoch=slice(1, None)), given)
    assert probe(run, "alerts")["number"].notnull().any()
    with pytest.raises(StoreError, match="already contains a run"):
        from_logits({"test": logits()}, TARGETS, lam=1, out=out)


def test_probabilities_are_recognized_and_give_the_same_predictions(out, tmp_path, caplog):
    given = logits().astype(np.float32)
    run = from_logits(list(softmax(given, -1)), TARGETS, lam=1, out=out)
    [record] = caplog.records
    assert "they are read as class probabilities" in record.getMessage()
    raw = from_logits(torch.tensor(given), torch.tensor(TARGETS), lam=1, out=tmp_path / "raw")
    of_both = [r.metrics().sel(split="test").isel(epoch=-1) for r in (run, raw)]
    for name in ("member_loss", "ensemble_loss", "ensemble_error"):
        np.testing.assert_allclose(of_both[0][name], of_both[1][name], rtol=1e-5)


def test_validation_logits_alone_take_the_place_of_test(out):
    run = from_logits({"val": logits()}, TARGETS, lam=0, out=out)
    assert run.recipe.splits == ("train", "test")
    assert np.isfinite(run.metrics()["ensemble_error"].sel(split="test").isel(epoch=-1)).all()


def test_numbers_are_predicted_by_other_families(out):
    random = np.random.default_rng(0)
    target = random.normal(size=N)
    eta = target[:, None] + 0.1 * random.normal(size=(M, N, 1))
    run = from_logits(eta, target, lam=1, family="gaussian", out=out)
    assert run.metrics()["ensemble_error"].sel(split="test").isel(epoch=-1).item() < 0.1


def test_an_ensemble_at_chance_level_is_a_warning(out, caplog):
    from_logits(logits()[:, ::-1], TARGETS, lam=1, out=out)
    [record] = caplog.records
    assert "targets may be in another order than the logits" in record.getMessage()


@pytest.mark.parametrize(
    ("given", "targets", "options", "message"),
    [
        (logits().transpose(1, 0, 2), TARGETS, {}, r"may need logits\.transpose\(1, 0, 2\)"),
        (logits().transpose(0, 2, 1), TARGETS, {}, r"may need logits\.transpose\(0, 2, 1\)"),
        (logits()[0], TARGETS, {}, r"logits of test are \(90, 4\) and targets \(90,\)"),
        (logits(), TARGETS + 1, {}, r"1 to 4.*0 to 3\. Pass targets - 1"),
        (logits(), TARGETS * 2, {}, r"targets of test are 0 to 6, .* must be 0 to 3\."),
        (logits(), np.eye(K)[TARGETS], {}, r"one-hot rows \(N, K\); pass classes"),
        (logits(), TARGETS + 0.5, {}, "not whole numbers"),
        (logits() * np.nan, TARGETS, {}, "1800 logits are not finite on test"),
        (logits()[..., :1], TARGETS * 0, {}, "one logit per example"),
        ({"validation": logits()}, TARGETS, {}, "given for 'validation'; splits are"),
        ({"test": logits(), "val": logits()}, TARGETS, {}, "pass a dict of targets too"),
        ({"test": logits()}, {"val": TARGETS}, {}, "pass both for the same splits"),
        (
            {"test": logits(), "val": logits()[:3]},
            {"test": TARGETS, "val": TARGETS},
            {},
            "only the number of examples may differ",
        ),
        (logits(0, 3), TARGETS, {"epochs": 4}, "epochs is 4 and logits are of 3 epochs"),
        (["a", "b"], TARGETS, {}, "pass arrays or tensors of numbers"),
    ],
)
def test_what_cannot_be_logits_of_members_is_one_line(out, given, targets, options, message):
    with pytest.raises(DataError, match=message) as caught:
        from_logits(given, targets, lam=1, out=out, **options)
    assert "\n" not in str(caught.value)
    assert not out.exists()


def columns(train):
    """Losses, errors and entropies of (E, M, N, K) logits, in the columns of the authors' files."""
    log_p = log_softmax(train, -1)
    own = np.arange(N), TARGETS
    losses, errors = -log_p[:, :, *own].mean(-1), (train.argmax(-1) != TARGETS).mean(-1)
    entropies = -(np.exp(log_p) * log_p).sum(-1).mean(-1)
    mean = train.mean(1)
    loss = -log_softmax(mean, -1)[:, *own].mean(-1)
    error = (mean.argmax(-1) != TARGETS).mean(-1)
    return np.column_stack([loss, losses.mean(1), error, losses, errors, entropies])


def test_metrics_of_all_epochs_join_logits_of_the_epochs_that_were_saved(out, tmp_path):
    train, test = logits(3, 6), logits(4, 6)
    run = from_logits(
        test[[1, 5]], TARGETS, lam=1, epochs=(2, 6), metrics={"train": columns(train)}, out=out
    )
    [lane] = run.lanes
    assert run.seal(lane).outputs == (2, 6)
    every = from_logits(
        {"test": test, "train": train},
        {"test": TARGETS, "train": TARGETS},
        lam=1,
        out=tmp_path / "every",
    )
    for name in ("member_loss", "member_error", "ensemble_loss", "ensemble_error"):
        both = [r.metrics()[name].isel(lam=0, trial=0) for r in (run, every)]
        for got, expected in zip(*(b.sel(split="train") for b in both), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-6)
        np.testing.assert_allclose(*(b.sel(split="test", epoch=[2, 6]) for b in both), rtol=1e-6)
    assert np.isnan(run.metrics()["ensemble_loss"].sel(split="test", epoch=3)).all()
    assert probe(run, "alerts")["number"].notnull().any()


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda rows: rows[:5], {}, r"are \(5, 18\); .* must be \(6, 18\)"),
        (lambda rows: rows[:, :15], {}, r"are \(6, 15\)"),
        (lambda rows: rows[:, ::-1], {}, "in epoch 1, the second column is not the mean"),
        (lambda rows: np.where(np.arange(18) == 2, 50, rows), {}, "outside 0 to 1"),
        (lambda rows: rows, {"epochs": (6, 2)}, r"epochs is \(6, 2\) and logits are of 2 epochs"),
        (lambda rows: rows, {"epochs": (0, 6)}, r"epochs is \(0, 6\)"),
    ],
)
def test_metrics_that_do_not_fit_are_one_line(out, change, options, message):
    given = {"epochs": (2, 6), "metrics": {"train": change(columns(logits(3, 6)))}} | options
    with pytest.raises(DataError, match=message):
        from_logits(logits(4, 6)[[1, 5]], TARGETS, lam=1, out=out, **given)
    assert not out.exists()


def test_metrics_of_validation_need_its_logits(out):
    with pytest.raises(DataError, match="metrics are given for 'val'"):
        from_logits(logits(), TARGETS, lam=1, out=out, metrics={"val": columns(logits(0, 1))})


def test_a_row_that_was_never_filled_is_refused(out):
    given = logits(0, 2)
    given[0] = 0
    with pytest.raises(DataError, match="all 0 at index 0 of the epochs"):
        from_logits(given, TARGETS, lam=1, epochs=(3, 9), out=out)


def test_completion_shows_the_public_names_and_nothing_else():
    assert dir(jtdiag) == sorted(jtdiag.__all__)
