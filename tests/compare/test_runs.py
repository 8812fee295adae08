import json
import math
import re

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from scipy import stats

from jtdiag import find_recipe, names
from jtdiag.commands import main
from jtdiag.compare import runs as comparing
from jtdiag.compare.contract import BY_EXAMPLE, BY_GROUP, BY_TRIAL
from jtdiag.compare.runs import notes
from jtdiag.compare.wording import result_rows
from jtdiag.probing.running import probe
from jtdiag.stats import paired_fractions, smallest_detectable
from jtdiag.store.lanes import Lane, Seal
from jtdiag.store.run import Run

A = [0.10, 0.12, 0.14]
B = [0.13, 0.12, 0.16]


# --- runs ----------------------------------------------------------------------------------------


class FakeRun:
    """A run that consists of its recipe."""

    error_measure = "fraction wrong"
    recorded = False

    def __init__(self, *changes):
        self.settings = {}
        self.recipe = find_recipe("demo", ("lam=[0, 0.9, 1]", *changes))

    def knows(self, field):
        return Run.knows(self, field)

    def seal(self, lane):
        return Seal()

    def chosen_epoch(self, lane):
        return -1


def measured(errors, *changes):
    """A run and a result of the probe performance with these ensemble errors, (lam, trial)."""
    error = np.asarray(errors, float)
    lam = [0.0, 1.0][: len(error)]
    dims = ("lam", "trial", "split")
    variables = {
        name: (dims, (error + shift)[..., None]) for shift, name in enumerate(comparing.QUANTITIES)
    }
    coordinates = {"lam": lam, "trial": np.arange(error.shape[1]), "split": [names.TEST]}
    run = FakeRun(f"lam={lam}", f"trials={error.shape[1]}", *changes)
    return run, xr.Dataset(variables, coords=coordinates)


def differences(left, right):
    (a, performance_a), (b, performance_b) = left, right
    return comparing.differences(a, b, performance_a, performance_b)


def of_the_ensemble(rows):
    return [row for row in rows if row.quantity == "ensemble error"]


def test_trials_of_one_seed_are_pairs():
    rows = differences(measured([A, B]), measured([B, A]))
    for row, (x, y) in zip(of_the_ensemble(rows), [(A, B), (B, A)], strict=True):
        scipys = stats.ttest_rel(y, x).confidence_interval(1 - 0.05 / 2)  # two λs
        assert (row.doubt, row.count, row.comparisons) == (BY_TRIAL, 3, 2)
        detectable = smallest_detectable(np.subtract(y, x), comparisons=2)
        assert row.detectable == pytest.approx(100 * detectable)
        assert row.interval == pytest.approx(
            (100 * (np.mean(y) - np.mean(x)), 100 * scipys.low, 100 * scipys.high), rel=1e-9
        )
        assert (row.a, row.b) == pytest.approx((100 * np.mean(x), 100 * np.mean(y)))


def test_nats_are_not_percent():
    [row] = [d for d in differences(measured([A]), measured([B])) if d.quantity == "diversity"]
    assert (row.unit, row.a) == (names.NAT, pytest.approx(np.mean(A) + 4))


def test_of_more_trials_those_count_that_both_have():
    row = of_the_ensemble(differences(measured([A]), measured([B[:2]])))[0]
    assert (row.count, row.a) == (2, pytest.approx(100 * np.mean(A[:2])))


@pytest.mark.parametrize(
    ("fingerprints", "change", "paired"),
    [
        ("xx", "data.val=20", True),
        ("xx", "data.name=copy.npz", True),
        ("xy", "data.val=20", False),
        ("xy", "data.scale=2", True),
        ("xy", "data.limit=500", False),
        ("xy", "data.classes=[[0, 1], [2, 3]]", False),
    ],
)
def test_trials_are_pairs_if_the_data_are_the_same_not_if_their_name_is(
    fingerprints, change, paired
):
    a, b = measured([A], "data.val=20"), measured([B], "data.val=20", change)
    for (run, _), fingerprint in zip((a, b), fingerprints, strict=True):
        run.settings[names.FINGERPRINT] = fingerprint
    rows = differences(a, b)
    assert {row.doubt for row in rows} == {BY_TRIAL if paired else BY_GROUP}
    said = " ".join(notes(a[0], b[0], rows))
    assert ("different data" in said) is not paired
    assert paired or "under the same name" in said


@pytest.mark.parametrize("change", ["seed=1", "data.val=30", "data.name=fashion-mnist"])
def test_trials_of_other_seeds_or_data_are_groups(change):
    row = of_the_ensemble(differences(measured([A]), measured([B], change)))[0]
    scipys = stats.ttest_ind(B, A, equal_var=False).confidence_interval(0.95)
    assert row.doubt == BY_GROUP
    assert row.interval[1:] == pytest.approx((100 * scipys.low, 100 * scipys.high), rel=1e-9)


