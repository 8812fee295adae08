import numpy as np
import pytest
import torch

from jtdiag.replay import Replay
from jtdiag.testing import toy_run
from jtdiag_probes.modules import batch_statistics
from jtdiag_probes.modules.batch_statistics import estimated, names_of

MEMBERS = {"hidden": [5, 4], "norm": "batch"}


@pytest.fixture(scope="module")
def replay(tmp_path_factory):
    folder = tmp_path_factory.mktemp("norm")
    run = toy_run(folder, lam=[0.5], trials=1, train={"epochs": 1}, members=MEMBERS)
    return Replay.of(run, run.lanes[0], 1)


def by_hand(weights, member, x):
    """Statistics of one batch (B, d), layer by layer, in numpy."""
    state = {name: weight[member].double().numpy() for name, weight in weights.items()}
    h, statistics = x.flatten(1).double().numpy(), {}
    for i in (1, 2):
        h = h @ state[f"layer{i}.weight"].T + state[f"layer{i}.bias"]
        statistics[f"norm{i}.running_mean"] = h.mean(0)
        statistics[f"norm{i}.running_var"] = h.var(0, ddof=1)
        h = (h - h.mean(0)) / np.sqrt(h.var(0) + 1e-5)
        h = np.maximum(h * state[f"norm{i}.weight"] + state[f"norm{i}.bias"], 0)
    return statistics


def test_estimates_are_those_of_numpy(replay):
    x = replay.examples("train")[0]
    before = {name: weight.clone() for name, weight in replay.weights.items()}
    again = estimated(replay, replay.weights, x)
    assert list(again) == names_of(replay.weights)
    for member in range(3):
        for name, expected in by_hand(replay.weights, member, x).items():
            np.testing.assert_allclose(again[name][member], expected, rtol=1e-9, atol=1e-12)
    assert all(torch.equal(weight, before[name]) for name, weight in replay.weights.items())


def test_several_batches_are_averaged(replay, monkeypatch):
    x = replay.examples("train")[0]
    monkeypatch.setattr(batch_statistics, "BATCH", len(x) // 2)
    again = estimated(replay, replay.weights, x)
    halves = [by_hand(replay.weights, 1, half) for half in torch.tensor_split(x, 2)]
    for name in names_of(replay.weights):
        expected = (halves[0][name] + halves[1][name]) / 2
        np.testing.assert_allclose(again[name][1], expected, rtol=1e-9, atol=1e-12)


def test_where_the_statistics_began_does_not_matter(replay):
    x = replay.examples("train")[0]
    again = estimated(replay, replay.weights, x)
    elsewhere = {**replay.weights, **{n: 3 + 100 * w for n, w in again.items()}}
    for name, statistic in estimated(replay, elsewhere, x).items():
        torch.testing.assert_close(statistic, again[name], rtol=1e-9, atol=1e-9)
    for name, statistic in estimated(replay, {**replay.weights, **again}, x).items():
        torch.testing.assert_close(statistic, again[name], rtol=1e-9, atol=1e-12)


FACTORY = """
from torch import nn

def average_of_all():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(2, 5), nn.BatchNorm1d(5, momentum=None), nn.Dropout(0.5),
        nn.Linear(5, 4), nn.BatchNorm1d(4, momentum=0.3), nn.Linear(4, 3),
    )

def fixed():
    return nn.Sequential(nn.Flatten(), nn.Linear(2, 5), nn.BatchNorm1d(5, momentum=0.0),
                         nn.Linear(5, 3))
"""


def of_factory(folder, name):
    (folder / "factory.py").write_text(FACTORY)
    members = {"arch": "module", "factory": f"{folder}/factory.py:{name}", "hidden": []}
    run = toy_run(folder, lam=[0.5], trials=1, train={"epochs": 1}, members=members)
    return Replay.of(run, run.lanes[0], 1)


def test_any_momentum_and_dropout(tmp_path):
    replay = of_factory(tmp_path, "average_of_all")
    x = replay.examples("train")[0]
    again = estimated(replay, replay.weights, x)
    h = x.flatten(1) @ replay.weights["1.weight"][2].T + replay.weights["1.bias"][2]
    torch.testing.assert_close(again["2.running_mean"][2], h.mean(0), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(again["2.running_var"][2], h.var(0), rtol=1e-9, atol=1e-12)
    same = estimated(replay, replay.weights, x)
    assert all(torch.equal(again[name], same[name]) for name in again)


def test_statistics_that_do_not_move_stay(tmp_path):
    replay = of_factory(tmp_path, "fixed")
    again = estimated(replay, replay.weights, replay.examples("train")[0])
    for name, statistic in again.items():
        assert torch.equal(statistic, replay.weights[name])


def test_without_batchnorm_there_is_nothing_to_estimate(tmp_path):
    run = toy_run(tmp_path, lam=[0.5], trials=1, train={"epochs": 1})
    replay = Replay.of(run, run.lanes[0], 1)
    assert names_of(replay.weights) == []
    assert estimated(replay, replay.weights, replay.examples("train")[0]) == {}
