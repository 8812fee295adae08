"""Findings of the probes `diversity`, `variance` and `collusion`, from results written by hand."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import sem, t as student

from jtdiag import stats
from jtdiag.probing.findings import Finding
from jtdiag.stats import Interval
from jtdiag_probes.diversity import collusion_verdict, diversity_verdict, variance, wording
from jtdiag_probes.diversity.bias_variance import TERMS

SPLITS = ["train", "val", "test"]


def around(values, least=-np.inf, comparisons=1):
    """The mean and Student's interval of a few values, by scipy."""
    mean = np.mean(values)
    reach = student.isf(0.025 / comparisons, len(values) - 1) * sem(values)
    return Interval(mean, max(least, mean - reach), mean + reach)


# --- diversity -----------------------------------------------------------------------------------


def losses(members, ensemble, *, lam=(0.0, 1.0), epochs=3, **more):
    """A result with losses on test by λ and trial in the last epoch; 1 nat more before.

    Losses in training and on validation are others.
    """
    falls = np.arange(epochs)[::-1, None] * 1.0
    by_split = np.array([7.0, 3.0, 0.0])
    dims = ("lam", "trial", "epoch", "split")
    values = {
        name: (dims, np.asarray(loss, float)[:, :, None, None] + factor * (falls + by_split))
        for name, loss, factor in (
            ("mean_member_loss", members, 2),
            ("ensemble_loss", ensemble, 1),
        )
    }
    result = xr.Dataset(
        values,
        coords={
            "lam": list(lam),
            "trial": range(np.shape(members)[1]),
            "epoch": range(epochs),
            "split": SPLITS,
        },
        attrs={"members": 3, "least_loss": 0.0},
    )
    result["diversity"] = result["mean_member_loss"] - result["ensemble_loss"]
    shape = [result.sizes[d] for d in ("lam", "trial", "epoch")]
    result["diverged_members"] = (("lam", "trial", "epoch"), np.zeros(shape))
    return result.assign(more)


MEMBERS = [[1.0, 1.25, 1.5], [2.0, 2.5, 2.25]]
ENSEMBLE = [[0.5, 0.5, 0.75], [1.0, 1.25, 0.75]]


def worth(lam, members, ensemble, diverged=0, trials=slice(None)):
    member_loss, ensemble_loss = np.array(members)[trials], np.array(ensemble)[trials]
    difference = member_loss - ensemble_loss
    return Finding(
        probe="diversity",
        rule="worth",
        level="info",
        lam=lam,
        number=difference.mean(),
        sentence=wording.worth(
            lam,
            around(member_loss, 0),
            around(ensemble_loss, 0),
            around(difference, 0),
            diverged=diverged,
        ),
    )


def test_what_diversity_is_worth_is_found_on_test_after_the_last_epoch():
    assert diversity_verdict.judge(losses(MEMBERS, ENSEMBLE)) == [
        worth(lam, members, ensemble)
        for lam, members, ensemble in zip((0.0, 1.0), MEMBERS, ENSEMBLE, strict=True)
    ]


def test_each_trial_is_read_at_its_last_sealed_epoch():
    result = losses(MEMBERS, ENSEMBLE)
    for name in ("mean_member_loss", "ensemble_loss", "diversity", "diverged_members"):
        result[name][{"lam": 0, "trial": 1, "epoch": slice(2, None)}] = np.nan
        result[name][{"lam": 0, "trial": 2}] = np.nan  # has not begun
    [finding, _] = diversity_verdict.judge(result)
    # An epoch before the last, members lost 2 nats more and the ensemble 1 nat more.
    assert finding == worth(0.0, [1.0, 3.25], [0.5, 1.5])


def test_the_loss_of_densities_may_be_negative():
    """Its interval is not cut off at 0, as that of class probabilities is."""
    uncertain = losses(np.array(MEMBERS) + 1, [[0.5, 0.1, 0.75], ENSEMBLE[1]])
    [finding, _] = diversity_verdict.judge(uncertain)
    assert "the ensemble's loss is 0.45 nats (95 % interval 0.00 to 1.26 nats)" in finding.sentence
    [finding, _] = diversity_verdict.judge(uncertain.assign_attrs(least_loss=-np.inf))
    assert "loss is 0.45 nats (95 % interval −0.36 to 1.26 nats)" in finding.sentence