def test_runs_are_compared_between_different_lambdas_for_all_pairs_of_them():
    a, b = measured([A, B]), measured([B, A])
    between = comparing.between((*a, 0.0), (*b, 0.0))
    scipys = stats.ttest_rel(A, B).confidence_interval(1 - 0.05 / 4)  # two λs of each
    assert between == pytest.approx((np.mean(A) - np.mean(B), scipys.low, scipys.high), rel=1e-9)
    assert comparing.between((*a, 0.0), (*b, 1.0)).mean == 0
    other = measured([B, A], "seed=1")
    between = comparing.between((*a, 0.0), (*other, 0.0))
    scipys = stats.ttest_ind(A, B, equal_var=False).confidence_interval(1 - 0.05 / 4)
    assert between == pytest.approx((np.mean(A) - np.mean(B), scipys.low, scipys.high), rel=1e-9)


def test_a_single_trial_without_outputs_has_no_interval_and_says_so():
    a, b = measured([[0.1]]), measured([[0.2]])
    rows = differences(a, b)
    assert not any(row.interval.exists for row in rows)
    assert {cells[-1] for cells in result_rows(rows)} == {"none"}
    assert any("there is only one trial" in note for note in notes(a[0], b[0], rows))


def test_different_data_are_noted():
    a, b = measured([A]), measured([B], "data.name=fashion-mnist")
    assert any(
        "different data or error measures" in note for note in notes(a[0], b[0], differences(a, b))
    )


def test_a_lambda_that_is_not_measured_is_left_out():
    run, performance = measured([A, A])
    nothing = performance.where(xr.DataArray([0, 1], dims="lam") > 0)
    assert {row.lam for row in differences((run, nothing), measured([B, B]))} == {1.0}


