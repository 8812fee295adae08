import numpy as np
import pytest
import xarray as xr
import zarr

from jtdiag.probing import results
from jtdiag.probing.contract import Options
from jtdiag.probing.running import probe as ask
from jtdiag.store import run as store
from jtdiag.testing import toy_run
from jtdiag_probes.dominance import movement
from jtdiag_probes.dominance.dominance import probe


@pytest.fixture(scope="module")
def result(toy):
    return probe.ask(toy, Options())


def weights(run, name):
    """One parameter (lam, trial, epoch, member, …), read without jtdiag."""
    group = zarr.open_group(run.path / "store.zarr", mode="r")
    return group[f"checkpoints/{name}"][...].astype(float)


def test_parameters_are_those_of_the_checkpoints(toy, result):
    expected = ["layer1.bias", "layer1.weight", "layer2.bias", "layer2.weight"]
    assert list(toy.parameters) == expected
    assert result["parameter"].values.tolist() == expected


def test_displacement_of_a_lane_alone_is_that_of_the_probe(toy, result):
    lane = toy.lanes[-1]
    by_epoch = result["displacement"].isel(lam=lane.lam_index, trial=lane.trial)
    np.testing.assert_allclose(
        movement.displacement(toy, lane, 4), by_epoch.sel(epoch=4), rtol=1e-12
    )
    assert movement.displacement(toy, lane, 0) is None


def test_displacement_and_path_of_each_parameter_are_those_of_a_slow_loop(toy, result):
    lane = result.isel(lam=2, trial=1)
    for name in toy.parameters:
        values = weights(toy, name)[2, 1]
        by_layer = lane.sel(parameter=name)
        for member in range(3):
            path, before = 0.0, values[0, member]
            for epoch in range(5):
                now = values[epoch, member]
                path += np.sqrt(
                    sum((a - b) ** 2 for a, b in zip(now.flat, before.flat, strict=True))
                )
                straight = np.linalg.norm(now - values[0, member])
                before = now
                index = (epoch, member)
                assert by_layer["displacement_by_layer"].values[index] == pytest.approx(
                    straight, rel=1e-12
                )
                assert by_layer["path_length_by_layer"].values[index] == pytest.approx(
                    path, rel=1e-12
                )


def test_those_of_a_member_are_of_all_its_parameters_end_to_end(toy, result):
    flat = np.concatenate(
        [weights(toy, name).reshape(3, 2, 5, 3, -1) for name in toy.parameters], axis=-1
    )
    straight = np.linalg.norm(flat - flat[:, :, :1], axis=-1)
    steps = np.linalg.norm(np.diff(flat, axis=2), axis=-1)
    np.testing.assert_allclose(result["displacement"], straight, rtol=1e-12)
    np.testing.assert_allclose(
        result["path_length"].isel(epoch=slice(1, None)), steps.cumsum(2), rtol=1e-12
    )


def test_a_path_is_never_shorter_than_the_displacement(result):
    assert (result["path_length"] >= result["displacement"] - 1e-12).all()
    assert (result["path_length_by_layer"] >= result["displacement_by_layer"] - 1e-12).all()
    assert (result["displacement"].sel(epoch=0) == 0).all()


@pytest.mark.slow
def test_fewer_checkpoints_give_the_same_displacement_and_a_shorter_path(tmp_path, result):
    run = toy_run(tmp_path, trials=1, lam=[0.9], keep={"checkpoints": [0, 2, 4]})
    some = probe.ask(run, Options()).isel(lam=0, trial=0)
    every = result.sel(lam=0.9, trial=0)
    measured = some["displacement"].notnull().all("member")
    assert measured.values.tolist() == [True, False, True, False, True]
    np.testing.assert_allclose(
        some["displacement"].isel(epoch=-1), every["displacement"].isel(epoch=-1), rtol=1e-12
    )
    assert (some["path_length"].isel(epoch=-1) < every["path_length"].isel(epoch=-1)).all()


@pytest.mark.slow
@pytest.mark.parametrize("kept", [[1, "last"], "none"])
def test_without_the_start_nothing_is_known(kept, tmp_path):
    run = toy_run(tmp_path, trials=1, lam=[0.5], train={"epochs": 2}, keep={"checkpoints": kept})
    result = ask(run, "dominance")
    for name in movement.WRITES:
        assert result[name].isnull().all()
    xr.testing.assert_equal(results.load(run, "dominance"), result)
    assert "least-moved" not in {f.rule for f in probe.judge(result)}


@pytest.mark.slow
def test_one_parameter_is_in_memory_at_a_time(toy, monkeypatch):
    """Read whole, a checkpoint of large members would not fit."""
    monkeypatch.setattr(store.Run, "checkpoint", None)
    probe.ask(toy, Options())


def test_the_smallest_displacement_is_reported_at_the_last_epoch(result):
    findings = {f.lam: f for f in probe.judge(result) if f.rule == "least-moved"}
    assert list(findings) == [0, 0.9, 1]
    for lam, finding in findings.items():
        last = result["displacement"].sel(lam=lam, epoch=4)
        expected = (last.min("member") / last.median("member")).mean()
        assert finding.number == pytest.approx(float(expected), rel=1e-12)
        assert finding.epoch == 4
        assert f"is {100 * finding.number:.1f} % (95 % interval " in finding.sentence


@pytest.mark.slow
def test_buffers_do_not_move(tmp_path, record_again):
    run = toy_run(tmp_path, trials=1, lam=[0.5], train={"epochs": 1})
    group = zarr.open_group(run.path / "store.zarr", mode="r+")
    group["checkpoints/layer1.bias"].attrs["meaning"] = "buffer"
    with pytest.warns(zarr.errors.ZarrUserWarning, match="Consolidated"):
        zarr.consolidate_metadata(run.path / "store.zarr")
    record_again(run)
    assert "layer1.bias" not in store.Run(run.path).parameters
    assert "layer1.bias" in store.Run(run.path).checkpoint(run.lanes[0], 1)