def test_members_whose_losses_are_the_ensembles_up_to_rounding_have_no_diversity():
    members = np.array([MEMBERS[0], MEMBERS[0]])
    ensemble = members * (1 + np.array([[1e-7, -1e-7, 0.0], [1e-5, 0.0, 0.0]]))
    [first, second] = diversity_verdict.judge(losses(members, ensemble))
    assert first == Finding(
        probe="diversity",
        rule="identical",
        level="info",
        lam=0.0,
        number=0.0,
        sentence=wording.identical(0.0),
    )
    assert second.rule == "worth"


def test_an_only_member_has_no_diversity_to_report():
    result = losses(MEMBERS, ENSEMBLE).assign_attrs(members=1)
    assert diversity_verdict.judge(result) == []


def test_diverged_lanes_are_alerts_and_do_not_count():
    result = losses(MEMBERS, ENSEMBLE)
    result["diverged_members"][{"lam": 1, "trial": 2}] = [0, 2, 1]
    result["diverged_members"][{"lam": 0, "trial": 1}] = [0, 0, 1]
    first, second, *alerts = diversity_verdict.judge(result)
    assert first == worth(0.0, MEMBERS[0], ENSEMBLE[0], 1, [0, 2])
    assert second == worth(1.0, MEMBERS[1], ENSEMBLE[1], 1, [0, 1])
    assert alerts == [
        Finding(
            probe="diversity",
            rule="diverged",
            level="alert",
            lam=lam,
            trials=(trial,),
            epoch=epoch,
            number=count,
            limit=0,
            sentence=wording.diverged(lam, trial, count, 3, epoch),
        )
        for lam, trial, count, epoch in ((0.0, 1, 1, 2), (1.0, 2, 2, 1))
    ]


def test_trials_that_have_not_begun_have_not_diverged():
    result = losses(MEMBERS, ENSEMBLE)
    result["diverged_members"][{"lam": 0, "trial": 0}] = np.nan
    first, *others = diversity_verdict.judge(result)
    assert first == worth(0.0, MEMBERS[0], ENSEMBLE[0])
    assert [finding.rule for finding in others] == ["worth"]


def with_self_tests(residual=0.0, stored=0.0, not_finite=0.0):
    """A result whose self-tests failed in one place; elsewhere they passed."""
    result = losses(MEMBERS, ENSEMBLE)
    shape = result["diversity"].shape
    where = {"lam": 1, "trial": 0, "epoch": 2, "split": 1}
    for name, number in (
        ("residual", residual),
        ("store_residual", stored),
        ("not_finite", not_finite),
    ):
        result[name] = (result["diversity"].dims, np.zeros(shape))
        result[name][where] = number
    return result


@pytest.mark.parametrize(
    ("failed", "rule", "limit", "sentence"),
    [
        ({"residual": 2e-12}, "residual", 1e-12, wording.joint_loss_differs(2e-12, 1e-12)),
        ({"stored": 2e-3}, "store_residual", 1e-3, wording.store_differs(2e-3, 1e-3)),
        (
            {"not_finite": 2.0},
            "not-finite",
            0,
            wording.not_finite(2, lam=1.0, trial=0, epoch=2, split="val"),
        ),
    ],
)
def test_a_self_test_that_failed_is_an_alert(failed, rule, limit, sentence):
    [*_, alert] = findings = diversity_verdict.judge(with_self_tests(**failed))
    assert [finding.rule for finding in findings] == ["worth", "worth", rule]
    [number] = failed.values()
    assert alert == Finding(
        probe="diversity", rule=rule, level="alert", number=number, limit=limit, sentence=sentence
    )


@pytest.mark.parametrize("passed", [{}, {"residual": 1e-12}, {"stored": 1e-3}])
def test_a_self_test_within_its_limit_is_none(passed):
    assert {f.level for f in diversity_verdict.judge(with_self_tests(**passed))} == {"info"}


def test_examples_that_are_not_finite_are_counted_where_no_member_diverged():
    result = with_self_tests(not_finite=2.0)
    result["not_finite"][{"lam": 0, "trial": 2, "epoch": 0, "split": 2}] = 1.0
    alerts = [f for f in diversity_verdict.judge(result) if f.rule == "not-finite"]
    assert [alert.number for alert in alerts] == [3]
    assert alerts[0].sentence == wording.not_finite(3, lam=1.0, trial=0, epoch=2, split="val")
    result["diverged_members"][{"lam": 1, "trial": 0, "epoch": 2}] = 1
    [alert] = [f for f in diversity_verdict.judge(result) if f.rule == "not-finite"]
    assert alert.sentence == wording.not_finite(1, lam=0.0, trial=2, epoch=0, split="test")
    result["diverged_members"][{"lam": 0, "trial": 2, "epoch": 0}] = 3
    assert not [f for f in diversity_verdict.judge(result) if f.rule == "not-finite"]


