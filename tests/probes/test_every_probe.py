"""Every installed probe on runs of every kind."""

import re

import numpy as np
import pytest

from jtdiag.probing import findings
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import judge, probe
from jtdiag.testing import toy_run
from jtdiag_probes.labels import draws

SMALL = {"trials": 1, "lam": [0.0, 1.0]}
KINDS = {
    "one member": {"members": {"count": 1}, **SMALL},
    "no validation": {"data": {"val": 0}, "keep": {"splits": ["test"]}, **SMALL},
    "no outputs": {"keep": {"outputs": "none", "checkpoints": "none"}, **SMALL},
    "few outputs": {"keep": {"outputs": [0, "best"], "splits": ["train", "val"]}, **SMALL},
    "one epoch": {"train": {"epochs": 1}, **SMALL},
    "modules": {
        "members": {"hidden": [5, 4], "norm": "batch"},
        "modules": {"credit": "local"},
        **SMALL,
    },
    "diverged": {"train": {"lr": 1e6, "epochs": 4}, **SMALL},
}


@pytest.fixture(autouse=True, scope="module")
def _two_draws():
    """Let labels draw examples twice, not ten times: its heads took most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(draws, "DRAWS", 2)
        yield


def run_all(run):
    applicable = [each for each in PROBES.all() if each.applies(run)]
    for name in [each.name for each in applicable]:
        result = probe(run, name)
        judged = judge(run, PROBES.find(name), result)
        assert [f for f in findings.read(run.path) if f.probe == name] == judged
        assert all(np.isfinite(f.number) for f in judged)
        assert not any(re.search(r"\b(nan|inf)\b", f.sentence) for f in judged)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_probe_measures_every_kind_of_run(kind, tmp_path):
    run_all(toy_run(tmp_path, **KINDS[kind]))


USERS_MODULE = """from torch import nn

def make():
    return nn.Sequential(nn.Linear(2, 5), nn.ReLU(inplace=True), nn.Linear(5, 3))
"""


@pytest.mark.slow
def test_every_probe_measures_members_of_a_users_module(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(USERS_MODULE, encoding="utf-8")
    members = {"arch": "module", "hidden": [], "factory": f"{file}:make"}
    run_all(toy_run(tmp_path, members=members, engine={"execution": "loop"}, **SMALL))


@pytest.mark.slow
@pytest.mark.parametrize(
    "epochs",
    [(4, 2, 0, -1, -1, -1), (-1, -1, -1, 3, 3, 3), (0, -1, -1, -1, -1, -1)],
    ids=["some lanes", "one trial", "one start"],
)
def test_every_probe_measures_an_unfinished_run(epochs, toy_copy, cut_back):
    run_all(cut_back(toy_copy, *epochs))
