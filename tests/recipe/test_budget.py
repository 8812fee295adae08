import json
import math
import zipfile

import numpy as np
import pytest
import torch

from jtdiag import train
from jtdiag.engine import datasets
from jtdiag.engine.architectures import build
from jtdiag.errors import DataError, RecipeError, StoreError
from jtdiag.recipe import budget, presets
from jtdiag.recipe.budget import (
    SHAPES,
    Configuration,
    DataShape,
    data_shape,
    plan,
    sizable,
    sizing_of,
    write,
)
from jtdiag.recipe.members import Members

SIZABLE = sizable()
FASHION = SHAPES["fashion-mnist"]
CIFAR10 = DataShape(name="c10.npz", input_shape=(3, 32, 32), classes=10, examples=50_000)
CIFAR100 = DataShape(name="c100.npz", input_shape=(3, 32, 32), classes=100, examples=50_000)


def counted(arch, width, data):
    """Parameters of one member as the engine makes it, with no numbers in it."""
    members = Members(arch=arch, count=3, **sizing_of(arch).fields(width))
    with torch.device("meta"):
        stack = build(members, data.input_shape, data.classes)
    return sum(math.prod(p.shape) for p in stack.parameters.values())


def archive(path, x=(5, 3, 32, 32), **more):
    arrays = {
        "x_train": np.zeros(x, np.uint8),
        "y_train": np.arange(5),
        "x_test": np.zeros(x, np.uint8),
        "y_test": np.arange(5),
        **more,
    }
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
    return str(path)


# --- how many parameters --------------------------------------------------------------------------


def test_every_built_in_architecture_with_a_width_can_be_sized():
    assert SIZABLE == ("mlp", "conv", "densenet")


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ("mpl", r"--arch is 'mpl'; it must be one of mlp, conv, densenet\. Did you mean 'mlp'\?"),
        ("resnext", r"--arch is 'resnext'; it must be one of mlp, conv, densenet\."),
    ],
)
def test_an_architecture_without_a_width_is_refused(arch, message):
    with pytest.raises(RecipeError, match=message):
        plan(10**6, arch, "digits", [1])


@pytest.mark.slow
@pytest.mark.parametrize("width", [1, 2, 7, 12, 33])
@pytest.mark.parametrize("data", [FASHION, CIFAR10, CIFAR100], ids=lambda d: d.name)
@pytest.mark.parametrize("arch", SIZABLE)
def test_the_formula_agrees_with_the_engine(arch, width, data):
    assert sizing_of(arch).parameters(width, data) == counted(arch, width, data)


@pytest.mark.parametrize(
    ("arch", "width", "data", "published"),
    [
        ("mlp", 1024, FASHION, 814_090),
        ("mlp", 64, FASHION, 50_890),
        ("mlp", 16, FASHION, 12_730),
        ("mlp", 4, FASHION, 3_190),
        ("conv", 32, CIFAR10, 279_050),
        ("conv", 16, CIFAR100, 76_260),
        ("conv", 32, CIFAR100, 290_660),
        ("conv", 48, CIFAR100, 643_300),
        ("conv", 64, CIFAR100, 1_134_180),
        ("densenet", 6, CIFAR100, 105_316),
    ],
)
def test_the_formula_gives_the_papers_sizes(arch, width, data, published):
    assert sizing_of(arch).parameters(width, data) == published


# --- the nearest width ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "width", "total"), [(16, 64, 814_240), (64, 16, 814_720), (256, 4, 816_640)]
)
def test_the_papers_ensembles_are_what_815000_parameters_buy(count, width, total):
    [configuration] = plan(815_000, "mlp", "fashion-mnist", [count])
    assert (configuration.width, configuration.parameters) == (width, total)
    assert configuration.difference == pytest.approx(100 * (total / 815_000 - 1))


def test_the_papers_four_are_what_its_single_network_buys():
    configurations = plan(814_090, "mlp", "fashion-mnist", [1, 16, 64, 256])
    assert [c.width for c in configurations] == [1024, 64, 16, 4]
    assert [c.parameters for c in configurations] == [814_090, 814_240, 814_720, 816_640]


def test_one_network_of_1025_units_is_nearer_to_815000_than_the_papers_of_1024():
    [configuration] = plan(815_000, "mlp", "fashion-mnist", [1])
    assert (configuration.width, configuration.parameters) == (1025, 814_885)


