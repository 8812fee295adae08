"""The identities of rewinding, bit for bit."""

import numpy as np
import pytest
import torch

from jtdiag.probing.contract import Options
from jtdiag.replay import Replay
from jtdiag.testing import toy_run
from jtdiag_probes.modules.modules import probe

KINDS = {
    "plain": {"hidden": [5, 4]},
    "norm": {"hidden": [5, 4], "norm": "batch"},
    "tanh": {"hidden": [5], "activation": "tanh"},
    "one member": {"count": 1, "hidden": [5, 4], "norm": "batch"},
}


@pytest.fixture(scope="module", params=KINDS)
def measured(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rewound")
    run = toy_run(folder, lam=[0.0, 1.0], members=KINDS[request.param])
    return run, probe.ask(run, Options())


def test_setting_a_module_back_to_its_own_epoch_changes_nothing(measured):
    run, result = measured
    stored = run.metrics().sel(split="test", epoch=4)
    at_end = result.sel(epoch=4)
    for name in at_end["rewound"].values:
        own = at_end.sel(rewound=name)
        assert (own["rewound_member_error"] == stored["member_error"]).all()
        assert (own["rewound_ensemble_error"] == stored["ensemble_error"]).all()
        for whose in ("member", "ensemble"):
            again = at_end[f"reestimated_{whose}_error"]
            assert (again.sel(rewound=name) == again.isel(rewound=0)).all()


def test_all_modules_set_back_are_the_members_of_that_epoch(measured):
    run, result = measured
    stored = run.metrics().sel(split="test", epoch=result["epoch"])
    of_all = result.sel(rewound="all")
    assert (of_all["rewound_member_error"] == stored["member_error"]).all()
    assert (of_all["rewound_ensemble_error"] == stored["ensemble_error"]).all()


def test_without_batchnorm_there_are_no_two_steps(measured):
    _, result = measured
    same = all(
        (result[f"rewound_{whose}_error"] == result[f"reestimated_{whose}_error"]).all()
        for whose in ("member", "ensemble")
    )
    assert same == (result.attrs["batch_norm"] == 0)


@pytest.mark.parametrize("kind", ["plain", "norm"])
def test_each_module_set_back_after_the_other_are_the_members_of_that_epoch(kind, tmp_path):
    """All tensors of all modules together are those of the members, statistics included."""
    from jtdiag_probes.modules.cuts import modules_of, tensors_by_module
    from jtdiag_probes.modules.rewinding import rewound

    run = toy_run(tmp_path, lam=[0.5], trials=1, members=KINDS[kind])
    end, start = (Replay.of(run, run.lanes[0], epoch) for epoch in (4, 0))
    tensors = tensors_by_module(end, modules_of(run, end), end.examples("train")[0])
    weights = rewound(end, start, frozenset().union(*tensors.values()))
    assert weights.keys() == start.weights.keys()
    assert all(torch.equal(weights[name], start.weights[name]) for name in weights)


def test_errors_are_those_of_a_member_put_together_by_hand(tmp_path):
    run = toy_run(tmp_path, lam=[1.0], trials=1, members=KINDS["plain"])
    result = probe.ask(run, Options())
    lane, member = run.lanes[0], 1
    end, start = (run.checkpoint(lane, epoch) for epoch in (4, 0))
    state = {name: end[name][member] for name in end}
    state |= {name: start[name][member] for name in ("layer2.weight", "layer2.bias")}
    x, target = Replay.of(run, lane, 4).examples("test")
    h = x.flatten(1).numpy()
    for i in (1, 2, 3):
        h = h @ state[f"layer{i}.weight"].T + state[f"layer{i}.bias"]
        h = np.maximum(h, 0) if i < 3 else h
    expected = (h.argmax(1) != target.numpy()).mean()
    own = result["rewound_member_error"].sel(epoch=0, member=member, rewound="layer2", lam=1.0)
    assert own.item() == expected
