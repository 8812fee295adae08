"""The simulation of many workers, against closed forms and a slow version that counts seconds."""

import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest

PATH = Path(__file__).parents[1] / "benchmarks" / "scale_model.py"
spec = importlib.util.spec_from_file_location("scale_model", PATH)
model = sys.modules["scale_model"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(model)


def simulate(seed=0, *, workers, start=0.0, life=math.inf, notice=0.0, dispatch=0.0, **sweep):
    cluster = model.Cluster(
        workers=workers, start=start, life=life, notice=notice, dispatch=dispatch
    )
    return model.simulate(model.Sweep(**sweep), cluster, np.random.default_rng(seed))


@pytest.mark.parametrize("lanes", [1, 7, 16, 17, 35])
@pytest.mark.parametrize("workers", [1, 2, 16, 128])
@pytest.mark.parametrize("group", [1, 3])
def test_equal_lanes_without_deaths_take_as_many_rounds_as_the_fullest_worker(
    lanes, workers, group
):
    size = {"lanes": lanes, "group": group, "epochs": 4, "epoch": 2.5, "begin": 1.0}
    outcome = simulate(workers=workers, start=30, **size)
    rest = lanes % group
    rounds, full = math.ceil(math.ceil(lanes / group) / workers), 1 + 4 * 2.5 * group
    short = 1 + 4 * 2.5 * rest if rest and (lanes // group) % workers == 0 else full
    assert outcome.makespan == pytest.approx(30 + (rounds - 1) * full + short)
    assert outcome.useful == pytest.approx(math.ceil(lanes / group) + lanes * 10)
    assert (outcome.lost, outcome.deaths) == (0, 0)
    if group == 1:
        assert outcome.makespan == 30 + math.ceil(lanes / workers) * 11


def test_the_last_lane_alone_bounds_what_workers_can_gain():
    size = {"lanes": 50, "epochs": 10, "epoch": 1.0, "spread": 0.4}
    spans = {workers: simulate(workers=workers, **size).makespan for workers in (1, 50, 500)}
    slowest = 10 * np.exp(0.4 * np.random.default_rng(0).standard_normal(50)).max()
    assert spans[50] == spans[500] == pytest.approx(slowest)
    assert spans[1] == pytest.approx(simulate(workers=1, **size).useful)


def test_a_lane_that_workers_die_of_takes_what_renewal_theory_says():
    """Epochs of τ seconds, deaths at rate r, D seconds until it goes on: (e^rτ − 1)(1/r + D) each.

    Feller, An Introduction to Probability Theory and Its Applications, vol. 2, XI.
    """
    epoch, life, delay, epochs = 3.0, 5.0, 2.0, 8
    expected = epochs * math.expm1(epoch / life) * (life + delay)
    size = {"lanes": 1, "epochs": epochs, "epoch": epoch}
    outcomes = [
        simulate(seed, workers=1, life=life, notice=delay, start=0, **size) for seed in range(4000)
    ]
    spans = np.array([outcome.makespan for outcome in outcomes])
    assert abs(spans.mean() - expected) < 4 * spans.std() / len(spans) ** 0.5
    for outcome in outcomes[:100]:
        assert outcome.useful == pytest.approx(epochs * epoch)
        waited = outcome.deaths * delay
        assert outcome.makespan == pytest.approx(outcome.useful + outcome.lost + waited)


def test_less_is_lost_with_more_seals():
    """Of 64 lanes of 100 s each, at most an epoch is lost with a worker."""
    lost = {}
    for epochs in (1, 100):
        size = {"lanes": 64, "epochs": epochs, "epoch": 100 / epochs}
        outcome = simulate(workers=16, life=300.0, **size)
        assert outcome.lost <= outcome.deaths * 100 / epochs
        lost[epochs] = outcome.lost
    assert lost[100] < lost[1] / 20


def test_the_scheduler_gives_out_one_task_after_the_other():
    outcome = simulate(workers=100, dispatch=0.5, lanes=100, epochs=1, epoch=3.0)
    assert outcome.makespan == pytest.approx(100 * 0.5 + 3)


def test_most_seals_are_those_of_all_workers_at_once():
    outcome = simulate(workers=8, lanes=24, epochs=5, epoch=0.5, begin=1.0)
    assert outcome.most_seals == pytest.approx(8 / 0.5)
    grouped = simulate(workers=8, lanes=24, group=3, epochs=5, epoch=0.5)
    assert grouped.most_seals == pytest.approx(8 / 0.5)
