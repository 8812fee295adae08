import shutil

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.special import logsumexp
from torch import nn

from jtdiag import names
from jtdiag.errors import StoreError
from jtdiag.recipe import toml
from jtdiag.store import lanes, layout, states
from jtdiag.store.lanes import Lane, Seal
from jtdiag.store.run import Run
from jtdiag.testing import toy_run

SPLITS = ("train", "val", "test")
EPOCHS = 2


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two lambdas, two trials, four epochs, everything kept as it was computed."""
    return toy_run(
        tmp_path_factory.mktemp("store"),
        lam=[0, 0.9],
        train={"epochs": EPOCHS},
        keep={"splits": list(SPLITS), "dtype": "float64"},
    )


@pytest.fixture
def copy(run, tmp_path):
    """A copy of the run, to be damaged."""
    shutil.copytree(run.path, tmp_path / "run")
    return Run(tmp_path / "run")


@pytest.fixture(scope="module")
def one_lane(tmp_path_factory):
    """One lane of two epochs, which is quickly copied."""
    return toy_run(
        tmp_path_factory.mktemp("lane"),
        lam=0.9,
        trials=1,
        train={"epochs": 1},
        keep={"splits": list(SPLITS)},
    )


@pytest.fixture
def lane_copy(one_lane, tmp_path):
    """A copy of the run of one lane, to be damaged."""
    shutil.copytree(one_lane.path, tmp_path / "run")
    return Run(tmp_path / "run")


def take_back(run, lane, epoch):
    """Let a lane be sealed only up to an epoch, whatever lies on disk."""
    kept = tuple(range(epoch + 1))
    lanes.write_seal(run.path, lane, Seal(epoch=epoch, outputs=kept, checkpoints=kept))


# --- without jtdiag ------------------------------------------------------------------------------


def test_xarray_opens_a_store_with_its_dimensions_in_order(run):
    tree = xr.open_datatree(run.path / "store.zarr", engine="zarr")
    metrics = tree["metrics"].dataset
    for name in (names.MEMBER_LOSS, names.MEMBER_ERROR):
        assert metrics[name].dims == ("lam", "trial", "epoch", "split", "member")
    for name in (names.ENSEMBLE_LOSS, names.ENSEMBLE_ERROR):
        assert metrics[name].dims == ("lam", "trial", "epoch", "split")
    assert metrics["lam"].values.tolist() == [0.0, 0.9]
    assert metrics["trial"].values.tolist() == [0, 1]
    assert metrics["epoch"].values.tolist() == [0, 1, 2]
    assert metrics["split"].values.tolist() == list(SPLITS)
    assert metrics["member"].values.tolist() == [0, 1, 2]
    logits = tree["outputs/test"]["logits"]
    assert logits.dims == ("lam", "trial", "epoch", "member", "example", "output")
    assert logits.shape == (2, 2, EPOCHS + 1, 3, 40, 3)
    assert tree["outputs/val"]["target"].dims == ("trial", "example")
    assert tree["outputs/test"]["target"].dims == ("example",)
    weight = tree["checkpoints"]["layer2.weight"]
    assert weight.dims == ("lam", "trial", "epoch", "member", "output", "unit1")
    assert weight.sel(lam=0.9, trial=1).shape == (EPOCHS + 1, 3, 3, 5)


@pytest.mark.slow
def test_what_xarray_reads_is_what_the_run_says(run):
    tree = xr.open_datatree(run.path / "store.zarr", engine="zarr")
    metrics = run.metrics()
    for name in tree["metrics"].data_vars:
        np.testing.assert_array_equal(metrics[name], tree["metrics"][name])
        assert not np.isnan(metrics[name]).any()
    assert tree.attrs["recipe"] == toml.to_toml(run.recipe)


# --- metrics -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_metrics_are_those_of_the_outputs(run):
    """Losses and errors once more, in numpy from the stored logits."""
    metrics = run.metrics()
    for lane in run.lanes:
        for epoch in range(EPOCHS + 1):
            # Training metrics are running means, so only epoch 0 is measured after the fact.
            for split in SPLITS if epoch == 0 else ("val", "test"):
                [block] = run.outputs(lane, epoch, split)
                at = {"lam": lane.lam_index, "trial": lane.trial, "epoch": epoch}
                row = metrics.isel(at).sel(split=split)
                eta, mean = block.logits, block.logits.mean(0)
                n = np.arange(len(block.target))
                loss = (logsumexp(eta, axis=2) - eta[:, n, block.target]).mean(1)
                together = (logsumexp(mean, axis=1) - mean[n, block.target]).mean()
                np.testing.assert_allclose(row[names.MEMBER_LOSS], loss, rtol=1e-12)
                np.testing.assert_allclose(row[names.ENSEMBLE_LOSS], together, rtol=1e-12)
                wrong = (eta.argmax(2) != block.target).mean(1)
                np.testing.assert_allclose(row[names.MEMBER_ERROR], wrong, rtol=1e-12)
                wrong = (mean.argmax(1) != block.target).mean()
                np.testing.assert_allclose(row[names.ENSEMBLE_ERROR], wrong, rtol=1e-12)


def test_the_best_epoch_is_the_first_with_the_lowest_validation_error_of_the_ensemble(run):
    metrics = run.metrics()
    for lane in run.lanes:
        at = {"lam": lane.lam_index, "trial": lane.trial}
        errors = metrics[names.ENSEMBLE_ERROR].isel(at).sel(split="val").values
        best = 1 + int(np.argmin(errors[1:]))
        assert metrics[names.BEST_EPOCH].isel(at) == best == run.chosen_epoch(lane)


@pytest.mark.slow
def test_metrics_are_nan_where_nothing_is_sealed(copy):
    whole = copy.metrics()
    ends = dict(zip(copy.lanes, (1, 2, 0, -1), strict=True))
    for lane, epoch in ends.items():
        if epoch < EPOCHS:
            take_back(copy, lane, epoch)
    found = copy.metrics()
    assert found.sizes["epoch"] == EPOCHS + 1
    for lane, end in ends.items():
        for name in (names.MEMBER_ERROR, names.ENSEMBLE_LOSS):
            mine = found[name][lane.lam_index, lane.trial]
            assert not np.isnan(mine[: end + 1]).any()
            assert np.isnan(mine[end + 1 :]).all()
            sealed = whole[name][lane.lam_index, lane.trial, : end + 1]
            np.testing.assert_array_equal(mine[: end + 1], sealed)
    assert found[names.BEST_EPOCH].values.tolist() == [
        [-1, -1],
        [copy.seal(Lane(0, 1)).best, -1],
    ]
    take_back(copy, Lane(0, 1), 0)
    assert copy.metrics().sizes["epoch"] == 2  # no lane is further than epoch 1
    assert not copy.done


def test_a_run_that_has_not_begun_has_no_metrics(copy):
    for lane in copy.lanes:
        lanes.write_seal(copy.path, lane, Seal())
    assert copy.metrics().sizes["epoch"] == 0
    assert not copy.done


def test_metrics_keep_their_units_and_their_order(run):
    metrics = run.metrics()
    assert metrics[names.MEMBER_LOSS].dims == ("lam", "trial", "epoch", "split", "member")
    assert metrics[names.MEMBER_LOSS].attrs["unit"] == "nat"
    assert metrics[names.ENSEMBLE_ERROR].attrs["unit"] == "1"
    assert metrics[names.BEST_EPOCH].dims == ("lam", "trial")


def test_the_best_epoch_stands_for_a_lane_and_without_one_the_last(copy):
    lane = copy.lanes[0]
    lanes.write_seal(copy.path, lane, Seal(epoch=2, best=1, best_error=0.1))
    assert copy.chosen_epoch(lane) == 1
    lanes.write_seal(copy.path, lane, Seal(epoch=2))
    assert copy.chosen_epoch(lane) == 2


# --- outputs and checkpoints ----------------------------------------------------------------------


def inputs(run, split, trial):
    """Inputs of a split in the order of its outputs, normalised by hand from the .npz file."""
    with np.load(run.recipe.data.name) as raw:
        x, y = raw["x_train"].astype(np.float64), raw["y_train"]
        mean, sd = x.mean(0), x.std(0)
        if split == "test":
            x, y = raw["x_test"].astype(np.float64), raw["y_test"]
    at = run.array(f"outputs/{split}/source_index")[...]
    at = at if split == "test" else at[trial]
    return (x[at] - mean) / sd, y[at]


@pytest.mark.parametrize("split", SPLITS)
def test_outputs_are_what_the_networks_of_the_checkpoint_say(run, split):
    for lane in run.lanes:
        x, y = inputs(run, split, lane.trial)
        for epoch in (0, EPOCHS):
            weights = run.checkpoint(lane, epoch)
            [block] = run.outputs(lane, epoch, split)
            assert np.array_equal(block.target, y)
            for member in range(3):
                first, last = (
                    nn.Linear(2, 5, dtype=torch.double),
                    nn.Linear(5, 3, dtype=torch.double),
                )
                for i, layer in ((1, first), (2, last)):
                    layer.weight.data = torch.from_numpy(weights[f"layer{i}.weight"][member].copy())
                    layer.bias.data = torch.from_numpy(weights[f"layer{i}.bias"][member].copy())
                with torch.no_grad():
                    said = nn.Sequential(first, nn.ReLU(), last)(torch.from_numpy(x)).numpy()
                np.testing.assert_allclose(block.logits[member], said, rtol=0, atol=1e-12)


def test_epochs_and_lanes_differ_so_nothing_is_read_from_the_wrong_place(run):
    kept = [run.checkpoint(lane, e)["layer1.bias"] for lane in run.lanes for e in range(EPOCHS + 1)]
    # Epoch 0 is the same at every lambda of a trial.
    assert len({array.tobytes() for array in kept}) == len(kept) - 2


@pytest.mark.slow
def test_outputs_come_in_pieces_that_fit_together(run, tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "CHUNK_BYTES", 40 * 3 * 3 * 8 // 3)
    pieces = toy_run(
        tmp_path,
        lam=[0, 0.9],
        train={"epochs": EPOCHS},
        keep={"splits": ["test"], "dtype": "float64"},
    )
    blocks = list(pieces.outputs(Lane(1, 1), 2, "test"))
    assert [(b.start, b.logits.shape, b.target.shape) for b in blocks] == [
        (0, (3, 14, 3), (14,)),
        (14, (3, 14, 3), (14,)),
        (28, (3, 12, 3), (12,)),
    ]
    [whole] = run.outputs(Lane(1, 1), 2, "test")
    assert np.array_equal(np.concatenate([b.logits for b in blocks], 1), whole.logits)
    assert np.array_equal(np.concatenate([b.target for b in blocks]), whole.target)
    assert pieces.check() > 2 * 2 * (EPOCHS + 1) * (3 + 4)


def test_what_is_not_sealed_cannot_be_read(copy):
    lane = copy.lanes[0]
    take_back(copy, lane, 1)
    with pytest.raises(StoreError, match="lane lam0-trial0 has no outputs of epoch 2"):
        list(copy.outputs(lane, 2, "test"))
    with pytest.raises(StoreError, match="lane lam0-trial0 has no checkpoint of epoch 2"):
        copy.checkpoint(lane, 2)
    assert len(list(copy.outputs(lane, 1, "test"))) == 1


@pytest.mark.parametrize("lane", [Lane(0, 2), Lane(2, 0), Lane(-1, 0)])
def test_a_lane_that_the_run_does_not_have_has_nothing(run, lane):
    with pytest.raises(StoreError, match=f"{lane.key}.json is missing"):
        list(run.outputs(lane, 0, "test"))
    with pytest.raises(StoreError, match=f"{lane.key}.json is missing"):
        run.checkpoint(lane, 0)


def test_an_array_that_is_not_kept_is_one_line(run):
    with pytest.raises(
        StoreError, match=r"does not keep outputs/nothing/logits; \[keep\] in its recipe"
    ) as caught:
        list(run.outputs(run.lanes[0], 0, "nothing"))
    assert "\n" not in str(caught.value)


# --- the tree ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_tree_holds_what_the_run_says(run):
    tree = run.tree
    xr.testing.assert_identical(tree["metrics"].to_dataset(), run.metrics())
    lane = Lane(1, 1)
    at = {"lam": 0.9, "trial": 1, "epoch": 2}
    for split in SPLITS:
        node = tree[f"outputs/{split}"]
        assert node["logits"].chunks is not None, "outputs are not read before they are asked for"
        assert node["logits"].dims == ("lam", "trial", "epoch", "member", "example", "output")
        [block] = run.outputs(lane, 2, split)
        np.testing.assert_array_equal(node["logits"].sel(at), block.logits)
    for name, array in run.checkpoint(lane, 2).items():
        np.testing.assert_array_equal(tree["checkpoints"][name].sel(at), array)


@pytest.mark.slow
def test_the_tree_hides_what_is_not_sealed(copy):
    take_back(copy, Lane(0, 1), 1)
    tree = copy.tree
    for node, name in (("outputs/test", "logits"), ("checkpoints", "layer1.weight")):
        array = tree[node][name]
        assert np.isnan(array.sel(lam=0.9, trial=0, epoch=slice(2, None))).all()
        assert not np.isnan(array.sel(lam=0.9, trial=0, epoch=slice(0, 1))).any()
        assert not np.isnan(array.sel(lam=0.0)).any()
        assert array.dtype == np.float64
    assert tree["outputs/val"]["target"].dtype == np.int64


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_hiding_does_not_change_the_type_of_outputs(tmp_path, dtype):
    small = toy_run(tmp_path, lam=[0], trials=1, train={"epochs": 1}, keep={"dtype": dtype})
    assert small.tree["outputs/test"]["logits"].dtype == dtype


# --- damage --------------------------------------------------------------------------------------


def chunk_of(run, array):
    """The chunk of the run's one lane: its last epoch's, or all its metrics."""
    folder = run.path / "store.zarr" / array / "c" / "0" / "0"
    if not array.startswith("metrics"):
        folder = folder / "1"
    [chunk] = [path for path in folder.rglob("*") if path.is_file()]
    return chunk


ARRAYS = [
    "outputs/test/logits",
    "outputs/train/logits",
    "checkpoints/layer1.weight",
    "checkpoints/layer2.bias",
    "metrics/member_loss",
    "metrics/ensemble_error",
]


@pytest.mark.slow
def test_a_whole_run_passes_its_check(run):
    assert run.check() > 2 * 2 * (EPOCHS + 1) * (3 + 4)


def flip(chunk, where=0):
    content = bytearray(chunk.read_bytes())
    content[where] ^= 1
    chunk.write_bytes(content)


DAMAGES = {
    "first bit": flip,
    "checksum": lambda chunk: flip(chunk, -1),
    "cut short": lambda chunk: chunk.write_bytes(chunk.read_bytes()[:-5]),
    "gone": lambda chunk: chunk.unlink(),
}


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_chunk_is_found_and_named(lane_copy, array, damage):
    DAMAGES[damage](chunk_of(lane_copy, array))
    with pytest.raises(StoreError, match=array.rpartition("/")[2]) as caught:
        lane_copy.check()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "array", ["outputs/val/target", "outputs/test/source_index", "metrics/lam"]
)
def test_damage_to_what_describes_the_numbers_is_found(lane_copy, array):
    [chunk] = [
        path for path in (lane_copy.path / "store.zarr" / array / "c").rglob("0*") if path.is_file()
    ]
    flip(chunk)
    with pytest.raises(StoreError) as caught:
        lane_copy.check()
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_damage_beyond_the_seals_does_not_count(lane_copy):
    chunk = chunk_of(lane_copy, "outputs/test/logits")
    chunk.write_bytes(b"half an epoch")
    with pytest.raises(StoreError):
        lane_copy.check()
    take_back(lane_copy, lane_copy.lanes[0], 0)
    states.write(lane_copy.path, lane_copy.lanes[0], 0, {})
    lane_copy.check()


# --- no run at all -------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["recipe.toml", "store.zarr"])
def test_a_folder_that_is_no_run_is_one_line(lane_copy, missing):
    path = lane_copy.path / missing
    path.unlink() if path.is_file() else shutil.rmtree(path)
    with pytest.raises(StoreError) as caught:
        Run(lane_copy.path)
    assert str(caught.value) == (
        f"{lane_copy.path} is not a run: it has no {missing}. "
        "Give a folder that `jtdiag train` has made."
    )


def test_a_folder_that_does_not_exist_is_no_run(tmp_path):
    with pytest.raises(StoreError, match="is not a run: it has no recipe.toml"):
        Run(tmp_path / "nowhere")
    with pytest.raises(OSError, match="is not a run"):  # an ordinary except clause works
        Run(str(tmp_path / "nowhere"))


TREE = ("outputs/test/logits", "checkpoints/layer1.weight")


@pytest.mark.parametrize("array", TREE)
def test_the_tree_refuses_a_chunk_of_another_epoch(lane_copy, array):
    folder = lane_copy.path / "store.zarr" / array / "c/0/0"
    old, new = (next(p for p in (folder / e).rglob("*") if p.is_file()) for e in "01")
    new.write_bytes(old.read_bytes())
    variable = lane_copy.tree[array]
    variable.isel(epoch=0).compute()
    for selected in (variable, variable.isel(epoch=1, member=0), variable.sum("member")):
        with pytest.raises(StoreError, match="not the chunk that was written here"):
            selected.compute()


@pytest.mark.parametrize("array", [*TREE, "outputs/test/target"])
def test_the_tree_refuses_a_chunk_that_was_removed_or_changed(lane_copy, array):
    variable = lane_copy.tree[array]
    path = next(p for p in (lane_copy.path / "store.zarr" / array / "c").rglob("*") if p.is_file())
    first, *rest = path.read_bytes()
    path.write_bytes(bytes([first ^ 1, *rest]))
    with pytest.raises(StoreError, match="damaged"):
        variable.compute()
    if array in TREE:
        path.unlink()
        with pytest.raises(StoreError, match="missing"):
            variable.compute()


def test_the_tree_reads_an_epoch_that_was_superseded_since_as_nan(lane_copy):
    variable = lane_copy.tree["outputs/test/logits"]
    [lane] = lane_copy.lanes
    seal = lane_copy.seal(lane)
    lanes.write_seal(lane_copy.path, lane, lanes.without_epoch(seal, 0))
    shutil.rmtree(lane_copy.path / "store.zarr/outputs/test/logits/c/0/0/0")
    assert np.isnan(variable.isel(epoch=0)).all()
    assert np.isfinite(variable.isel(epoch=1)).all()


@pytest.mark.parametrize("what", ["empty", "garbage"])
@pytest.mark.parametrize("ask", [Run.metrics, Run.check, lambda run: run.tree])
def test_a_store_that_is_none_is_one_line(lane_copy, what, ask):
    shutil.rmtree(lane_copy.path / "store.zarr")
    (lane_copy.path / "store.zarr").mkdir()
    if what == "garbage":
        (lane_copy.path / "store.zarr" / "zarr.json").write_text("{")
    with pytest.raises(StoreError, match="cannot be read|was changed") as caught:
        ask(Run(lane_copy.path))
    assert "\n" not in str(caught.value)


def test_a_run_names_its_recipe_by_its_digest(run):
    assert run.recipe_hash == toml.digest(run.recipe)
    assert [run.lam(lane) for lane in run.lanes] == [0.0, 0.9, 0.0, 0.9]


def test_a_run_that_nobody_trains_is_not_training(run):
    assert run.done
    assert not run.training


def test_shapes_of_parameters_are_those_of_one_member(toy, small_run):
    assert toy.parameters == {
        "layer1.weight": (5, 2),
        "layer1.bias": (5,),
        "layer2.weight": (3, 5),
        "layer2.bias": (3,),
    }
    assert small_run.parameters == {}


def test_one_parameter_of_a_checkpoint_can_be_read_alone(toy):
    whole = toy.checkpoint(toy.lanes[1], 2)
    alone = toy.parameter(toy.lanes[1], 2, "layer2.weight")
    np.testing.assert_array_equal(alone, whole["layer2.weight"])
