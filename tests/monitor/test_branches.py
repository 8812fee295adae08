import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from jtdiag import DominanceMonitor, watch_branches
from jtdiag.engine.architectures.resnext_stack import BranchResNeXt

M, K = 3, 4


class Branched(nn.Module):
    """A trunk, M branches that return features or logits, and a head for their mean or sum."""

    def __init__(self, combine: str = "mean", checkpointed: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Linear(5, 6)
        self.branches = nn.ModuleList(nn.Linear(6, 7) for _ in range(M))
        self.head = nn.Sequential(nn.Linear(7, K), nn.Dropout(0.5))
        self.combine, self.checkpointed = combine, checkpointed

    def forward(self, x: Tensor) -> Tensor:
        h = self.trunk(x).relu()
        ran = [
            checkpoint(branch, h, use_reentrant=False) if self.checkpointed else branch(h)
            for branch in self.branches
        ]
        total = torch.stack(ran).sum(0)
        return self.head(total / M if self.combine == "mean" else total)


NAMES = [f"branches.{j}" for j in range(M)]


@pytest.fixture
def x():
    return torch.randn(8, 5, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("combine", ["mean", "sum"])
def test_behind_an_affine_head_the_mean_of_the_branches_is_the_network(x, combine):
    model = Branched(combine)
    with watch_branches(model, NAMES, head=model.head, combine=combine) as branches:
        model(x)
        found = torch.stack(branches())
    h = model.trunk(x).relu()
    scale = M if combine == "sum" else 1
    for j in range(M):
        expected = model.head[0](scale * model.branches[j](h))
        torch.testing.assert_close(found[j], expected)
    model.eval()
    torch.testing.assert_close(found.mean(0), model(x))


@pytest.mark.slow
def test_the_branches_of_a_resnext_are_those_that_the_engine_calls_members(x):
    model = BranchResNeXt(4, (1, 1, 1, 1), 4, (3, 8, 8), K)
    images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    monitor = DominanceMonitor(every=1)
    target = torch.zeros(6, dtype=torch.int64)
    # One module says all branches at once, (B, M, K); the monitor takes it the other way round.
    monitor.update(model(images).transpose(0, 1), target)
    monitor.end_epoch()
    own = functional.cross_entropy(
        model(images).flatten(0, 1), target.repeat_interleave(4), reduction="none"
    )
    np.testing.assert_allclose(
        monitor.history.member_loss[0], own.view(6, 4).mean(0).detach(), rtol=1e-5
    )


def test_the_monitor_takes_branches_for_logits(x):
    model, target = Branched(), torch.arange(8) % K
    caught, plain = DominanceMonitor(every=1), DominanceMonitor(every=1)
    with watch_branches(model, NAMES, head=model.head) as branches:
        for _ in range(3):
            loss = functional.cross_entropy(model(x), target)
            caught.update(branches, target)
            plain.update([model.head[0](b(model.trunk(x).relu())) for b in model.branches], target)
            loss.backward()
    caught.end_epoch(), plain.end_epoch()
    np.testing.assert_allclose(caught.history.member_loss, plain.history.member_loss, rtol=1e-6)


def test_a_forward_pass_in_evaluation_mode_is_left_alone(x):
    model = Branched()
    branches = watch_branches(model, NAMES, head=model.head)
    model(x)
    before = branches()
    model.eval()
    model(2 * x)
    model.train()
    torch.testing.assert_close(branches(), before, rtol=0, atol=0)


def test_asking_the_head_leaves_its_statistics_and_the_random_state_as_they_were(x):
    model = Branched()
    model.head = nn.Sequential(nn.BatchNorm1d(7), nn.Linear(7, K), nn.Dropout(0.5)).train()
    branches = watch_branches(model, NAMES, head=model.head)
    model(x)
    mean, state = model.head[0].running_mean.clone(), torch.get_rng_state()
    branches()
    assert torch.equal(mean, model.head[0].running_mean)
    assert torch.equal(state, torch.get_rng_state())
    assert all(module.training for module in model.head.modules())


def test_checkpointing_a_branch_changes_nothing(x):
    plain, twice = Branched(), Branched(checkpointed=True)
    found = []
    for model in (plain, twice):
        with watch_branches(model, NAMES, head=model.head) as branches:
            functional.cross_entropy(model(x), torch.arange(8) % K).backward()
            found.append(branches())
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)


def test_closed_the_model_has_no_hooks(x):
    model = Branched()
    with watch_branches(model, NAMES) as branches:
        model(x)
    assert not any(module._forward_hooks for module in model.modules())
    assert not model._forward_pre_hooks
    with pytest.raises(ValueError, match="'branches.0' has no output"):
        branches()


def test_a_branch_left_out_of_a_pass_is_not_taken_from_the_one_before(x):
    model = Branched()
    branches = watch_branches(model, [*NAMES[:2], "head.1"])
    model(x)
    model.head = nn.Linear(7, K)
    model(x)
    with pytest.raises(ValueError, match=r"'head.1' has no output"):
        branches()


@pytest.mark.parametrize("names", [["branches.7"], ["branch.0"], [""]])
def test_an_unknown_branch_is_refused_with_the_nearest_names(names):
    with pytest.raises(
        ValueError, match=r"no such submodule; the most similar names are \w"
    ) as caught:
        watch_branches(Branched(), names)
    assert "\n" not in str(caught.value)
    assert "branches.0" in str(caught.value) or names == [""]


def test_names_are_given_and_given_once():
    for names in ([], ["branches.0", "branches.0"]):
        with pytest.raises(ValueError, match="a different submodule for each branch"):
            watch_branches(Branched(), names)
    with pytest.raises(ValueError, match="combine is 'product'"):
        watch_branches(Branched(), NAMES, combine="product")


def test_a_branch_of_feature_maps_needs_a_head(x):
    model = nn.Sequential(nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 2, 3))
    branches = watch_branches(model, ["1"])
    model(x)
    with pytest.raises(ValueError, match=r"'1' returns \(8, 2, 3\) instead of logits"):
        branches()
