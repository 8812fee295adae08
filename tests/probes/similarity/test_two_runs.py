import numpy as np
import pytest

from jtdiag.errors import ProbeError
from jtdiag.replay import Replay
from jtdiag.testing import toy_run
from jtdiag_probes.similarity import similarity
from jtdiag_probes.similarity.cka import cka
from jtdiag_probes.similarity.two_runs import between

SMALL = {"trials": 2, "train": {"epochs": 1}, "keep": {"checkpoints": [0, "last"]}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs that differ in the layers, the λs and the seed."""
    folder = tmp_path_factory.mktemp("two")
    one = toy_run(folder, **SMALL, name="one", members={"hidden": [5, 4]}, lam=[0.0, 1.0])
    return one, toy_run(folder, **SMALL, name="other", members={"count": 2}, lam=[0.9], seed=5)


def test_it_is_the_mean_cka_of_all_pairs_of_members(runs):
    one, other = runs
    found = between(one, other)
    assert found.sizes == {"lam": 2, "other_lam": 1, "trial": 2, "layer": 4, "other_layer": 3}
    replays = Replay.of(one, one.lanes[3], 1), Replay.of(other, other.lanes[1], 1)
    x, _ = replays[0].examples("test")
    a, b = replays[0].features(x, "layer2"), replays[1].features(x, "layer1")
    expected = np.mean([cka(p.numpy(), q.numpy()) for p in a for q in b])
    value = found.sel(lam=1.0, other_lam=0.9, trial=1, layer="layer2", other_layer="layer1")
    assert float(value) == pytest.approx(expected, abs=1e-10)
    inputs = found.sel(layer="inputs", other_layer="inputs")
    np.testing.assert_allclose(inputs, 1)


def test_the_runs_can_be_exchanged(runs):
    one, other = runs
    exchanged = between(other, one)
    expected = between(one, other).transpose("other_lam", "lam", "trial", "other_layer", "layer")
    np.testing.assert_allclose(exchanged, expected)


def test_a_single_member_is_the_same_as_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(similarity, "MEMBERS", 1)
    run = toy_run(tmp_path, **SMALL, members={"count": 1}, lam=[0.0])
    own = between(run, run).isel(lam=0, other_lam=0)
    for layer in map(str, own["layer"].values):
        np.testing.assert_allclose(own.sel(layer=layer, other_layer=layer), 1)


def test_runs_with_other_examples_are_refused_in_one_line(runs, tmp_path):
    few = toy_run(tmp_path, **SMALL, data={"classes": [[0], [2]]}, lam=[0.0])
    with pytest.raises(ProbeError, match="different test examples") as caught:
        between(runs[0], few)
    assert "\n" not in str(caught.value)


def test_a_run_without_checkpoints_is_refused(tmp_path):
    run = toy_run(tmp_path, **{**SMALL, "keep": {"checkpoints": "none"}}, lam=[0.0])
    with pytest.raises(ProbeError, match=r"keep\.checkpoints"):
        between(run, run)