# --- variance ------------------------------------------------------------------------------------


def terms(by_trial, **of):
    """Terms at λ = 0, 0.5 and 0.9, all different, with losses by trial."""
    values = {}
    for i, name in enumerate(TERMS):
        values[name] = ("lam", of.get(name, [i + 1.0, i + 1.25, i + 1.75]))
        values[f"{name}_se"] = ("lam", of.get(f"{name}_se", [0.01 * (i + 1)] * 3))
    values["expected_loss"] = ("lam", np.mean(by_trial, 1))
    values["expected_loss_se"] = ("lam", sem(by_trial, axis=1))
    values["trials"] = ("lam", [float(len(by_trial[0]))] * 3)
    values["ensemble_loss"] = (("lam", "trial"), by_trial)
    values["residual"] = ("lam", of.get("residual", [0.0, 0.0, 0.0]))
    return xr.Dataset(values, coords={"lam": [0.0, 0.5, 0.9]})


LOSSES = np.array([[0.5, 0.51, 0.49, 0.5], [0.6, 0.62, 0.59, 0.6], [0.401, 0.409, 0.391, 0.399]])
UNCERTAIN = np.array([[0.5, 0.6, 0.4, 0.5], [0.6, 0.62, 0.59, 0.6], [0.6, 0.3, 0.5, 0.4]])


def test_each_lambda_has_its_terms():
    findings = [f for f in variance.judge(terms(LOSSES)) if f.rule == "terms"]
    shift = dict(zip((0.0, 0.5, 0.9), (0.0, 0.25, 0.75), strict=True))
    reach = student.isf(0.025, 3) * 0.04  # of the diversity, the fourth term
    for finding, (lam, more), loss in zip(findings, shift.items(), LOSSES, strict=True):
        diversity = Interval(4 + more, 4 + more - reach, 4 + more + reach)
        assert finding == Finding(
            probe="variance",
            rule="terms",
            level="info",
            lam=lam,
            number=pytest.approx(loss.mean(), rel=1e-14),
            sentence=wording.terms(
                lam,
                4,
                loss=around(loss),
                diversity=diversity,
                bias=2 + more,
                variance=3 + more,
                bias_se=0.02,
                variance_se=0.03,
            ),
        )


def test_a_term_without_spread_has_no_interval_and_a_small_one_is_not_negative():
    result = terms(
        LOSSES,
        diversity=[0.0, 0.001, 2.0],
        diversity_se=[0.0, 0.01, 2e-13],
    )
    first, second, third = (f for f in variance.judge(result) if f.rule == "terms")
    assert first.sentence.endswith("minus their diversity, 0 nats.")
    reach = 0.001 + student.isf(0.025, 3) * 0.01
    assert f"diversity, 0.001 nats (95 % interval 0.000 to {reach:.3f} nats)." in second.sentence
    assert third.sentence.endswith("minus their diversity, 2 nats.")


def test_the_change_to_the_best_lambda_is_significant_and_split_into_its_terms():
    [change] = [f for f in variance.judge(terms(LOSSES)) if f.rule == "change"]
    loss = around(LOSSES[2] - LOSSES[0], comparisons=3)
    assert change == Finding(
        probe="variance",
        rule="change",
        level="info",
        lam=0.9,
        number=pytest.approx(loss.mean, rel=1e-12),
        sentence=wording.terms_change(0.9, 0.0, loss, bias=0.75, variance=0.75, diversity=0.75),
    )
    apart = terms(
        LOSSES,
        average_bias=[1.0, 9.0, 0.5],
        average_variance=[2.0, 9.0, 2.25],
        diversity=[1.0, 9.0, 2.0],
    )
    [change] = [f for f in variance.judge(apart) if f.rule == "change"]
    assert change.sentence == wording.terms_change(
        0.9, 0.0, loss, bias=-0.5, variance=0.25, diversity=1.0
    )


