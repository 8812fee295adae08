"""What is said, or refused, where the pairs of examples leave nothing to learn or to reach."""

import math

import pytest
import torch

from jtdiag.engine.modules import pair_kernels
from jtdiag.engine.session import Session
from jtdiag.errors import RecipeError

PROXY = {"credit": "proxy", "epochs": [1, 1, 1]}
NARROW = {"arch": "mlp", "count": 2, "hidden": [6, 2]}
"""The data have three classes."""


def best_by_search(features: int, classes: int, examples: int, *, positive: bool) -> float:
    """Ascend the alignment of free features from several starts; the highest that was reached."""
    generator = torch.Generator().manual_seed(0)
    target = torch.arange(classes).repeat_interleave(examples)
    same, pairs = target[:, None] == target, pair_kernels.upper(len(target), target.device)
    free = torch.randn(8, len(target), features, generator=generator, dtype=torch.float64)
    free.requires_grad_()
    optimiser = torch.optim.Adam([free], lr=0.1)
    best = 0.0
    for _ in range(120):
        h = free.relu() if positive else free
        value = pair_kernels.alignment(pair_kernels.kernel(h), same, pairs, 0.0, 1.0)
        best = max(best, float(value.detach().max()))
        optimiser.zero_grad()
        (-value.sum()).backward()
        optimiser.step()
    return best


@pytest.mark.parametrize(("features", "classes"), [(2, 3), (1, 2), (2, 4), (3, 4)])
def test_no_features_of_few_dimensions_are_better_aligned_than_the_bound(features, classes):
    bound = pair_kernels.best_alignment(features, classes)
    assert bound == pytest.approx(math.sqrt(features / classes))
    for positive in (True, False):
        assert best_by_search(features, classes, 4, positive=positive) < bound + 1e-9


@pytest.mark.parametrize(("features", "classes"), [(2, 3), (3, 5), (1, 4), (4, 4), (5, 4)])
def test_features_that_are_zero_for_the_other_classes_reach_it(features, classes):
    target = torch.arange(classes).repeat_interleave(5)
    axes = torch.eye(max(features, classes), dtype=torch.float64)[:, :features]
    same, pairs = target[:, None] == target, pair_kernels.upper(len(target), target.device)
    k = pair_kernels.kernel(axes[target])
    reached = float(pair_kernels.alignment(k, same, pairs, 0.0, 1.0))
    assert reached == pytest.approx(pair_kernels.best_alignment(features, classes), abs=1e-12)


def remarks(of_images, modules, **changes):
    recipe = of_images(members=NARROW, modules=modules, train={"epochs": 3}, **changes)
    return Session.of(recipe).settings()["modules"]


def test_fewer_features_than_classes_are_said_with_the_best_alignment(of_images):
    said = remarks(of_images, PROXY)
    assert "layer2 has 2 features for 3 classes, which cannot all be orthogonal" in said
    assert "is at most 0.82 for" in said
    assert "layer1 has" not in said
    tanh = of_images(members={**NARROW, "activation": "tanh"}, modules=PROXY, train={"epochs": 3})
    assert "orthogonal" not in Session.of(tanh).settings()["modules"]


def test_maps_count_after_they_are_averaged(of_images):
    conv = {"arch": "conv", "count": 1, "filters": [2, 2], "strides": [1, 1]}
    for pool, expected in ((1, True), (2, False)):
        recipe = of_images(members=conv, modules={**PROXY, "pool": pool}, train={"epochs": 3})
        assert ("orthogonal" in Session.of(recipe).settings()["modules"]) == expected


@pytest.mark.parametrize("loss", ["al", "cts", "nmse", "raw", "neo"])
def test_batches_of_one_example_are_refused(of_images, loss):
    recipe = of_images(
        members=NARROW, modules={**PROXY, "loss": loss}, train={"epochs": 3, "batch": 1}
    )
    with pytest.raises(
        RecipeError, match=r"no batch of the first .* contains a pair of .*train\.batch"
    ):
        Session.of(recipe).settings()


def test_contrast_without_a_pair_is_refused_and_a_prediction_is_not(of_images):
    modules = {"credit": "local", "loss": "contrast"}
    recipe = of_images(members=NARROW, modules=modules, train={"batch": 1})
    with pytest.raises(
        RecipeError, match=r"'contrast', and no batch .* contains a pair of examples"
    ):
        Session.of(recipe).settings()
    Session.of(
        of_images(members=NARROW, modules={"credit": "local"}, train={"batch": 1})
    ).settings()


def test_too_few_labelled_pairs_are_refused(of_images):
    recipe = of_images(members=NARROW, modules={**PROXY, "pairs": 1e-9}, train={"epochs": 3})
    with pytest.raises(RecipeError, match=r"no batch .* contains a labelled pair.*modules\.pairs"):
        Session.of(recipe).settings()


def test_batches_that_change_nothing_are_counted_as_training_meets_them(of_images):
    recipe = of_images(members=NARROW, modules=PROXY, train={"epochs": 3, "batch": 2})
    session = Session.of(recipe)
    group = session.lane_group(session.groups()[0][:1])
    order = group._positions(group._ranks(1))[0]
    target = session.data.part("train").y[order]
    unlike = sum(len(set(pair.tolist())) == len(pair) for pair in target.split(2))
    count = math.ceil(len(order) / 2)
    assert 0 < unlike < count
    said = session.settings()["modules"]
    assert (
        f"{unlike} of {count} batches of the first epoch of trial 0 do not contain a pair" in said
    )
    assert "other epochs and trials were not counted" in said
