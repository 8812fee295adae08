import numpy as np
import pytest
import torch

from jtdiag import names
from jtdiag.errors import DataError, StoreError
from jtdiag.replay import Replay
from jtdiag.testing import toy_run


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A run in float64 that keeps outputs of all splits in float64."""
    keep = {"dtype": "float64", "splits": ["train", "val", "test"]}
    return toy_run(tmp_path_factory.mktemp("kept"), train={"epochs": 2}, lam=[0.0, 0.9], keep=keep)


def outputs(run, lane, epoch, split):
    blocks = list(run.outputs(lane, epoch, split))
    return (
        np.concatenate([block.logits for block in blocks], 1),
        np.concatenate([block.target for block in blocks]),
    )


@pytest.mark.parametrize("split", names.SPLITS)
@pytest.mark.parametrize("epoch", [0, 2])
def test_logits_of_a_checkpoint_are_the_stored_outputs(kept, split, epoch):
    for lane in kept.lanes:
        replay = Replay.of(kept, lane, epoch)
        x, target = replay.examples(split)
        logits, stored_target = outputs(kept, lane, epoch, split)
        np.testing.assert_array_equal(target, stored_target)
        np.testing.assert_allclose(replay.logits(x), logits, rtol=0, atol=1e-12)


@pytest.mark.parametrize("split", ["val", "test"])
def test_the_loss_of_a_checkpoint_is_that_of_the_metrics(kept, split):
    metrics = kept.metrics().sel(split=split, epoch=2)
    for lane in kept.lanes:
        at = metrics.isel(lam=lane.lam_index, trial=lane.trial)
        lam = kept.lam(lane)
        replay = Replay.of(kept, lane, 2)
        expected = lam * at[names.ENSEMBLE_LOSS] + (1 - lam) * at[names.MEMBER_LOSS].mean()
        assert float(replay.loss(*replay.examples(split))) == pytest.approx(
            float(expected), abs=1e-12
        )


def test_the_loss_can_be_differentiated_by_the_weights(kept):
    lane = kept.lanes[1]
    replay = Replay.of(kept, lane, 1)
    x, target = replay.examples("test")
    weight = replay.weights["layer2.bias"].requires_grad_()
    [gradient] = torch.autograd.grad(replay.loss(x, target), [weight])
    step = 1e-6
    with torch.no_grad():
        weight[1, 2] += step
        above = float(replay.loss(x, target))
        weight[1, 2] -= 2 * step
        below = float(replay.loss(x, target))
    assert float(gradient[1, 2]) == pytest.approx((above - below) / (2 * step), abs=1e-8)


def test_changing_replayed_weights_leaves_the_store_as_it_is(kept):
    lane = kept.lanes[0]
    Replay.of(kept, lane, 1).weights["layer1.weight"].zero_()
    assert Replay.of(kept, lane, 1).weights["layer1.weight"].abs().min() > 0


@pytest.mark.slow
def test_in_float32_the_logits_are_right_to_rounding(tmp_path):
    run = toy_run(
        tmp_path, trials=1, lam=[0.5], train={"epochs": 1}, engine={"precision": "float32"}
    )
    replay = Replay.of(run, run.lanes[0], 1)
    x, _ = replay.examples("test")
    assert x.dtype == torch.float32
    logits, _ = outputs(run, run.lanes[0], 1, "test")
    np.testing.assert_allclose(replay.logits(x), logits, rtol=1e-5, atol=1e-6)


def test_other_weights_give_other_logits_and_the_members_stay(kept):
    replay = Replay.of(kept, kept.lanes[0], 1)
    x, _ = replay.examples("test")
    before = replay.logits(x)
    moved = {"layer2.bias": replay.weights["layer2.bias"] + 1.5}
    np.testing.assert_allclose(replay.logits_of(moved, x), before + 1.5, atol=1e-12)
    np.testing.assert_array_equal(replay.logits(x), before)
    assert replay.trained.keys() == replay.weights.keys()


def test_the_loss_of_logits_takes_any_lambda(kept):
    replay = Replay.of(kept, kept.lanes[1], 2)
    x, target = replay.examples("test")
    logits = replay.logits(x)
    alone, together = (float(replay.loss_of(logits, target, lam)) for lam in (0.0, 1.0))
    assert replay.lam == 0.9
    assert float(replay.loss(x, target)) == pytest.approx(0.1 * alone + 0.9 * together, abs=1e-12)


def test_a_replay_beside_another_reads_no_data_again(kept):
    first = Replay.of(kept, kept.lanes[0], 0)
    second = Replay.of(kept, kept.lanes[1], 2, beside=first)
    assert second.session is first.session
    alone = Replay.of(kept, kept.lanes[1], 2)
    x, _ = alone.examples("val")
    np.testing.assert_array_equal(second.examples("val")[0], x)
    np.testing.assert_array_equal(second.logits(x), alone.logits(x))


@pytest.mark.slow
def test_members_can_be_computed_in_float64_whatever_they_were_trained_in(tmp_path):
    run = toy_run(
        tmp_path, trials=1, lam=[0.5], train={"epochs": 1}, engine={"precision": "float32"}
    )
    replay = Replay.of(run, run.lanes[0], 1)
    x, _ = replay.examples("test")
    logits = replay.double().logits(x.double())
    assert logits.dtype == torch.float64
    np.testing.assert_allclose(logits, replay.logits(x), rtol=1e-5, atol=1e-6)
    assert replay.weights["layer1.weight"].dtype == torch.float32


@pytest.mark.slow
def test_a_checkpoint_that_is_not_kept_is_named(tmp_path):
    run = toy_run(tmp_path, trials=1, lam=[0.5], keep={"checkpoints": ["last"]})
    assert Replay.of(run, run.lanes[0], 4).weights
    with pytest.raises(StoreError, match="lam0-trial0 has no checkpoint of epoch 2"):
        Replay.of(run, run.lanes[0], 2)


@pytest.mark.slow
def test_data_that_have_gone_are_named(tmp_path):
    run = toy_run(tmp_path, trials=1, lam=[0.5], train={"epochs": 1})
    (tmp_path / "toy.npz").unlink()
    with pytest.raises(DataError, match=r"toy\.npz"):
        Replay.of(run, run.lanes[0], 1)


def test_features_lead_to_the_logits(kept):
    replay = Replay.of(kept, kept.lanes[1], 2)
    x, _ = replay.examples("test")
    assert replay.layers == ("layer1", "head")
    h = replay.features(x, "layer1")
    weight, bias = replay.weights["layer1.weight"], replay.weights["layer1.bias"]
    expected = (torch.einsum("muf,nf->mnu", weight, x.flatten(1)) + bias[:, None]).relu()
    torch.testing.assert_close(h, expected)
    assert torch.equal(replay.logits_from(h, "layer1"), replay.logits(x))


def test_a_head_alone_turns_features_into_logits(kept):
    """Half of the features, half of the logits without bias."""
    replay = Replay.of(kept, kept.lanes[1], 2)
    h = replay.features(replay.examples("test")[0], "layer1")
    bias = replay.weights["layer2.bias"][:, None]
    torch.testing.assert_close(
        2 * (replay.logits_from(h / 2, "layer1") - bias), replay.logits_from(h, "layer1") - bias
    )


@pytest.mark.parametrize("layer", ["layer2", "head", ""])
def test_a_layer_that_is_not_there(kept, layer):
    replay = Replay.of(kept, kept.lanes[0], 2)
    with pytest.raises(DataError, match=f"no hidden layer '{layer}'; hidden layers: layer1"):
        replay.features(torch.zeros(1, 2), layer)


def test_branches_cannot_be_cut(tmp_path):
    members = {"arch": "resnext", "count": 2, "blocks": [1, 1, 1, 1], "width": 4, "hidden": []}
    data = {"name": "digits", "val": 0, "limit": 50}
    run = toy_run(
        tmp_path,
        members=members,
        data=data,
        lam=[1.0],
        trials=1,
        train={"epochs": 1, "batch": 50, "lr": 1e-3},
        keep={"splits": ["test"], "outputs": "none", "checkpoints": [0]},
        engine={"precision": "float32"},
    )
    replay = Replay.of(run, run.lanes[0], 0)
    assert replay.layers == ("head",)
    with pytest.raises(DataError, match="members of arch = 'resnext' cannot be cut here"):
        replay.features(torch.zeros(1, 1, 8, 8), "layer1")