def test_a_change_that_is_not_significant_names_what_would_have_been():
    [change] = [f for f in variance.judge(terms(UNCERTAIN)) if f.rule == "change"]
    loss = around(UNCERTAIN[2] - UNCERTAIN[0], comparisons=3)
    detectable = stats.smallest_detectable(UNCERTAIN[0] - UNCERTAIN[2], 3)
    assert change == Finding(
        probe="variance",
        rule="change",
        level="info",
        lam=0.9,
        number=pytest.approx(loss.mean, rel=1e-12),
        sentence=wording.no_change(0.9, 0.0, loss, detectable),
    )


def test_the_order_of_lambdas_in_a_result_makes_no_difference():
    shuffled = terms(LOSSES).isel(lam=[2, 0, 1])
    [change] = [f for f in variance.judge(shuffled) if f.rule == "change"]
    assert change in variance.judge(terms(LOSSES))


def test_lambdas_without_terms_are_left_out():
    result = terms(LOSSES)
    result["expected_loss"][{"lam": 2}] = np.nan
    findings = variance.judge(result)  # λ = 0.9 had the lowest loss, λ = 0 has it now
    assert [(f.rule, f.lam) for f in findings] == [("terms", 0.0), ("terms", 0.5)]
    result["expected_loss"][:] = np.nan
    assert variance.judge(result) == []
    assert variance.judge(xr.Dataset(coords={"lam": [0.0]})) == []


def test_terms_that_do_not_add_up_are_an_alert():
    [alert] = [f for f in variance.judge(terms(LOSSES, residual=[0, 2e-12, 1e-13])) if f.limit]
    assert alert == Finding(
        probe="variance",
        rule="residual",
        level="alert",
        number=2e-12,
        limit=1e-12,
        sentence=wording.terms_differ(2e-12, 1e-12),
    )
    assert {f.level for f in variance.judge(terms(LOSSES, residual=[1e-12] * 3))} == {"info"}


# --- collusion -----------------------------------------------------------------------------------


def changes(more, loss, *, lam=(0.0, 0.5, 1.0), **attrs):
    """A result with changes from λ = 0 on test by λ and trial; other splits are NaN.

    Diversity is 5 nats and changes with λ, the gap between losses 0.25 nats and more by trial.
    """
    shape = np.shape(more)
    trial = np.arange(shape[1]) / 4
    on_test = np.array([np.nan, np.nan, 1.0])
    result = xr.Dataset(
        {
            "diversity_change": (("lam", "trial", "split"), np.array(more)[..., None] * on_test),
            "ensemble_loss_change": (
                ("lam", "trial", "split"),
                np.array(loss)[..., None] * on_test,
            ),
            "diversity": (("lam", "trial", "split"), 5 + np.array(more)[..., None] + [1, 1, 0]),
            "generalisation_gap": (("lam", "trial"), np.zeros(shape) + 0.25 + trial),
            "diversity_ratio": (("lam", "trial"), np.full(shape, 0.5)),
            "train_is_running": (("lam", "trial"), np.ones(shape)),
        },
        coords={"lam": list(lam), "trial": range(shape[1]), "split": SPLITS},
        attrs={"members": 4} | attrs,
    )
    result["generalisation_gap"] = result["generalisation_gap"] + result["lam"]
    return result


MORE = [[0.0] * 4, [3.0, 3.1, 3.2, 3.1], [1.0, 1.1, 0.9, 1.0]]
LESS = [[0.0] * 4, [-0.01, 0.01, 0.02, 0.0], [-0.5, -0.51, -0.49, -0.52]]


def of_rule(findings, *rules):
    return [finding for finding in findings if finding.rule in rules]


def test_collusion_and_its_absence_are_told_with_intervals_that_hold_together():
    findings = of_rule(
        collusion_verdict.judge(changes(MORE, LESS)), "pure-collusion", "added-diversity"
    )
    added, loss = around(MORE[1], comparisons=2), around(LESS[1], comparisons=2)
    assert findings[0] == Finding(
        probe="collusion",
        rule="pure-collusion",
        level="info",
        lam=0.5,
        number=pytest.approx(-loss.mean / added.mean, rel=1e-9),
        limit=0.05,
        trials=(0, 1, 2, 3),
        sentence=wording.collusion(0.5, added, loss, 0.05, np.nan),
    )
    added, loss = around(MORE[2], comparisons=2), around(LESS[2], comparisons=2)
    assert findings[1:] == [
        Finding(
            probe="collusion",
            rule="added-diversity",
            level="info",
            lam=1.0,
            number=pytest.approx(added.mean, rel=1e-12),
            trials=(0, 1, 2, 3),
            sentence=wording.added_diversity(
                1.0,
                added,
                loss,
                trials=4,
                detectable=stats.smallest_detectable(np.array(LESS[2]), 2),
            ),
        )
    ]


