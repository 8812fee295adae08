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
from jtdiag.compare.runs import BY_EXAMPLE, BY_GROUP, BY_TRIAL
from jtdiag.compare.wording import notes, result_rows
from jtdiag.probing.running import probe
from jtdiag.stats import paired, unpaired
from jtdiag.store.lanes import Lane, Seal

A = [0.10, 0.12, 0.14]
B = [0.13, 0.12, 0.16]


# --- intervals -----------------------------------------------------------------------------------


def test_the_interval_of_pairs_is_scipys():
    differences = np.subtract(B, A)
    theirs = stats.ttest_rel(B, A).confidence_interval(0.95)
    ours = paired(differences)
    assert ours == pytest.approx((differences.mean(), theirs.low, theirs.high), rel=1e-12)


def test_two_pairs_leave_the_closed_form():
    """With one degree of freedom Student's is Cauchy's distribution, of quantile tan(0.475 π)."""
    reach = math.tan(0.475 * math.pi) * abs(0.03 - 0.01) / 2
    assert paired([0.01, 0.03]) == pytest.approx((0.02, 0.02 - reach, 0.02 + reach), rel=1e-9)


def test_the_interval_of_two_groups_is_scipys():
    theirs = stats.ttest_ind(B[:2], A, equal_var=False).confidence_interval(0.95)
    assert unpaired(A, B[:2])[1:] == pytest.approx((theirs.low, theirs.high), rel=1e-10)


@pytest.mark.parametrize("differences", [[], [0.1], [0.2, 0.2, 0.2], [0.3 - 0.1, 0.2]])
def test_without_spread_nothing_is_known(differences):
    assert not paired(differences).exists
    assert not paired(differences).significant


def test_a_group_of_one_has_no_interval():
    assert not unpaired(A, [0.1]).exists


# --- runs ----------------------------------------------------------------------------------------


class Known:
    """As much of a run as its recipe."""

    error_measure = "fraction wrong"

    def __init__(self, *changes):
        self.recipe = find_recipe("demo", changes)

    def seal(self, lane):
        return Seal()

    def chosen_epoch(self, lane):
        return -1


def known(errors, *changes):
    """A run of which the performance probe says these errors of the ensemble, (lam, trial)."""
    error = np.asarray(errors, float)
    lam = [0.0, 1.0][: len(error)]
    dims = ("lam", "trial", "split")
    found = {name: (dims, (error + at)[..., None]) for at, name in enumerate(comparing.QUANTITIES)}
    coordinates = {"lam": lam, "trial": np.arange(error.shape[1]), "split": [names.TEST]}
    run = Known(f"lam={lam}", f"trials={error.shape[1]}", *changes)
    return run, xr.Dataset(found, coords=coordinates)


def differences(one, other):
    (a, performance_a), (b, performance_b) = one, other
    return comparing.differences(a, b, performance_a, performance_b)


def of_the_ensemble(found):
    return [one for one in found if one.quantity == "ensemble error"]


def test_trials_of_one_seed_are_pairs():
    found = differences(known([A, B]), known([B, A]))
    for one, (x, y) in zip(of_the_ensemble(found), [(A, B), (B, A)], strict=True):
        theirs = stats.ttest_rel(y, x).confidence_interval(0.95)
        assert (one.doubt, one.count) == (BY_TRIAL, 3)
        assert one.interval == pytest.approx(
            (100 * (np.mean(y) - np.mean(x)), 100 * theirs.low, 100 * theirs.high), rel=1e-9
        )
        assert (one.a, one.b) == pytest.approx((100 * np.mean(x), 100 * np.mean(y)))


def test_nats_are_not_percent():
    [one] = [d for d in differences(known([A]), known([B])) if d.quantity == "diversity"]
    assert (one.unit, one.a) == (names.NAT, pytest.approx(np.mean(A) + 4))


def test_of_more_trials_those_count_that_both_have():
    one = of_the_ensemble(differences(known([A]), known([B[:2]])))[0]
    assert (one.count, one.a) == (2, pytest.approx(100 * np.mean(A[:2])))


@pytest.mark.parametrize("change", ["seed=1", "data.val=30", "data.name=fashion-mnist"])
def test_trials_of_other_seeds_or_data_are_groups(change):
    one = of_the_ensemble(differences(known([A]), known([B], change)))[0]
    theirs = stats.ttest_ind(B, A, equal_var=False).confidence_interval(0.95)
    assert one.doubt == BY_GROUP
    assert one.interval[1:] == pytest.approx((100 * theirs.low, 100 * theirs.high), rel=1e-9)


