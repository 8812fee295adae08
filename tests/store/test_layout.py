import dataclasses
import math

import attrs
import pytest

from jtdiag import names
from jtdiag.recipe.alerts import Alerts
from jtdiag.recipe.recipe import Data, Engine, Keep, Members, Recipe, Train
from jtdiag.store import lanes, layout
from jtdiag.store.layout import Extent, Parameter

EXTENT = Extent(
    examples={"train": 70, "val": 30, "test": 40},
    outputs=3,
    parameters={
        "layer1.weight": Parameter(shape=(5, 2), dims=("unit1", "input")),
        "layer1.bias": Parameter(shape=(5,), dims=("unit1",)),
        "layer2.weight": Parameter(shape=(3, 5), dims=("output", "unit1")),
        "layer2.bias": Parameter(shape=(3,), dims=("output",)),
    },
    memory=1234,
)


def recipe(val=30, count=4, precision="float32", epochs=6, trials=2, **keep):
    return Recipe(
        data=Data(name="digits", val=val),
        members=Members(arch="mlp", count=count, hidden=(5,)),
        lam=(0, 0.5, 1),
        trials=trials,
        train=Train(epochs=epochs),
        keep=Keep(**keep),
        engine=Engine(precision=precision),
    )


def by_path(made, extent=EXTENT):
    return {array.path: array for array in layout.arrays(made, extent)}


def test_branches_have_one_copy_of_their_parameters():
    made = attrs.evolve(
        recipe(), members=Members(arch="resnext", count=4, blocks=(1, 1, 1, 1), width=2)
    )
    found = by_path(made)["checkpoints/layer1.weight"]
    assert found.dims == ("lam", "trial", "epoch", "unit1", "input")
    assert found.shape == (3, 2, 7, 5, 2)
    assert found.chunks == (1, 1, 1, 5, 2)
    assert by_path(made)["metrics/member_loss"].shape[-1] == 4
    assert layout.size(made, EXTENT).checkpoints == 6 * 7 * (5 * 2 + 5 + 3 * 5 + 3) * 4


def test_buffers_are_kept_with_the_parameters_and_count_as_none():
    norm = {
        "norm.running_mean": Parameter(shape=(5,), dims=("norm.running_mean.0",)),
        "norm.count": Parameter(shape=(), dims=()),
    }
    extent = dataclasses.replace(EXTENT, buffers=norm)
    assert extent.parameters_per_member == EXTENT.parameters_per_member == 33
    plain, found = by_path(recipe()), by_path(recipe(), extent)
    assert found.keys() - plain.keys() == {f"checkpoints/{name}" for name in norm}
    mean = found["checkpoints/norm.running_mean"]
    assert mean.dims == ("lam", "trial", "epoch", "member", "norm.running_mean.0")
    assert (mean.shape, mean.chunks) == ((3, 2, 7, 4, 5), (1, 1, 1, 4, 5))
    assert found["checkpoints/norm.count"].shape == (3, 2, 7, 4)
    assert (mean.meaning, found["checkpoints/layer1.bias"].meaning) == ("buffer", "parameter")
    more = layout.size(recipe(), extent).checkpoints - layout.size(recipe(), EXTENT).checkpoints
    assert more == 3 * 2 * 7 * 4 * 6 * 4  # lambdas, trials, epochs, members, numbers, bytes


def test_a_run_that_keeps_all_has_these_arrays():
    found = by_path(recipe(splits=["val", "test"]))
    assert {path: array.dims for path, array in found.items()} == {
        "metrics/member_loss": ("lam", "trial", "epoch", "split", "member"),
        "metrics/member_error": ("lam", "trial", "epoch", "split", "member"),
        "metrics/ensemble_loss": ("lam", "trial", "epoch", "split"),
        "metrics/ensemble_error": ("lam", "trial", "epoch", "split"),
        "metrics/displacement": ("lam", "trial", "epoch", "member"),
        "outputs/val/logits": ("lam", "trial", "epoch", "member", "example", "output"),
        "outputs/val/target": ("trial", "example"),
        "outputs/val/source_index": ("trial", "example"),
        "outputs/test/logits": ("lam", "trial", "epoch", "member", "example", "output"),
        "outputs/test/target": ("example",),
        "outputs/test/source_index": ("example",),
        "checkpoints/layer1.weight": ("lam", "trial", "epoch", "member", "unit1", "input"),
        "checkpoints/layer1.bias": ("lam", "trial", "epoch", "member", "unit1"),
        "checkpoints/layer2.weight": ("lam", "trial", "epoch", "member", "output", "unit1"),
        "checkpoints/layer2.bias": ("lam", "trial", "epoch", "member", "output"),
    }
    assert found["metrics/member_loss"].shape == (3, 2, 7, 3, 4)
    assert found["outputs/val/logits"].shape == (3, 2, 7, 4, 30, 3)
    assert found["outputs/test/target"].shape == (40,)
    assert found["checkpoints/layer2.weight"].shape == (3, 2, 7, 4, 3, 5)