def test_a_gain_below_the_limit_is_told_as_a_share():
    gains = [[0.0] * 4, [-0.1, -0.11, -0.1, -0.09]]
    more = [[0.0] * 4, [5.0, 5.1, 4.9, 5.0]]
    result = changes(more, gains, lam=(0.0, 0.9))
    [finding] = of_rule(collusion_verdict.judge(result), "pure-collusion")
    assert finding.number == pytest.approx(0.02)
    assert finding.sentence == wording.collusion(0.9, around(more[1]), around(gains[1]), 0.05, 0.02)


def test_a_change_of_the_loss_that_was_not_detected_names_what_would_have_been():
    loss = np.array([[0.0] * 4, [-0.5, 0.4, 0.3, -0.3]])
    [finding] = of_rule(
        collusion_verdict.judge(changes(MORE[:2], loss, lam=(0.0, 1.0))), "added-diversity"
    )
    assert f"a difference of {stats.smallest_detectable(loss[1], 1):.2g} nats" in finding.sentence


def test_members_that_are_identical_are_neither():
    result = changes(MORE, LESS)
    result["diversity"][{"lam": 1, "split": 2}] = 0.0
    [finding] = [
        f
        for f in collusion_verdict.judge(result)
        if f.lam == 0.5 and f.rule != "generalisation-gap"
    ]
    assert finding == Finding(
        probe="collusion",
        rule="identical",
        level="info",
        lam=0.5,
        number=0.0,
        trials=(0, 1, 2, 3),
        sentence=wording.identical(0.5),
    )


def test_trials_without_independent_training_are_not_compared():
    result = changes(MORE, LESS)
    result["diversity_change"][{"trial": 3}] = np.nan
    result["ensemble_loss_change"][{"trial": 3}] = np.nan
    findings = of_rule(collusion_verdict.judge(result), "pure-collusion", "added-diversity")
    assert [finding.trials for finding in findings] == [(0, 1, 2)] * 2
    assert findings[0].number == pytest.approx(-np.mean(LESS[1][:3]) / np.mean(MORE[1][:3]))
    gaps = of_rule(collusion_verdict.judge(result), "generalisation-gap")
    assert [finding.trials for finding in gaps] == [(0, 1, 2, 3)] * 3


def test_lanes_that_have_not_begun_have_no_findings():
    result = changes(MORE, LESS)
    result["diversity"][{"lam": 1}] = np.nan
    findings = collusion_verdict.judge(result)
    assert {finding.lam for finding in findings} == {0.0, 1.0}
    assert collusion_verdict.judge(result.isel(lam=[1])) == []


def test_an_only_member_has_a_gap_and_nothing_else():
    findings = collusion_verdict.judge(changes(MORE, LESS, members=1))
    assert [finding.rule for finding in findings] == ["generalisation-gap"] * 3


def gap_of(lam, gap, reference, ratio=0.5, running=True, trials=(0, 1, 2, 3)):
    return Finding(
        probe="collusion",
        rule="generalisation-gap",
        level="info",
        lam=lam,
        number=pytest.approx(gap.mean, rel=1e-12),
        trials=trials,
        sentence=wording.generalization_gap(lam, gap, reference, ratio, running_means=running),
    )


GAP = 0.25 + np.arange(4) / 4


def test_the_gap_is_that_of_all_trials_beside_that_of_independent_training():
    findings = of_rule(collusion_verdict.judge(changes(MORE, LESS)), "generalisation-gap")
    assert findings == [
        gap_of(0.0, around(GAP), None),
        gap_of(0.5, around(GAP + 0.5), around(GAP)),
        gap_of(1.0, around(GAP + 1), around(GAP)),
    ]