@pytest.mark.parametrize("spent", [60_000, 123_456, 815_000])
@pytest.mark.parametrize("count", [1, 3, 8])
@pytest.mark.parametrize("arch", SIZABLE)
def test_no_width_is_nearer(arch, count, spent):
    [configuration] = plan(spent, arch, "fashion-mnist", [count])
    totals = [
        count * sizing_of(arch).parameters(w, FASHION) for w in range(1, configuration.width + 50)
    ]
    assert abs(configuration.parameters - spent) == min(abs(total - spent) for total in totals)


def test_of_two_widths_as_near_the_smaller_is_taken():
    narrow, wide = (sizing_of("mlp").parameters(w, SHAPES["digits"]) for w in (1, 2))
    [configuration] = plan(narrow + wide, "mlp", "digits", [2])
    assert configuration.width == 1


@pytest.mark.parametrize("arch", SIZABLE)
def test_a_budget_is_enough_from_the_smallest_members_on(arch):
    least = 7 * sizing_of(arch).parameters(1, FASHION)
    [configuration] = plan(least, arch, "fashion-mnist", [7])
    assert (configuration.width, configuration.difference) == (1, 0)
    with pytest.raises(RecipeError) as caught:
        plan(least - 1, arch, "fashion-mnist", [1, 7])
    assert str(caught.value) == (
        f"The budget is {least - 1:,} parameters, but 7 members of the smallest width have "
        f"{least:,}; increase --params, or use fewer members."
    )


@pytest.mark.parametrize("spent", [0, -5, budget.LARGEST + 1])
def test_a_budget_beyond_its_range_is_refused(spent):
    with pytest.raises(RecipeError, match=r"--params is .* in \[1, 1,000,000,000,000\]"):
        plan(spent, "mlp", "digits", [1])


def test_the_largest_budget_is_spent_at_once():
    for arch in SIZABLE:
        [configuration] = plan(budget.LARGEST, arch, "fashion-mnist", [1])
        assert abs(configuration.difference) < 0.01


# --- data -----------------------------------------------------------------------------------------


def test_the_digits_have_the_shape_that_is_known():
    arrays = datasets.load("digits", None)
    assert SHAPES["digits"].input_shape == arrays.x_train.shape[1:]
    assert SHAPES["digits"].classes == len(arrays.classes)
    assert SHAPES["digits"].examples == len(arrays.y_train)


@pytest.mark.parametrize(
    "shape",
    [(20,), (8, 9), (3, 32, 32), (32, 32, 3), (1, 28, 28), (28, 28, 1), (4, 9, 8), (5, 6, 7)],
)
@pytest.mark.parametrize("names", [None, np.array(list("abcdefg"))], ids=["numbered", "named"])
def test_a_file_has_the_shape_that_the_engine_sees(shape, names, tmp_path):
    path = archive(tmp_path / "mine.npz", (5, *shape), classes=names)
    arrays = datasets.load(path, tmp_path)
    assert data_shape(path) == DataShape(
        name=path, input_shape=arrays.x_train.shape[1:], classes=len(arrays.classes), examples=5
    )


@pytest.mark.parametrize("shape", [(3, 32, 3), (2, 3, 4, 5), ()])
def test_a_shape_that_the_engine_refuses_is_refused(shape, tmp_path):
    path = archive(tmp_path / "mine.npz", (5, *shape))
    for read in (data_shape, lambda name: datasets.load(name, tmp_path)):
        with pytest.raises(DataError, match="has shape"):
            read(path)


def test_of_the_inputs_the_header_alone_is_read(tmp_path):
    path = archive(tmp_path / "mine.npz", x_train=None)
    header = {"descr": "|u1", "fortran_order": False, "shape": (50_000, 32, 32, 3)}
    with zipfile.ZipFile(path, "a") as file, file.open("x_train.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, header)
    shape = data_shape(path)
    assert (shape.input_shape, shape.examples) == ((3, 32, 32), 50_000)


def test_a_header_of_the_second_version_is_read(tmp_path):
    path = archive(tmp_path / "mine.npz", x_train=None)
    header = {"descr": "|u1", "fortran_order": False, "shape": (9, 20)}
    with zipfile.ZipFile(path, "a") as file, file.open("x_train.npy", "w") as member:
        np.lib.format.write_array_header_2_0(member, header)
    assert data_shape(path).input_shape == (20,)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fashon-mnist", r"no dataset 'fashon-mnist' .* Did you mean 'fashion-mnist'\?"),
        ("nowhere.npz", r"^nowhere\.npz: there is no such \.npz archive"),
    ],
)
def test_data_that_are_not_there_are_refused(name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        data_shape(name)


@pytest.mark.parametrize("missing", ["x_train", "y_train", "y_test"])
def test_a_file_without_an_array_is_refused(missing, tmp_path):
    path = archive(tmp_path / "mine.npz", **{missing: None})
    with pytest.raises(
        DataError, match=f"{missing}.*; it must contain x_train, y_train, x_test, y_t"
    ):
        data_shape(path)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (np.arange(5) / 2, "y_train contains 0.5; labels must be integers"),
        (np.arange(0), "a part has no labels; there must be one"),
    ],
)
def test_labels_that_are_no_classes_are_refused(labels, says, tmp_path):
    path = archive(tmp_path / "mine.npz", y_train=labels)
    with pytest.raises(DataError, match=says):
        budget.data_shape(str(path))


