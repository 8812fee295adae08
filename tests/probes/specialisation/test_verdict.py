import numpy as np
import pytest
import xarray as xr

from jtdiag_probes.specialisation.verdict import judge, pattern


@pytest.mark.parametrize(
    ("effective", "leader_weight", "members", "name"),
    [
        (1.0, 1.0, 4, "dominance"),
        (1.59, 0.95, 4, "dominance"),
        (1.7, 0.95, 4, ""),
        (1.2, 0.6, 4, "specialisation"),
        (2.8, 0.5, 4, "specialisation"),
        (2.9, 0.5, 4, ""),
        (3.7, 0.99, 4, "independence"),
        (4.0, 0.3, 4, "independence"),
        (1.1, 1.0, 2, "dominance"),
        (1.5, 0.6, 2, "specialisation"),
        (1.95, 1.0, 2, "independence"),
    ],
)
def test_a_pattern_is_named_by_its_members_per_mode_and_its_leader(
    effective, leader_weight, members, name
):
    assert pattern(effective, leader_weight, members) == name


def result(effective, leader, learned, modes=2):
    """A result of one λ whose last epoch has these values by trial, for four members."""
    trials = len(effective)
    lane = ("lam", "trial", "epoch", "split")
    shape = (1, trials, 2, 1)

    def at_end(values, *more):
        array = np.full((*shape, *more), np.nan)
        array[0, :, 1, 0] = values
        return array

    won = np.zeros((trials, 4))
    won[:, 2] = leader
    sigma = np.full((trials, 3), np.nan)
    sigma[:, :modes] = 1.0
    return xr.Dataset(
        {
            "effective_members_per_mode": (lane, at_end(effective)),
            "weight_won": ((*lane, "member"), at_end(won, 4)),
            "singular_value": ((*lane, "mode"), at_end(sigma, 3)),
            "mode_share": ((*lane, "mode", "member"), np.full((*shape, 3, 4), np.nan)),
            "learned": (lane, at_end(learned)),
            "last_epoch": (lane[:2], np.where(np.isnan(learned), -1, 5)[None]),
        },
        coords={"lam": [1.0], "epoch": [0, 5], "split": ["test"]},
    )


def test_trials_are_named_one_by_one_and_summed_up():
    [finding] = judge(result([1.1, 1.2, 2.0], [1.0, 1.0, 0.6], [1, 1, 1]))
    assert (finding.rule, finding.epoch, finding.lam) == ("pattern", 5, 1.0)
    assert finding.number == pytest.approx(4.3 / 3)
    assert "(dominance) in 2 of 3 trials and different members" in finding.sentence
    assert "(specialization) in 1 of 3 trials." in finding.sentence


def test_the_interval_stays_within_what_is_possible():
    [finding] = judge(result([1.01, 1.2], [1.0, 0.99], [1, 1]))
    assert "is 1.10 (95 % interval 1.00 to 2.31), of 4" in finding.sentence
    assert "to 100 %) of the weight" in finding.sentence


def test_trials_at_chance_and_diverged_ones_are_left_out_and_counted():
    [finding] = judge(result([1.1, 1.2, np.nan], [1.0, 1.0, np.nan], [1, 0, 0]))
    assert finding.sentence.endswith(
        "(dominance). 2 trials are left out, in which the ensemble is not better than chance."
    )


def test_where_nothing_was_learned_nothing_is_named():
    [finding] = judge(result([1.1, 1.1], [1.0, 1.0], [0, 0]))
    assert finding.rule == "nothing-learned"
    assert "cannot be said" in finding.sentence


def test_one_mode_leaves_no_room_for_specialization():
    for effective, name in ((1.2, "it nearly alone"), (2.5, "neither dominance nor"), (4, "in it")):
        [finding] = judge(result([effective], [1.0], [1], modes=1))
        assert "the outputs have a single mode: " in finding.sentence
        assert name in finding.sentence


def test_a_single_member_and_a_run_without_outputs_have_no_finding():
    alone = result([1.0], [1.0], [1]).isel(member=[0])
    assert judge(alone) == []
    nothing = result([np.nan], [np.nan], [np.nan])
    assert judge(nothing) == []
    assert judge(xr.Dataset(coords={"lam": [1.0]})) == []
