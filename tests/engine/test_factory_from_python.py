"""Modules given to `train` as they are: members, and networks of branches."""

import numpy as np
import pytest
import torch
from torch import nn

from jtdiag import Run, probe, train
from jtdiag.engine.lane_group import LaneGroup
from jtdiag.engine.session import Session
from jtdiag.errors import RecipeError
from jtdiag.replay import Replay
from jtdiag.store.lanes import lanes_of

BRANCHES, FEATURES, CLASSES = 3, 3 * 8 * 8, 3


class Branched(nn.Module):
    """A trunk with BatchNorm, and a head of its own for each branch."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Flatten(), nn.Linear(FEATURES, 6), nn.BatchNorm1d(6))
        self.heads = nn.Linear(6, BRANCHES * CLASSES)

    def forward(self, x):
        return self.heads(self.trunk(x).relu()).view(len(x), BRANCHES, CLASSES)


def dropping():
    layers = nn.Linear(FEATURES, 6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, CLASSES)
    return nn.Sequential(nn.Flatten(), *layers)


@pytest.fixture
def branches(of_images, tmp_path):
    recipe = of_images(members={"arch": "branches", "count": BRANCHES}, lam=[0, 1])
    return train(recipe, tmp_path / "branches", factory=Branched)


@pytest.mark.slow
def test_branches_share_one_checkpoint_and_have_outputs_of_their_own(branches):
    lane = branches.lanes[0]
    weights = branches.checkpoint(lane, 2)
    assert weights["trunk.1.weight"].shape == (1, 6, FEATURES)
    assert weights["trunk.2.num_batches_tracked"].shape == (1,)
    assert branches.tree["checkpoints/heads.bias"].dims == ("lam", "trial", "epoch", "heads.bias.0")
    [block] = branches.outputs(lane, 2, "test")
    assert block.logits.shape == (BRANCHES, 16, CLASSES)
    branches.check()


def test_replay_says_of_branches_what_was_stored(branches):
    lane = branches.lanes[1]
    replay = Replay.of(branches, lane, 2, factory=Branched)
    x, _ = replay.examples("test")
    [block] = branches.outputs(lane, 2, "test")
    assert np.abs(replay.logits(x).numpy() - block.logits).max() < 1e-6
    module = Branched().double().eval()
    module.load_state_dict({name: t[0] for name, t in replay.weights.items()})
    with torch.no_grad():
        assert torch.allclose(module(x).transpose(0, 1), replay.logits(x), rtol=1e-12)


@pytest.mark.slow
def test_probes_ask_branches_as_they_ask_members(branches):
    dominance = probe(branches, "dominance")
    assert dominance["logit_share"].sizes["member"] == BRANCHES
    found = probe(branches, "diversity")
    assert float(found["residual"].max()) < 1e-12
    assert float(found["store_residual"].max()) < 1e-6


def test_branches_are_resumed(of_images, tmp_path, branches):
    table = {"members": {"arch": "branches", "count": BRANCHES}, "lam": [0, 1]}
    again = train(of_images(**table), branches.path, factory=Branched, resume=True)
    assert again.done


@pytest.mark.slow
def test_without_the_function_one_line_says_what_is_missing(of_images, tmp_path):
    recipe = of_images(members={"arch": "module", "count": 2}, lam=[0])
    run = train(recipe, tmp_path / "run", factory=lambda: dropping())
    assert run.recipe.members.factory.startswith("python:")
    with pytest.raises(RecipeError, match=r"is not an address; pass the function as factory=…"):
        Replay.of(run, run.lanes[0], 2)


def test_a_function_for_another_architecture_is_refused(of_images, tmp_path):
    with pytest.raises(RecipeError, match=r"arch is 'conv', but a factory was passed; use arch"):
        train(of_images(), tmp_path / "run", factory=dropping)
    assert not (tmp_path / "run").exists()


# --- random numbers of a user's modules ----------------------------------------------------------


def weights_after(of_images, path, seed=0, **engine):
    recipe = of_images(
        members={"arch": "module", "count": 3},
        lam=[0.9],
        seed=seed,
        engine={"execution": "loop", **engine},
    )
    run = train(recipe, path, factory=dropping)
    return run.checkpoint(run.lanes[0], 2)["4.weight"]


@pytest.mark.slow
def test_dropout_draws_from_the_recipes_seed(of_images, tmp_path):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = weights_after(of_images, tmp_path / "first")
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert np.array_equal(weights_after(of_images, tmp_path / "again"), first)
    assert not np.array_equal(weights_after(of_images, tmp_path / "other", seed=1), first)


def test_both_passes_over_a_part_of_the_members_drop_the_same(of_images):
    """The gradient of a part is taken at the very logits that the ensemble's mean was made of."""
    recipe = of_images(members={"arch": "module", "count": 2}, lam=[0.9])
    made = Session.of(recipe, factory=dropping)
    lane = lanes_of(recipe)
    group = LaneGroup(recipe, lane, made.data, made.stack, made.device, micro_members=1)
    x = made.data.part("train").x[None, :8]
    logits = group._chunked_logits((1, 3), x)
    other_step = group._chunked_logits((1, 4), x)
    for j in range(2):
        state = {name: t[:, j : j + 1] for name, t in group._state.items()}
        assert torch.equal(group._training_logits((1, 3), j, state, x), logits[:, j : j + 1])
        assert not torch.equal(other_step[:, j], logits[:, j])


@pytest.mark.slow
def test_the_run_says_which_execution_and_why(of_images, tmp_path):
    recipe = of_images(members={"arch": "module", "count": 2}, lam=[0])
    run = train(recipe, tmp_path / "run", factory=dropping)
    assert run.settings["chosen"].startswith("time per step: loop channels last ")
    assert isinstance(Run(tmp_path / "run").settings["evaluation_batch"], str)