def test_what_is_not_kept_has_no_array():
    assert not [p for p in by_path(recipe(outputs="none")) if p.startswith("outputs")]
    assert not [p for p in by_path(recipe(checkpoints="none")) if p.startswith("checkpoints")]
    assert "outputs/train/logits" not in by_path(recipe(splits="test"))


def test_starting_factors_are_kept_where_members_start_unequal():
    unequal = attrs.evolve(recipe().members, start_spread=(0.5, 2))
    added = by_path(attrs.evolve(recipe(), members=unequal)).keys() - by_path(recipe()).keys()
    assert added == {"members/start_factor"}
    array = by_path(attrs.evolve(recipe(), members=unequal))["members/start_factor"]
    assert (array.dims, array.shape) == (("trial", "member"), (2, 4))


def test_lambda_by_epoch_is_kept_where_it_may_move():
    assert "metrics/lam_at" not in by_path(recipe())
    lowering = attrs.evolve(recipe(), alerts=Alerts(lower_lam=0.5))
    assert by_path(lowering)["metrics/lam_at"].dims == ("lam", "trial", "epoch")


def test_without_validation_two_splits_are_measured():
    assert by_path(recipe(val=0))["metrics/ensemble_loss"].shape == (3, 2, 7, 2)


def test_no_two_lanes_and_no_two_kept_epochs_share_a_chunk():
    for path, array in by_path(recipe(splits=["train", "val", "test"])).items():
        assert len(array.chunks) == len(array.shape) == len(array.dims)
        if array.dims[:2] == (names.LAM, names.TRIAL):
            assert array.chunks[:2] == (1, 1)
            assert array.chunks[2] == (7 if path.startswith("metrics") else 1)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_outputs_are_stored_in_the_type_asked_for_and_weights_as_they_are_trained(dtype):
    found = by_path(recipe(dtype=dtype, precision="float64"))
    assert found["outputs/test/logits"].dtype == dtype
    assert found["checkpoints/layer1.bias"].dtype == "float64"
    assert by_path(recipe(dtype=dtype))["checkpoints/layer1.bias"].dtype == "float32"
    assert found["metrics/member_loss"].dtype == "float64"


@pytest.mark.parametrize("examples", [1, 2500, 10_000, 70_001])
def test_outputs_are_cut_along_the_examples_into_pieces_of_a_bounded_size(examples):
    extent = Extent(examples={"test": examples}, outputs=10, parameters={})
    array = by_path(recipe(val=0, count=256), extent)["outputs/test/logits"]
    piece = 4 * math.prod(array.chunks)
    assert array.chunks[3] == 256
    assert array.chunks[5] == 10
    assert piece <= layout.CHUNK_BYTES + 4 * 256 * 10
    pieces = math.ceil(examples / array.chunks[4])
    assert pieces == math.ceil(examples * 256 * 10 * 4 / layout.CHUNK_BYTES)


def test_every_array_says_what_it_means_in_which_unit():
    for array in layout.arrays(recipe(), EXTENT):
        assert array.unit
        assert array.meaning


@pytest.mark.parametrize(
    ("outputs", "checkpoints", "kept_outputs", "kept_checkpoints"),
    [
        ("all", "all", 7, 7),
        ("none", "none", 0, 0),
        ((1, 2, 3), (0, 6, 7), 3, 2),
        (("best", "last"), "last", 2, 1),
    ],
)
def test_the_size_is_the_bytes_of_what_is_kept(
    outputs, checkpoints, kept_outputs, kept_checkpoints
):
    made = recipe(
        outputs=outputs, checkpoints=checkpoints, splits=["val", "test"], dtype="float16",
        precision="float64",
    )  # fmt: skip
    size = layout.size(made, EXTENT)
    every = len(lanes.lanes_of(made))
    weights = 4 * (5 * 2 + 5 + 3 * 5 + 3) * 8
    assert every == 6
    assert size.outputs == 6 * kept_outputs * 4 * (30 + 40) * 3 * 2
    assert size.checkpoints == 6 * kept_checkpoints * weights
    assert size.resuming == 6 * (weights + EXTENT.memory)
    assert size.metrics == 6 * 7 * (3 * (4 + 4 + 1 + 1) + 4) * 8
    assert size.total == size.outputs + size.checkpoints + size.resuming + size.metrics


def test_the_outputs_of_256_members_take_100_megabytes_a_lane_and_epoch():
    made = recipe(count=256, outputs=[1], checkpoints="none", trials=1)
    extent = Extent(examples={"val": 1, "test": 10_000}, outputs=10, parameters={})
    size = layout.size(made, extent)
    assert size.outputs == len(lanes.lanes_of(made)) * 102_400_000
    assert layout.readable(size.outputs / 3) == "102.4 MB"
    assert layout.readable(1.26e9) == "1.3 GB"


def test_parameters_of_a_member_are_counted():
    assert EXTENT.parameters_per_member == 5 * 2 + 5 + 3 * 5 + 3
