import numpy as np
import pytest
import zarr

from jtdiag.probing.contract import Options
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.filters import filters
from jtdiag_probes.filters.filters import probe


@pytest.mark.slow
class TestFilters(ProbePromises):
    probe = probe


@pytest.fixture(scope="module")
def result(toy):
    return probe.ask(toy, Options())


@pytest.mark.slow
def test_norms_and_distances_are_those_of_the_checkpoints(toy, result):
    for lane in toy.lanes:
        index = (lane.lam_index, lane.trial)
        start = toy.checkpoint(lane, 0)["layer1.weight"]
        for epoch in range(5):
            weights = toy.checkpoint(lane, epoch)["layer1.weight"]
            distance = [np.linalg.norm(weights[j] - start[j]) for j in range(3)]
            np.testing.assert_allclose(result["start_distance"].values[(*index, epoch)], distance)
        chosen = toy.chosen_epoch(lane)
        assert result["measured_epoch"].values[index] == chosen
        weights = toy.checkpoint(lane, chosen)["layer1.weight"]
        slow = [[np.linalg.norm(weights[j, f]) for f in range(5)] for j in range(3)]
        np.testing.assert_allclose(result["filter_norm"].values[index], slow)
        limit = np.percentile(slow, 95) / 2
        share = [np.mean([norm >= limit for norm in norms]) for norms in slow]
        np.testing.assert_allclose(result["strong_share"].values[(*index, chosen)], share)


def test_images_are_those_of_the_listed_filters(toy, result):
    for lane in toy.lanes:
        weights = toy.checkpoint(lane, toy.chosen_epoch(lane))["layer1.weight"]
        of_lane = result.isel(lam=lane.lam_index, trial=lane.trial)
        assert of_lane["shown_member"].values.tolist() == [0, 1, 2]
        for column in range(3):
            order = of_lane["shown_filter"].values[column].astype(int)
            np.testing.assert_allclose(of_lane["image"][column, :, 0], weights[column, order])
            assert (np.diff(of_lane["filter_norm"].values[column, order]) <= 0).all()


@pytest.mark.slow
def test_the_images_of_a_lane_are_bounded(toy, monkeypatch):
    monkeypatch.setattr(filters, "SHOWN_MEMBERS", 2)
    monkeypatch.setattr(filters, "SHOWN_PIXELS", 2 * 2 * 3)
    result = probe.ask(toy, Options())
    assert result["image"].shape == (3, 2, 2, 3, 1, 2)
    assert result["image"].dtype == np.float32


def test_channels_are_averaged():
    weights = np.arange(2 * 3 * 12.0).reshape(2, 3, 12)
    result = probe_like(members=2, places=3, rows=2, columns=2)
    norm = np.arange(6.0).reshape(2, 3)
    filters._store_images(weights, norm, (3, 2, 2), result, (0, 0))
    first = weights[0, 2].reshape(3, 2, 2)
    np.testing.assert_allclose(result["image"].values[0, 0, 0, 0], first.mean(0))


def probe_like(members, places, rows, columns):
    import xarray as xr

    shape = (1, 1, members, places)
    dims = ("lam", "trial", "column", "place")
    return xr.Dataset(
        {
            "shown_member": (dims[:3], np.full(shape[:3], np.nan)),
            "shown_filter": (dims, np.full(shape, np.nan)),
            "image": ((*dims, "y", "x"), np.full((*shape, rows, columns), np.nan)),
        }
    )


@pytest.mark.slow
def test_without_the_initial_weights_there_is_no_distance_and_no_stagnation(tmp_path):
    run = toy_run(tmp_path, trials=1, lam=[0.9], keep={"checkpoints": [2, "last"]})
    result = probe.ask(run, Options())
    assert result["start_distance"].isnull().all()
    assert result["strong_share"].notnull().values[0, 0, :, 0].tolist() == [0, 0, 1, 0, 1]
    assert [f.rule for f in probe.judge(result)] == ["strong-filters"]


def test_without_checkpoints_there_is_no_finding(small_run):
    result = probe.ask(small_run, Options())
    assert (result["measured_epoch"] == -1).all()
    assert probe.judge(result) == []


@pytest.mark.slow
def test_only_the_first_layer_is_read(toy, monkeypatch):
    read = []
    of_one = type(toy).parameter
    monkeypatch.setattr(
        type(toy),
        "parameter",
        lambda run, lane, epoch, name: read.append(name) or of_one(run, lane, epoch, name),
    )
    monkeypatch.delattr(type(toy), "checkpoint")
    probe.ask(toy, Options())
    assert set(read) == {"layer1.weight"}


# --- findings -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_members_that_barely_moved_are_named(toy_copy, record_again):
    store = zarr.open_group(toy_copy.path / "store.zarr", mode="r+")
    weights = store["checkpoints/layer1.weight"]
    for trial, member in ((0, 1), (1, 2)):
        weights[2, trial, 1:, member] = np.stack(4 * [weights[2, trial, 0, member]])
    record_again(toy_copy)
    result = probe.ask(toy_copy, Options())
    [alert] = [f for f in probe.judge(result) if f.level == "alert"]
    assert (alert.rule, alert.lam) == ("stagnant-filters", 1.0)
    assert (alert.trials, alert.members) == ((0, 1), (1, 2))
    assert alert.number == pytest.approx(1 / 3)
    assert "members stagnate in 2 of 2 trials" in alert.sentence
    assert "(trial 0: member 1; trial 1: member 2)" in alert.sentence


def test_each_lambda_has_a_sentence_on_its_strong_filters(toy, result):
    findings = {f.lam: f for f in probe.judge(result) if f.rule == "strong-filters"}
    assert list(findings) == [0.0, 0.9, 1.0]
    for index, (lam, finding) in enumerate(findings.items()):
        shares = [
            np.sort(
                result["strong_share"].values[index, t, result["measured_epoch"].values[index, t]]
            )
            for t in (0, 1)
        ]
        assert finding.number == pytest.approx(np.mean([s[1] for s in shares]))
        weakest = 100 * np.mean([s[0] for s in shares])
        assert finding.sentence.startswith(f"λ = {lam:g}: ")
        assert f"the weakest member has {weakest:.0f} %, the strongest" in finding.sentence


def test_a_single_member_has_no_finding(result):
    assert probe.judge(result.isel(member=[0])) == []