def test_a_single_trial_without_outputs_has_no_interval_and_says_so():
    a, b = known([[0.1]]), known([[0.2]])
    found = differences(a, b)
    assert not any(one.interval.exists for one in found)
    assert {row[-1] for row in result_rows(found)} == {"none"}
    assert any("say nothing of chance" in note for note in notes(a[0], b[0], found))


def test_other_data_are_told():
    a, b = known([A]), known([B], "data.name=fashion-mnist")
    assert any("of different data" in note for note in notes(a[0], b[0], differences(a, b)))


def test_a_lambda_of_which_nothing_is_known_is_left_out():
    run, performance = known([A, A])
    nothing = performance.where(xr.DataArray([0, 1], dims="lam") > 0)
    assert {one.lam for one in differences((run, nothing), known([B, B]))} == {1.0}


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


def test_of_single_trials_the_test_examples_are_pairs(single):
    (a, logits_a), (b, logits_b), target = single
    found = {one.quantity: one for one in asked(a, b)}
    slow = {"ensemble error": [], "ensemble loss": [], "members' loss": []}
    epochs = [run.chosen_epoch(Lane(0, 0)) for run in (a, b)]
    for i, y in enumerate(target):
        rows = []
        for logits, epoch in zip((logits_a, logits_b), epochs, strict=True):
            each = logits[epoch, :, i]
            mean = each.mean(0)
            losses = [math.log(np.exp(row).sum()) - row[y] for row in each]
            rows.append(
                (float(mean.argmax() != y), math.log(np.exp(mean).sum()) - mean[y], sum(losses) / 2)
            )
        for name, one, other in zip(slow, *rows, strict=True):
            slow[name].append(other - one)
    for name, values in slow.items():
        factor = 100 if "error" in name else 1
        theirs = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert (found[name].doubt, found[name].count) == (BY_EXAMPLE, 40)
        assert found[name].interval == pytest.approx(
            (factor * np.mean(values), factor * theirs.low, factor * theirs.high), rel=1e-9
        )
    only_a, only_b = (sum(v == sign for v in slow["ensemble error"]) for sign in (1, -1))
    assert f"A on {only_a} examples, B on {only_b} " in found["ensemble error"].note
    assert not found["median member"].interval.exists


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
    assert not any(one.interval.exists for one in asked(a, other))


@pytest.mark.parametrize(("only_a", "only_b"), [(1, 8), (5, 5), (12, 2)])
def test_mcnemars_test_counts_the_ways_to_be_as_uneven(only_a, only_b):
    total, least = only_a + only_b, min(only_a, only_b)
    p = min(1.0, 2 * sum(math.comb(total, k) for k in range(least + 1)) / 2**total)
    assert comparing.mcnemar(only_a, only_b).endswith(f"p = {p:.2g})")


def test_by_example_the_means_are_the_metrics_of_a_trained_run(toy):
    lane = toy.lanes[0]
    found = comparing.by_example(toy, lane)
    at = toy.metrics().isel(lam=lane.lam_index, trial=lane.trial, epoch=toy.chosen_epoch(lane))
    at = at.sel(split=names.TEST)
    assert found["ensemble_error"].mean() == pytest.approx(float(at["ensemble_error"]), abs=1e-6)
    assert found["ensemble_loss"].mean() == pytest.approx(float(at["ensemble_loss"]), rel=1e-5)
    assert found["mean_member_loss"].mean() == pytest.approx(
        float(at["member_loss"].mean()), rel=1e-5
    )


# --- recipes and the command ---------------------------------------------------------------------


def test_recipes_differ_in_the_fields_that_were_changed_and_no_others():
    found = comparing.fields(Known(), Known("members.count=8", "lam=[0, 1]", "engine.threads=1"))
    assert [(one.name, one.a, one.b) for one in found] == [
        ("lam", "[0.0, 0.9, 1.0]", "[0.0, 1.0]"),
        ("members.count", "4", "8"),
    ]
    assert comparing.fields(Known(), Known()) == []


def compare(*arguments):
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


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
    assert {one["low"] for one in whole["results"] if one["quantity"] == "median member"} == {None}
    assert last["low"] is not None


def test_without_a_common_lambda_that_is_one_line():
    a, b = Known("lam=[0]"), Known("lam=[1]")
    assert notes(a, b, []) == [
        "The runs have no λ in common (A: 0; B: 1), so no results are compared."
    ]


def test_a_third_run_is_refused_in_one_line(small_run):
    ran = compare(small_run.path, small_run.path, small_run.path)
    assert ran.exit_code == 2
    assert "unexpected extra argument" in ran.stderr


def test_a_run_and_itself_differ_in_nothing(small_run):
    ran = compare(small_run.path, small_run.path)
    assert "The recipes do not differ" in ran.stdout
    assert "no λ in common" not in ran.stdout