def test_the_gap_has_no_reference_where_there_is_none():
    result = changes(MORE, LESS)
    alone = of_rule(collusion_verdict.judge(result.isel(lam=[2])), "generalisation-gap")
    assert alone == [gap_of(1.0, around(GAP + 1), None)]
    result["generalisation_gap"][{"lam": 0}] = np.nan
    findings = of_rule(collusion_verdict.judge(result), "generalisation-gap")
    assert findings[0] == gap_of(0.5, around(GAP + 0.5), None)
    assert [finding.lam for finding in findings] == [0.5, 1.0]


def test_training_values_are_running_means_if_those_of_any_trial_are():
    result = changes(MORE, LESS)
    result["train_is_running"][{"lam": 0}] = 0
    result["train_is_running"][{"lam": 1}] = [0, 0, 1, 0]
    findings = of_rule(collusion_verdict.judge(result), "generalisation-gap")
    running = ["running means" in finding.sentence for finding in findings]
    assert running == [False, True, True]


def offsets(result):
    """Add shares of offsets and what dropping costs: by λ, trial and split, and by fraction."""
    fractions = [0.2, 0.4, 0.6]
    by_trial = np.arange(4) / 100
    result = result.assign_coords(dropped=fractions)
    result["dropped_members"] = ("dropped", [1, 2, 3])
    share = (0.2 + by_trial)[None, :, None] + np.zeros((3, 4, 3)) + np.array([0.5, 0.5, 0.0])
    result["bias_share"] = (("lam", "trial", "split"), share)
    rise = share[..., None] * np.array([1.0, 2.0, 4.0])
    result["drop_rise"] = (("lam", "trial", "split", "dropped"), rise)
    result["predicted_rise"] = (("lam", "trial", "split", "dropped"), rise**2)
    return result


def test_offsets_and_dropping_are_told_for_the_second_fraction():
    findings = of_rule(collusion_verdict.judge(offsets(changes(MORE, LESS))), "hollow-diversity")
    share = 0.2 + np.arange(4) / 100
    assert findings == [
        Finding(
            probe="collusion",
            rule="hollow-diversity",
            level="info",
            lam=lam,
            number=pytest.approx(share.mean(), rel=1e-12),
            trials=(0, 1, 2, 3),
            sentence=wording.offsets_and_dropping(
                lam,
                around(-share),
                dropped=2,
                members=4,
                increase=around(2 * share),
                predicted=around(4 * share**2),
            ),
        )
        for lam in (0.0, 0.5, 1.0)
    ]


def test_offsets_cannot_take_more_than_all_of_the_diversity():
    result = offsets(changes(MORE, LESS))
    result["bias_share"][{"lam": 0, "split": 2}] = [0.9, 0.2, 0.9, 1.0]
    [finding, *_] = of_rule(collusion_verdict.judge(result), "hollow-diversity")
    assert "by −75 % (95 % interval −100 to −16 %)" in finding.sentence


def test_offsets_are_not_told_where_they_are_unknown():
    result = offsets(changes(MORE, LESS))
    result["bias_share"][{"lam": 0, "trial": 1}] = np.nan
    result["bias_share"][{"lam": 1}] = np.nan
    result["diversity"][{"lam": 2, "split": 2}] = 0.0
    findings = of_rule(collusion_verdict.judge(result), "hollow-diversity")
    assert [(finding.lam, finding.trials) for finding in findings] == [(0.0, (0, 2, 3))]


@pytest.mark.parametrize(
    ("more", "loss", "collusion"),
    [
        ([1.0, 1.01, 0.99], [0.0, 0.01, -0.01], True),
        ([1.0, 1.01, 0.99], [-0.06, -0.05, -0.055], False),  # lower by more than 5 %
        ([1.0, 1.01, 0.99], [-0.03, -0.031, -0.029], True),  # by 3 %
        ([1.0, -1.0, 0.5], [0.0, 0.01, 0.02], False),  # diversity may not have changed
        ([-1.0, -1.01, -0.99], [0.1, 0.11, 0.12], False),  # diversity is lower
    ],
)
def test_members_collude_if_diversity_is_higher_and_the_loss_hardly_lower(more, loss, collusion):
    assert collusion_verdict.collude(np.array(more), np.array(loss), 1) is collusion


def test_more_comparisons_need_more_evidence():
    more, loss = np.array([1.0, 1.2, 0.8]), np.array([0.0, 0.0, 0.01])
    assert collusion_verdict.collude(more, loss, 1)
    assert not collusion_verdict.collude(more, loss, 50)