def test_an_open_order_of_axes_can_be_given_and_is_written_to_the_recipe(tmp_path):
    path = archive(tmp_path / "mine.npz", (5, 16, 16, 13))
    with pytest.raises(DataError, match=r"x_train has shape .*set --layout to 'nchw' or 'nhwc'"):
        plan(10**5, "mlp", path, [2])
    configurations = plan(10**5, "mlp", path, [2], "nhwc")
    assert configurations[0].data.input_shape == (13, 16, 16)
    [recipe] = write(configurations, tmp_path)
    assert presets.find(str(recipe)).data.layout == "nhwc"


@pytest.mark.parametrize("first", [0, 1])
def test_classes_are_counted_as_training_reads_them(first, tmp_path):
    y = {"y_train": np.array([0, 1, 2, 1, 0]) + first, "y_test": np.array([2]) + first}
    path = archive(tmp_path / "mine.npz", **y)
    assert budget.data_shape(str(path)).classes == 3
    words = {key: np.array(list("abcd"))[array] for key, array in y.items()}
    path = archive(tmp_path / "words.npz", **words)
    assert budget.data_shape(str(path)).classes == 3


def test_a_damaged_file_is_refused(tmp_path):
    path = archive(tmp_path / "mine.npz", y_train=np.arange(5).astype(object))
    with pytest.raises(DataError, match="cannot be read"):
        data_shape(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x_train.npy", b"nothing")
    with pytest.raises(DataError, match="cannot be read"):
        data_shape(path)


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["conv", "densenet"])
def test_the_smallest_image_is_the_one_that_the_engine_can_take(arch, tmp_path):
    side = sizing_of(arch).smallest_image

    def engine(side):
        members = Members(arch=arch, count=1, **sizing_of(arch).fields(1))
        stack = build(members, (3, side, side), 2)
        state = stack.initial(torch.Generator())
        state = {name: t[None].float() for name, t in state.items()}
        return stack(state, torch.zeros(1, 2, 3, side, side))

    assert engine(side).isfinite().all()
    with pytest.raises((RecipeError, RuntimeError)):
        engine(side - 1)
    small, enough = (archive(tmp_path / f"{s}.npz", (5, 32, s)) for s in (side - 1, side))
    assert plan(10**6, arch, enough, [1])
    with pytest.raises(RecipeError, match=f"takes images of at least {side}x{side} pixels, but an"):
        plan(10**6, arch, small, [1])


@pytest.mark.parametrize("arch", ["conv", "densenet"])
def test_members_that_take_images_refuse_features(arch, tmp_path):
    path = archive(tmp_path / "mine.npz", (5, 3072))
    with pytest.raises(RecipeError, match=r"has shape \(3072,\); use --arch mlp"):
        plan(10**6, arch, path, [1])


# --- recipes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", ["fashion-mnist", "path"])
@pytest.mark.parametrize("arch", SIZABLE)
def test_a_written_recipe_is_found_and_spends_what_was_announced(arch, data, tmp_path):
    path = archive(tmp_path / "my cifar.npz", (50, 3, 32, 32))
    shape = data_shape(path) if data == "path" else FASHION
    planned = plan(10**6, arch, shape.name, [1, 4])
    written = write(planned, tmp_path / "new" / "runs")
    assert [p.parent.name for p in written] == ["runs", "runs"]
    for c, file in zip(planned, written, strict=True):
        recipe = presets.find(str(file))
        assert recipe.name == file.stem == c.name
        assert recipe.data.name == shape.name
        augmented = arch != "mlp" and data == "path"
        assert recipe.data.augment == (("crop", "flip") if augmented else ())
        assert recipe.members.count == c.count
        stack = build(recipe.members, shape.input_shape, shape.classes)
        each = sum(math.prod(p.shape) for p in stack.parameters.values())
        assert c.count * each == c.parameters
        first = file.read_text("utf-8").splitlines()[0]
        assert f"{c.parameters:,} parameters, for a budget of 1,000,000." in first
        assert presets.describe(file) == first[2:]