@pytest.fixture
def single(by_hand):
    """Two runs of one trial with outputs of 2 members on 40 examples of 3 classes, and targets."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 40)

    def make(name):
        logits = rng.normal(size=(1, 1, 2, 2, 40, 3)) + np.eye(3)[target]
        error = (logits.mean(3).argmax(-1) != target).mean(-1)[..., None].repeat(3, -1)
        members = error[..., None].repeat(2, -1)
        run = by_hand(
            members,
            error,
            lam=(0.5,),
            name=name,
            classes=3,
            logits={names.TEST: logits},
            target={names.TEST: target},
        )
        return run.seal_all(), logits[0, 0]

    return make("a"), make("b"), target


def asked(a, b):
    return comparing.differences(a, b, probe(a, "performance"), probe(b, "performance"))


@pytest.mark.slow
def test_of_single_trials_the_test_examples_are_pairs(single):
    (a, logits_a), (b, logits_b), target = single
    rows = {row.quantity: row for row in asked(a, b)}
    slow = {"ensemble error": [], "ensemble loss": [], "members' loss": []}
    epochs = [run.chosen_epoch(Lane(0, 0)) for run in (a, b)]
    for i, y in enumerate(target):
        runs = []
        for logits, epoch in zip((logits_a, logits_b), epochs, strict=True):
            each = logits[epoch, :, i]
            mean = each.mean(0)
            losses = [math.log(np.exp(row).sum()) - row[y] for row in each]
            runs.append(
                (float(mean.argmax() != y), math.log(np.exp(mean).sum()) - mean[y], sum(losses) / 2)
            )
        for name, left, right in zip(slow, *runs, strict=True):
            slow[name].append(right - left)
    for name, values in slow.items():
        factor = 100 if "error" in name else 1
        scipys = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert (rows[name].doubt, rows[name].count) == (BY_EXAMPLE, 40)
        low, high = scipys
        if name == "ensemble error":
            wins, losses = (values.count(sign) for sign in (1, -1))
            low, high = paired_fractions(wins, losses, 40)[1:]
        assert rows[name].interval == pytest.approx(
            (factor * np.mean(values), factor * low, factor * high), rel=1e-9
        )
    only_a, only_b = (sum(v == sign for v in slow["ensemble error"]) for sign in (1, -1))
    assert f"only A is right on {only_a} examples, only B on {only_b} examples " in (
        rows["ensemble error"].note
    )
    assert not rows["median member"].interval.exists


@pytest.mark.slow
def test_other_test_examples_are_no_pairs(single, by_hand):
    (a, logits), _, target = single
    error = np.full((1, 1, 2, 3), 0.5)
    other = by_hand(
        error[..., None].repeat(2, -1),
        error,
        lam=(0.5,),
        name="other",
        classes=3,
        logits={names.TEST: logits[None, None]},
        target={names.TEST: target[::-1]},
    ).seal_all()
    assert not any(row.interval.exists for row in asked(a, other))


@pytest.mark.slow
def test_four_examples_of_500_are_no_difference(by_hand):
    """Student's interval over the examples excludes 0; McNemar's exact test has p = 0.125."""
    target = np.arange(500) % 3
    error = np.zeros((1, 1, 2, 3))

    def run(name, wrong):
        logits = np.eye(3)[np.where(np.arange(500) < wrong, (target + 1) % 3, target)]
        return by_hand(
            error[..., None].repeat(2, -1),
            error + wrong / 500,
            lam=(0.5,),
            name=name,
            classes=3,
            logits={names.TEST: np.broadcast_to(logits, (1, 1, 2, 2, 500, 3))},
            target={names.TEST: target},
        ).seal_all()

    a, b = run("a", 0), run("b", 4)
    rows = asked(a, b)
    [row] = of_the_ensemble(rows)
    assert row.interval.mean == pytest.approx(0.8)
    assert not row.interval.significant
    assert "only A is right on 4 examples, only B on 0 examples" in row.note
    assert "p = 0.12)" in row.note
    assert any("No significant difference in ensemble error" in note for note in notes(a, b, rows))


def test_of_runs_that_do_not_differ_the_notes_say_what_could_have_been_detected():
    a, b = measured([A, A]), measured([B, [0.11, 0.11, 0.15]])
    rows = differences(a, b)
    assert not any(row.interval.significant for row in of_the_ensemble(rows))
    largest = max(row.detectable for row in of_the_ensemble(rows))
    text = notes(a[0], b[0], rows)
    assert any(f"a difference of {largest:.2f} points would have been detected" in n for n in text)
    assert any("hold simultaneously for 2 λs" in note for note in text)


def test_where_runs_differ_the_notes_are_without_power():
    a, b = measured([A]), measured([np.add(A, [0.2, 0.201, 0.202])])
    rows = differences(a, b)
    assert of_the_ensemble(rows)[0].interval.significant
    assert not any("would have been detected" in note for note in notes(a[0], b[0], rows))


def test_by_example_the_means_are_the_metrics_of_a_trained_run(toy):
    lane = toy.lanes[0]
    columns = comparing.by_example(toy, lane)
    metrics = toy.metrics().isel(lam=lane.lam_index, trial=lane.trial, epoch=toy.chosen_epoch(lane))
    metrics = metrics.sel(split=names.TEST)
    assert columns["ensemble_error"].mean() == pytest.approx(
        float(metrics["ensemble_error"]), abs=1e-6
    )
    assert columns["ensemble_loss"].mean() == pytest.approx(
        float(metrics["ensemble_loss"]), rel=1e-5
    )
    assert columns["mean_member_loss"].mean() == pytest.approx(
        float(metrics["member_loss"].mean()), rel=1e-5
    )


# --- recipes and the command ---------------------------------------------------------------------


def test_recipes_differ_in_the_fields_that_were_changed_and_no_others():
    fields = comparing.fields(
        FakeRun(), FakeRun("members.count=8", "lam=[0, 1]", "engine.threads=1")
    )
    assert [(field.name, field.a, field.b) for field in fields] == [
        ("lam", "[0.0, 0.9, 1.0]", "[0.0, 1.0]"),
        ("members.count", "4", "8"),
    ]
    assert comparing.fields(FakeRun(), FakeRun()) == []


def test_what_is_unknown_of_a_recorded_run_is_said_to_be():
    recorded = FakeRun("members.count=8", "train.lr=0.3")
    recorded.recorded = True
    fields = comparing.fields(FakeRun(), recorded)
    assert {field.name: field.b for field in fields} == {
        "members.count": "8",
        "train.lr": "unknown",
    }
    both = FakeRun()
    both.recorded = True
    assert [field.name for field in comparing.fields(both, recorded)] == ["members.count"]
    assert not comparing.same_draws(both, recorded)


def compare(*arguments):
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


@pytest.mark.slow
def test_table_markdown_and_json_hold_the_same_numbers(single):
    (a, _), (b, _), _ = single
    whole = json.loads(compare(a.path, b.path, "--format", "json").stdout)
    first, _, _, last = (whole["results"][i] for i in (0, 1, 2, -1))
    assert first["doubt"] == BY_EXAMPLE
    assert whole["recipe"] == [{"name": "name", "a": '"a"', "b": '"b"'}]
    cells = (
        f"{first['a']:.2f}",
        f"{first['b']:.2f}",
        f"{first['difference']:+.2f}".replace("-", "−"),
    )
    written = compare(a.path, b.path, "--format", "markdown").stdout
    assert f"| 0.5 | ensemble error, % | {' | '.join(cells)} |" in written
    ran = compare(a.path, b.path)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert re.search(r"ensemble error, % +" + " +".join(map(re.escape, cells)), ran.stdout)
    assert "40 test examples" in ran.stdout
    assert {row["low"] for row in whole["results"] if row["quantity"] == "median member"} == {None}
    assert last["low"] is not None


def test_without_a_common_lambda_that_is_one_line():
    a, b = FakeRun("lam=[0]"), FakeRun("lam=[1]")
    assert notes(a, b, []) == ["No results to compare: the runs have no λ in common (A: 0; B: 1)."]


def test_a_third_run_is_refused_in_one_line(small_run):
    ran = compare(small_run.path, small_run.path, small_run.path)
    assert ran.exit_code == 2
    assert "unexpected extra argument" in ran.stderr


@pytest.mark.slow
def test_a_run_and_itself_differ_in_nothing(small_run):
    ran = compare(small_run.path, small_run.path)
    assert "The recipes do not differ" in ran.stdout
    assert "no λ in common" not in ran.stdout
