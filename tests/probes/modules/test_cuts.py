import pytest
import torch

from jtdiag.probing.contract import Options
from jtdiag.replay import Replay
from jtdiag.testing import toy_run
from jtdiag_probes.modules.cuts import Module, modules_of, tensors_by_module
from jtdiag_probes.modules.modules import probe

OF_NORM = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}


def run_of(folder, modules=None, **members):
    table = {"modules": modules} if modules else {}
    return toy_run(folder, lam=[0.5], trials=1, train={"epochs": 1}, members=members, **table)


def tensors(run):
    replay = Replay.of(run, run.lanes[0], 1)
    modules = modules_of(run, replay)
    return tensors_by_module(replay, modules, replay.examples("train")[0])


def test_a_module_is_a_layer(tmp_path):
    run = run_of(tmp_path, hidden=[5, 4])
    assert modules_of(run, Replay.of(run, run.lanes[0], 1)) == [
        Module("layer1", 0, 1),
        Module("layer2", 1, 2),
        Module("head", 2, 3),
    ]


def test_a_module_has_its_parameters_and_its_statistics(tmp_path):
    run = run_of(tmp_path, hidden=[5, 4], norm="batch")
    of = {i: {f"layer{i}.weight", f"layer{i}.bias"} for i in (1, 2, 3)}
    norm = {i: {f"norm{i}.{name}" for name in OF_NORM} for i in (1, 2)}
    assert tensors(run) == {
        "layer1": of[1] | norm[1],
        "layer2": of[2] | norm[2],
        "head": of[3],
    }


def test_the_members_are_left_as_they_were(tmp_path):
    run = run_of(tmp_path, hidden=[5, 4], norm="batch")
    replay = Replay.of(run, run.lanes[0], 1)
    before = {name: weight.clone() for name, weight in replay.weights.items()}
    tensors_by_module(replay, modules_of(run, replay), replay.examples("train")[0])
    for name, weight in replay.weights.items():
        assert torch.equal(weight, before[name])
        assert not weight.requires_grad


def test_statistics_that_stay_by_chance_belong_to_the_module_as_well(tmp_path):
    run = run_of(tmp_path, hidden=[5], norm="batch")
    replay = Replay.of(run, run.lanes[0], 1)
    for name in ("layer1.weight", "layer1.bias", "norm1.running_mean", "norm1.running_var"):
        replay.weights[name].zero_()  # such as of a layer that died
    x = replay.examples("train")[0]
    own = tensors_by_module(replay, modules_of(run, replay), x)["layer1"]
    assert {f"norm1.{name}" for name in OF_NORM} <= own


@pytest.mark.slow
def test_modules_are_those_that_were_trained_one_by_one(tmp_path):
    run = run_of(tmp_path, {"credit": "local", "cuts": [2]}, hidden=[5, 4, 3])
    replay = Replay.of(run, run.lanes[0], 1)
    assert modules_of(run, replay) == [Module("layer2", 0, 2), Module("head", 2, 4)]
    of = {i: {f"layer{i}.weight", f"layer{i}.bias"} for i in (1, 2, 3, 4)}
    assert tensors(run) == {"layer2": of[1] | of[2], "head": of[3] | of[4]}
    result = probe.ask(run, Options())
    assert [str(name) for name in result["rewound"].values] == ["layer2", "head", "all"]
    own = result["rewound_ensemble_error"].sel(epoch=1, rewound="layer2")
    assert own.item() == run.metrics()["ensemble_error"].sel(split="test", epoch=1).item()


def test_torchs_random_numbers_are_left_as_they_were(tmp_path):
    run = run_of(tmp_path, hidden=[5])
    state = torch.get_rng_state()
    tensors(run)
    assert torch.equal(torch.get_rng_state(), state)


FACTORY = """
import torch
from torch import nn

class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared = nn.Linear(2, 2)
        self.norm = nn.BatchNorm1d(2, affine=False, momentum=None)
        self.last = nn.Linear(2, 3)
        self.unused = nn.Parameter(torch.zeros(2))
        self.constant = nn.Parameter(torch.ones(2), requires_grad=False)

    def parts(self):
        return {"first": self.first, "act": torch.tanh, "second": self.second, "head": self.last}

    def first(self, x):
        return self.shared(x.flatten(1)) * self.constant

    def second(self, h):
        return self.norm(self.shared(h))

    def forward(self, x):
        return self.last(self.second(torch.tanh(self.first(x))))
"""


@pytest.fixture
def tied(tmp_path):
    (tmp_path / "tied.py").write_text(FACTORY)
    return run_of(tmp_path, arch="module", factory=f"{tmp_path}/tied.py:Tied", hidden=[])


def test_shared_weights_belong_to_every_module_that_uses_them(tied):
    shared = {"shared.weight", "shared.bias"}
    statistics = {f"norm.{name}" for name in OF_NORM - {"weight", "bias"}}
    assert tensors(tied) == {
        "first": shared,
        "act": set(),
        "second": shared | statistics,
        "head": {"last.weight", "last.bias"},
    }