def test_a_recipe_is_named_for_data_architecture_and_size():
    names = [c.name for c in plan(814_090, "mlp", "fashion-mnist", [1, 16])]
    assert names == ["fashion-mnist-mlp-1x1024", "fashion-mnist-mlp-16x64"]


def test_a_file_of_data_is_named_without_its_folder():
    c = Configuration(arch="conv", data=CIFAR100, budget=10**6, count=4, width=16)
    assert c.name == "c100-conv-4x16"


@pytest.mark.parametrize(
    ("preset", "changes"),
    [
        ("fashion-16x64", {"lr": 0.02}),
        ("cifar10-conv", {"lr": 0.006}),
        ("cifar100-dn-low", {"lr": 0.1 / 16}),
    ],
)
def test_the_settings_are_the_papers_but_for_its_rates_near_one(preset, changes, tmp_path):
    paper = presets.find(preset)
    data = {"c10.npz": CIFAR10, "c100.npz": CIFAR100, "fashion-mnist": FASHION}
    name = {"fashion": "fashion-mnist", "cifar10": "c10.npz"}.get(preset.split("-")[0], "c100.npz")
    c = Configuration(
        arch=paper.members.arch,
        data=data[name],
        budget=10**6,
        count=paper.members.count,
        width={"fashion-16x64": 64, "cifar10-conv": 32}.get(preset, 6),
    )
    recipe = presets.find(str(write([c], tmp_path)[0]))
    assert recipe.members == paper.members
    assert (recipe.lam, recipe.trials) == (paper.lam, paper.trials)
    assert recipe.data.val == 10_000
    assert recipe.data.augment == paper.data.augment
    for epoch in (1, 150, 151, 200):
        assert recipe.lr(0, epoch) == pytest.approx(paper.lr(0, epoch), rel=1e-12)
        assert len({recipe.lr(i, epoch) for i in range(len(recipe.lam))}) == 1
    assert recipe.lr(0, 1) == pytest.approx(paper.members.count * changes["lr"])
    for field in ("epochs", "batch", "momentum", "nesterov", "weight_decay", "milestones"):
        assert getattr(recipe.train, field) == getattr(paper.train, field)


def test_one_member_is_trained_at_one_lambda(tmp_path):
    written = write(plan(10**5, "mlp", "digits", [1, 2]), tmp_path)
    assert [len(presets.find(str(path)).lam) for path in written] == [1, 7]


def test_no_more_is_held_out_than_a_fifth(tmp_path):
    few = archive(tmp_path / "few.npz", (5, 20))
    single = archive(tmp_path / "single.npz", (1, 20))
    held = [
        presets.find(str(write(plan(10**5, "mlp", data, [2]), tmp_path)[0])).data.val
        for data in ("fashion-mnist", "digits", few, single)
    ]
    assert held == [10_000, 259, 1, 1]


def test_an_odd_path_is_written_as_it_is(tmp_path):
    path = archive(tmp_path / 'a "b" \\ ä.npz', (5, 20))
    [written] = write(plan(10**5, "mlp", path, [2]), tmp_path)
    assert presets.find(str(written)).data.name == path
    assert json.dumps(path, ensure_ascii=False) in written.read_text("utf-8")


@pytest.mark.slow
def test_a_written_recipe_trains(tmp_path):
    [written] = write(plan(1_000, "mlp", "digits", [3]), tmp_path)
    recipe = presets.find(str(written), ("train.epochs=1", "trials=1", "lam=[0, 1]"))
    run = train(recipe, tmp_path / "run")
    assert run.done
    assert run.recipe.members.hidden == (4,)


def test_nothing_is_overwritten_and_nothing_else_is_written(tmp_path):
    planned = plan(814_090, "mlp", "fashion-mnist", [1, 16, 64])
    taken = tmp_path / "fashion-mnist-mlp-64x16.toml"
    taken.write_text("mine", "utf-8")
    with pytest.raises(StoreError) as caught:
        write(planned, tmp_path)
    assert str(caught.value) == f"{taken} exists; move it, or choose another folder with --out."
    assert [(p.name, p.read_text("utf-8")) for p in tmp_path.iterdir()] == [(taken.name, "mine")]


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(StoreError, match=r"runs/in cannot be written \(Not a directory\)"):
        write(plan(1_000, "mlp", "digits", [3]), tmp_path / "runs" / "in")
