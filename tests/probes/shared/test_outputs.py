import numpy as np
import pytest
import xarray as xr

from jtdiag.probing.contract import Options
from jtdiag.store import direct, layout
from jtdiag.testing import toy_run
from jtdiag_probes.dominance import dominance
from jtdiag_probes.shared.outputs import over_outputs


def count(lane, blocks):
    """The examples, and for each member the sum of its logits."""
    stored = list(blocks)
    return {
        "examples": sum(len(block.target) for block in stored),
        "sums": sum(block.logits.astype(float).sum((1, 2)) for block in stored),
    }


ROWS = {"examples": (), "sums": ("member",)}


@pytest.mark.slow
def test_every_kept_epoch_and_split_is_reduced(toy):
    reduced = over_outputs(toy, toy.metrics(), ROWS, count)
    assert reduced["examples"].dims == ("lam", "trial", "epoch", "split")
    assert reduced["sums"].dims == ("lam", "trial", "epoch", "split", "member")
    assert (reduced["examples"].sel(split="val") == 20).all()
    assert (reduced["examples"].sel(split="test") == 40).all()
    logits = toy.tree["outputs/test"]["logits"].astype(float).sum(["example", "output"])
    np.testing.assert_allclose(reduced["sums"].sel(split="test"), logits, rtol=1e-12)


@pytest.mark.slow
def test_coordinates_are_those_of_the_metrics(toy):
    metrics = toy.metrics()
    reduced = over_outputs(toy, metrics, ROWS, count)
    for name in ("lam", "trial", "epoch", "split", "member"):
        xr.testing.assert_identical(reduced[name], metrics[name])


@pytest.mark.slow
def test_what_is_not_kept_is_unknown(tmp_path):
    run = toy_run(tmp_path, trials=1, lam=[0.5], keep={"outputs": [1, "last"], "splits": ["test"]})
    reduced = over_outputs(run, run.metrics(), ROWS, count)["examples"].squeeze()
    assert reduced.sel(split="test").notnull().values.tolist() == [False, True, False, False, True]
    assert reduced.sel(split=["train", "val"]).isnull().all()


@pytest.mark.slow
def test_epochs_sealed_after_the_metrics_were_read_are_skipped(toy):
    early = toy.metrics().isel(epoch=slice(0, 2))
    reduced = over_outputs(toy, early, ROWS, count)
    assert reduced.sizes["epoch"] == 2
    assert (reduced["examples"].sel(split="test") == 40).all()


@pytest.mark.slow
def test_blocks_are_read_one_by_one_as_they_are_used(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "CHUNK_BYTES", 1000)
    run = toy_run(tmp_path, trials=1, lam=[0.5], train={"epochs": 1}, keep={"splits": ["test"]})
    happened, read = [], direct.read

    def noted_read(array, *where):
        if array.basename == "logits":
            happened.append("read")
        return read(array, *where)

    def use_each(lane, blocks):
        happened.extend("used" for _ in blocks)
        return {"examples": 0.0, "sums": 0.0}

    monkeypatch.setattr(direct, "read", noted_read)
    over_outputs(run, run.metrics(), ROWS, use_each)
    assert happened == ["read", "used"] * (2 * 2)


@pytest.mark.slow
def test_a_lane_that_has_not_started_is_nan(toy_copy, cut_back):
    run = cut_back(toy_copy, 4, -1, 4, 4, 4, 4)
    share = dominance.probe.ask(run, Options())["logit_share"].sel(split="test", trial=0)
    assert share.sel(lam=0.9).isnull().all()
    assert share.sel(lam=[0, 1]).notnull().all()
