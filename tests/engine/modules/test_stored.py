"""Runs with modules: what the store has, resuming, verifying, and the commands that read it."""

import numpy as np
import pytest
import xarray as xr

from jtdiag import names
from jtdiag.engine.stopping import StopRequest, TrainingStopped
from jtdiag.engine.train import train
from jtdiag.errors import RecipeError
from jtdiag.probing.contract import Options
from jtdiag.replay import Replay
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag_probes.combining.stacking import probe as stacking

MLP = {"arch": "mlp", "count": 3, "hidden": [7, 6], "norm": "batch"}
LOCAL = {"credit": "local", "loss": "predsim", "mu": 0.5}
MEASURED = {
    "synthetic": {"credit": "synthetic", "warmup": 1, "mu": 0.5},
    "targets": {"credit": "targets"},
    "codes": {"credit": "codes", "sweeps": 2},
}
"""Credits that measure something in training."""


@pytest.fixture
def recipe_of(of_images):
    def make(**changes):
        return of_images(**{"members": MLP, "modules": LOCAL, **changes})

    return make


def test_the_store_names_its_modules_and_their_errors(tmp_path, recipe_of):
    run = train(recipe_of(modules={**LOCAL, "cuts": [1]}), tmp_path / "run")
    assert run.modules == {"layer1": (0, 1), "head": (1, 3)}
    metrics = run.metrics()
    error = metrics["module_error"]
    assert error.dims == ("lam", "trial", "epoch", "split", "member", "module")
    assert list(error.module.values) == ["layer1", "head"]
    for name in names.MODULE_VARIABLES:
        assert np.isfinite(metrics[name]).all(), name
    last = error.isel(module=-1).values
    np.testing.assert_array_equal(last, metrics["member_error"].values)
    parameters = xr.open_zarr(run.path / "store.zarr", group="modules", consolidated=False)
    assert parameters.trained_until.values.tolist() == [run.recipe.train.epochs] * 2
    assert parameters.parameters.values.tolist() == [192 * 7 + 7 + 14, 7 * 6 + 6 + 12 + 6 * 3 + 3]
    assert run.check() > 0


@pytest.mark.parametrize("modules", [LOCAL, {"credit": "proxy", "epochs": [1, 1, 1]}])
def test_a_combiner_is_fitted_to_members_that_are_trained_module_by_module(
    tmp_path, recipe_of, modules
):
    recipe = recipe_of(
        scheme="stacking",
        lam=[0.0],
        modules=modules,
        data={"val": 8},
        train={"epochs": 3},
        keep={"outputs": ["best"], "splits": ["val", "test"]},
    )
    result = stacking.ask(train(recipe, tmp_path / "run"), Options())
    assert np.isfinite(result["coefficient"]).all()


def test_xarray_alone_reads_local_heads(tmp_path, recipe_of):
    run = train(recipe_of(), tmp_path / "run")
    lane = Lane(lam_index=1, trial=0)
    name = "auxiliary/layer1.classifier.weight"
    stored = run.auxiliaries(lane, 2)[name]
    group = xr.open_zarr(run.path / "store.zarr", group="checkpoints/auxiliary", consolidated=False)
    alone = group["layer1.classifier.weight"].isel(lam=1, trial=0, epoch=2).values
    np.testing.assert_array_equal(stored, alone)
    assert stored.shape == (3, 3, 7)
    assert "/checkpoints/auxiliary" in run.tree.groups
    assert name not in run.checkpoint(lane, 2)


def test_a_probe_replays_the_members_without_their_local_heads(tmp_path, recipe_of):
    run = train(recipe_of(keep={"splits": ["test"]}), tmp_path / "run")
    lane = Lane(lam_index=0, trial=0)
    replay = Replay.of(run, lane, 2)
    x, _ = replay.examples("test")
    (block,) = run.outputs(lane, 2, "test")
    np.testing.assert_allclose(replay.logits(x).numpy(), block.logits, atol=1e-6)


class StopAfter(StopRequest):
    """Requests a stop once an epoch is done."""

    def __init__(self, epochs):
        super().__init__()
        self.left = epochs

    def between_epochs(self):
        self.left -= 1
        if self.left < 0:
            raise TrainingStopped("stopped")


@pytest.mark.parametrize(
    "modules", [LOCAL, {"credit": "frozen", "watch": True}, *MEASURED.values()]
)
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path, recipe_of, modules):
    recipe = recipe_of(modules=modules, train={"epochs": 3, "optimiser": "adamw", "lr": 0.01})
    whole = train(recipe, tmp_path / "whole")
    with pytest.raises(TrainingStopped):
        train(recipe, tmp_path / "parts", stop=StopAfter(2))
    parts = train(recipe, tmp_path / "parts", resume=True)
    xr.testing.assert_identical(whole.metrics(), parts.metrics())
    for lane in whole.lanes:
        for read in (Run.checkpoint, Run.auxiliaries):
            first, second = read(whole, lane, 3), read(parts, lane, 3)
            assert first.keys() == second.keys()
            for name in first:
                np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize(
    ("modules", "measured"),
    [
        (MEASURED["synthetic"], {"synthetic_r2": ["layer1", "layer2"]}),
        (
            MEASURED["codes"],
            {name: ["layer1", "layer2", "head"] for name in ("energy", "energy_before")},
        ),
        (MEASURED["targets"], {"inverse_error": ["layer2"]}),
        (
            {**MEASURED["targets"], "first": "output"},
            {"inverse_error": ["layer2", "head"]},
        ),
    ],
)
def test_the_store_has_what_a_credit_measures_in_training(tmp_path, recipe_of, modules, measured):
    run = train(recipe_of(modules=modules), tmp_path / "run")
    metrics = run.metrics()
    for name, expected in measured.items():
        values = metrics[name]
        assert values.dims == ("lam", "trial", "epoch", "member", "module")
        assert values.attrs["unit"]
        assert not np.isfinite(values.sel(epoch=0)).any()  # nothing is trained
        finite = np.isfinite(values.sel(epoch=slice(1, None))).all(
            ["lam", "trial", "epoch", "member"]
        )
        assert list(metrics.module.values[finite]) == expected
    assert "module_error" not in metrics
    assert run.check() > 0


def test_a_damaged_local_head_is_found(tmp_path, recipe_of):
    run = train(recipe_of(), tmp_path / "run")
    folder = run.path / "store.zarr/checkpoints/auxiliary/layer1.classifier.weight/c/0/0/1"
    chunk = next(path for path in folder.rglob("*") if path.is_file())
    data = bytearray(chunk.read_bytes())
    data[5] ^= 1
    chunk.write_bytes(data)
    with pytest.raises(Exception, match=r"auxiliary/layer1.classifier.weight"):
        Run(run.path).check()


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"modules": {**LOCAL, "cuts": [3]}}, "members have 2 hidden layers"),
        ({"modules": {"credit": "local", "reach": 4}}, "reach is 4, and members have 3 modules"),
        ({"modules": {**LOCAL, "rates": [1, 2]}}, "lists 2 rates for 3 modules"),
        ({"members": {"arch": "mlp", "count": 3}}, "a single layer here"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    tmp_path, recipe_of, changes, advice
):
    with pytest.raises(RecipeError, match=advice):
        train(recipe_of(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_resumed_with_other_modules(tmp_path, recipe_of):
    train(recipe_of(), tmp_path / "run")
    with pytest.raises(Exception, match=r"these fields differ: modules.mu"):
        train(recipe_of(modules={**LOCAL, "mu": 0.4}), tmp_path / "run", resume=True)
